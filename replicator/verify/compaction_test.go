package verify

import (
	"fmt"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// keyed is a log of a topic with few keys and some tombstones.
func keyed(rt *rapid.T) (all []record) {
	keys := rapid.IntRange(1, 8).Draw(rt, "keys")
	for i := range rapid.IntRange(1, 300).Draw(rt, "records") {
		r := content(i)
		r.Offset, r.Key = int64(i), []byte(fmt.Sprint("key ", rapid.IntRange(0, keys-1).Draw(rt, "key")))
		if rapid.IntRange(0, 5).Draw(rt, "tombstone") == 0 {
			r.Value = nil
		}
		all = append(all, r)
	}
	return all
}

// cleaned is a log after a cleaner has been there, up to an offset: of every key
// the last record is left, or nothing if that is a tombstone and old.
func cleaned(rs []record, upTo int, tombstones bool) (out []record) {
	latest := map[string]int64{}
	for _, r := range rs[:upTo] {
		latest[string(r.Key)] = r.Offset
	}
	for i, r := range rs {
		superseded := latest[string(r.Key)] > r.Offset
		if i < upTo && (superseded || tombstones && r.Value == nil) {
			continue
		}
		out = append(out, r)
	}
	return out
}

// drawCompacted is one topic on two clusters whose cleaners have come unequally
// far, with or without a map.
func drawCompacted(rt *rapid.T) (w *world, all []record) {
	all = keyed(rt)
	w = &world{cfg: small(rt), source: &side{per: 3}, target: &side{per: 5}}
	w.source.records = cleaned(all, rapid.IntRange(0, len(all)).Draw(rt, "source cleaned to"), rapid.Bool().Draw(rt, "source tombstones"))
	w.target.records = cleaned(all, rapid.IntRange(0, len(all)).Draw(rt, "target cleaned to"), rapid.Bool().Draw(rt, "target tombstones"))
	w.q = Request{UpTo: int64(len(all)), Compacted: true, TargetCompacted: true}
	if rapid.Bool().Draw(rt, "map") {
		w.q.Map = mapOf(rt, int64(len(all)), offsetmap.Run{Count: int64(len(all))})
	}
	return w, all
}

// TestCleanersAreExcused: what a cleaner took from either side is explained, all
// of it, and nothing differs.
func TestCleanersAreExcused(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, _ := drawCompacted(rt)
		res := w.compare(rt)
		require.Empty(rt, res.Findings, res.Summary())
		require.Equal(rt, Identical, res.Verdict)
		sourceOnly := missing(w.source.records, w.target.records)
		targetOnly := missing(w.target.records, w.source.records)
		require.EqualValues(rt, sourceOnly, res.Explained[TargetCompacted], "%v", res.Explained)
		require.EqualValues(rt, targetOnly, res.Explained[SourceCompacted], "%v", res.Explained)
		require.EqualValues(rt, len(w.source.records)-sourceOnly, res.Records)
	})
}

// TestOrphansAreExcused: a worker that took over knew no origin of some records at
// the target's end, because the source's cleaner had taken them. The map passes
// over both; a later record of the key is the proof that it was the cleaner.
func TestOrphansAreExcused(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, all := drawOrphans(rt)
		orphans := missing(w.target.records, w.source.records)
		res := w.compare(rt)
		require.Empty(rt, res.Findings, res.Summary())
		require.EqualValues(rt, orphans, res.Explained[SourceCompacted], "%v", res.Explained)
		require.EqualValues(rt, len(all)-orphans, res.Records)
	})
}

// drawOrphans is a topic that was copied whole before the source's cleaner took
// some of it, and a map that was lost for all that is gone now.
func drawOrphans(rt *rapid.T) (w *world, all []record) {
	all = keyed(rt)
	w = &world{cfg: small(rt), source: &side{per: 3}, target: &side{records: all, per: 5}}
	w.source.records = cleaned(all, rapid.IntRange(0, len(all)).Draw(rt, "source cleaned to"), false)
	m, err := offsetmap.New(0, 0)
	require.NoError(rt, err)
	for _, r := range w.source.records {
		require.NoError(rt, m.Skip(r.Offset))
		require.NoError(rt, m.Append(offsetmap.Run{Source: r.Offset, Target: r.Offset, Count: 1}))
	}
	require.NoError(rt, m.Skip(int64(len(all))))
	w.q = Request{UpTo: int64(len(all)), Compacted: true, Map: &m}
	return w, all
}

// TestOrphansThatAreNone: a record that the target has twice, or that nobody ever
// wrote to the source, is no orphan.
func TestOrphansThatAreNone(t *testing.T) {
	rs := contents(10)
	for i := range rs {
		rs[i].Key = []byte(fmt.Sprint(i % 2))
	}
	m, err := offsetmap.New(0, 0)
	require.NoError(t, err)
	require.NoError(t, m.Append(offsetmap.Run{Count: 4}))
	require.NoError(t, m.Skip(6)) // 4 and 5 were gone when a worker took over
	require.NoError(t, m.Append(offsetmap.Run{Source: 6, Target: 6, Count: 4}))
	w := &world{source: sideOf(rs...), target: sideOf(rs...), q: Request{UpTo: 10, Compacted: true, Map: &m}}
	w.source.records = slices.Delete(w.source.records, 4, 6)
	res := w.compare(t)
	require.Empty(t, res.Summary())
	require.Equal(t, map[Reason]int64{SourceCompacted: 2}, res.Explained)

	w.q.Compacted = false
	require.Equal(t, map[Kind]int64{Extra: 2}, w.compare(t).Kinds, "the source has no cleaner")
	w.q.Compacted = true
	w.target.records[5] = w.target.records[3]
	w.target.records[5].Offset = 5
	require.Equal(t, map[Kind]int64{Duplicate: 1}, w.compare(t).Kinds)
	w.target.records[5].Key = []byte("unheard of")
	require.Equal(t, map[Kind]int64{Extra: 1}, w.compare(t).Kinds, "nothing superseded it")

	less, err := offsetmap.New(0, 0)
	require.NoError(t, err)
	require.NoError(t, less.Append(offsetmap.Run{Count: 4}))
	require.NoError(t, less.Skip(5))
	require.NoError(t, less.Append(offsetmap.Run{Source: 5, Target: 6, Count: 4}))
	w.source, w.target, w.q.Map, w.q.UpTo = sideOf(slices.Delete(slices.Clone(rs), 4, 6)...), sideOf(rs...), &less, 9
	for i := range w.source.records[4:] {
		w.source.records[4+i].Offset++
	}
	require.Equal(t, map[Kind]int64{Extra: 2}, w.compare(t).Kinds, "two records do not come from one offset")
}

// missing counts the records of a that b lacks.
func missing(a, b []record) (n int) {
	for _, r := range a {
		if !slices.ContainsFunc(b, func(x record) bool { return x.Offset == r.Offset }) {
			n++
		}
	}
	return n
}

// TestNoCleanerTakesTheLast: if the target lacks the last record of a key, and it
// is no tombstone, then no cleaner took it: it is lost, whatever the policy says.
func TestNoCleanerTakesTheLast(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, all := drawCompacted(rt)
		latest := map[string]record{}
		for _, r := range all {
			latest[string(r.Key)] = r
		}
		lost, ok := latest[string(rapid.SampledFrom(all).Draw(rt, "of the key").Key)]
		if !ok || lost.Value == nil {
			rt.Skip("its last record is a tombstone")
		}
		w.target.records = slices.DeleteFunc(w.target.records, func(r record) bool { return r.Offset == lost.Offset })
		res := w.compare(rt)
		require.Equal(rt, []Finding{{Kind: Loss, Source: lost.Offset, Target: -1}}, bare(res.Findings), "%v", res)
	})
}

// TestSourceWithoutCleaner: by map, an origin that is gone although the source
// has no cleaner is the source's own loss, and named as such.
func TestSourceWithoutCleaner(t *testing.T) {
	w := &world{source: sideOf(contents(10)...), target: sideOf(contents(10)...)}
	w.source.records = slices.Delete(w.source.records, 4, 5)
	w.q = Request{UpTo: 10, Map: mapOf(t, 10, offsetmap.Run{Count: 10})}
	res := w.compare(t)
	require.Equal(t, []Finding{{Kind: Vanished, Source: 4, Target: 4}}, bare(res.Findings))
	require.Equal(t, `source 4 is gone, its image is target 4 (key "key 4")`, res.Findings[0].String())
	w.q.Compacted = true
	res = w.compare(t)
	require.Empty(t, res.Summary())
	require.Equal(t, map[Reason]int64{SourceCompacted: 1}, res.Explained)
}

// TestNullKeysAreNeverCleaned: a cleaner keeps no records without a key, so they
// are no holes of its making.
func TestNullKeysAreNeverCleaned(t *testing.T) {
	w := &world{source: sideOf(contents(12)...), target: sideOf(contents(12)...)}
	w.target.records = slices.Delete(w.target.records, 5, 6) // 10 has no key, either
	w.q = Request{UpTo: 12, Map: mapOf(t, 12, offsetmap.Run{Count: 12}), TargetCompacted: true}
	require.Equal(t, []Finding{{Kind: Loss, Source: 5, Target: -1}}, bare(w.compare(t).Findings))
	w.q.Map, w.q.Compacted = nil, true
	require.Equal(t, []Finding{{Kind: Loss, Source: 5, Target: -1}}, bare(w.compare(t).Findings))
	w.source, w.target, w.q.UpTo = w.target, w.source, 12
	require.Equal(t, []Finding{{Kind: Extra, Source: -1, Target: 5}}, bare(w.compare(t).Findings))
}

// TestProofBehindTheBound: the later record of a key may lie behind what is
// compared; it is looked for up to the end.
func TestProofBehindTheBound(t *testing.T) {
	rs := contents(20)
	for i := range rs {
		rs[i].Key = []byte(fmt.Sprint(i % 2))
	}
	w := &world{source: sideOf(rs...), target: sideOf(rs...)}
	w.target.records = slices.Delete(w.target.records, 3, 10)
	w.q = Request{UpTo: 8, Map: mapOf(t, 20, offsetmap.Run{Count: 20}), TargetCompacted: true}
	saved := 0
	res, err := w.run(t, func(Result) { saved++ })
	require.NoError(t, err)
	require.Empty(t, res.Summary())
	require.EqualValues(t, 5, res.Explained[TargetCompacted])
	require.Equal(t, 1, saved, "nothing is saved while a hole waits")
	w.target.records = w.target.records[:3]
	require.Equal(t, []Finding{{Kind: Loss, Source: 6, Target: -1}, {Kind: Loss, Source: 7, Target: -1}}, bare(w.compare(t).Findings))
}

// TestProofInABatchThatPassedThrough: batches whose bytes are equal are looked into
// as long as a hole waits for a key.
func TestProofInABatchThatPassedThrough(t *testing.T) {
	rs := contents(40)
	for i := range rs {
		rs[i].Key = []byte(fmt.Sprint(i % 10))
	}
	w := &world{source: sideOf(rs...), target: sideOf(rs...), cfg: Config{Range: 10}}
	w.source.per, w.target.per = 10, 10
	w.target.records = slices.Delete(w.target.records, 3, 4)
	w.q = Request{UpTo: 40, TargetCompacted: true, Compacted: true}
	for _, m := range []*offsetmap.Map{nil, mapOf(t, 40, offsetmap.Run{Count: 40})} {
		for _, size := range []int64{10, 16384} {
			w.q.Map, w.cfg.Range = m, size
			res := w.compare(t)
			require.Empty(t, res.Summary())
			require.EqualValues(t, 1, res.Explained[TargetCompacted])
			require.Equal(t, m != nil && size == 10, res.Passed > 0, "a range in which the proof was found is over by then")
		}
	}
}

// TestTooManyHoles: what there is no room to prove is neither lost nor there.
func TestTooManyHoles(t *testing.T) {
	rs := contents(20)
	for i := range rs {
		rs[i].Key = []byte(fmt.Sprint(i))
	}
	w := &world{source: sideOf(rs...), target: sideOf(rs[:5]...), cfg: Config{Holes: 3}}
	w.q = Request{UpTo: 20, Map: mapOf(t, 20, offsetmap.Run{Count: 20}), TargetCompacted: true}
	res := w.compare(t)
	require.Contains(t, res.Problem, "12 records may have been taken by compaction")
	require.Equal(t, Different, res.Verdict, "the others are lost")
	require.EqualValues(t, 3, res.Count)
}
