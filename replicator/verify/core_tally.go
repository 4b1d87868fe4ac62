package verify

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
)

// tally collects what a comparison finds.
type tally struct {
	res  *Result
	most int // findings that are listed
	// alone are listed losses and extra records by digest: one on each side with
	// the same digest is a record out of order.
	alone map[batch.Digest]int
	// onTarget waits for records of the target, onSource for records of the source.
	onTarget, onSource *holes
}

func newTally(res *Result, cfg *Config) *tally {
	t := &tally{res: res, most: cfg.Findings, alone: make(map[batch.Digest]int), onTarget: newHoles(cfg.Holes), onSource: newHoles(cfg.Holes)}
	if res.Kinds == nil {
		res.Kinds, res.Explained = make(map[Kind]int64), make(map[Reason]int64)
	}
	for i := range res.Findings {
		_, _ = hex.Decode(res.Findings[i].whole[:], []byte(res.Findings[i].Digest)) // of our own making
		t.remember(i)
	}
	return t
}

// add takes note of a difference.
func (t *tally) add(f Finding) {
	if f.Kind == Loss || f.Kind == Extra {
		if i, known := t.alone[f.whole]; known && t.res.Findings[i].Kind != f.Kind {
			t.meet(i, f)
			return
		}
	}
	t.count(f.Kind, f.Records)
	if len(t.res.Findings) < t.most {
		f.Digest = hex.EncodeToString(f.whole[:])
		t.res.Findings = append(t.res.Findings, f)
		t.remember(len(t.res.Findings) - 1)
	}
}

func (t *tally) count(k Kind, n int64) {
	t.res.Count += n
	if t.res.Kinds[k] += n; t.res.Kinds[k] == 0 {
		delete(t.res.Kinds, k)
	}
}

func (t *tally) remember(i int) {
	f := &t.res.Findings[i]
	if f.Kind == Loss || f.Kind == Extra {
		t.alone[f.whole] = i
	}
}

// meet makes one record out of order of a loss and an extra record.
func (t *tally) meet(i int, f Finding) {
	g := &t.res.Findings[i]
	delete(t.alone, f.whole)
	t.count(g.Kind, -1)
	t.count(Reorder, 1)
	if f.Kind == Loss {
		g.Source, g.Expected = f.Source, f.Expected
	} else {
		g.Target = f.Target
	}
	g.Kind = Reorder
}

// explain takes note of records that are no difference.
func (t *tally) explain(why Reason, n int64) {
	if n > 0 {
		t.res.Explained[why] += n
	}
}

// stamp takes note that a side's times are the broker's.
func (t *tally) stamp(side string) {
	if !slices.Contains(t.res.Stamped, side) {
		t.res.Stamped = append(t.res.Stamped, side)
		slices.Sort(t.res.Stamped)
	}
}

// span takes a span down to a mark up to which both sides are equal.
func (t *tally) span(s *span, m mark) {
	for why, n := range m.spared { //rules:ordered counted up, order does not show
		t.explain(why, n)
	}
	for _, n := range s.notes[:m.notes] {
		if n.hole == nil {
			t.seen(n.key)
		} else {
			t.explain(TargetCompacted, t.onTarget.add(n.key, *n.hole, n.tombstone))
		}
	}
}

// seen takes note of a record that stands on both sides: it may be the one that
// a hole waits for.
func (t *tally) seen(key batch.Digest) {
	t.explain(SourceCompacted, t.onSource.seen(key))
	t.explain(TargetCompacted, t.onTarget.seen(key))
}

// waits says whether a hole waits for its proof.
func (t *tally) waits() bool { return t.onSource.any() || t.onTarget.any() }

// finish judges what waited in vain for a later record of its key.
func (t *tally) finish() {
	lost, extra := t.onTarget.settle(t.onSource)
	t.explain(TargetCompacted, lost)
	t.explain(SourceCompacted, extra)
	for _, f := range append(t.onTarget.left(), t.onSource.left()...) {
		t.add(f)
	}
	if t.crowded() {
		t.res.Problem = fmt.Sprintf("%d records may have been taken by compaction: too many wait for the later record of their key to tell",
			t.onTarget.dropped+t.onSource.dropped)
	}
}

// crowded says whether there was no room for a hole.
func (t *tally) crowded() bool { return t.onTarget.dropped+t.onSource.dropped > 0 }
