package replicator

import (
	"encoding/binary"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// This file holds what goes wrong on the brokers.

// disturbBrokers changes the state of one of the brokers.
func (w *world) disturbBrokers() {
	switch w.n(6) {
	case 0, 1:
		w.replicate(w.target)
	case 2:
		w.replicate(w.source)
	case 3:
		if w.restarts {
			w.disturbTarget()
		}
	case 4:
		if w.elections && w.one(3) {
			w.targetLoses(w.boundary(w.target, w.target.high(), w.target.end))
		} else if w.elections && w.one(3) {
			w.sourceLoses(w.boundary(w.source, w.source.high(), w.source.end))
		}
	default:
		if w.compaction && w.one(2) {
			w.compact()
		}
		if w.trims && w.one(3) {
			w.trimSource(w.boundary(w.source, w.source.start, w.copiedTo()))
		}
	}
}

// replicate lets followers hang, or fetch some or all of what they lack.
func (w *world) replicate(l *partitionLog) {
	switch {
	case !l.lagging && w.lag && w.one(2):
		l.lag()
		w.reached(replicationLag)
	case l.lagging:
		w.catchUp(l, w.boundary(l, l.replicated, l.end))
	}
}

// catchUp moves the high watermark, and with it what waits for that.
func (w *world) catchUp(l *partitionLog, to int64) {
	from := l.high()
	for _, f := range w.waiting(l, from, to) {
		if w.point(beforeReplication, f.owner) {
			break
		}
		if w.leaderPoint(leaderBeforeReplication) { // and with it what was not replicated
			return
		}
	}
	l.replicated = to
	if to == l.end && w.one(2) {
		l.catchUp()
	}
	for _, f := range w.waiting(l, from, to) {
		if w.point(afterReplication, f.owner) || w.leaderPoint(leaderAfterReplication) {
			break
		}
	}
}

// waiting are the requests whose batches become replicated when the high
// watermark moves.
func (w *world) waiting(l *partitionLog, from, to int64) (all []*flight) {
	if l != w.target {
		return nil
	}
	for _, f := range w.flights {
		if f.stage == logged && f.until > from && f.until <= to {
			all = append(all, f)
		}
	}
	return all
}

// disturbTarget restarts the target's broker or lets old producers expire.
func (w *world) disturbTarget() {
	var forgotten int
	if w.one(2) {
		forgotten = w.target.restart()
		if w.target.start == w.target.end && w.one(2) { // its files are gone: so are the producers
			forgotten += len(w.target.known)
			w.target.known = map[int64]*producerState{}
		}
		w.reached(restarted)
		w.cutTarget()
	} else {
		forgotten = w.target.expire()
	}
	w.tracef("target: restart or check, %d producers forgotten", forgotten)
	if forgotten > 0 {
		w.reached(producersForgotten)
		w.forgot = true
	}
}

// compact runs the source's log cleaner.
func (w *world) compact() {
	if n := w.source.clean(); n > 0 {
		w.compacted = true
		w.tracef("source: the cleaner has removed %d records", n)
		if c := w.latest().core; c.phase < recording && len(w.owners) > 1 {
			w.reached(compactedMeanwhile)
		}
	}
}

// trimSource moves the source's log start.
func (w *world) trimSource(to int64) {
	if to > w.source.start {
		w.source.trim(to)
		w.starts = append(w.starts, to)
		w.reached(sourceTrimmed)
		w.tracef("source: the log starts at %d", to)
	}
}

// trimTarget moves the target's log start, at most to the end of the map that the
// latest owner has found: a target keeps its records longer than the source does.
func (w *world) trimTarget() {
	m, err := Map(w.latest().core.claims.blocks, w.recopies)
	if err != nil || m.TargetEnd() <= w.target.start || m.TargetEnd() > w.target.high() {
		return
	}
	w.target.trim(w.boundary(w.target, w.target.start, m.TargetEnd()))
	w.reached(targetTrimmed)
	w.tracef("target: the log starts at %d", w.target.start)
}

// copiedTo is the source offset below which nothing is needed any more.
func (w *world) copiedTo() int64 {
	return min(max(w.latest().core.watermark(), w.source.start), w.source.stable())
}

// accident lets something rare happen when its step has come.
func (w *world) accident() {
	for _, a := range w.accidents {
		if a.at == w.at {
			w.happen(a.what)
		}
	}
}

func (w *world) happen(what reach) {
	switch what {
	case targetUnclean:
		end := w.boundary(w.target, w.target.start, w.target.high())
		if n := len(w.target.batches); n > 0 && w.one(2) { // what its writer has sent last
			end = w.target.batches[n-1].BaseOffset()
		}
		w.targetLoses(end)
	case targetElection:
		w.targetLoses(w.boundary(w.target, w.target.high(), w.target.end))
	case sourceUnclean:
		if !w.one(3) && w.loseOnTheWay() {
			return
		}
		w.sourceLoses(w.boundary(w.source, w.source.start, w.source.high()))
	case sourceElection:
		w.sourceLoses(w.boundary(w.source, w.source.high(), w.source.end))
	case targetRecreated:
		w.target.recreate()
		w.cutTarget()
		w.reached(what)
		w.tracef("target: recreated")
	case sourceRecreated:
		w.source.recreate()
		w.archive, w.starts, w.sourceCuts = nil, []int64{0}, nil
		w.reached(what)
		w.tracef("source: recreated")
	case retentionOverrun:
		if from := w.latest().core.queue.position; from < w.source.stable() {
			w.trimSource(w.boundary(w.source, min(from+1, w.source.stable()), w.source.stable()))
		}
	case sourceTrimmed:
		w.trimSource(w.boundary(w.source, w.source.start, w.copiedTo()))
	case targetTrimmed:
		w.trimTarget()
	case foreignWriter:
		w.intrude()
	case damagedBatch:
		w.writeBad(w.newborn(birth{template: templates().plain[w.n(96)], time: brokerTime - 3_600_000}), true)
	case largeRecord:
		if w.splits {
			w.writeBad(w.newborn(birth{template: templates().large, time: brokerTime - 3_600_000}), false)
		}
	case blockLost: // where the source has lost records since, a map cannot be made anew that agrees with what is left
		if !w.compaction && !w.trims {
			w.loseBlocks()
		}
	case partitionsAdded:
		w.partitions++
		w.reached(what)
	case producersForgotten:
		w.disturbTarget()
	case compactedMeanwhile:
		if w.compaction {
			w.kill(w.latest())
			w.write()
			w.compact()
		}
	}
}

// loseOnTheWay is an unclean election that removes what is on its way to the
// owner, who learns of the leader before that arrives.
func (w *world) loseOnTheWay() bool {
	o := w.latest()
	from, ok := o.fetchLate()
	if !ok {
		return false
	}
	w.sourceLoses(w.boundary(w.source, from, w.source.high()))
	for range 2 {
		w.write()
	}
	o.identify()
	return true
}

// strangers is the first producer id of writers that are none of ours.
const strangers = 5000

// intrude is a batch of somebody else on the target. Where others are expected
// that is none.
func (w *world) intrude() {
	x := w.newborn(birth{template: templates().plain[w.n(96)], time: brokerTime - 3_600_000})
	x.time++ // what the source never has
	b := identify(x.bytes(), batch.Producer{ID: strangers + int64(w.n(3)), Sequence: int32(w.n(1000))}, 0)
	base, before := w.target.end, w.target.end
	w.target.produce(b)
	if w.target.end == before {
		return
	}
	if w.shared {
		w.reached(nativeWriter)
		w.tracef("target: a native batch at %d", base)
		return
	}
	w.foreign = append(w.foreign, cut{base, w.target.end})
	w.reached(foreignWriter)
	w.tracef("target: a foreign batch at %d", base)
}

// writeBad appends a batch to the source that cannot be copied.
func (w *world) writeBad(x birth, damaged bool) {
	base := w.append(x, identify(x.bytes(), batch.Producer{ID: -1, Epoch: -1, Sequence: -1}, 0), -1, committed)
	if damaged {
		b := w.source.batches[len(w.source.batches)-1]
		b[len(b)-1] ^= 1
		w.reached(damagedBatch)
	} else {
		w.reached(largeRecord)
	}
	w.bad = append(w.bad, events.Interval{From: base, To: w.source.end})
}

// loseBlocks takes some of the published map away, as if the offsets topic had
// lost them.
func (w *world) loseBlocks() {
	kept := w.offsets.order[:0]
	for _, k := range w.offsets.order {
		if w.one(2) {
			delete(w.offsets.blocks, k)
			w.blocksLost = true
			continue
		}
		kept = append(kept, k)
	}
	w.offsets.order = kept
	if w.blocksLost {
		w.reached(blockLost)
		w.tracef("offsets: %d blocks are left", len(kept))
	}
}

// cutTarget ends all connections to the target: what was on its way is lost,
// what had arrived has no answer.
func (w *world) cutTarget() {
	for _, o := range w.owners {
		w.breakConnection(o)
	}
	kept := w.flights[:0]
	for _, f := range w.flights {
		if f.stage == held {
			kept = append(kept, f)
		}
	}
	w.flights = kept
}

// wrap moves the sequence numbers of an owner that is at rest close to their
// end, as if it had written two thousand million records.
func (w *world) wrap(o *owner) {
	c := o.core
	st := w.target.known[c.claims.mine.ProducerID]
	rests := c.phase == copying && c.idle() && c.queue.made == 0 && !c.ledger.dirty() && o.pub == nil && o == w.latest()
	if !rests || o.wrapped || c.ledger.sequence == 0 || st == nil || st.epoch != c.claims.mine.ProducerEpoch {
		return
	}
	last := &st.last[len(st.last)-1]
	if after(last.first, last.count) != c.ledger.sequence {
		return
	}
	o.wrapped = true
	to := int32(0x7fffffff - w.n(6))
	for k, b := range w.offsets.blocks {
		if b.OwnerEpoch == c.claims.mine.OwnerEpoch && b.Sequence == c.ledger.sequence {
			b.Sequence = to
			w.offsets.blocks[k] = b
		}
	}
	last.first = to - last.count
	for _, b := range w.target.batches { // all that a broker could learn them from
		if p := b.Producer(); p.ID == c.claims.mine.ProducerID && p.Epoch == c.claims.mine.ProducerEpoch {
			binary.BigEndian.PutUint32(b[53:], uint32(p.Sequence+to-c.ledger.sequence))
			seal(b)
		}
	}
	st.last = append(st.last[:0], *last)
	c.queue.sequence, c.ledger.sequence = to, to
	w.reached(sequenceWrapped)
	w.tracef("owner %d: sequences go on at %d", o.number, to)
}
