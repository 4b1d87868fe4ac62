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
// what the former one may already have published. Overlaps must agree, for both tell of the same records; a
// contradiction is [ErrConflict]. A block that begins above everything known, what a later owner made anew
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
// round: a block that was lost and made anew comes late. Where both know the offsets they must agree, and what is
// added must lie above the target end of the earlier one. The error is a [JoinError] and leaves m unchanged.
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
		return &JoinError{Cause: ErrHole, At: m.end.Source, Want: m.end.Source, Got: o.begin.Source}
	}
	both := min(m.end.Source, o.end.Source)
	if err := agree(m.between(o.begin.Source, both), o.between(o.begin.Source, both)); err != nil {
		return err
	}
	added := o.between(m.end.Source, o.end.Source)
	if len(added) > 0 && added[0].Target < m.end.Target {
		return &JoinError{Cause: ErrConflict, At: added[0].Source, Want: m.end.Target, Got: added[0].Target}
	}
	for _, r := range added { // neither call can fail: o is a map, and it was compared with m above
		if err := m.add(r); err != nil {
			return err
		}
	}
	m.end.Source = max(m.end.Source, o.end.Source)
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

// agree compares two lists of runs over the same source offsets.
func agree(want, got []Run) error {
	for i := 0; i < len(want) || i < len(got); i++ {
		switch {
		case i >= len(got):
			return &JoinError{Cause: ErrConflict, At: want[i].Source, Want: want[i].Target, Got: -1}
		case i >= len(want):
			return &JoinError{Cause: ErrConflict, At: got[i].Source, Want: -1, Got: got[i].Target}
		case want[i] != got[i]:
			return contradiction(want[i], got[i])
		}
	}
	return nil
}

// contradiction names the first source offset at which two different runs disagree.
func contradiction(want, got Run) error {
	e := &JoinError{Cause: ErrConflict, At: min(want.Source, got.Source), Want: -1, Got: -1}
	if want.Source == got.Source && want.Target == got.Target { // one is longer
		e.At += min(want.Count, got.Count)
	}
	if want.Source <= e.At && e.At < want.SourceEnd() {
		e.Want = want.Target + e.At - want.Source
	}
	if got.Source <= e.At && e.At < got.SourceEnd() {
		e.Got = got.Target + e.At - got.Source
	}
	return e
}

// empty says that a map tells nothing but where it begins.
func (m *Map) empty() bool { return m.begin == m.end }
