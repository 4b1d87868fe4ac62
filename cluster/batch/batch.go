package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Batch is one record batch, header included.
type Batch []byte

// HeaderSize is the size of the header of a v2 batch: the size of an empty batch, too.
const HeaderSize = 61

// Magic is the only format version that this package reads and writes.
const Magic = 2

const (
	offLength     = 8
	offEpoch      = 12 // partition leader epoch
	offMagic      = 16
	offCRC        = 17
	offAttributes = 21
	offLastDelta  = 23
	offBaseTime   = 27
	offMaxTime    = 35
	offProducer   = 43
	offProdEpoch  = 51
	offSequence   = 53
	offCount      = 57

	prefix = 12 // base offset and length: not counted by length
)

const (
	codecMask      = 0x07
	bitLogAppend   = 0x08
	bitTransaction = 0x10
	bitControl     = 0x20
	bitHorizon     = 0x40
)

var be = binary.BigEndian

// castagnoli is the polynomial of CRC32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrCorrupt is wrapped by every error that says that the bytes are not what they should be.
var ErrCorrupt = errors.New("corrupt record batch")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

func (b Batch) u16(at int) uint16 {
	if len(b) < at+2 {
		return 0
	}
	return be.Uint16(b[at:])
}

func (b Batch) u32(at int) uint32 {
	if len(b) < at+4 {
		return 0
	}
	return be.Uint32(b[at:])
}

func (b Batch) u64(at int) uint64 {
	if len(b) < at+8 {
		return 0
	}
	return be.Uint64(b[at:])
}

// BaseOffset is the offset of the first record, or of the first that compaction removed.
func (b Batch) BaseOffset() int64 { return int64(b.u64(0)) }

// LastOffset is the offset of the last record, or of the last that compaction removed.
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// NextOffset is where a reader goes on after this batch. Of a batch of an older format it is not known: see Split.
func (b Batch) NextOffset() int64 { return b.LastOffset() + 1 }

// LeaderEpoch is the epoch of the leader that appended the batch; −1 before it was appended.
func (b Batch) LeaderEpoch() int32 { return int32(b.u32(offEpoch)) }

// Magic is the format version. Formats 0 and 1 have it at the same place.
func (b Batch) Magic() int8 {
	if len(b) <= offMagic {
		return -1
	}
	return int8(b[offMagic])
}

// CRC is the checksum in the header; see Check.
func (b Batch) CRC() uint32 { return b.u32(offCRC) }

// Attributes are the flags; see the package comment.
func (b Batch) Attributes() int16 { return int16(b.u16(offAttributes)) }

// Codec is how the records are compressed.
func (b Batch) Codec() Codec { return Codec(b.u16(offAttributes) & codecMask) }

// LogAppendTime says that every record's time is MaxTimestamp, whatever the record itself says.
func (b Batch) LogAppendTime() bool { return b.u16(offAttributes)&bitLogAppend != 0 }

// Transactional says that the batch belongs to a transaction.
func (b Batch) Transactional() bool { return b.u16(offAttributes)&bitTransaction != 0 }

// Control says that the batch holds a transaction marker, never data.
func (b Batch) Control() bool { return b.u16(offAttributes)&bitControl != 0 }

// LastOffsetDelta is LastOffset − BaseOffset.
func (b Batch) LastOffsetDelta() int32 { return int32(b.u32(offLastDelta)) }

// BaseTimestamp is what the records' timestamp deltas count from, in ms.
func (b Batch) BaseTimestamp() int64 { return int64(b.u64(offBaseTime)) }

// MaxTimestamp is the largest timestamp of the records, in ms.
func (b Batch) MaxTimestamp() int64 { return int64(b.u64(offMaxTime)) }

// Producer is the identity that the batch carries; its ID is −1 for one without.
func (b Batch) Producer() Producer {
	return Producer{ID: int64(b.u64(offProducer)), Epoch: int16(b.u16(offProdEpoch)), Sequence: int32(b.u32(offSequence))}
}

// Count is the number of records.
func (b Batch) Count() int32 { return int32(b.u32(offCount)) }

// Dense says that no offset of the batch is missing, which is what brokers demand at produce.
func (b Batch) Dense() bool { return b.Count() > 0 && int64(b.Count()) == int64(b.LastOffsetDelta())+1 }

// Payload is the records as they are stored, compressed or not.
func (b Batch) Payload() []byte {
	if len(b) < HeaderSize {
		return nil
	}
	return b[HeaderSize:]
}

// Check says whether b is one whole v2 batch with a right checksum.
func (b Batch) Check() error {
	if err := b.checkShape(); err != nil {
		return err
	}
	if sum := crc32.Checksum(b[offAttributes:], castagnoli); sum != b.CRC() {
		return corrupt("batch at offset %d: CRC32C is %08x, the header says %08x", b.BaseOffset(), sum, b.CRC())
	}
	return nil
}

func (b Batch) checkShape() error {
	switch {
	case len(b) <= offMagic:
		return corrupt("%d bytes are too few for a record batch", len(b))
	case b.Magic() != Magic:
		return fmt.Errorf("batch at offset %d: %w %d", b.BaseOffset(), ErrOldFormat, b.Magic())
	case len(b) < HeaderSize:
		return corrupt("batch at offset %d: %d bytes are too few for a v2 header", b.BaseOffset(), len(b))
	case int64(int32(b.u32(offLength)))+prefix != int64(len(b)):
		return corrupt("batch at offset %d: the header says %d bytes, there are %d", b.BaseOffset(), int64(int32(b.u32(offLength)))+prefix, len(b))
	case b.Count() < 0 || b.LastOffsetDelta() < 0:
		return corrupt("batch at offset %d: record count %d, last offset delta %d", b.BaseOffset(), b.Count(), b.LastOffsetDelta())
	}
	return nil
}

// ErrOldFormat says that a batch is not of format version 2.
var ErrOldFormat = errors.New("message format version")

// Split takes the first batch off the records of a fetch response. At the end, and where only a truncated batch is
// left, it returns nil and nil. Bytes with an impossible length come back whole, as one batch that Check refuses, so
// that a caller can neither loop on them nor overlook them. Messages of formats 0 and 1 are split too.
func Split(records []byte) (b Batch, rest []byte) {
	if len(records) < prefix {
		return nil, nil
	}
	n := int64(int32(be.Uint32(records[offLength:]))) + prefix
	if n <= offMagic {
		return Batch(records), nil
	}
	if n > int64(len(records)) {
		return nil, nil
	}
	return Batch(records[:n:n]), records[n:]
}

// Producer is who wrote a batch, for idempotence: the broker appends each (ID, Epoch, Sequence) once. Sequence is the
// number of the batch's first record.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32
}

// none is the identity of batches written without idempotence.
var none = Producer{ID: -1, Epoch: -1, Sequence: -1}

// After returns the identity for the batch that follows one of n records: sequences wrap from 2147483647 to 0.
func (p Producer) After(n int32) Producer {
	p.Sequence = int32((int64(p.Sequence) + int64(n)) & 0x7fffffff)
	return p
}

// Rewrite makes b acceptable to the partition that it is copied to, in place and without touching the records: base
// offset 0, leader epoch −1, the given identity, no flags but the codec, a fresh CRC. The old CRC is checked first, so
// that corrupt bytes never get a valid one. Only a batch of class Pass may be rewritten.
func (b Batch) Rewrite(p Producer) error {
	if err := b.Check(); err != nil {
		return err
	}
	b.stamp(p, b.u16(offAttributes)&codecMask)
	return nil
}

func (b Batch) stamp(p Producer, attributes uint16) {
	be.PutUint64(b, 0)
	be.PutUint32(b[offEpoch:], 0xffffffff)
	be.PutUint16(b[offAttributes:], attributes)
	be.PutUint64(b[offProducer:], uint64(p.ID))
	be.PutUint16(b[offProdEpoch:], uint16(p.Epoch))
	be.PutUint32(b[offSequence:], uint32(p.Sequence))
	be.PutUint32(b[offCRC:], crc32.Checksum(b[offAttributes:], castagnoli))
}
