package driver

import (
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// startsNow says whether the migration's step list lets a step begin now: it is
// running, every step before it is done, and a person approved it where the
// plan asks for that.
func startsNow(m *fsm.Migration, do string) bool {
	if m.Phase != events.PhaseRunning || m.Plan == nil {
		return false
	}
	index, awaiting := m.StepIs()
	return index < len(m.Plan.Steps) && m.Plan.Steps[index].Do == do && !awaiting
}

// mayCopy says whether topics are created and copied.
func mayCopy(m *fsm.Migration) bool { return startsNow(m, events.StepCopy) }

// mayMoveReaders says whether the driver asks for the switch of a group by
// itself. After an abort a person asks.
func mayMoveReaders(m *fsm.Migration, g *fsm.Group) bool {
	return startsNow(m, events.StepReaders) && g.Readers == events.PhaseOnSource && g.Abort == nil &&
		g.TargetGuard.MemberID != "" && len(g.Synced) == len(g.Topics)
}

// mayMoveWriters says whether the driver asks for the switch of a topic's
// writers by itself. After an abort a person asks.
func mayMoveWriters(m *fsm.Migration, t *fsm.Topic) bool {
	return startsNow(m, events.StepWriters) && t.Writers == events.PhaseOnSource && t.Abort == nil &&
		len(t.Remaining) == 0 && (t.Copy == events.PhaseSynced || t.Copy == events.PhaseVerified)
}

// mayComplete says whether the driver completes the migration by itself.
func mayComplete(m *fsm.Migration) bool {
	return startsNow(m, events.StepFinish) && m.Count.Quiet == m.Count.Topics && m.Count.Stopped == 0
}
