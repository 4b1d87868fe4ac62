package replicator

import (
	"encoding/binary"
	"fmt"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file makes the records and batches of a source.

func text(format string, args ...any) []byte { return []byte(fmt.Sprintf(format, args...)) }

// rec makes a record that no other offset shares.
func rec(offset int64) batch.Record {
	return batch.Record{
		Offset: offset, Timestamp: 1_000_000 + offset*7, Key: text("k%d", offset%5), Value: text("value of %d", offset),
		Headers: []batch.Header{{Key: "h", Value: text("%d", offset)}},
	}
}

func recs(from, count int64) (all []batch.Record) {
	for o := from; o < from+count; o++ {
		all = append(all, rec(o))
	}
	return all
}

// stored is a batch as a source has it: with offsets, which may have holes, and
// attributes. An empty list of records makes an emptied batch.
func stored(base, last int64, attributes int16, pid int64, records []batch.Record) batch.Batch {
	return storedFrom(1_000_000, base, last, attributes, pid, records)
}

// storedFrom is stored with the time that the records' times count from.
func storedFrom(time, base, last int64, attributes int16, pid int64, records []batch.Record) batch.Batch {
	b := kmsg.RecordBatch{
		FirstOffset: base, PartitionLeaderEpoch: 3, Magic: 2, Attributes: attributes, LastOffsetDelta: int32(last - base),
		FirstTimestamp: time, ProducerID: pid, ProducerEpoch: 0, FirstSequence: 0, NumRecords: int32(len(records)),
	}
	for _, r := range records {
		b.MaxTimestamp = max(b.MaxTimestamp, r.Timestamp)
		b.Records = append(b.Records, storedRecord(time, base, r)...)
	}
	raw := batch.Batch(b.AppendTo(nil))
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	seal(raw)
	return raw
}

func storedRecord(time, base int64, r batch.Record) []byte {
	k := kmsg.Record{TimestampDelta64: r.Timestamp - time, OffsetDelta: int32(r.Offset - base), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
	}
	body := k.AppendTo(nil)[1:] // a zero length takes one byte
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

// dense appends a batch without holes, compressed with the codec.
func (l *partitionLog) dense(codec batch.Codec, count int64) {
	b, err := batch.Build(batch.Spec{Codec: codec}, recs(l.end, count))
	if err != nil {
		panic(err)
	}
	binary.BigEndian.PutUint64(b, uint64(l.end)) // the CRC does not cover it
	l.put(b)
}

// holes appends a batch of which compaction kept every second record, and
// perhaps a wide gap before it.
func (l *partitionLog) holes(count, before int64) {
	base := l.end + before
	var kept []batch.Record
	for o := base; o < base+2*count; o += 2 {
		kept = append(kept, rec(o))
	}
	l.put(stored(base, base+2*count, 0, -1, kept))
}

// transaction appends a batch of a transaction and its marker.
func (l *partitionLog) transaction(pid, count int64, commit bool) {
	first := l.end
	l.put(stored(first, first+count-1, 0x10, pid, recs(first, count)))
	if !commit {
		l.transactions = append(l.transactions, transaction{pid: pid, first: first, last: l.end})
	}
	l.put(marker(l.end, pid, 0, commit))
}

// marker is the control batch that ends a transaction.
func marker(at, pid int64, epoch int16, commit bool) batch.Batch {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	b := stored(at, at, 0x30, pid, []batch.Record{{Offset: at, Timestamp: 1_000_000, Key: key, Value: []byte{0, 0, 0, 0, 0, 0}}})
	binary.BigEndian.PutUint16(b[51:], uint16(epoch))
	binary.BigEndian.PutUint32(b[53:], 0xffffffff)
	seal(b)
	return b
}

// emptied appends a batch whose records are all gone.
func (l *partitionLog) emptied(width int64) { l.put(stored(l.end, l.end+width-1, 0, -1, nil)) }
