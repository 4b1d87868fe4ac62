package projector

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// Pebble leaves one goroutine behind when it fails to open; a store that was
// not closed shows in others of its goroutines.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

// requireSame compares two rows by what is stored of them: a list that became
// empty is the same as none.
func requireSame(t require.TestingT, want, have any) {
	w, err := json.Marshal(want)
	require.NoError(t, err)
	h, err := json.Marshal(have)
	require.NoError(t, err)
	require.Equal(t, string(w), string(h))
}

// requireEqual compares everything that a view shows with the dumb fold.
func requireEqual(t require.TestingT, d *dumb, v *View) {
	migrations, err := v.Migrations()
	require.NoError(t, err)
	require.Len(t, migrations, len(d.migrations))
	topics, groups := 0, 0
	for _, m := range migrations {
		requireSame(t, d.migrations[m.Name], m)
		ts, err := v.Topics(m.Name)
		require.NoError(t, err)
		for _, row := range ts {
			requireSame(t, d.topics[named{m.Name, row.Topic}], row)
		}
		gs, err := v.Groups(m.Name)
		require.NoError(t, err)
		for _, row := range gs {
			requireSame(t, d.groups[named{m.Name, row.Group}], row)
		}
		topics, groups = topics+len(ts), groups+len(gs)
	}
	require.Equal(t, len(d.topics), topics)
	require.Equal(t, len(d.groups), groups)
	requireEqualRest(t, d, v)
}

func requireEqualRest(t require.TestingT, d *dumb, v *View) {
	outbox, err := v.Outbox()
	require.NoError(t, err)
	require.Len(t, outbox, len(d.outbox))
	for _, o := range outbox {
		require.Equal(t, d.outbox[o.Key], o.Effect)
	}
	directives, err := v.DirectivesAfter(-1)
	require.NoError(t, err)
	require.Len(t, directives, len(d.directives))
	for i, dir := range directives {
		requireSame(t, d.directives[Address{dir.SourceCluster, dir.Addressee}], *dir)
		require.True(t, i == 0 || directives[i-1].Position <= dir.Position)
	}
	for k, c := range d.claims {
		have, ok := v.Claim(k)
		require.True(t, ok)
		require.Equal(t, c, have)
	}
	for k, at := range d.seen {
		have, ok := v.Seen(k.migration, k.name)
		require.True(t, ok)
		require.Equal(t, at, have)
	}
	notes, err := v.Notes("", 0, math.MaxInt64, All)
	require.NoError(t, err)
	require.Equal(t, d.notes, notes)
	all, err := v.AllDigests()
	require.NoError(t, err)
	require.Len(t, all, len(d.log))
	for _, have := range all {
		require.Equal(t, d.log[have.Migration].String(), have.Log.String(), "log digest of %s", have.Migration)
		require.Equal(t, d.state(have.Migration).String(), have.State.String(), "state digest of %s", have.Migration)
	}
	require.NoError(t, v.Err())
}

func TestFoldEqualsTheDumbFoldInAnySplit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		w := newWorld(seed, 2, 3, 20)
		l := newFakeLog(w.write(rapid.IntRange(0, 400).Draw(rt, "records")))
		rng := rand.New(rand.NewPCG(seed, 2))
		l.split = func() int { return 1 + rng.IntN(60) }
		s, err := Open(Options{})
		require.NoError(rt, err)
		defer func() { require.NoError(rt, s.Close()) }()
		catchUp(t, s, l)
		v := s.View()
		defer func() { require.NoError(rt, v.Close()) }()
		require.Equal(rt, l.end-1, v.Applied())
		requireEqual(rt, w.fold, v)
	})
}

// TestWorldGoesFar makes sure that the generator reaches what it is for.
func TestWorldGoesFar(t *testing.T) {
	w := newWorld(1, 2, 3, 10)
	w.write(3000)
	verdicts := map[fsm.Verdict]int{}
	for _, n := range w.fold.notes {
		verdicts[n.Verdict]++
	}
	require.Greater(t, verdicts[fsm.Accepted], 500)
	require.NotZero(t, verdicts[fsm.Refused])
	require.NotZero(t, verdicts[fsm.Ignored])
	phases := map[events.Phase]bool{}
	for _, g := range w.fold.groups {
		phases[g.Readers] = true
	}
	require.True(t, phases[events.PhaseCommitted] || phases[events.PhaseOnTarget], fmt.Sprint(phases))
	require.NotEmpty(t, w.fold.outbox)
	require.NotEmpty(t, w.fold.directives)
}
