package replicator

import "github.com/portage-kafka/portage/cluster/batch"

// targetLed takes how many leader epochs the target has had, and says whether that
// begins a recheck: another leader may have lost what was acknowledged. Where
// others write, the log may have grown as far again since. It is no failure, and
// does not count as an attempt.
func (c *core) targetLed(epochs int32) bool {
	if c.phase != copying || c.targetEpochs == 0 || epochs <= c.targetEpochs {
		return false
	}
	if c.queue.doubt == "" {
		c.queue.doubt = "the target has another leader"
	}
	c.settle()
	return true
}

// judgeOwn looks, in a recheck, at a batch of our lineage above the map: it is
// one of those that were sent, in their order, or something is wrong.
func (c *core) judgeOwn(b batch.Batch) bool {
	q, r := &c.queue, &c.resolve
	p := b.Producer()
	if p.ID != c.claims.mine.ProducerID || p.Epoch != c.claims.mine.ProducerEpoch {
		if r.stale == 0 {
			r.doubled = b.BaseOffset()
		}
		r.stale++
		return true
	}
	if r.stale == 0 && (q.made == 0 || !q.items[0].sent || q.items[0].producer != p || q.items[0].count != b.Count()) {
		c.haltHere(CodeDiverged, "the target holds a batch of ours at offset %d (sequence %d, %d records) that was not to be there; copy the topic anew",
			b.BaseOffset(), p.Sequence, b.Count())
		return false
	}
	r.found++
	if r.stale > 0 { // never book past what must be looked at: the next owner has to see it, too
		return true
	}
	c.book(b.BaseOffset())
	return c.phase == rechecking
}

// rechecked ends a recheck: what is on the target has been booked, what is not
// will be sent again, byte for byte.
func (c *core) rechecked() {
	q, r := &c.queue, &c.resolve
	reorder := q.reorder
	q.doubt, q.reorder = "", false
	switch {
	case r.stale > 0 && r.found > 0:
		c.haltHere(CodeDiverged, "a former owner's late batch stands at target offset %d beside our copy: its records may be there twice; copy the topic anew", r.doubled)
		return
	case r.stale > 0, reorder && r.found == 0:
		c.restart()
		return
	}
	for _, it := range q.items[:q.made] {
		if it.acked {
			c.haltHere(CodeDiverged, "the target acknowledged the batch of source offset %d at offset %d, but it is not there: the target has lost data; copy the topic anew",
				it.runs[0].source, it.base)
			return
		}
	}
	c.resolve = resolver{}
	c.phase = copying
	c.haltIfDone()
}
