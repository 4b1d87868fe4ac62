package batch

import (
	"encoding/binary"
	"fmt"
)

// Record is one record of a partition.
type Record struct {
	Offset     int64
	Timestamp  int64  // ms since the epoch
	Key, Value []byte // nil is null, which is not the same as empty
	Headers    []Header
}

// Header is a header of a record. Keys may repeat and their order counts.
type Header struct {
	Key   string
	Value []byte // nil is null
}

// minRecord is the size of the smallest record: length, attributes, two deltas, two null lengths, no headers.
const minRecord = 7

// Records decodes the batch, checking it first. Of an uncompressed batch the keys and values alias b. Control batches
// decode like others; test Control before. LogAppendTime is applied to the timestamps.
func (b Batch) Records() ([]Record, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	raw, err := decompress(b.Codec(), b.Payload(), maxDecoded)
	if err != nil {
		return nil, fmt.Errorf("%w: batch at offset %d: %s: %w", ErrCorrupt, b.BaseOffset(), b.Codec(), err)
	}
	if int64(b.Count())*minRecord > int64(len(raw)) {
		return nil, corrupt("batch at offset %d: %d records cannot fit in %d bytes", b.BaseOffset(), b.Count(), len(raw))
	}
	records := make([]Record, b.Count())
	r := varReader{b: raw, room: headerRoom{records: int64(b.Count())}}
	for i := range records {
		if !r.record(b, &records[i]) {
			return nil, corrupt("batch at offset %d: record %d of %d is malformed", b.BaseOffset(), i, b.Count())
		}
	}
	if len(r.b) > 0 {
		return nil, corrupt("batch at offset %d: %d bytes follow the last record", b.BaseOffset(), len(r.b))
	}
	return records, nil
}

// varReader reads the variable-length fields of records. The first malformed field makes it bad.
type varReader struct {
	b    []byte
	bad  bool
	room headerRoom
}

// headerRoom is memory for the headers of several records, which have few each.
type headerRoom struct {
	free    []Header
	records int64 // how many may want some
}

// roomFor is how many headers are allocated at once, if there are so many records.
const roomFor = 64

// take returns n headers to be filled.
func (m *headerRoom) take(n int64) []Header {
	if int64(len(m.free)) < n {
		m.free = make([]Header, max(n, min(n*m.records, roomFor)))
	}
	hs := m.free[:n:n]
	m.free = m.free[n:]
	return hs
}

func (r *varReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *varReader) take(n int64) []byte {
	if r.bad || n < 0 || n > int64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	x := r.b[:n:n]
	r.b = r.b[n:]
	return x
}

// bytes reads a length and that many bytes; a negative length is null.
func (r *varReader) bytes() []byte {
	n := r.int()
	if n < 0 {
		return nil
	}
	return r.take(n)
}

// record reads one record: length | attributes int8 | timestamp delta | offset delta | key | value | headers.
func (r *varReader) record(b Batch, into *Record) bool {
	body := varReader{b: r.take(r.int())}
	body.take(1) // attributes: unused
	into.Timestamp = b.BaseTimestamp() + body.int()
	if b.LogAppendTime() {
		into.Timestamp = b.MaxTimestamp()
	}
	delta := body.int()
	into.Offset = b.BaseOffset() + delta
	into.Key, into.Value = body.bytes(), body.bytes()
	into.Headers = body.headers(&r.room)
	return !r.bad && !body.bad && len(body.b) == 0 && delta >= 0 && delta <= int64(b.LastOffsetDelta())
}

// headers reads a number and so many headers.
func (r *varReader) headers(room *headerRoom) []Header {
	n := r.int()
	if n < 0 || n > int64(len(r.b)/2) { // a header takes two bytes at least
		r.bad = true
	}
	if n == 0 || r.bad {
		return nil
	}
	hs := room.take(n)
	for i := range hs {
		key := r.take(r.int())
		hs[i] = Header{Key: string(key), Value: r.bytes()}
		if r.bad {
			return nil
		}
	}
	return hs
}

// Size is the number of bytes that the record takes in an uncompressed batch, at most: deltas are counted at their
// largest.
func (r *Record) Size() int {
	size := 1 + binary.MaxVarintLen64 + binary.MaxVarintLen32 + r.content()
	return sizeVar(int64(size)) + size
}

// content is the number of bytes of key, value and headers with their lengths.
func (r *Record) content() int {
	size := sizeBytes(r.Key) + sizeBytes(r.Value) + sizeVar(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		size += sizeVar(int64(len(h.Key))) + len(h.Key) + sizeBytes(h.Value)
	}
	return size
}

func appendRecord(dst []byte, r *Record, timeDelta int64, offsetDelta int32) []byte {
	size := 1 + sizeVar(timeDelta) + sizeVar(int64(offsetDelta)) + r.content()
	dst = append(binary.AppendVarint(dst, int64(size)), 0) // attributes: unused
	dst = binary.AppendVarint(dst, timeDelta)
	dst = binary.AppendVarint(dst, int64(offsetDelta))
	dst = appendBytes(appendBytes(dst, r.Key), r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		dst = append(binary.AppendVarint(dst, int64(len(h.Key))), h.Key...)
		dst = appendBytes(dst, h.Value)
	}
	return dst
}

func appendBytes(dst, x []byte) []byte {
	if x == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(x))), x...)
}

func sizeBytes(x []byte) int {
	if x == nil {
		return 1
	}
	return sizeVar(int64(len(x))) + len(x)
}

// sizeVar is the length of v as a zigzag varint.
func sizeVar(v int64) int {
	n := 1
	for u := uint64(v)<<1 ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
