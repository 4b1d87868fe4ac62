package fsm

import (
	"context"
	"errors"

	"github.com/looplab/fsm"

	"github.com/portage-kafka/portage/events"
)

// Axes are the machines, in the order in which they are shown.
func Axes() []events.Axis {
	return []events.Axis{events.MigrationAxis, events.CopyAxis, events.ReadersAxis, events.WritersAxis, events.RetirementAxis}
}

// Machines holds one looplab/fsm machine per axis, shared by all rows: its
// state is set before each event. Not safe for concurrent use.
type Machines struct {
	byAxis map[events.Axis]*fsm.FSM
}

// New builds the machines from the transition tables.
func New() *Machines {
	m := &Machines{byAxis: make(map[events.Axis]*fsm.FSM)}
	for _, a := range Axes() {
		m.byAxis[a] = machine(a)
	}
	return m
}

// machine is the looplab/fsm machine of an axis.
func machine(a events.Axis) *fsm.FSM {
	var table fsm.Events
	for _, move := range events.Moves(a) {
		src := make([]string, len(move.From))
		for i, p := range move.From {
			src[i] = string(p)
		}
		table = append(table, fsm.EventDesc{Name: move.Name(), Src: src, Dst: string(move.To)})
	}
	return fsm.NewFSM(string(events.PhaseNone), table, nil)
}

// fire applies an event to a phase. The condition picks the row when the event
// has several; it must be the words of the table. The bool is false when the
// table has no such move.
func (m *Machines) fire(a events.Axis, from events.Phase, t events.Type, when string) (events.Phase, bool) {
	f := m.byAxis[a]
	f.SetState(string(from))
	err := f.Event(context.Background(), events.Move{Type: t, When: when}.Name())
	if err != nil && !errors.As(err, &fsm.NoTransitionError{}) {
		return from, false
	}
	return events.Phase(f.Current()), true
}

// Mermaid draws the table of an axis as a Mermaid state diagram.
func Mermaid(a events.Axis) string {
	picture, err := fsm.VisualizeForMermaidWithGraphType(machine(a), fsm.StateDiagram)
	if err != nil {
		return err.Error()
	}
	return picture
}

// The conditions of the tables, as they stand there.
const (
	whenCounts       = "the counts are those of the plan events"
	whenAllMoved     = "every group and every writer is on its target"
	whenLastTopic    = "the last topic"
	whenNothingMoved = "nothing moved and no switch under way"
	whenTopicsOver   = "the last topic, no group left"
	whenGroupsOver   = "the last group, no topic left"
	whenIdentical    = "the last partition, all identical"
	whenDiffers      = "the sides differ"
	whenStopsLeft    = "other stops are left"
	whenLastStop     = "it was the last stop"
	whenAllStaged    = "every moving partition is staged"
)
