package verify

import (
	"context"
	"errors"

	"github.com/portage-kafka/portage/cluster/batch"
)

// comparison compares one partition.
type comparison struct {
	*Config
	*judge
	hash   hasher
	res    *Result
	tally  *tally
	bounds [2]int64 // target offsets from the second on are not wanted, source offsets from the first on
	open   func(ctx context.Context, side int, from, until int64) (tape, error)
	end    func(ctx context.Context, side int) (int64, error) // of what is committed now
	since  func(ctx context.Context, side int, time int64) (int64, error)
	tapes  [2]tape

	mark  mark   // up to where everything is accounted for
	trail []mark // places passed lately
	size  int64  // records of the next range: few after a difference
	// fresh says that nothing was compared yet, displaced that the sides stand
	// elsewhere than the map says: then only windows tell what belongs together.
	// What is passing may look different in a later comparison.
	fresh, displaced, done, passing bool
	// advanced is called with the result so far; it is final, or may not be.
	advanced func(final bool) error
}

// Sides, as indexes.
const (
	onSource = iota
	onTarget
)

// run compares up to the bounds.
func (c *comparison) run(ctx context.Context) error {
	defer c.close()
	if err := c.lead(ctx); err != nil {
		return err
	}
	for c.size = c.Range; !c.done; {
		sp, err := c.scan(ctx)
		if err != nil {
			return errors.Join(c.salvage(sp), err)
		}
		if sp.equal() && !c.displaced {
			err = c.pass(sp, sp.now)
			c.size = min(2*c.size, c.Range)
		} else {
			err = c.differ(ctx, sp)
			c.size = min(c.Step, c.Range)
		}
		if err != nil {
			return err
		}
	}
	return c.proofs(ctx)
}

// salvage takes what was read of a span before an error.
func (c *comparison) salvage(sp *span) error {
	if sp.now.source == c.mark.source && sp.now.target == c.mark.target {
		return nil
	}
	return c.pass(sp, sp.lastEqual())
}

// pass takes a span as equal up to a mark.
func (c *comparison) pass(sp *span, m mark) error {
	c.tally.span(sp, m)
	for _, t := range sp.marks {
		if t.records < m.records {
			c.trail = append(c.trail, t)
		}
	}
	return c.advance(m)
}

// advance moves the mark on.
func (c *comparison) advance(m mark) error {
	m.spared, m.notes = nil, 0
	c.mark, c.fresh = m, false
	for len(c.trail) > 1 && c.trail[1].records <= m.records-c.LookBack {
		c.trail = c.trail[1:]
	}
	if len(c.trail) > 0 {
		c.res.LookBack = c.trail[0].target
	}
	c.res.Verified.Source, c.res.Verified.Target, c.res.OffMap = m.source, m.target, c.displaced
	c.res.Records, c.res.Passed, c.res.Digest = m.records, m.passed, m.chains[0]
	for side, name := range []string{"source", "target"} {
		if c.tapes[side] != nil && c.tapes[side].stamped() {
			c.tally.stamp(name)
		}
	}
	return c.advanced(!c.passing && !c.tally.waits())
}

// wind places both tapes.
func (c *comparison) wind(ctx context.Context, source, target int64) error {
	for side, from := range []int64{source, target} {
		if c.tapes[side] != nil && (c.tapes[side].at() == from || c.tapes[side].seek(from)) {
			continue
		}
		if c.tapes[side] != nil {
			c.tapes[side].close()
			c.tapes[side] = nil
		}
		t, err := c.open(ctx, side, from, c.bounds[side])
		if err != nil {
			return err
		}
		c.tapes[side] = t
	}
	return nil
}

func (c *comparison) close() {
	for _, t := range c.tapes {
		if t != nil {
			t.close()
		}
	}
}

// scan digests a range on both sides; with an error, the part before it.
func (c *comparison) scan(ctx context.Context) (*span, error) {
	sp := newSpan(c.mark, c.Step)
	if c.displaced {
		return sp, nil
	}
	if err := c.wind(ctx, c.mark.source, c.mark.target); err != nil {
		return sp, err
	}
	for sp.items < c.size && !c.done {
		if err := c.step(ctx, sp); err != nil {
			return sp.cut(), err
		}
		sp.at(c.tapes[onSource].at(), c.tapes[onTarget].at())
	}
	if c.done && !c.res.Behind {
		sp.at(c.bounds[onSource], c.bounds[onTarget])
	}
	return sp, nil
}

// step takes the next batch or record of both sides, or of one.
func (c *comparison) step(ctx context.Context, sp *span) error {
	if took, err := c.batch(ctx, sp); took || err != nil {
		return err
	}
	s, sourceMore, err := c.tapes[onSource].peek(ctx)
	if err != nil {
		return err
	}
	t, targetMore, err := c.tapes[onTarget].peek(ctx)
	if err != nil {
		return err
	}
	if !targetMore && (!sourceMore || c.Live && c.Map == nil) {
		c.done, c.res.Behind = true, sourceMore
		return nil
	}
	c.judged(sp, s, t,
		place{s.Offset, s.Timestamp, sourceMore, s.Key == nil, c.tapes[onSource].start()},
		place{t.Offset, t.Timestamp, targetMore, t.Key == nil, c.tapes[onTarget].start()})
	return nil
}

// judged takes the records that belong together.
func (c *comparison) judged(sp *span, s, t record, atSource, atTarget place) {
	v, why := c.next(atSource, atTarget)
	switch v {
	case paired:
		sp.pair(c.hash.record(s), c.hash.record(t))
		if len(sp.notes) > 0 || c.tally.waits() {
			sp.note(note{key: c.hash.key(t.Key)})
		}
	case sourceAlone:
		sp.alone(onSource, c.hash.record(s))
	case targetAlone:
		sp.alone(onTarget, c.hash.record(t))
	case sourceSpare, targetSpare:
		sp.spare(why)
	case sourceHole:
		p := c.hash.print(s)
		f := c.finding(Loss, &p, nil)
		sp.note(note{key: p.key, hole: &f, tombstone: p.nullValue})
	}
	if v != targetAlone && v != targetSpare {
		c.tapes[onSource].take()
	}
	if v == paired || v == targetAlone || v == targetSpare {
		c.tapes[onTarget].take()
	}
}

// batch takes a batch of both sides whose bytes are equal, if that is what comes
// next.
func (c *comparison) batch(ctx context.Context, sp *span) (bool, error) {
	if c.Deep || len(sp.notes) > 0 || c.tally.waits() {
		return false, nil
	}
	s, ok, err := c.tapes[onSource].whole(ctx)
	if err != nil || !ok {
		return false, err
	}
	t, ok, err := c.tapes[onTarget].whole(ctx)
	if err != nil || !ok || !s.passedThrough(t) {
		return false, err
	}
	if c.Map != nil && !c.images.whole(s.FirstOffset, t.FirstOffset, s.next()-s.FirstOffset) {
		return false, nil
	}
	sp.batch(c.hash.d.Payload(batch.Batch(s.bytes)), int64(s.NumRecords))
	c.tapes[onSource].takeWhole()
	c.tapes[onTarget].takeWhole()
	return true, nil
}
