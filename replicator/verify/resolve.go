package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/cluster/batch"
)

// errUnaligned ends the comparison of a partition that has no map.
var errUnaligned = errors.New("the sides have nothing in common")

// differ takes a span that is not the same on both sides: up to the last mark
// where it is, and from there on record by record.
func (c *comparison) differ(ctx context.Context, sp *span) error {
	c.done, c.res.Behind = false, false
	if m := sp.lastEqual(); m.records > c.mark.records || m.source > c.mark.source {
		if err := c.pass(sp, m); err != nil {
			return err
		}
	}
	if err := c.wind(ctx, c.mark.source, c.mark.target); err != nil {
		return err
	}
	w := window{first: c.fresh, displaced: c.displaced}
	w.from.Source, w.from.Target = c.mark.source, c.mark.target
	for size := min(firstWindow, c.Window); ; size = min(size*windowGrowth, c.Window) {
		if err := c.fill(ctx, &w, size); err != nil {
			return err
		}
		x := explain(c.judge, w)
		at, ok := x.cut()
		if !ok && size == c.Window {
			if at, ok = x.cutAnyway(); !ok {
				return c.unaligned()
			}
		}
		if ok {
			return c.settle(ctx, x, at)
		}
	}
}

// fill lets a window grow to a size.
func (c *comparison) fill(ctx context.Context, w *window, size int) error {
	var err error
	if w.a, _, w.endA, err = c.prints(ctx, onSource, w.a, 0, size); err != nil {
		return err
	}
	if w.b, w.nativesBehind, w.endB, err = c.prints(ctx, onTarget, w.b, w.nativesBehind, size); err != nil {
		return err
	}
	w.inA, w.inB = len(w.a), len(w.b)
	w.sourceStart, w.targetStart = c.tapes[onSource].start(), c.tapes[onTarget].start()
	if w.endA && w.endB && c.Map != nil {
		return c.beyond(ctx, w)
	}
	return nil
}

// prints reads on until there are so many. Records of others, of which the map
// knows nothing, are left out and counted with what follows them.
func (c *comparison) prints(ctx context.Context, side int, all []print, natives int64, size int) ([]print, int64, bool, error) {
	t := c.tapes[side]
	for len(all) < size {
		r, ok, err := t.peek(ctx)
		if err != nil || !ok {
			return all, natives, !ok, err
		}
		t.take()
		if side == onTarget && c.native(r.Offset) {
			natives++
			continue
		}
		p := c.hash.print(r)
		p.natives, natives = natives, 0
		all = append(all, p)
	}
	return all, natives, false, nil
}

// native says that others wrote a target record.
func (j *judge) native(target int64) bool {
	_, has := j.origins.origin(target)
	return !has && j.Shared
}

// lookedBeyond is how many records behind the bounds are known to a window: what
// was moved further past them is taken for lost.
const lookedBeyond = 64

// beyond reads a few records behind both bounds, if there are any.
func (c *comparison) beyond(ctx context.Context, w *window) error {
	for side, all := range []*[]print{&w.a, &w.b} {
		t, err := c.open(ctx, side, c.bounds[side], c.bounds[side]+lookedBeyond)
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			var r record
			if r, more, err = t.peek(ctx); more && err == nil {
				t.take()
				*all = append(*all, c.hash.print(r))
			}
		}
		t.close()
		if err = unless(ErrNotYet, err); err != nil {
			return err
		}
	}
	return nil
}

// settle takes note of what a window shows up to its cut.
func (c *comparison) settle(ctx context.Context, x *alignment, at pair) error {
	if x.puzzled(at) {
		earlier, err := c.earlier(ctx)
		if err != nil {
			return err
		}
		x.window.earlier = earlier
		x = explain(c.judge, x.window)
	}
	m := c.mark
	c.displaced = !c.tally.account(x, at, &m)
	m.source, m.target = x.behind(at, c.bounds)
	c.done = x.endA && x.endB && at == pair{x.inA, x.inB}
	// Without a map the end may look different once more has been written.
	c.passing = c.done && c.Map == nil
	return c.advance(m)
}

// earlier reads where records stand on the target that were compared lately, as
// far as they are still there.
func (c *comparison) earlier(ctx context.Context) (map[batch.Digest]int64, error) {
	at := make(map[batch.Digest]int64)
	t, err := c.open(ctx, onTarget, c.trail[0].target, c.mark.target)
	if err != nil {
		return at, unless(ErrOvertaken, err)
	}
	defer t.close()
	for {
		r, ok, err := t.peek(ctx)
		if err != nil || !ok {
			return at, unless(ErrOvertaken, err)
		}
		d := c.hash.record(r)
		if _, known := at[d]; !known {
			at[d] = r.Offset
		}
		t.take()
	}
}

// unless is the error, but for one that does no harm here.
func unless(harmless, err error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}

// unaligned gives up: nothing that follows can be said to belong together.
func (c *comparison) unaligned() error {
	f := c.finding(Unaligned, nil, nil)
	f.Source, f.Target = c.mark.source, c.mark.target
	c.tally.add(f)
	return fmt.Errorf("%w: %d records of each side from source %d and target %d on", errUnaligned, c.Window, c.mark.source, c.mark.target)
}

// proofs reads on for the later records of their keys that holes wait for.
func (c *comparison) proofs(ctx context.Context) error {
	if !c.tally.waits() && !c.tally.crowded() {
		return nil
	}
	if err := c.prove(ctx, onSource, c.tally.onSource, SourceCompacted); err != nil {
		return err
	}
	if err := c.prove(ctx, onTarget, c.tally.onTarget, TargetCompacted); err != nil {
		return err
	}
	c.tally.finish()
	return c.advance(c.mark)
}

// prove reads from the bound to the end that a side has now.
func (c *comparison) prove(ctx context.Context, side int, h *holes, why Reason) error {
	if !h.any() {
		return nil
	}
	end, err := c.end(ctx, side)
	if err != nil {
		return err
	}
	t, err := c.open(ctx, side, c.bounds[side], end)
	if err != nil {
		return err
	}
	defer t.close()
	for h.any() {
		r, ok, err := t.peek(ctx)
		if err != nil || !ok {
			return err
		}
		c.tally.explain(why, h.seen(c.hash.key(r.Key)))
		t.take()
	}
	return nil
}
