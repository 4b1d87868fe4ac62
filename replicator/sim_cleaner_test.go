package replicator

import (
	"encoding/binary"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
)

// clean is a run of the log cleaner: of each key the last record in the closed
// segments is kept. Batches keep their bounds; one that loses all its records
// goes, but for the last one of a producer, which stays empty. Transactions are
// left alone, and so is a log with a batch that cannot be read.
func (l *partitionLog) clean() (removed int) {
	limit := min(l.activeStart(), l.stable())
	if slices.ContainsFunc(l.batches, func(b batch.Batch) bool { return b.Check() != nil }) {
		return 0
	}
	latest := l.latestKeys(limit)
	kept := l.batches[:0]
	for _, b := range l.batches {
		if b.BaseOffset() >= limit || b.Transactional() || b.Count() == 0 {
			kept = append(kept, b)
			continue
		}
		c, n := l.cleaned(b, latest)
		removed += n
		if c.Count() > 0 || l.lastOfProducer(b) {
			kept = append(kept, c)
		}
	}
	l.batches = kept
	return removed
}

// latestKeys is the offset of the last record of each key below a limit. What a
// transaction has aborted does not count (Cleaner.buildOffsetMapForSegment).
func (l *partitionLog) latestKeys(limit int64) map[string]int64 {
	latest := map[string]int64{}
	for _, b := range l.batches {
		if b.BaseOffset() >= limit {
			break
		}
		if b.Control() || l.aborted(b) {
			continue
		}
		for _, r := range mustRecords(b) {
			latest[string(r.Key)] = r.Offset
		}
	}
	return latest
}

func (l *partitionLog) aborted(b batch.Batch) bool {
	return b.Transactional() && slices.ContainsFunc(l.transactions, func(t transaction) bool {
		return t.pid == b.Producer().ID && t.first <= b.BaseOffset() && b.BaseOffset() <= t.last
	})
}

// cleaned is a batch without the records that are not the last of their keys.
func (l *partitionLog) cleaned(b batch.Batch, latest map[string]int64) (batch.Batch, int) {
	records := mustRecords(b)
	kept := slices.DeleteFunc(slices.Clone(records), func(r batch.Record) bool { return r.Key != nil && latest[string(r.Key)] != r.Offset })
	attributes, time := b.Attributes(), b.BaseTimestamp()
	if attributes&0x40 == 0 && slices.ContainsFunc(kept, func(r batch.Record) bool { return r.Value == nil }) {
		attributes, time = attributes|0x40, l.clock+deleteRetention
	}
	if len(kept) == len(records) && attributes == b.Attributes() {
		return b, 0
	}
	return withRecords(b, attributes, time, kept), len(records) - len(kept)
}

// deleteRetention is delete.retention.ms: a batch with a tombstone bears the
// time from which that may go, in the place of its base timestamp.
const deleteRetention = 24 * 3600 * 1000

// withRecords is a batch with other records and the same bounds and identity.
// They are written without compression.
func withRecords(b batch.Batch, attributes int16, time int64, records []batch.Record) batch.Batch {
	c := storedFrom(time, b.BaseOffset(), b.LastOffset(), attributes&^0x07, b.Producer().ID, records)
	copy(c[12:16], b[12:16])
	copy(c[51:57], b[51:57])
	if len(records) == 0 || b.LogAppendTime() {
		binary.BigEndian.PutUint64(c[35:], uint64(b.MaxTimestamp()))
	}
	seal(c)
	return c
}

// lastOfProducer says that a batch is the last one of its producer.
func (l *partitionLog) lastOfProducer(b batch.Batch) bool {
	st := l.known[b.Producer().ID]
	return st != nil && st.last[len(st.last)-1].base == b.BaseOffset()
}
