package verify

import (
	"encoding/json"
	"testing"

	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestResumedIsTheSame: a comparison that is broken off at any save and gone on
// with from what was saved, written as JSON and read back, comes to the same
// result as one that was not, digest included.
func TestResumedIsTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 800).Draw(rt, "records")
		w := &world{cfg: small(rt), source: sideOf(contents(n)...), target: sideOf(contents(n)...)}
		w.source.per, w.target.per = 7, 7
		if rapid.Bool().Draw(rt, "fault") {
			rapid.SampledFrom(faults()).Draw(rt, "kind").plant(rt, w.target, rapid.IntRange(0, n-1).Draw(rt, "at"))
		}
		w.q.UpTo = int64(n)
		if rapid.Bool().Draw(rt, "map") {
			w.q.Map = mapOf(rt, int64(n), offsetmap.Run{Count: int64(n)})
		}
		var saves []Result
		whole, err := w.run(rt, func(r Result) { saves = append(saves, r) })
		require.NoError(rt, err)
		if len(saves) == 0 {
			rt.Skip("the difference is at the end: nothing is final")
		}
		raw, err := json.Marshal(rapid.SampledFrom(saves).Draw(rt, "broken off at"))
		require.NoError(rt, err)
		var after Result
		require.NoError(rt, json.Unmarshal(raw, &after))
		w.q.After = &after
		again := w.compare(rt)
		if w.cfg.Deep { // else it depends on where a batch was cut
			require.Equal(rt, whole.Digest, again.Digest)
		}
		require.Equal(rt, whole.Records, again.Records)
		require.Equal(rt, whole.Verdict, again.Verdict)
		require.Equal(rt, whole.Kinds, again.Kinds)
		require.Equal(rt, bare(whole.Findings), bare(again.Findings))
		require.Equal(rt, whole.Verified, again.Verified)
	})
}

// TestSavesLoseAtMostARange: after every range that is equal there is something
// to go on from.
func TestSavesLoseAtMostARange(t *testing.T) {
	w := &world{source: sideOf(contents(1000)...), target: sideOf(contents(1000)...), q: Request{UpTo: 1000}, cfg: Config{Range: 100, LookBack: 150}}
	var at []int64
	var last Result
	_, err := w.run(t, func(r Result) { at, last = append(at, r.Verified.Source), r })
	require.NoError(t, err)
	require.Equal(t, []int64{100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1000}, at)
	require.EqualValues(t, 800, last.LookBack, "so far back is searched for what is repeated, no further")
}

// TestTheEndIsNotFinal: without a map the target may only be behind; what differs
// at its end is looked at again.
func TestTheEndIsNotFinal(t *testing.T) {
	w := &world{source: sideOf(contents(300)...), target: sideOf(contents(280)...), q: Request{UpTo: 300}, cfg: Config{Range: 100}}
	var last Result
	res, err := w.run(t, func(r Result) { last = r })
	require.NoError(t, err)
	require.Equal(t, map[Kind]int64{Loss: 20}, res.Kinds)
	require.Zero(t, last.Count)
	w.target, w.q.After = sideOf(contents(300)...), &last
	res = w.compare(t)
	require.Equal(t, Identical, res.Verdict)
	require.EqualValues(t, 300, res.Records)

	w.target, w.q.After, w.q.Live = sideOf(contents(280)...), nil, true
	res = w.compare(t)
	require.Equal(t, Identical, res.Verdict)
	require.True(t, res.Behind)
	require.Equal(t, offsetmap.Pair{Source: 280, Target: 280}, res.Verified)
	w.target.replace(append(contents(100), contents(280)[101:]...))
	res = w.compare(t)
	require.Equal(t, []Finding{{Kind: Loss, Source: 100, Target: -1}}, bare(res.Findings), "what lies before the end is lost all the same")
	require.EqualValues(t, 279, res.Records)
}
