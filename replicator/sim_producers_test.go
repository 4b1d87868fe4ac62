package replicator

import (
	"math"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
)

// producerState is what a broker remembers of a producer
// (ProducerStateEntry): its epoch and the sequence ranges of its last batches,
// never what was in them.
type producerState struct {
	epoch int16
	last  []remembered // up to five, the latest last
	time  int64        // largest timestamp of the last batch, in ms
}

type remembered struct {
	first, count int32
	base         int64
}

// remembers is how many batches of a producer are recognized when they come
// again (ProducerStateEntry.NUM_BATCHES_TO_RETAIN).
const remembers = 5

// forgetsAfter is producer.id.expiration.ms.
const forgetsAfter = 24 * 3600 * 1000

// duplicate finds a batch of the same epoch and sequence range among those
// remembered.
func (l *partitionLog) duplicate(p batch.Producer, count int32) (base int64, known bool) {
	st := l.known[p.ID]
	if st == nil || st.epoch != p.Epoch {
		return 0, false
	}
	for _, m := range st.last {
		if m.first == p.Sequence && m.count == count {
			return m.base, true
		}
	}
	return 0, false
}

// outOfOrder says why a batch that is no duplicate is refused, 0 if it is not
// (ProducerAppendInfo.checkProducerEpoch, checkSequence): one of an unknown
// producer never is.
func (l *partitionLog) outOfOrder(p batch.Producer) (code int16) {
	st := l.known[p.ID]
	switch {
	case st == nil:
		return 0
	case p.Epoch < st.epoch:
		l.fenced++
		return 47
	case p.Epoch > st.epoch:
		if p.Sequence != 0 {
			return 45
		}
		return 0
	}
	if last := st.last[len(st.last)-1]; p.Sequence != after(last.first, last.count) {
		return 45
	}
	return 0
}

// after is the sequence that follows a batch (DefaultRecordBatch.incrementSequence).
func after(sequence, count int32) int32 {
	if sequence > math.MaxInt32-count {
		return count - (math.MaxInt32 - sequence) - 1
	}
	return sequence + count
}

// remember takes note of a batch that was appended.
func (l *partitionLog) remember(b batch.Batch) {
	p := b.Producer()
	st := l.known[p.ID]
	if st == nil {
		st = &producerState{epoch: p.Epoch}
		l.known[p.ID] = st
	}
	if st.epoch != p.Epoch {
		st.epoch, st.last = p.Epoch, st.last[:0]
	}
	if len(st.last) == remembers {
		st.last = slices.Delete(st.last, 0, 1)
	}
	st.last = append(st.last, remembered{first: p.Sequence, count: b.LastOffsetDelta() + 1, base: b.BaseOffset()})
	st.time = b.MaxTimestamp()
}

// relearn is what a replica knows that has copied the log: all that the log
// tells.
func (l *partitionLog) relearn() {
	l.known = map[int64]*producerState{}
	for _, b := range l.batches {
		if b.Producer().ID >= 0 && !b.Control() {
			l.remember(b)
		}
	}
}

// expire is the periodic check for old producers: their records' times count.
func (l *partitionLog) expire() (forgotten int) {
	for pid, st := range l.known {
		if l.clock-st.time >= forgetsAfter && !l.inTransaction(pid) {
			delete(l.known, pid)
			forgotten++
		}
	}
	return forgotten
}

func (l *partitionLog) inTransaction(pid int64) bool {
	return slices.ContainsFunc(l.transactions, func(t transaction) bool { return t.pid == pid && t.last < 0 })
}

// restart is that of the broker: a snapshot keeps the last batch of each
// producer, and the old ones are left out.
func (l *partitionLog) restart() (forgotten int) {
	for _, st := range l.known {
		st.last = slices.Delete(st.last, 0, len(st.last)-1)
	}
	return l.expire()
}

// addTransactional appends a batch of a transaction, which it begins if there is
// none of that producer.
func (l *partitionLog) addTransactional(b batch.Batch) (base int64) {
	pid := b.Producer().ID
	if !l.inTransaction(pid) {
		l.transactions = append(l.transactions, transaction{pid: pid, first: l.end, last: -1})
	}
	base = l.add(b)
	l.remember(b)
	return base
}

// endTransaction writes the marker that ends a producer's transaction.
func (l *partitionLog) endTransaction(pid int64, commit bool) {
	for i := range l.transactions {
		if t := &l.transactions[i]; t.pid == pid && t.last < 0 {
			t.last, t.committed = l.end, commit
		}
	}
	epoch := int16(0)
	if st := l.known[pid]; st != nil {
		epoch = st.epoch
	}
	l.add(marker(l.end, pid, epoch, commit))
}
