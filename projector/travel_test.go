package projector

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
)

func TestTimeTravelEqualsThePrefix(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		w := newWorld(seed, 2, 3, 20)
		l := newFakeLog(w.write(rapid.IntRange(1, 150).Draw(rt, "records")))
		rng := rand.New(rand.NewPCG(seed, 2))
		l.split = func() int { return 1 + rng.IntN(40) }
		upTo := rapid.Int64Range(-1, l.end-1).Draw(rt, "position")
		s, err := At(t.Context(), l.Log(), AtPosition(upTo))
		require.NoError(rt, err)
		defer func() { require.NoError(rt, s.Close()) }()
		require.Equal(rt, upTo, s.Applied())
		v := s.View()
		defer func() { require.NoError(rt, v.Close()) }()
		requireEqual(rt, prefixOf(w.records, upTo), v)
	})
}

func TestTimeTravelByTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rapid.Uint64().Draw(rt, "seed"), 1, 3, 20)
		l := newFakeLog(w.write(rapid.IntRange(1, 100).Draw(rt, "records")))
		at := time.UnixMilli(1_700_000_000_000).Add(time.Duration(rapid.IntRange(-5, 150).Draw(rt, "ms")) * time.Millisecond)
		upTo := l.end - 1
		for _, rec := range w.records {
			if rec.Time.After(at) {
				upTo = rec.Position - 1
				break
			}
		}
		s, err := At(t.Context(), l.Log(), AtTime(at))
		require.NoError(rt, err)
		defer func() { require.NoError(rt, s.Close()) }()
		require.Equal(rt, upTo, s.Applied())

		whole, err := Open(Options{})
		require.NoError(rt, err)
		defer func() { require.NoError(rt, whole.Close()) }()
		catchUp(t, whole, l)
		v := whole.View()
		defer func() { require.NoError(rt, v.Close()) }()
		indexed, err := v.PositionAt(at)
		require.NoError(rt, err)
		require.Equal(rt, upTo, indexed, "the index says the same")
	})
}

func TestTravelBeyondTheLog(t *testing.T) {
	l := newFakeLog(newWorld(1, 1, 3, 0).write(10))
	_, err := At(t.Context(), l.Log(), AtPosition(10))
	require.ErrorIs(t, err, ErrBeyondEnd)
	require.ErrorContains(t, err, "as of position 10")
	require.ErrorContains(t, err, "ends before position 10")
	_, err = At(t.Context(), l.Log(), AtPosition(-2))
	require.ErrorContains(t, err, "want a position from 0")
	s, err := At(t.Context(), l.Log(), AtTime(time.Now()))
	require.NoError(t, err)
	require.EqualValues(t, 9, s.Applied())
	require.NoError(t, s.Close())
	s, err = At(t.Context(), newFakeLog(nil).Log(), AtTime(time.Now()))
	require.NoError(t, err)
	require.EqualValues(t, -1, s.Applied())
	require.NoError(t, s.Close())
	require.Equal(t, "2023-11-14T22:13:20Z", AtTime(time.UnixMilli(1_700_000_000_000)).String())
}

func TestReplayReportsDigests(t *testing.T) {
	w := newWorld(1, 2, 3, 10)
	w.write(500)
	w.checkpoint("m1")
	l := newFakeLog(w.records)
	r, err := Replay(t.Context(), l.Log(), "")
	require.NoError(t, err)
	require.Equal(t, w.at-1, r.Health.Applied)
	require.EqualValues(t, 1, r.Health.Tally.Compared)
	require.Len(t, r.Digests, 2)
	for i, name := range w.names {
		require.Equal(t, name, r.Digests[i].Migration)
		require.Equal(t, w.fold.log[name], r.Digests[i].Log)
		require.Equal(t, w.fold.state(name), r.Digests[i].State)
	}
	one, err := Replay(t.Context(), l.Log(), "m1")
	require.NoError(t, err)
	require.Equal(t, r.Digests[1:], one.Digests)
	_, err = Replay(t.Context(), l.Log(), "m9")
	require.ErrorContains(t, err, `no migration "m9"`)
}

// TestTamperingShows changes one old event of a log that has a checkpoint.
func TestTamperingShows(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	w.write(50)
	w.checkpoint("m0")
	records := append([]events.Record(nil), w.records...)
	records[30].Event.Actor.Name = "somebody else"
	_, err := Replay(t.Context(), newFakeLog(records).Log(), "m0")
	var differs *CheckpointError
	require.ErrorAs(t, err, &differs)
	require.Equal(t, "log", differs.What)
	require.EqualValues(t, 50, differs.Position)
	require.EqualValues(t, 49, differs.At)
	require.Equal(t, "m0", differs.Migration)
}
