package batch

import (
	"errors"
	"fmt"
	"math"
)

// Spec says how Build and Encode make batches.
type Spec struct {
	// Codec compresses the records; the zero value does not.
	Codec Codec
	// Producer is the identity for idempotent writes, nil for none. It is a pointer because id 0, epoch 0, sequence 0
	// is a real identity: brokers would silently drop the second batch that carries it.
	Producer *Producer
	// Transactional marks the batch as part of a transaction of Producer.
	Transactional bool
}

// ErrNoRecords is returned by Build for no records: brokers refuse empty batches.
var ErrNoRecords = errors.New("a batch needs at least one record")

// Build encodes records as one dense batch with base offset 0, ready for produce. The records' own offsets do not
// matter; their order does.
func Build(s Spec, records []Record) (Batch, error) {
	deltas := func(i int) int32 { return int32(i) }
	return encode(s, records, deltas)
}

// encode writes records with the given offset deltas, which must rise.
func encode(s Spec, records []Record, delta func(int) int32) (Batch, error) {
	if len(records) == 0 {
		return nil, ErrNoRecords
	}
	base, largest, size := records[0].Timestamp, records[0].Timestamp, HeaderSize
	for i := range records {
		size += records[i].Size()
	}
	b := make(Batch, HeaderSize, size)
	for i := range records {
		largest = max(largest, records[i].Timestamp)
		b = appendRecord(b, &records[i], records[i].Timestamp-base, delta(i))
	}
	if s.Codec != None {
		payload, err := compress(s.Codec, b[HeaderSize:])
		if err != nil {
			return nil, err
		}
		b = append(make(Batch, HeaderSize, HeaderSize+len(payload)), payload...) // not in b: it would hold on to the larger memory
	}
	if len(b) > math.MaxInt32 {
		return nil, fmt.Errorf("%d records take %d bytes: too many for one batch", len(records), len(b))
	}
	be.PutUint32(b[offLength:], uint32(len(b)-prefix))
	b[offMagic] = Magic
	be.PutUint32(b[offLastDelta:], uint32(delta(len(records)-1)))
	be.PutUint64(b[offBaseTime:], uint64(base))
	be.PutUint64(b[offMaxTime:], uint64(largest))
	be.PutUint32(b[offCount:], uint32(len(records)))
	b.stamp(s.identity())
	return b, nil
}

func (s Spec) identity() (Producer, uint16) {
	attributes := uint16(s.Codec)
	if s.Transactional {
		attributes |= bitTransaction
	}
	if s.Producer == nil {
		return none, attributes
	}
	return *s.Producer, attributes
}

// Piece is a batch made by Encode and the records that are in it.
type Piece struct {
	Batch   Batch
	Records []Record // as given, with the offsets that they had
}

// TooLargeError says that one record alone makes a batch that the target would refuse.
type TooLargeError struct {
	Offset      int64 // of the record where it was read
	Size, Limit int   // bytes of the batch with this record alone; bytes allowed
}

// Error names the record and the fix.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the record at offset %d needs a batch of %d bytes, the limit is %d: raise max.message.bytes of the target topic to %d or more",
		e.Offset, e.Size, e.Limit, e.Size)
}

// Encode makes dense batches of at most limit bytes (0: no limit) out of records, in order; identities follow one
// another. It serves for batches with compaction holes, LogAppendTime batches (Records has applied their times),
// batches over the limit, and for merging small ones. A record that does not fit alone is a *TooLargeError.
func Encode(s Spec, records []Record, limit int) ([]Piece, error) {
	b, err := Build(s, records)
	if err != nil {
		return nil, err
	}
	if limit <= 0 || len(b) <= limit {
		return []Piece{{b, records}}, nil
	}
	if len(records) == 1 {
		return nil, &TooLargeError{Offset: records[0].Offset, Size: len(b), Limit: limit}
	}
	half := len(records) / 2
	left, err := Encode(s, records[:half], limit)
	if err != nil {
		return nil, err
	}
	if s.Producer != nil {
		next := s.Producer.After(int32(half))
		s.Producer = &next
	}
	right, err := Encode(s, records[half:], limit)
	if err != nil {
		return nil, err
	}
	return append(left, right...), nil
}
