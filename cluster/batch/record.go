package batch

import (
	"encoding/binary"
	"fmt"
	"slices"
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
	r := varReader{b: raw}
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
	b   []byte
	bad bool
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
	into.Headers = body.headers()
	return !r.bad && !body.bad && len(body.b) == 0 && delta >= 0 && delta <= int64(b.LastOffsetDelta())
}

func (r *varReader) headers() []Header {
	n := r.int()
	if n < 0 || n > int64(len(r.b)) { // a header takes two bytes at least
		r.bad = true
	}
	if n == 0 || r.bad {
		return nil
	}
	hs := make([]Header, 0, n)
	for range n {
		size := r.int()
		key := r.take(size)
		hs = append(hs, Header{Key: string(key), Value: r.bytes()})
		if r.bad {
			return nil
		}
	}
	return hs
}

// Size is the number of bytes that the record takes in an uncompressed batch, at most: deltas are counted at their
// largest.
func (r Record) Size() int { return len(appendRecord(nil, &r, 1<<62, 1<<31-1)) }

func appendRecord(dst []byte, r *Record, timeDelta int64, offsetDelta int32) []byte {
	var scratch [64]byte
	body := append(scratch[:0], 0)
	body = binary.AppendVarint(body, timeDelta)
	body = binary.AppendVarint(body, int64(offsetDelta))
	size := len(body) + sizeBytes(r.Key) + sizeBytes(r.Value) + sizeVar(int64(len(r.Headers)))
	for _, h := range r.Headers {
		size += sizeVar(int64(len(h.Key))) + len(h.Key) + sizeBytes(h.Value)
	}
	dst = slices.Grow(dst, size+binary.MaxVarintLen32)
	dst = append(binary.AppendVarint(dst, int64(size)), body...)
	dst = appendBytes(appendBytes(dst, r.Key), r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for _, h := range r.Headers {
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
