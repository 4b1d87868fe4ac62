package verify

import (
	"maps"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestEveryRecordDiffers: where nothing is equal but everything is recognised,
// each difference is found, and reading again stays within bounds.
func TestEveryRecordDiffers(t *testing.T) {
	const n = 20_000
	shifted := contents(n)
	for i := range shifted {
		shifted[i].Timestamp += 1 << 40
	}
	for _, m := range []*offsetmap.Map{nil, mapOf(t, n, offsetmap.Run{Count: n})} {
		w := &world{source: sideOf(contents(n)...), target: sideOf(shifted...), q: Request{UpTo: n, Map: m}}
		w.source.per, w.target.per = 100, 100
		res := w.compare(t)
		require.Equal(t, map[Kind]int64{Timestamp: n}, res.Kinds)
		require.Len(t, res.Findings, 1000, "listed are the first")
		require.EqualValues(t, n, res.Records)
		require.Less(t, w.opened, 10, "tapes are wound, not opened again")
	}
}

// TestNothingInCommon: by order, two logs that have nothing in common for longer
// than a window are given up, and named where.
func TestNothingInCommon(t *testing.T) {
	w := &world{source: sideOf(contents(2000)...), target: sideOf(contents(4000)[2000:]...), q: Request{UpTo: 2000}, cfg: Config{Window: 512}}
	res, err := w.run(t, nil)
	require.ErrorIs(t, err, errUnaligned)
	require.Equal(t, []Finding{{Kind: Unaligned, Source: 0, Target: 0}}, bare(res.Findings))
	require.Equal(t, Different, res.Verdict)
	require.Contains(t, res.Problem, "512 records of each side from source 0 and target 0 on")
	require.Equal(t, "1 differences: from source 0 and target 0 on the sides have nothing in common", res.Summary())
}

// TestLongLoss: by map a loss may be longer than any window; by order it may not.
func TestLongLoss(t *testing.T) {
	const n, from, to = 3000, 100, 2500
	w := &world{source: sideOf(contents(n)...), target: sideOf(contents(n)...), cfg: Config{Window: 512, Findings: 5}}
	w.target.records = slices.Delete(w.target.records, from, to)
	w.q = Request{UpTo: n, Map: mapOf(t, n, offsetmap.Run{Count: n})}
	res := w.compare(t)
	require.Equal(t, map[Kind]int64{Loss: to - from}, res.Kinds)
	require.Len(t, res.Findings, 5)
	require.Contains(t, res.Summary(), "2395 more")
	require.EqualValues(t, n-(to-from), res.Records)
	require.Equal(t, offsetmap.Pair{Source: n, Target: n}, res.Verified)

	w.q.Map = nil
	_, err := w.run(t, nil)
	require.ErrorIs(t, err, errUnaligned)
	w.cfg.Window = 4096
	require.Equal(t, map[Kind]int64{Loss: to - from}, w.compare(t).Kinds)
}

// TestTruncatedTarget: the source's records behind the target's end are lost one
// by one, however many, and need no window.
func TestTruncatedTarget(t *testing.T) {
	w := &world{source: sideOf(contents(3000)...), target: sideOf(contents(10)...), q: Request{UpTo: 3000}, cfg: Config{Window: 512}}
	require.Equal(t, map[Kind]int64{Loss: 2990}, w.compare(t).Kinds)
	w.source, w.target, w.q.UpTo = w.target, w.source, 10
	require.Equal(t, map[Kind]int64{Extra: 2990}, w.compare(t).Kinds)
}

// TestPatternsDoNotMislead: records that come again and again, alike, do not pass
// for a place where the sides are in step.
func TestPatternsDoNotMislead(t *testing.T) {
	rs := contents(4000)
	for i := range rs {
		if i%40 < 3 {
			rs[i] = record{Timestamp: 7, Key: []byte("beat"), Value: []byte("beat")}
		}
	}
	w := &world{source: sideOf(rs...), target: sideOf(slices.Delete(slices.Clone(rs), 100, 800)...), q: Request{UpTo: 4000}}
	res := w.compare(t)
	require.Equal(t, map[Kind]int64{Loss: 700}, res.Kinds)
	w.source, w.target = w.target, w.source
	w.q.UpTo = 3300
	res = w.compare(t)
	require.EqualValues(t, 700, res.Count)
	require.Zero(t, res.Kinds[Loss]+res.Kinds[Reorder], "%v", res.Kinds)
}

// TestRetentionHasComeUnequallyFar: where one log begins much later than the
// other, the common part is found by time, however much lies before it.
func TestRetentionHasComeUnequallyFar(t *testing.T) {
	rs := contents(3000)
	w := &world{source: &side{records: rs[2500:], start: 2500}, target: sideOf(rs...), q: Request{UpTo: 3000}, cfg: Config{Window: 512}}
	res := w.compare(t)
	require.Empty(t, res.Summary())
	require.Equal(t, map[Reason]int64{SourceExpired: 2500}, res.Explained)
	require.EqualValues(t, 500, res.Records)
	require.Equal(t, offsetmap.Pair{Source: 3000, Target: 3000}, res.Verified)

	same := slices.Clone(rs)
	for i := 2000; i < 2600; i++ { // more than the time can tell apart, but not more than a window
		same[i].Timestamp = 2800
	}
	w.source.records, w.target = same[2500:], sideOf(same...)
	w.cfg.Window = 4096
	res = w.compare(t)
	require.Empty(t, res.Summary())
	require.Equal(t, map[Reason]int64{SourceExpired: 2500}, res.Explained)

	w = &world{source: sideOf(rs...), target: &side{records: rs[2500:], start: 2500}, q: Request{UpTo: 3000, TargetKeepsFrom: 1000 + 2400}, cfg: Config{Window: 512}}
	res = w.compare(t)
	require.Equal(t, map[Reason]int64{TargetExpired: 2400}, res.Explained)
	require.Equal(t, map[Kind]int64{Loss: 100}, res.Kinds)
	require.EqualValues(t, 2400, res.Findings[0].Source)

	w = &world{source: &side{start: 50}, target: sideOf(rs[:50]...), q: Request{UpTo: 50}}
	res = w.compare(t)
	require.Equal(t, map[Reason]int64{SourceExpired: 50}, res.Explained, "the source is empty now")
	require.Equal(t, Identical, res.Verdict)
}

// TestMovedFar: a record that was moved further than its window is out of order
// all the same.
func TestMovedFar(t *testing.T) {
	rs := contents(4000)
	moved := slices.Insert(slices.Delete(slices.Clone(rs), 100, 101), 3500, rs[100])
	w := &world{source: sideOf(rs...), target: sideOf(moved...), q: Request{UpTo: 4000}}
	res := w.compare(t)
	require.Equal(t, []Finding{{Kind: Reorder, Source: 100, Target: 3500}}, bare(res.Findings))
	require.Equal(t, map[Kind]int64{Reorder: 1}, res.Kinds)
	require.Equal(t, `1 differences: source 100 stands out of order, at target 3500`, res.Summary())
	w.source, w.target = w.target, w.source
	require.Equal(t, []Finding{{Kind: Reorder, Source: 3500, Target: 100}}, bare(w.compare(t).Findings))
}

// TestAlignmentIsLongest: where no element repeats, no choice of equal elements
// in order is longer; where some do, what is chosen is at least in order.
func TestAlignmentIsLongest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		distinct := rapid.Bool().Draw(rt, "distinct")
		a, b := drawIdents(rt, "a", distinct), drawIdents(rt, "b", distinct)
		m := align(a, b)
		n, after := 0, -1
		for i, k := range m {
			if k < 0 {
				continue
			}
			require.Equal(rt, a[i], b[k])
			require.Greater(rt, k, after)
			n, after = n+1, k
		}
		if longest := longestCommon(a, b); distinct {
			require.Equal(rt, longest, n)
		} else {
			require.LessOrEqual(rt, n, longest)
			require.True(rt, n > 0 || longest == 0)
		}
	})
}

func drawIdents(rt *rapid.T, name string, distinct bool) (ids []ident) {
	most := int64(6)
	if distinct {
		most = 40
	}
	of := rapid.SliceOfN(rapid.Int64Range(0, most), 0, 30)
	if distinct {
		of = rapid.SliceOfNDistinct(rapid.Int64Range(0, most), 0, 30, rapid.ID[int64])
	}
	for _, v := range of.Draw(rt, name) {
		ids = append(ids, ident{timestamp: v})
	}
	return ids
}

// longestCommon is the textbook's length of a longest common subsequence.
func longestCommon(a, b []ident) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for k, y := range b {
			above := row[k+1]
			if row[k+1] = max(above, row[k]); x == y {
				row[k+1] = diagonal + 1
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

// TestImages: looking up in any order finds what the runs say.
func TestImages(t *testing.T) {
	m := images{runs: mapOf(t, 40, offsetmap.Run{Source: 2, Target: 5, Count: 3}, offsetmap.Run{Source: 10, Target: 8, Count: 1}, offsetmap.Run{Source: 11, Target: 12, Count: 9}).Runs()}
	image, origin := map[int64]int64{}, map[int64]int64{}
	for _, r := range m.runs {
		for i := range r.Count {
			image[r.Source+i], origin[r.Target+i] = r.Target+i, r.Source+i
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		for _, o := range rapid.SliceOf(rapid.Int64Range(0, 30)).Draw(rt, "offsets") {
			got, ok := m.image(o)
			want, has := image[o]
			require.Equal(rt, has, ok)
			require.Equal(rt, want, got)
			got, ok = m.origin(o)
			want, has = origin[o]
			require.Equal(rt, has, ok)
			require.Equal(rt, want, got)
		}
	})
	require.True(t, m.whole(2, 5, 3))
	require.False(t, m.whole(2, 5, 4), "runs over the end")
	require.False(t, m.whole(2, 6, 1), "another target")
	require.False(t, m.whole(1, 4, 2), "begins before")
	for upTo, want := range map[int64]int64{0: 3, 2: 3, 3: 6, 5: 8, 10: 8, 11: 9, 40: 21} {
		require.Equal(t, want, m.end(3, upTo), upTo)
	}
}

// TestStrangersByMap: by map, a stretch longer than any window that the map knows
// nothing of, on one side or on both, is all that is lost or extra.
func TestStrangersByMap(t *testing.T) {
	const n = 3000
	for _, c := range []struct{ from, lost, extra int }{{1, 2000, 2000}, {100, 0, 2000}, {100, 2000, 0}, {700, 2000, 1500}, {700, 600, 2000}} {
		w := &world{source: sideOf(contents(n)...), cfg: Config{Window: 512}}
		rs := slices.Concat(contents(n)[:c.from], contents(n + c.extra)[n:], contents(n)[c.from+c.lost:])
		w.target = sideOf(rs...)
		w.q = Request{UpTo: n, Map: mapOf(t, n, offsetmap.Run{Count: int64(c.from)},
			offsetmap.Run{Source: int64(c.from + c.lost), Target: int64(c.from + c.extra), Count: int64(n - c.from - c.lost)})}
		res := w.compare(t)
		want := map[Kind]int64{Loss: int64(c.lost), Extra: int64(c.extra)}
		maps.DeleteFunc(want, func(_ Kind, n int64) bool { return n == 0 })
		require.Equal(t, want, res.Kinds, "%+v", c)
		require.EqualValues(t, n-c.lost, res.Records)
		require.Equal(t, offsetmap.Pair{Source: n, Target: int64(len(rs))}, res.Verified)
	}
}

// TestMovedIntoTheBound: a record from behind the bound that stands before it on
// the target is out of order, not extra.
func TestMovedIntoTheBound(t *testing.T) {
	const n, upTo, from, to = 300, 100, 105, 50
	rs := contents(n)
	r := rs[from]
	rs = slices.Insert(slices.Delete(rs, from, from+1), to, r)
	w := &world{source: sideOf(contents(n)...), target: sideOf(rs...)}
	w.q = Request{UpTo: upTo, Map: mapOf(t, n, offsetmap.Run{Count: n})}
	res := w.compare(t)
	require.Equal(t, []Finding{{Kind: Reorder, Source: from, Target: to}}, bare(res.Findings))
}
