package driver

import (
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// held waits until a guard is a member.
func waitHeld(t *testing.T, gs *guards, s seat, it item) group.GuardState {
	t.Helper()
	state, err := gs.at(s, it).Wait(t.Context())
	require.NoError(t, err)
	return state
}

// TestGuardsOfTwo: a successor takes the place over, the former guard steps
// aside for longer each time, and what is left behind ends with close.
func TestGuardsOfTwo(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{Seed: 1})
	c, err := cluster.Open(t.Context(), "source", cluster.Config{Bootstrap: pair.Source.Bootstrap()})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	cfg := Config{GuardSession: time.Minute, Logger: zerolog.Nop()}
	place, it := seat{"source", "billing"}, item{"m", "group/billing"}
	east, west := newGuards(cfg, newQueue()), newGuards(cfg, newQueue())
	defer east.close()
	defer west.close()

	require.NoError(t, east.join(c, place, it, false, nil))
	first := waitHeld(t, east, place, it)
	require.NoError(t, west.join(c, place, it, false, nil))
	second := waitHeld(t, west, place, it)
	require.NotEqual(t, first.MemberID, second.MemberID)

	p := east.at(place, it)
	require.Eventually(t, func() bool { state, _ := p.State(); return state.Err != nil }, 30*time.Second, 10*time.Millisecond)
	_, is := east.held(place, it)
	require.False(t, is)
	require.ErrorIs(t, east.commit(t.Context(), place, it, first.Generation, nil), group.ErrFenced)
	until := east.stepAside(place, p)
	require.WithinDuration(t, time.Now().Add(firstAside), until, time.Second)
	require.Equal(t, until, east.asideUntil(place))
	require.True(t, west.asideUntil(place).IsZero())
	require.Nil(t, east.at(place, it))
	require.ErrorContains(t, east.commit(t.Context(), place, it, first.Generation, nil), "no guard")
	_, is = west.held(place, it)
	require.True(t, is, "the successor is not disturbed")

	require.NoError(t, west.leave(t.Context(), place, west.at(place, it)))
	snap, err := inspect(t.Context(), c, "billing")
	require.NoError(t, err)
	require.False(t, snap.guarded())
}

// TestGuardWakesItsGroup: every change of a guard makes its group due, and that
// of the migration that asked for it last.
func TestGuardWakesItsGroup(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{Seed: 1})
	c, err := cluster.Open(t.Context(), "source", cluster.Config{Bootstrap: pair.Source.Bootstrap()})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	q := newQueue()
	gs := newGuards(Config{GuardSession: time.Minute, Logger: zerolog.Nop()}, q)
	defer gs.close()
	place, former, later := seat{"source", "billing"}, item{"m1", "group/billing"}, item{"m2", "group/billing"}
	require.NoError(t, gs.join(c, place, former, false, nil))
	waitHeld(t, gs, place, later)
	due := func(it item) func() bool {
		return func() bool {
			ready, _ := q.take(time.Now(), 10)
			found := false
			for _, r := range ready {
				found = found || r == it
				q.done(r, time.Time{})
			}
			return found
		}
	}
	p := gs.at(place, later)
	require.NoError(t, p.Leave(t.Context()))
	require.Eventually(t, due(later), 30*time.Second, 5*time.Millisecond)
	gs.drop(place, p)
	gs.drop(place, p) // a second time is harmless
}
