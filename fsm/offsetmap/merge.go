package offsetmap

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Block is one published part of a partition's map: begun where the same owner's former block ended, or where a
// new owner found the copy.
type Block struct {
	// OwnerEpoch is that of the owner that published the block; each new owner raises it.
	OwnerEpoch int32
	// Number counts the blocks of one owner from 0.
	Number int64
	Map    Map
}

// Merge joins the blocks of one partition, in order of owner epoch, then block number, whatever order they
// are given in. The lowest one that tells anything sets the begin.
//
// Blocks may overlap: a block that grew was published more than once, and a new owner reads back from the target
// what the former one may already have published. Overlaps must agree, for both tell of the same records, but one may
// know more: an owner that finds a record on the target whose origin was compacted meanwhile knows no origin, its
// predecessor, whose last block comes late, does. Two images of an offset, or two origins, are [ErrConflict]. A block that begins above everything known, what a later owner made anew
// included, is [ErrHole]: the missing one may still be on its way, and nothing above the hole may be relied on. On
// error the map returned reaches as far as the blocks before the fault do.
func Merge(blocks []Block) (Map, error) {
	if len(blocks) == 0 {
		return Map{}, fmt.Errorf("merge no blocks: %w", ErrHole)
	}
	ordered := told(blocks)
	slices.SortStableFunc(ordered, func(a, b Block) int {
		return cmp.Or(cmp.Compare(a.OwnerEpoch, b.OwnerEpoch), cmp.Compare(a.Number, b.Number))
	})
	lowest := 0
	for i, b := range ordered {
		if b.Map.begin.Source < ordered[lowest].Map.begin.Source {
			lowest = i
		}
	}
	m, rest := ordered[lowest].Map.Clone(), slices.Delete(ordered, lowest, lowest+1)
	for {
		apart, err := m.joinAll(rest)
		if !errors.Is(err, ErrHole) || len(apart) == len(rest) {
			return m, err
		}
		rest = apart
	}
}

// told leaves out the blocks that tell nothing but a begin below all that do. Such a one comes late, of an owner that
// had found nothing and whose successors, which did not know of it, have begun above it.
func told(blocks []Block) []Block {
	lowest := int64(-1)
	for _, b := range blocks {
		if !b.Map.empty() && (lowest < 0 || b.Map.begin.Source < lowest) {
			lowest = b.Map.begin.Source
		}
	}
	return slices.DeleteFunc(slices.Clone(blocks), func(b Block) bool { return b.Map.empty() && b.Map.begin.Source < lowest })
}

// joinAll joins blocks in turn and returns those that lie above a hole, with the error of the first of them.
func (m *Map) joinAll(blocks []Block) (apart []Block, hole error) {
	for _, b := range blocks {
		err := m.Join(&b.Map)
		if err != nil {
			err = fmt.Errorf("join block %d of owner epoch %d: %w", b.Number, b.OwnerEpoch, err)
		}
		switch {
		case errors.Is(err, ErrHole):
			apart, hole = append(apart, b), cmp.Or(hole, err)
		case err != nil:
			return nil, err
		}
	}
	return apart, hole
}

// Join extends m by another map of the same partition that begins inside m or at its watermark, or the other way
// round: a block that was lost and made anew comes late. Where both know the offsets, an image that only one of them
// names counts, and the images of all must rise with their origins. So must those of maps that do not touch. The error is a [JoinError] and leaves m unchanged.
func (m *Map) Join(o *Map) error {
	if o.begin.Source < m.begin.Source {
		longer := o.Clone()
		err := longer.Join(m)
		if err == nil {
			*m = longer
		}
		return err
	}
	if o.begin.Source > m.end.Source {
		if end := m.lastEnd(); o.begin.Target < end { // it knows nothing of what stands there
			return &JoinError{Cause: ErrConflict, At: o.begin.Source, Want: end, Got: o.begin.Target}
		}
		return &JoinError{Cause: ErrHole, At: m.end.Source, Want: m.end.Source, Got: o.begin.Source}
	}
	both := min(m.end.Source, o.end.Source)
	mine, theirs := m.between(o.begin.Source, both), o.between(o.begin.Source, both)
	added := o.between(m.end.Source, o.end.Source)
	whole := m
	if !slices.Equal(mine, theirs) {
		united, err := unite(mine, theirs)
		if err != nil {
			return err
		}
		added = slices.Concat(united, m.between(both, m.end.Source), added)
		whole = &Map{begin: m.begin, runs: m.between(m.begin.Source, o.begin.Source)}
		whole.end = Pair{Source: o.begin.Source, Target: whole.lastEnd()}
	}
	if err := rising(whole.end.Target, added); err != nil {
		return err
	}
	end := max(m.end.Source, o.end.Source)
	for _, r := range added { // cannot fail: the runs are those of maps, and they rise
		if err := whole.add(r); err != nil {
			return err
		}
	}
	whole.end.Source = end
	*m = *whole
	return nil
}

// lastEnd is the target offset after the last run.
func (m *Map) lastEnd() int64 {
	if len(m.runs) == 0 {
		return m.begin.Target
	}
	return m.runs[len(m.runs)-1].TargetEnd()
}

// rising demands that the images of runs rise from a target offset on.
func rising(from int64, runs []Run) error {
	for _, r := range runs {
		if r.Target < from {
			return &JoinError{Cause: ErrConflict, At: r.Source, Want: from, Got: r.Target}
		}
		from = r.TargetEnd()
	}
	return nil
}

// add skips to a run and appends it.
func (m *Map) add(r Run) error {
	if err := m.Skip(r.Source); err != nil {
		return err
	}
	return m.Append(r)
}

// between returns the runs cut down to the source offsets [from, to).
func (m *Map) between(from, to int64) []Run {
	if from >= to {
		return nil
	}
	i, _ := slices.BinarySearchFunc(m.runs, from, func(r Run, at int64) int {
		if r.SourceEnd() <= at {
			return -1
		}
		return 1
	})
	var out []Run
	for ; i < len(m.runs) && m.runs[i].Source < to; i++ {
		r := m.runs[i]
		if cut := from - r.Source; cut > 0 {
			r = Run{Source: from, Target: r.Target + cut, Count: r.Count - cut}
		}
		r.Count = min(r.Count, to-r.Source)
		out = append(out, r)
	}
	return out
}

// unite joins two lists of runs over the same source offsets. Where both have an image it must be the same.
func unite(a, b []Run) (out []Run, err error) {
	a, b = slices.Clone(a), slices.Clone(b)
	for len(a) > 0 && len(b) > 0 {
		x, y := &a[0], &b[0]
		if y.Source < x.Source {
			x, y = y, x
		}
		n := min(x.Count, y.Source-x.Source) // x alone
		if n == 0 {
			if x.Target != y.Target {
				return nil, &JoinError{Cause: ErrConflict, At: x.Source, Want: a[0].Target, Got: b[0].Target}
			}
			n = min(x.Count, y.Count)
			y.first(n)
		}
		out = append(out, x.first(n))
		a, b = trimmed(a), trimmed(b)
	}
	return slices.Concat(out, a, b), nil
}

// first cuts n records off the begin of a run and returns them.
func (r *Run) first(n int64) Run {
	head := Run{Source: r.Source, Target: r.Target, Count: n}
	r.Source, r.Target, r.Count = r.Source+n, r.Target+n, r.Count-n
	return head
}

// trimmed is a list without a first run that was used up.
func trimmed(runs []Run) []Run {
	if len(runs) > 0 && runs[0].Count == 0 {
		return runs[1:]
	}
	return runs
}

// empty says that a map tells nothing but where it begins.
func (m *Map) empty() bool { return m.begin == m.end }
