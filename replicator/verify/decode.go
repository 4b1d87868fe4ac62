package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errCorrupt is wrapped by whatever says that bytes are no record batches.
var errCorrupt = errors.New("corrupt record batch")

// record is one record of a partition.
type record struct {
	offset, timestamp int64
	key, value        []byte // nil is null
	headers           []kmsg.Header
}

// Attributes of a batch (org.apache.kafka.common.record.DefaultRecordBatch).
const (
	codecBits     = 0x07
	logAppendTime = 0x08
	transactional = 0x10
	control       = 0x20
)

const (
	frame      = 12 // base offset and length stand before what the length counts
	headerSize = 61
	maxRecords = 512 << 20 // bytes of one batch, decompressed
)

// raw is one batch as fetched.
type raw struct {
	kmsg.RecordBatch
	bytes []byte
}

// next is the offset after the batch.
func (r raw) next() int64 { return r.FirstOffset + int64(r.LastOffsetDelta) + 1 }

func (r raw) is(bit int16) bool { return r.Attributes&bit != 0 }

// split takes the first batch off; ok is false where none or only a part of one
// is left.
func split(b []byte) (r raw, rest []byte, ok bool, err error) {
	if len(b) < frame {
		return raw{}, nil, false, nil
	}
	size := int64(int32(binary.BigEndian.Uint32(b[8:]))) + frame
	if size < headerSize {
		return raw{}, nil, false, fmt.Errorf("%w: %d bytes long (a message of a format before 2?)", errCorrupt, size)
	}
	if size > int64(len(b)) {
		return raw{}, nil, false, nil
	}
	r.bytes = b[:size]
	if err := r.ReadFrom(r.bytes); err != nil {
		return raw{}, nil, false, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return r, b[size:], true, r.check()
}

func (r raw) check() error {
	sum := crc32.Checksum(r.bytes[21:], crc32.MakeTable(crc32.Castagnoli))
	switch {
	case r.Magic != 2:
		return fmt.Errorf("%w: offset %d: message format %d", errCorrupt, r.FirstOffset, r.Magic)
	case sum != uint32(r.CRC):
		return fmt.Errorf("%w: offset %d: checksum is %08x, the header says %08x", errCorrupt, r.FirstOffset, sum, uint32(r.CRC))
	case r.NumRecords < 0 || r.LastOffsetDelta < 0:
		return fmt.Errorf("%w: offset %d: %d records, last offset delta %d", errCorrupt, r.FirstOffset, r.NumRecords, r.LastOffsetDelta)
	}
	return nil
}

// decode returns the batch's records. LogAppendTime gives all of them the
// batch's largest timestamp, as consumers see it.
func (r raw) decode() ([]record, error) {
	block, err := decompress(r.Attributes&codecBits, r.Records)
	if err != nil {
		return nil, fmt.Errorf("%w: offset %d: %w", errCorrupt, r.FirstOffset, err)
	}
	var out []record
	for range r.NumRecords {
		size, n := binary.Varint(block)
		if n <= 0 || size < 0 || size > int64(len(block)-n) {
			return nil, fmt.Errorf("%w: offset %d: record %d is cut short", errCorrupt, r.FirstOffset, len(out))
		}
		var k kmsg.Record
		if err := k.ReadFrom(block[:int64(n)+size]); err != nil {
			return nil, fmt.Errorf("%w: offset %d: record %d: %w", errCorrupt, r.FirstOffset, len(out), err)
		}
		block = block[int64(n)+size:]
		x := record{offset: r.FirstOffset + int64(k.OffsetDelta), timestamp: r.FirstTimestamp + k.TimestampDelta64, key: k.Key, value: k.Value, headers: k.Headers}
		if r.is(logAppendTime) {
			x.timestamp = r.MaxTimestamp
		}
		out = append(out, x)
	}
	if len(block) > 0 {
		return nil, fmt.Errorf("%w: offset %d: %d bytes follow the last record", errCorrupt, r.FirstOffset, len(block))
	}
	return out, nil
}

// decompress returns the records block of a batch.
func decompress(codec int16, b []byte) ([]byte, error) {
	switch codec {
	case 0:
		return b, nil
	case 1:
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return readAll(z)
	case 2:
		return unsnappy(b)
	case 3:
		return readAll(lz4.NewReader(bytes.NewReader(b)))
	case 4:
		z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRecords))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return readAll(z)
	}
	return nil, fmt.Errorf("unknown codec %d", codec)
}

func readAll(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, maxRecords+1))
	if err == nil && len(out) > maxRecords {
		err = fmt.Errorf("decompresses to more than %d bytes", maxRecords)
	}
	return out, err
}

// unsnappy reads a raw block or the Java client's framing (xerial): a magic of
// eight bytes, two int32 versions, then blocks of an int32 length each.
func unsnappy(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, []byte("\x82SNAPPY\x00")) || len(b) < 16 {
		return block(b)
	}
	var out []byte
	for b = b[16:]; len(b) > 0; {
		if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, errors.New("snappy: a block is cut short")
		}
		n := binary.BigEndian.Uint32(b)
		part, err := block(b[4 : 4+n])
		if err != nil {
			return nil, err
		}
		if out = append(out, part...); len(out) > maxRecords {
			return nil, fmt.Errorf("decompresses to more than %d bytes", maxRecords)
		}
		b = b[4+n:]
	}
	return out, nil
}

func block(b []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if n > maxRecords || n > 64*len(b)+64 { // a copy element expands about 21 times
		return nil, fmt.Errorf("snappy: %d bytes claim to hold %d", len(b), n)
	}
	return snappy.Decode(nil, b)
}
