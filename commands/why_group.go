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
		l.add(Service, "", "its instances to be inside both closed groups: %s", instances(g, func(m fsm.Member) bool { return m.Prepared == g.Standing.Epoch }))
		badLogins(l, g)
	case events.PhaseHolding:
		l.add(Service, "", "its instances to be drained: %s", instances(g, func(m fsm.Member) bool { return m.Drained == g.Standing.Epoch }))
	case events.PhaseDrained:
		l.add(Workers, "", "the copy to pass the drained offsets")
	case events.PhaseCut:
		l.add(Service, "", "owners to stage the cut: %d of %d partitions are", len(g.Staged), len(g.Cut))
	case events.PhaseStaged:
		l.add(Portage, "", "the decision")
	case events.PhaseCommitted:
		if !g.LeaveSource {
			l.add(Portage, "", "proof that the guard holds the source")
		} else {
			l.add(Portage, "", "evidence that the group consumes on the target")
		}
	}
	return l.out
}

func whyOnSource(l *list, m *fsm.Migration, g *fsm.Group) {
	switch {
	case m.Phase == events.PhaseCancelling:
		l.add(Portage, "", "the guards to leave the group")
	case g.Abort != nil:
		l.add(Person, typedAs((events.SwitchRequested{}).EventType(), m.Name, l.stream), "another request: the switch was aborted (%s): %s", g.Abort.Code, g.Abort.Reason)
	case !atStep(m, events.StepReaders):
	case len(g.Synced) < len(g.Topics):
		l.add(Workers, "", "its topics to be synced: %d of %d are", len(g.Synced), len(g.Topics))
	case g.TargetGuard.MemberID == "":
		l.add(Portage, "", "the guard to hold the group on the target")
	case !badLogins(l, g):
		l.add(Portage, "", "the switch")
	}
}

// badLogins lists the instances that cannot log in to the target: no switch
// begins by itself before they can, and none of them can prepare. A person who
// knows that they are gone asks for the switch.
func badLogins(l *list, g *fsm.Group) (found bool) {
	for _, m := range g.Members {
		if err := m.Logins[g.Plan.Target.Name]; err != "" {
			l.add(Service, "", "instance %s to log in to %s: %s", m.Instance, g.Plan.Target.Name, err)
			found = true
		}
	}
	return found
}

// instances says which of the instances that were seen are there already and
// which are missing.
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
	if len(yes)+len(no) == 0 {
		return "none has reported, is one running?"
	}
	slices.Sort(yes)
	slices.Sort(no)
	out := fmt.Sprintf("%d of %d are", len(yes), len(yes)+len(no))
	if len(yes) > 0 {
		out += " (" + strings.Join(yes, ", ") + ")"
	}
	if len(no) > 0 {
		out += ", missing: " + strings.Join(no, ", ")
	}
	return out
}
