package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errCorrupt is wrapped by whatever says that bytes are no record batches.
var errCorrupt = errors.New("corrupt record batch")

// record is one record of a partition: the copier's type, which makes digests
// comparable, but read by the decoder of this file.
type record = batch.Record

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

// passedThrough says whether t stores what s stores: the same records, byte by
// byte, so that neither has to be decompressed. Another codec, another time or
// another count makes other records of the same bytes. LogAppendTime puts the
// time into the header, where it may differ.
func (r raw) passedThrough(t raw) bool {
	return r.NumRecords == t.NumRecords && r.LastOffsetDelta == t.LastOffsetDelta && r.FirstTimestamp == t.FirstTimestamp &&
		r.Attributes&codecBits == t.Attributes&codecBits && !r.is(logAppendTime) && !t.is(logAppendTime) &&
		bytes.Equal(r.Records, t.Records)
}

// decode returns the batch's records. LogAppendTime gives all of them the
// batch's largest timestamp, as consumers see it.
func (r raw) decode(u *unpacker) ([]record, error) {
	block, err := u.unpack(r.Attributes&codecBits, r.Records)
	if err != nil {
		return nil, fmt.Errorf("%w: offset %d: %w", errCorrupt, r.FirstOffset, err)
	}
	var out []record
	last := int32(-1)
	for i := range r.NumRecords {
		size, n := binary.Varint(block)
		if n <= 0 || size < 0 || size > int64(len(block)-n) {
			return nil, fmt.Errorf("%w: offset %d: record %d is cut short", errCorrupt, r.FirstOffset, i)
		}
		var k kmsg.Record
		if err := k.ReadFrom(block[:int64(n)+size]); err != nil {
			return nil, fmt.Errorf("%w: offset %d: record %d: %w", errCorrupt, r.FirstOffset, i, err)
		}
		if k.OffsetDelta <= last || k.OffsetDelta > r.LastOffsetDelta {
			return nil, fmt.Errorf("%w: offset %d: record %d has offset delta %d after %d, the last is %d", errCorrupt, r.FirstOffset, i, k.OffsetDelta, last, r.LastOffsetDelta)
		}
		block, last = block[int64(n)+size:], k.OffsetDelta
		out = append(out, r.record(k))
	}
	if len(block) > 0 {
		return nil, fmt.Errorf("%w: offset %d: %d bytes follow the last record", errCorrupt, r.FirstOffset, len(block))
	}
	return out, nil
}

// record gives a decoded record the batch's offset and time.
func (r raw) record(k kmsg.Record) record {
	x := record{Offset: r.FirstOffset + int64(k.OffsetDelta), Timestamp: r.FirstTimestamp + k.TimestampDelta64, Key: k.Key, Value: k.Value}
	if r.is(logAppendTime) {
		x.Timestamp = r.MaxTimestamp
	}
	for _, h := range k.Headers {
		x.Headers = append(x.Headers, batch.Header{Key: h.Key, Value: h.Value})
	}
	return x
}
