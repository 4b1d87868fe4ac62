package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

func whyGroup(m *fsm.Migration, g *fsm.Group) []Blocker {
	l := &list{stream: events.GroupStream(g.Group)}
	switch g.Readers {
	case events.PhaseOnSource:
		whyOnSource(l, m, g)
	case events.PhasePreparing:
		l.add(service, "", "instances to be inside both closed groups: %s", instances(g, func(m fsm.Member) bool { return m.Prepared == g.Standing.Epoch }))
		badLogins(l, g)
	case events.PhaseHolding:
		l.add(service, "", "instances to drain: %s", instances(g, func(m fsm.Member) bool { return m.Drained == g.Standing.Epoch }))
	case events.PhaseDrained:
		l.add(workers, "", "the copy to pass the drained offsets")
	case events.PhaseCut:
		l.add(service, "", "owners to stage the cut: %d of %d partitions are", len(g.Staged), len(g.Cut))
	case events.PhaseStaged:
		l.add(portage, "", "the decision")
	case events.PhaseCommitted:
		if !g.LeaveSource {
			l.add(portage, "", "proof that the guard holds the source")
		} else {
			l.add(portage, "", "evidence that the group consumes on the target")
		}
	}
	return l.out
}

func whyOnSource(l *list, m *fsm.Migration, g *fsm.Group) {
	switch {
	case m.Phase == events.PhaseCancelling:
		l.add(portage, "", "the guards to leave the group")
	case g.Abort != nil:
		l.add(person, fmt.Sprintf("portage switch readers %s %s", m.Name, g.Group), "another request: the switch was aborted (%s): %s", g.Abort.Code, g.Abort.Reason)
	case !atStep(m, events.StepReaders):
	case len(g.Synced) < len(g.Topics):
		l.add(workers, "", "its topics to be synced: %d of %d are", len(g.Synced), len(g.Topics))
	case g.TargetGuard.MemberID == "":
		l.add(portage, "", "the guard to hold the group on the target")
	case !badLogins(l, g):
		l.add(portage, "", "the switch")
	}
}

// badLogins lists the instances that cannot log in to the target: no switch
// begins by itself before they can, and none of them can prepare. A person who
// knows that they are gone asks for the switch.
func badLogins(l *list, g *fsm.Group) (found bool) {
	for _, m := range g.Members {
		if err := m.Logins[g.Plan.Target.Name]; err != "" {
			l.add(service, "", "instance %s to log in to %s: %s", m.Instance, g.Plan.Target.Name, err)
			found = true
		}
	}
	return found
}

// instances says which instances have done something and which have not.
func instances(g *fsm.Group, done func(fsm.Member) bool) string {
	var yes, no []string
	for _, m := range g.Members {
		name := m.Instance
		if name == "" {
			name = m.Incarnation
		}
		if done(m) {
			yes = append(yes, name)
		} else {
			no = append(no, name)
		}
	}
	slices.Sort(yes)
	slices.Sort(no)
	return fmt.Sprintf("%d have (%s), %d have not (%s)", len(yes), strings.Join(yes, ", "), len(no), strings.Join(no, ", "))
}
