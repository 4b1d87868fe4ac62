package replicator

import (
	"errors"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
)

// wants says whether a page should be fetched now, and from which offset.
func (c *core) wants() (from int64, ok bool) {
	ok = c.phase == copying && c.stop == nil && c.pastEpoch == nil && !c.paused && c.queue.weight < c.buffer
	return c.queue.position, ok
}

// fetched takes a page that was read from an offset. A page for another offset
// than wants names now is late and changes nothing.
func (c *core) fetched(from int64, p page) {
	stale := c.stale
	c.stale = false
	if stale || c.phase != copying || c.stop != nil || c.pastEpoch != nil || from != c.queue.position {
		return
	}
	c.highWatermark, c.lastStable = p.high, p.stable
	for _, s := range p.steps(from, c.maxBytes) {
		if c.lookedBack(s.from) && s.from < c.queue.position {
			return
		}
		s = c.withoutLosses(s)
		// of refused bytes the epoch is not believed
		if s.class != batch.Refuse && (!c.sameLeader(s) || c.unexpected(s)) {
			return
		}
		c.enqueue(s)
	}
	if c.stop == nil && c.queue.position == from && p.first && p.stable > from {
		c.nothing(from, p)
	}
	c.lookedBack(c.queue.position)
}

// nothing takes a page that holds no batch although the broker was bound to
// serve one. With no bytes at all, compaction took everything between here and
// the last stable offset. With bytes, a length is damaged: no checksum covers
// it, and to pass over it would lose what stands there.
func (c *core) nothing(from int64, p page) {
	if len(p.records) > 0 {
		c.haltAfter(CodeRefusedBatch, from, from+1, "source offset %d: %v: %d bytes hold no whole batch from there on", from, batch.ErrCorrupt, len(p.records))
		return
	}
	c.skip(p.stable)
}

// enqueue takes one batch in.
func (c *core) enqueue(s step) {
	switch s.class {
	case batch.Skip:
		c.skip(s.next)
	case batch.Refuse:
		c.haltAfter(CodeRefusedBatch, s.from, s.next, "source offset %d: %s", s.from, s.reason)
	default:
		c.queue.push(&item{source: s.b, class: s.class, from: s.from, next: s.next, weight: len(s.b)})
		c.queue.position, c.held = s.next, s.next
	}
}

// skip moves on over offsets without an image, in turn.
func (c *core) skip(to int64) {
	c.queue.position = to
	if to <= c.resume {
		return
	}
	if n := len(c.queue.items); n > 0 {
		c.queue.items[n-1].next = to
		return
	}
	if err := c.ledger.skip(to); err != nil {
		c.haltHere(CodeFailed, "skip to source offset %d: %v", to, err)
	}
}

// outOfRange takes the news that the source does not have the offset asked for:
// it holds [start, end).
func (c *core) outOfRange(from, start, end int64) {
	if c.phase == resolving && c.resolve.state == askSource && from == c.resolve.from {
		c.unalignable(from, end)
		return
	}
	if c.phase != copying || c.stop != nil || from != c.queue.position {
		return
	}
	if to := min(c.pastLoss(from), start); to > from {
		c.skip(to)
		from = to
	}
	switch {
	case from < start && c.untouched():
		c.beginAt(start) // retention removed what was never looked at: copying starts a little later
	case from < start:
		c.haltAfter(CodeOutOfRange, from, start, "the source's retention has removed offsets %d to %d before they were copied", from, start-1)
	case from > end:
		c.endsBelow(end)
	}
}

// untouched says that nothing was ever copied.
func (c *core) untouched() bool {
	return len(c.queue.items) == 0 && len(c.claims.blocks) == 0 && c.ledger.number == 0 && c.ledger.current.Len() == 0
}

// beginAt lets the map begin later. That is published before anything is sent: a
// former owner who has copied something after all contradicts it.
func (c *core) beginAt(source int64) {
	_, target := c.ledger.end()
	if err := c.ledger.rebegin(source, target); err != nil {
		c.haltHere(CodeFailed, "begin at source offset %d: %v", source, err)
		return
	}
	c.phase, c.queue.position = recording, source
}

// send returns the next batch to send, if one may be sent at this time: only
// inside the lease, for afterwards another owner may be at work.
func (c *core) send(now, lease time.Duration) (*item, bool) {
	q := &c.queue
	if c.paused || now >= lease || !c.open() {
		return nil, false
	}
	it := q.waiting()
	for it == nil && q.made < len(q.items) && c.phase == copying {
		c.encode()
		it = q.waiting()
	}
	if it == nil || c.phase != copying {
		return nil, false
	}
	it.resent = it.sent
	it.flying, it.sent = true, true
	q.flying = true
	return it, true
}

// sendable says that there may be something for send.
func (c *core) sendable() bool { return c.open() && len(c.queue.items) > 0 }

// open says that nothing is in the way of the next batch: the owner's first block
// is published, there is no doubt about either side, and no other batch is on its
// way. A broker that does not know the producer takes any sequence number: a second
// batch could land although the first was refused.
func (c *core) open() bool {
	return c.phase == copying && c.ledger.published && c.queue.doubt == "" && !c.queue.flying
}

// encode makes the bytes of the first raw item, or of several small ones.
func (c *core) encode() {
	q := &c.queue
	n := q.mergeable(c.limits)
	it := q.items[q.made]
	if n == 1 && it.class == batch.Pass {
		c.pass(it)
		return
	}
	pieces, err := c.reencode(q.items[q.made:q.made+n], c.maxBytes)
	if err != nil && n > 1 { // those before the culprit can be copied
		n = 1
		pieces, err = c.reencode(q.items[q.made:q.made+n], c.maxBytes)
	}
	switch {
	case err != nil:
		c.refuse(it, err)
	case len(pieces) == 0:
		for range n {
			c.dropped(q.drop())
		}
	default:
		q.replace(n, pieces)
	}
}

// pass stamps a batch without touching its records. Rewrite checks it first.
func (c *core) pass(it *item) {
	base, count := it.source.BaseOffset(), it.source.Count()
	p := batch.Producer{ID: c.claims.mine.ProducerID, Epoch: c.claims.mine.ProducerEpoch, Sequence: c.queue.sequence}
	if err := it.source.Rewrite(p); err != nil {
		c.refuse(it, err)
		return
	}
	c.queue.sequence = p.After(count).Sequence
	it.bytes, it.source, it.producer, it.count = it.source, nil, p, count
	it.runs = []stretch{{base, int64(count)}}
	c.queue.made++
}

// reencode decodes items and makes dense batches that the target takes.
func (c *core) reencode(items []*item, maxBytes int) ([]*item, error) {
	var records []batch.Record
	for _, it := range items {
		rs, err := it.source.Records()
		if err != nil {
			return nil, err
		}
		for _, r := range rs {
			if r.Offset >= it.from && !c.lost(r.Offset) {
				records = append(records, r)
			}
		}
	}
	if len(records) == 0 {
		return nil, nil
	}
	p := batch.Producer{ID: c.claims.mine.ProducerID, Epoch: c.claims.mine.ProducerEpoch, Sequence: c.queue.sequence}
	pieces, err := batch.Encode(batch.Spec{Codec: items[0].source.Codec(), Producer: &p}, records, maxBytes)
	if err != nil {
		return nil, err
	}
	c.queue.sequence = p.After(int32(len(records))).Sequence
	return itemsOf(pieces), nil
}

func itemsOf(pieces []batch.Piece) []*item {
	var out []*item
	for _, p := range pieces {
		it := &item{bytes: p.Batch, producer: p.Batch.Producer(), count: p.Batch.Count()}
		for _, r := range p.Records {
			if n := len(it.runs); n > 0 && it.runs[n-1].source+it.runs[n-1].count == r.Offset {
				it.runs[n-1].count++
				continue
			}
			it.runs = append(it.runs, stretch{r.Offset, 1})
		}
		it.next = p.Records[len(p.Records)-1].Offset + 1
		out = append(out, it)
	}
	return out
}

// dropped moves on over an item that holds no record to copy.
func (c *core) dropped(it *item) {
	if q := &c.queue; q.made > 0 {
		q.items[q.made-1].next = max(q.items[q.made-1].next, it.next)
	} else if err := c.ledger.skip(it.next); err != nil {
		c.haltHere(CodeFailed, "skip to source offset %d: %v", it.next, err)
	}
}

// refuse stops at an item that cannot be sent, once those before it are there.
func (c *core) refuse(it *item, err error) {
	q := &c.queue
	from, to := it.from, max(it.end(), it.from+1)
	var large *batch.TooLargeError
	if errors.As(err, &large) {
		from, to = large.Offset, large.Offset+1
	}
	for _, gone := range q.items[q.made:] {
		q.weight -= gone.weight
	}
	q.items = q.items[:q.made]
	q.position = it.from
	c.stop = nil // what was found behind it counts no more
	c.haltAfter(CodeRefusedBatch, from, to, "source offset %d: %v", from, err)
}
