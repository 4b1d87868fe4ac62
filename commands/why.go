package commands

import (
	"fmt"
	"strings"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// Blocker is something that a migration waits for.
type Blocker struct {
	Stream events.Stream `json:"stream"`
	// Waits says what for, Who has to act: "a person", "portage", "the
	// workers", "the service".
	Waits string `json:"waits"`
	Who   string `json:"who"`
	// Do is the command that helps, where there is one.
	Do string `json:"do,omitempty"`
}

// Who acts.
const (
	person  = "a person"
	portage = "portage"
	workers = "the workers"
	service = "the service"
)

// Why lists what a migration waits for, what needs a person first.
func Why(view *projector.View, migration string) ([]Blocker, error) {
	m, ok := view.Migration(migration)
	if !ok {
		return nil, fmt.Errorf("there is no migration %q: `portage get migrations` lists them", migration)
	}
	topics, err := view.Topics(migration)
	if err != nil {
		return nil, err
	}
	groups, err := view.Groups(migration)
	if err != nil {
		return nil, err
	}
	out := whyMigration(m)
	if m.Over() {
		return out, nil
	}
	for _, t := range topics {
		out = append(out, whyTopic(m, t)...)
	}
	for _, g := range groups {
		out = append(out, whyGroup(m, g)...)
	}
	return out, nil
}

func whyMigration(m *fsm.Migration) []Blocker {
	at := func(waits, who, do string) []Blocker {
		return []Blocker{{Stream: events.MigrationStream, Waits: waits, Who: who, Do: do}}
	}
	switch m.Phase {
	case events.PhaseDrafting:
		return at("the plan is not sealed", person, "portage create")
	case events.PhasePlanned:
		return at("the start", person, "portage start "+m.Name)
	case events.PhasePaused:
		return at("the end of the pause "+quoted(m.Reason), person, "portage resume "+m.Name)
	case events.PhaseRunning:
		i, awaiting := m.StepIs()
		if awaiting && i < len(m.Plan.Steps) {
			return at(fmt.Sprintf("the approval of step %d (%s)", i, m.Plan.Steps[i].Do), person, fmt.Sprintf("portage approve %s", m.Name))
		}
	}
	return nil
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("(%s)", s)
}

func whyTopic(m *fsm.Migration, t *fsm.Topic) []Blocker {
	var out []Blocker
	add := func(waits, who, do string) {
		out = append(out, Blocker{Stream: events.TopicStream(t.Topic), Waits: waits, Who: who, Do: do})
	}
	switch t.Copy {
	case events.PhaseStopped:
		add(fmt.Sprintf("the copy is stopped (%s, partition %d, offsets %d to %d): %s", t.Stop.Code, t.Stop.Partition, t.Stop.From, t.Stop.To, t.Stop.Reason), person, fmt.Sprintf("portage retry %s %s", m.Name, t.Topic))
	case events.PhaseCreating:
		add("the target topic", portage, "")
	case events.PhaseCopying:
		add("the copy reaches the source's end", workers, "")
	}
	switch t.Writers {
	case events.PhaseArming:
		add(fmt.Sprintf("workers expect other writers on %d of %d partitions", len(t.Shared), t.Plan.Partitions), workers, "")
	case events.PhaseRolling:
		for _, p := range t.Producers {
			if !p.Left && p.Route != events.RouteTarget {
				add(fmt.Sprintf("producer %s (%s) still writes to the source", p.Instance, p.Incarnation), service, "restart it")
			}
		}
	case events.PhaseOnSource:
		if t.Abort != nil {
			add(fmt.Sprintf("the switch of the writers was aborted (%s): %s", t.Abort.Code, t.Abort.Reason), person, fmt.Sprintf("portage switch writers %s %s", m.Name, t.Topic))
		}
	}
	if t.Retire == events.PhaseDraining {
		add("nobody writes to the source for the quiet time", service, "")
	}
	return out
}

func whyGroup(m *fsm.Migration, g *fsm.Group) []Blocker {
	at := func(waits, who, do string) []Blocker {
		return []Blocker{{Stream: events.GroupStream(g.Group), Waits: waits, Who: who, Do: do}}
	}
	switch g.Readers {
	case events.PhaseOnSource:
		if g.Abort != nil {
			return at(fmt.Sprintf("the switch was aborted (%s): %s", g.Abort.Code, g.Abort.Reason), person, fmt.Sprintf("portage switch readers %s %s", m.Name, g.Group))
		}
	case events.PhasePreparing:
		return at("instances are inside both closed groups: "+prepared(g), service, "")
	case events.PhaseHolding:
		return at("instances have drained: "+drained(g), service, "")
	case events.PhaseDrained:
		return at("the copy passes the drained offsets", workers, "")
	case events.PhaseCut:
		return at(fmt.Sprintf("owners have staged %d of %d partitions", len(g.Staged), len(g.Cut)), service, "")
	case events.PhaseStaged:
		return at("the decision", portage, "")
	case events.PhaseCommitted:
		return at("evidence that the group consumes on the target", portage, "")
	}
	return nil
}

func prepared(g *fsm.Group) string {
	return listMembers(g, func(m fsm.Member) bool { return m.Prepared == g.Standing.Epoch })
}

func drained(g *fsm.Group) string {
	return listMembers(g, func(m fsm.Member) bool { return m.Drained == g.Standing.Epoch })
}

func listMembers(g *fsm.Group, done func(fsm.Member) bool) string {
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
	return fmt.Sprintf("%d have (%s), %d have not (%s)", len(yes), strings.Join(yes, ", "), len(no), strings.Join(no, ", "))
}
