package verify

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// requireAccount demands that the findings tell everything: take from the source
// what is lost or out of order and from the target what is too much or out of
// order, and the same records are left on both sides but for those that a
// finding calls changed.
func requireAccount(t require.TestingT, w *world, res Result) {
	fromSource, fromTarget, changed := map[int64]bool{}, map[int64]bool{}, map[int64]Finding{}
	for _, f := range res.Findings {
		switch f.Kind {
		case Loss:
			fromSource[f.Source] = true
		case Extra, Vanished:
			fromTarget[f.Target] = true
		case Duplicate:
			fromTarget[f.Target] = true
			require.True(t, equalRecords(w.target.at(t, *f.Of), w.target.at(t, f.Target)), "%v", f)
		case Reorder:
			fromSource[f.Source], fromTarget[f.Target] = true, true
			require.True(t, equalRecords(w.source.at(t, f.Source), w.target.at(t, f.Target)), "%v", f)
		case Displaced:
		default:
			changed[f.Source] = f
		}
	}
	a, b := w.source.without(fromSource), w.target.without(fromTarget)
	require.Equal(t, len(a), len(b), "%v", res.Findings)
	for i := range a {
		if f, is := changed[a[i].Offset]; is {
			require.Equal(t, f.Target, b[i].Offset, "%v", f)
			require.False(t, equalRecords(a[i], b[i]), "%v", f)
			delete(changed, a[i].Offset)
			continue
		}
		require.True(t, equalRecords(a[i], b[i]), "source %d, target %d: %v", a[i].Offset, b[i].Offset, res.Findings)
	}
	require.Empty(t, changed)
	require.EqualValues(t, len(a), res.Records)
}

func (s *side) at(t require.TestingT, offset int64) record {
	for _, r := range s.records {
		if r.Offset == offset {
			return r
		}
	}
	require.Fail(t, "no such record", "offset %d", offset)
	return record{}
}

func (s *side) without(offsets map[int64]bool) []record {
	return slices.DeleteFunc(slices.Clone(s.records), func(r record) bool { return offsets[r.Offset] })
}

// equal says whether both logs hold the same records in the same order.
func (w *world) equal() bool {
	return slices.EqualFunc(w.source.records, w.target.records, equalRecords)
}

// TestManyFaultsAreAccountedFor: whatever was done to the target, the findings
// explain all of it, and there are none if nothing was done.
func TestManyFaultsAreAccountedFor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 1500).Draw(rt, "records")
		some := contents(n)
		if rapid.Bool().Draw(rt, "alike") { // many records that nothing tells apart
			kinds := rapid.IntRange(1, 3).Draw(rt, "kinds")
			for i := range some {
				some[i] = content(i % kinds)
			}
		}
		w := &world{cfg: small(rt), source: sideOf(some...), target: sideOf(some...)}
		w.cfg.Findings = 100_000
		w.source.per, w.target.per = rapid.IntRange(1, 30).Draw(rt, "source batches"), rapid.IntRange(1, 30).Draw(rt, "target batches")
		w.q.UpTo = int64(n)
		for range rapid.IntRange(0, 12).Draw(rt, "faults") {
			w.harm(rt)
		}
		res := w.compare(rt)
		requireAccount(rt, w, res)
		require.Equal(rt, w.equal(), res.Verdict == Identical)
	})
}

// harm does something to the target.
func (w *world) harm(rt *rapid.T) {
	n := len(w.target.records)
	if n == 0 {
		w.target.replace(contents(1))
		return
	}
	at := rapid.IntRange(0, n-1).Draw(rt, "at")
	to := min(n, at+rapid.IntRange(1, 80).Draw(rt, "length"))
	rs := slices.Clone(w.target.records)
	stretch := slices.Clone(rs[at:to])
	switch rapid.IntRange(0, 5).Draw(rt, "harm") {
	case 0:
		rs = slices.Delete(rs, at, to)
	case 1:
		rs = slices.Insert(rs, to, stretch...)
	case 2:
		rs = slices.Delete(rs, at, to)
		rs = slices.Insert(rs, rapid.IntRange(0, len(rs)).Draw(rt, "moved to"), stretch...)
	case 3:
		for i := range stretch {
			stretch[i] = record{Timestamp: int64(i), Value: []byte(fmt.Sprint("foreign ", n, i))}
		}
		rs = slices.Insert(rs, at, stretch...)
	case 4:
		for i := at; i < to; i += 3 {
			rs[i].Value = []byte(fmt.Sprint("changed ", i))
		}
	default:
		slices.Reverse(rs[at:min(to, at+5)])
	}
	w.target.replace(rs)
}
