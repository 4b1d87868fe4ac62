package commands

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// Blocker is something that a migration waits for.
type Blocker struct {
	Stream events.Stream `json:"stream"`
	// Waits says what for, Who has to act: [Person], [Portage], [Workers] or
	// [Service].
	Waits string `json:"waits"`
	Who   string `json:"who"`
	// Do is the command that helps, where there is one.
	Do string `json:"do,omitempty"`
}

// Who acts.
const (
	Person  = "a person"    // somebody at a desk, with the command of Do
	Portage = "portage"     // the orchestrator, `portage serve`
	Workers = "the workers" // `portage serve` and `portage work`
	Service = "the service" // whoever runs the consumers and producers
)

// String is a line for people.
func (b Blocker) String() string {
	line := fmt.Sprintf("%s: %s waits for %s", b.Who, b.Stream, b.Waits)
	if b.Do != "" {
		line += " → " + b.Do
	}
	return line
}

// Why lists what a migration waits for, what needs a person first; else in the
// order migration, topics, groups.
func Why(view *projector.View, migration string) ([]Blocker, error) {
	m, ok := view.Migration(migration)
	if !ok {
		return nil, errors.Join(view.Err(), errors.New(Unknown(view, migration, events.MigrationStream)))
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
	slices.SortStableFunc(out, func(a, b Blocker) int { return rank(a) - rank(b) })
	return out, nil
}

func rank(b Blocker) int {
	if b.Who == Person {
		return 0
	}
	return 1
}

// list gathers the blockers of one stream.
type list struct {
	stream events.Stream
	out    []Blocker
}

func (l *list) add(who, do, format string, args ...any) {
	l.out = append(l.out, Blocker{Stream: l.stream, Waits: fmt.Sprintf(format, args...), Who: who, Do: do})
}

func whyMigration(m *fsm.Migration) []Blocker {
	l := list{stream: events.MigrationStream}
	switch m.Phase {
	case events.PhaseDrafting:
		l.add(Person, "portage cancel "+m.Name, "the seal of its plan, which did not follow: cancel it and create it under another name")
	case events.PhasePlanned:
		l.add(Person, "portage start "+m.Name, "the start")
	case events.PhasePaused:
		l.add(Person, "portage resume "+m.Name, "the end of the pause%s", quoted(m.Reason))
	case events.PhaseRunning:
		if i, awaiting := m.StepIs(); awaiting {
			l.add(Person, "portage approve "+m.Name, "the approval of step %d (%s)", i, m.Plan.Steps[i].Do)
		}
	}
	return l.out
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// atStep reports whether the step list has come to a step and lets it begin.
func atStep(m *fsm.Migration, do string) bool {
	i, awaiting := m.StepIs()
	return m.Phase == events.PhaseRunning && !awaiting && i < len(m.Plan.Steps) && m.Plan.Steps[i].Do == do
}
