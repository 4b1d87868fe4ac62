package projector

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
)

// tally folds a log in one go and returns what was counted.
func tally(t *testing.T, w *world) Tally {
	t.Helper()
	s := memory(t)
	catchUp(t, s, newFakeLog(w.records))
	return view(t, s).Health().Tally
}

// appendCheckpoint appends an event with this body.
func (w *world) appendCheckpoint(migration string, c events.Checkpoint) {
	w.append(w.event(migration, events.MigrationStream, c))
}

func TestCheckpointThatAgrees(t *testing.T) {
	w := newWorld(1, 2, 2, 10)
	w.write(100)
	w.checkpoint("m0")
	w.checkpoint("m1") // speaks of a position behind the first checkpoint
	counted := tally(t, w)
	require.EqualValues(t, 2, counted.Compared)
	require.Zero(t, counted.Uncompared+counted.Differing)
}

func TestCheckpointOfAMilestoneIsComparedLater(t *testing.T) {
	w := newWorld(1, 2, 3, 0)
	w.write(milestoneEvery)
	of := map[string]events.Checkpoint{}
	for _, m := range w.names {
		of[m] = events.Checkpoint{Position: w.at - 1, Log: w.fold.log[m].String(), State: w.fold.state(m).String()}
	}
	w.write(milestoneEvery + 500)
	w.appendCheckpoint("m0", of["m0"])
	w.write(10)
	w.appendCheckpoint("m1", of["m1"])
	require.EqualValues(t, 2, tally(t, w).Compared)

	s := memory(t) // the milestone in an earlier batch than the checkpoint
	l := newFakeLog(w.records)
	l.split = func() int { return 100 }
	catchUp(t, s, l)
	require.EqualValues(t, 2, view(t, s).Health().Tally.Compared)
}

func TestCheckpointThatCannotBeCompared(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	w.write(50)
	c := events.Checkpoint{Position: 20, Log: strings.Repeat("0", 64), State: strings.Repeat("0", 64)}
	w.appendCheckpoint("m0", c) // something happened between 20 and here
	c.Position = w.at + 10
	w.appendCheckpoint("m0", c) // nobody knows the future
	c.Position = 10
	w.appendCheckpoint("nobody", c) // refused: there is no such migration
	counted := tally(t, w)
	require.EqualValues(t, 2, counted.Uncompared)
	require.Zero(t, counted.Compared)
}

func TestCheckpointThatDiffersIsNamed(t *testing.T) {
	for _, what := range []string{"log", "state"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(1, 1, 3, 0)
			w.write(50)
			c := events.Checkpoint{Position: w.at - 1, Log: w.fold.log["m0"].String(), State: w.fold.state("m0").String()}
			bad := strings.Repeat("ab", 32)
			if what == "log" {
				c.Log = bad
			} else {
				c.State = bad
			}
			w.appendCheckpoint("m0", c)
			w.write(5)
			requireDiffers(t, newFakeLog(w.records), what, bad)
		})
	}
}

func requireDiffers(t *testing.T, l *fakeLog, what, want string) {
	t.Helper()
	s := memory(t)
	p, err := New(Config{Store: s, Log: l.Log()})
	require.NoError(t, err)
	_, err = p.CatchUp(t.Context())
	require.ErrorIs(t, err, ErrCheckpoint)
	var differs *CheckpointError
	require.ErrorAs(t, err, &differs)
	require.Equal(t, what, differs.What)
	require.Equal(t, want, differs.Want)
	require.EqualValues(t, 50, differs.Position)
	require.EqualValues(t, 49, differs.At)
	require.ErrorContains(t, err, "fold position 50")
	require.EqualValues(t, -1, s.Applied(), "the batch is not committed")
	_, err = p.CatchUp(t.Context())
	require.ErrorIs(t, err, ErrCheckpoint, "again, until somebody decides")

	_, err = Replay(t.Context(), l.Log(), "")
	require.ErrorIs(t, err, ErrCheckpoint)

	var heard bytes.Buffer
	tolerant := memory(t)
	tolerant.o.Logger = zerolog.New(&heard)
	p, err = New(Config{Store: tolerant, Log: l.Log(), Tolerate: true})
	require.NoError(t, err)
	_, err = p.CatchUp(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, view(t, tolerant).Health().Tally.Differing)
	require.Contains(t, heard.String(), "tolerated")
}

// TestCheckpointToAppend plays the orchestrator: what View.Checkpoint proposes
// is appended and agrees, and then there is nothing to propose.
func TestCheckpointToAppend(t *testing.T) {
	w := newWorld(3, 2, 3, 5)
	l := newFakeLog(w.write(milestoneEvery / 2))
	s := memory(t)
	p := catchUp(t, s, l)
	again := func() *View {
		l.set(w.records)
		_, err := p.CatchUp(t.Context())
		require.NoError(t, err)
		return view(t, s)
	}
	_, ok := view(t, s).Checkpoint("m0")
	require.False(t, ok, "before the first milestone")
	for round := range 3 {
		for w.at <= int64(round+1)*milestoneEvery+300 {
			w.next()
		}
		v := again()
		for _, m := range w.names {
			c, ok := v.Checkpoint(m)
			require.True(t, ok)
			require.Equal(t, int64(round+1)*milestoneEvery-1, c.Position)
			w.appendCheckpoint(m, c)
		}
		v = again()
		require.EqualValues(t, 2*(round+1), v.Health().Tally.Compared)
		for _, m := range w.names {
			_, ok := v.Checkpoint(m)
			require.False(t, ok)
		}
	}
	// Nothing but checkpoints and other migrations' events: nothing to cover.
	w.names = w.names[1:]
	w.write(2 * milestoneEvery)
	v := again()
	if c, ok := v.Checkpoint("m0"); ok { // what came behind the last milestone before
		w.appendCheckpoint("m0", c)
	}
	w.write(2 * milestoneEvery)
	v = again()
	_, ok = v.Checkpoint("m0")
	require.False(t, ok)
	require.Zero(t, v.Health().Tally.Uncompared)
}
