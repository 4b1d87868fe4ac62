package fsm_test

import (
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// recount counts the topics and groups of every migration anew: the obviously
// right way, which the fold cannot afford.
func (w *world) recount(t require.TestingT) {
	counts := make(map[string]*fsm.Count)
	for name := range w.migrations {
		counts[name] = &fsm.Count{}
	}
	for _, row := range w.topics {
		countTopic(counts[row.Migration], row)
	}
	for _, row := range w.groups {
		countGroup(counts[row.Migration], row)
	}
	for name, m := range w.migrations {
		require.Equal(t, *counts[name], m.Count, "the count of %s", name)
	}
}

func countTopic(c *fsm.Count, t *fsm.Topic) {
	c.Topics++
	// The first command on a topic's stream after the plan starts its copy.
	add(&c.Started, t.Standing.Version > 1)
	add(&c.Synced, t.EverSynced)
	add(&c.Stopped, t.Copy == events.PhaseStopped)
	add(&c.Quiet, t.Retire == events.PhaseQuiet)
	add(&c.Finished, t.Copy == events.PhaseFinished)
	add(&c.Released, t.Copy == events.PhaseReleased)
	add(&c.Switching, t.Writers == events.PhaseArming || t.Writers == events.PhaseRolling || t.Writers == events.PhaseCommitted)
	add(&c.Writers, t.Writers == events.PhaseOnTarget)
	add(&c.Moved, t.Writers == events.PhaseRolling || t.Writers == events.PhaseCommitted || t.Writers == events.PhaseOnTarget)
}

func countGroup(c *fsm.Count, g *fsm.Group) {
	c.Groups++
	add(&c.Switching, g.Readers != events.PhaseOnSource && g.Readers != events.PhaseOnTarget && g.Readers != events.PhaseReleased)
	add(&c.Readers, g.Readers == events.PhaseOnTarget)
	add(&c.Moved, g.Readers == events.PhaseCommitted || g.Readers == events.PhaseOnTarget)
	add(&c.GroupsReleased, g.Readers == events.PhaseReleased)
}

func add(n *int, is bool) {
	if is {
		*n++
	}
}
