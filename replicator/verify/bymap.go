package verify

import (
	"context"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// mapped walks along the runs of a map; offsets are asked for in rising order.
type mapped struct {
	runs []offsetmap.Run
}

// image is the target offset of a source offset, if it has one.
func (m *mapped) image(source int64) (int64, bool) {
	for len(m.runs) > 0 && m.runs[0].SourceEnd() <= source {
		m.runs = m.runs[1:]
	}
	if len(m.runs) == 0 || m.runs[0].Source > source {
		return 0, false
	}
	return m.runs[0].Target + source - m.runs[0].Source, true
}

// origin is the source offset of a target offset, if it has one.
func (m *mapped) origin(target int64) (int64, bool) {
	for len(m.runs) > 0 && m.runs[0].TargetEnd() <= target {
		m.runs = m.runs[1:]
	}
	if len(m.runs) == 0 || m.runs[0].Target > target {
		return 0, false
	}
	return m.runs[0].Source + target - m.runs[0].Target, true
}

// byMap compares every source record with its image.
func (c *comparison) byMap(ctx context.Context) error {
	if c.UpTo > c.Map.Watermark() {
		return fmt.Errorf("%w: the map reaches source offset %d, wanted is %d", ErrNotYet, c.Map.Watermark(), c.UpTo)
	}
	begin := c.Map.Begin()
	source, start, err := open(ctx, c.Source, begin.Source, c.UpTo)
	if err != nil {
		return err
	}
	target, err := c.images(ctx, begin.Target)
	if err != nil {
		return err
	}
	return c.along(ctx, source, target, start)
}

// along walks both sides along the map.
func (c *comparison) along(ctx context.Context, source, target *cursor, sourceStart int64) error {
	runs := c.Map.Runs()
	w := &walk{comparison: c, images: mapped{runs}, origins: mapped{runs}, target: target, sourceStart: sourceStart}
	for {
		s, more, err := source.take(ctx)
		if err != nil {
			return err
		}
		if !more {
			return w.pass(ctx, target.until)
		}
		if err := w.record(ctx, s); err != nil {
			return err
		}
	}
}

// images is a cursor over the images. Where the target ends before the last one
// the rest is missing.
func (c *comparison) images(ctx context.Context, from int64) (*cursor, error) {
	high, err := c.Target.Client.ListOffsets(ctx, c.Target.Topic, []int32{c.Target.Partition}, cluster.Latest)
	if err != nil {
		return nil, fmt.Errorf("read the end of %s: %w", c.Target, err)
	}
	target, _, err := open(ctx, c.Target, from, min(high[c.Target.Partition], targetEnd(c.Map, c.UpTo)))
	return target, err
}

// targetEnd is the target offset after the image of the last source offset
// below upTo.
func targetEnd(m *offsetmap.Map, upTo int64) int64 {
	end := m.Begin().Target
	for _, r := range m.Runs() {
		if r.Source < upTo {
			end = r.Target + min(r.Count, upTo-r.Source)
		}
	}
	return end
}

// walk is the target's side of a comparison by map.
type walk struct {
	*comparison
	images, origins mapped
	target          *cursor
	sourceStart     int64
}

// record looks for the image of one source record.
func (w *walk) record(ctx context.Context, s record) error {
	at, has := w.images.image(s.offset)
	if !has {
		w.hash(w.comparison.source, s)
		w.differ(Difference{Kind: Missing, Source: s.offset, Target: -1})
		return nil
	}
	if err := w.pass(ctx, at); err != nil {
		return err
	}
	t, more, err := w.target.peek(ctx)
	if err != nil {
		return err
	}
	if !more || t.offset != at {
		w.hash(w.comparison.source, s)
		w.differ(Difference{Kind: Missing, Source: s.offset, Target: at})
		return nil
	}
	if _, _, err := w.target.take(ctx); err != nil {
		return err
	}
	w.pair(s, t)
	return nil
}

// pass judges the target records below an offset: no source record that is left
// has them for its image.
func (w *walk) pass(ctx context.Context, to int64) error {
	for {
		t, more, err := w.target.peek(ctx)
		if err != nil || !more || t.offset >= to {
			return err
		}
		if _, _, err := w.target.take(ctx); err != nil {
			return err
		}
		origin, has := w.origins.origin(t.offset)
		switch {
		case !has && !w.Shared:
			w.differ(Difference{Kind: Extra, Source: -1, Target: t.offset})
		case has && !w.Compacted && origin >= w.sourceStart:
			w.differ(Difference{Kind: Vanished, Source: origin, Target: t.offset})
		}
	}
}
