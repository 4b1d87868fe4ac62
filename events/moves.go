package events

import (
	"fmt"
	"slices"
	"strings"
)

// Axis is one of the state machines of a migration. A topic's position has
// three axes (copy, writers, retirement), a group has one (readers).
type Axis string

// The axes.
const (
	MigrationAxis  Axis = "migration"
	CopyAxis       Axis = "copy"
	ReadersAxis    Axis = "readers"
	WritersAxis    Axis = "writers"
	RetirementAxis Axis = "retirement"
)

// Phase is a state of an axis.
type Phase string

// PhaseNone is the phase of something that no event has named yet.
const PhaseNone Phase = "none"

// Phases of a migration.
const (
	PhaseDrafting   Phase = "drafting" // plan events arrive, not sealed
	PhasePlanned    Phase = "planned"
	PhaseRunning    Phase = "running"
	PhasePaused     Phase = "paused"
	PhaseCompleting Phase = "completing"
	PhaseFinished   Phase = "finished"
	PhaseCancelling Phase = "cancelling"
	PhaseCancelled  Phase = "cancelled"
)

// Phases of the copy of a topic; PhasePlanned and PhaseFinished are shared with the
// migration.
const (
	PhaseCreating Phase = "creating"
	PhaseCopying  Phase = "copying"
	PhaseSynced   Phase = "synced"
	PhaseVerified Phase = "verified"
	PhaseStopped  Phase = "stopped"
	PhaseReleased Phase = "released"
	PhaseClearing Phase = "clearing" // the target topic is deleted, to be copied anew
)

// Phases of the readers of a group and of the writers of a topic.
const (
	PhaseOnSource  Phase = "on_source"
	PhasePreparing Phase = "preparing"
	PhaseHolding   Phase = "holding"
	PhaseDrained   Phase = "drained"
	PhaseCut       Phase = "cut"
	PhaseStaged    Phase = "staged"
	PhaseArming    Phase = "arming"
	PhaseRolling   Phase = "rolling"
	PhaseCommitted Phase = "committed"
	PhaseOnTarget  Phase = "on_target"
)

// Phases of the retirement of a source topic.
const (
	PhaseInUse    Phase = "in_use"
	PhaseDraining Phase = "draining"
	PhaseQuiet    Phase = "quiet"
)

// Move is one row of an axis's transition table.
type Move struct {
	// Type is the event that moves the axis.
	Type Type
	// From are the phases in which it may.
	From []Phase
	// To is the phase after it.
	To Phase
	// When is a condition that only the fold can judge (an acknowledgement
	// that is the last one missing), in words; empty for none.
	When string
}

// Name is the row's name in its table: the type, and the condition where there
// is one (an event may move an axis in more than one way).
func (m Move) Name() string {
	if m.When == "" {
		return string(m.Type)
	}
	return string(m.Type) + ": " + m.When
}

func from(p ...Phase) []Phase { return p }

// Moves is the transition table of an axis. The state machines are built from
// it, the pictures are drawn from it, and [Judge] reads it.
//
//rules:flat the tables of five machines, one row a transition
func Moves(a Axis) []Move {
	switch a {
	case MigrationAxis:
		return []Move{
			{Type: "TopicPlanned", From: from(PhaseNone), To: PhaseDrafting},
			{Type: "MigrationCreated", From: from(PhaseDrafting), To: PhasePlanned, When: "the counts are those of the plan events"},
			{Type: "StartRequested", From: from(PhasePlanned), To: PhaseRunning},
			{Type: "PauseRequested", From: from(PhaseRunning), To: PhasePaused},
			{Type: "ResumeRequested", From: from(PhasePaused), To: PhaseRunning},
			{Type: "CompleteRequested", From: from(PhaseRunning), To: PhaseCompleting, When: "every group and every writer is on its target"},
			{Type: "TopicFinished", From: from(PhaseCompleting), To: PhaseFinished, When: "the last topic"},
			{Type: "CancelRequested", From: from(PhaseDrafting), To: PhaseCancelled},
			{Type: "CancelRequested", From: from(PhasePlanned, PhaseRunning, PhasePaused), To: PhaseCancelling, When: "nothing moved and no switch under way"},
			{Type: "TopicReleased", From: from(PhaseCancelling), To: PhaseCancelled, When: "the last topic, no group left"},
			{Type: "GroupReleased", From: from(PhaseCancelling), To: PhaseCancelled, When: "the last group, no topic left"},
		}
	case CopyAxis:
		return []Move{
			{Type: "TopicPlanned", From: from(PhaseNone), To: PhasePlanned},
			{Type: "CopyStarted", From: from(PhasePlanned), To: PhaseCreating},
			{Type: "TargetCreated", From: from(PhaseCreating), To: PhaseCopying},
			{Type: "CopySynced", From: from(PhaseCopying), To: PhaseSynced},
			{Type: "VerifyOrdered", From: from(PhaseSynced, PhaseVerified), To: PhaseSynced},
			{Type: "PartitionVerified", From: from(PhaseSynced), To: PhaseVerified, When: "the last partition, all identical"},
			{Type: "PartitionVerified", From: from(PhaseSynced, PhaseVerified), To: PhaseStopped, When: "the sides differ"},
			{Type: "TopicFinished", From: from(PhaseVerified), To: PhaseFinished},
			{Type: "CopyStopped", From: from(PhaseCopying, PhaseSynced, PhaseVerified), To: PhaseStopped},
			{Type: "CopyFailed", From: from(PhaseCreating, PhaseClearing, PhaseCopying, PhaseSynced, PhaseVerified), To: PhaseStopped},
			{Type: "RetryRequested", From: from(PhaseStopped), To: PhaseCreating},
			{Type: "LossAccepted", From: from(PhaseStopped), To: PhaseStopped, When: "other stops are left"},
			{Type: "LossAccepted", From: from(PhaseStopped), To: PhaseCreating, When: "it was the last stop"},
			{Type: "PartitionsAdded", From: from(PhaseCreating, PhaseCopying, PhaseSynced, PhaseVerified), To: PhaseCreating},
			{Type: "RecopyRequested", From: from(PhaseCopying, PhaseSynced, PhaseVerified, PhaseStopped), To: PhaseClearing},
			{Type: "TargetDeleted", From: from(PhaseClearing), To: PhaseCreating},
			{Type: "TopicReleased", From: from(PhasePlanned, PhaseCreating, PhaseClearing, PhaseCopying, PhaseSynced, PhaseVerified, PhaseStopped), To: PhaseReleased},
		}
	case ReadersAxis:
		return []Move{
			{Type: "GroupPlanned", From: from(PhaseNone), To: PhaseOnSource},
			{Type: "SwitchRequested", From: from(PhaseOnSource), To: PhasePreparing},
			{Type: "HoldOrdered", From: from(PhasePreparing), To: PhaseHolding},
			{Type: "DrainProven", From: from(PhaseHolding), To: PhaseDrained},
			{Type: "CutTaken", From: from(PhaseDrained), To: PhaseCut},
			{Type: "Staged", From: from(PhaseCut), To: PhaseStaged, When: "every moving partition is staged"},
			{Type: "SwitchCommitted", From: from(PhaseStaged), To: PhaseCommitted},
			{Type: "SwitchCompleted", From: from(PhaseCommitted), To: PhaseOnTarget},
			{Type: "AbortRequested", From: from(PhasePreparing, PhaseHolding, PhaseDrained, PhaseCut, PhaseStaged), To: PhaseOnSource},
			{Type: "GroupReleased", From: from(PhaseOnSource), To: PhaseReleased},
		}
	case WritersAxis:
		return []Move{
			{Type: "TopicPlanned", From: from(PhaseNone), To: PhaseOnSource},
			{Type: "SwitchRequested", From: from(PhaseOnSource), To: PhaseArming},
			{Type: "WritersRolling", From: from(PhaseArming), To: PhaseRolling},
			{Type: "SwitchCommitted", From: from(PhaseRolling), To: PhaseCommitted},
			{Type: "SwitchCompleted", From: from(PhaseCommitted), To: PhaseOnTarget},
			{Type: "AbortRequested", From: from(PhaseArming), To: PhaseOnSource},
		}
	case RetirementAxis:
		return []Move{
			{Type: "TopicPlanned", From: from(PhaseNone), To: PhaseInUse},
			{Type: "SwitchCommitted", From: from(PhaseInUse), To: PhaseDraining},
			{Type: "SourceQuiet", From: from(PhaseDraining), To: PhaseQuiet},
			{Type: "StrayWrite", From: from(PhaseQuiet), To: PhaseDraining},
		}
	}
	return nil
}

// Standing is what an acceptance depends on, apart from the event.
type Standing struct {
	// Version of the stream: commands and decisions accepted so far.
	Version uint64
	// Epoch of the latest switch attempt.
	Epoch uint32
	// Phase of the axis that the event moves.
	Phase Phase
}

// Decides says which axis a command, decision or abort on a kind of stream is
// judged by.
func Decides(k Kind, s StreamKind) Axis {
	switch {
	case s == OfMigration:
		return MigrationAxis
	case s == OfGroup:
		return ReadersAxis
	case moves(WritersAxis, k.Type) && k.Type != "TopicPlanned":
		return WritersAxis
	default:
		return CopyAxis
	}
}

func moves(a Axis, t Type) bool { return len(moved[moving{a, t}]) > 0 }

// moving names the moves of an axis that a type makes.
type moving struct {
	axis Axis
	t    Type
}

// moved holds the transition tables in the form in which [Judge] reads them;
// nobody writes it after this.
var moved = func() map[moving][]Move {
	tables := make(map[moving][]Move)
	for _, a := range []Axis{MigrationAxis, CopyAxis, ReadersAxis, WritersAxis, RetirementAxis} {
		for _, m := range Moves(a) {
			at := moving{a, m.Type}
			tables[at] = append(tables[at], m)
		}
	}
	return tables
}()

// Judge is the one rule by which a command, decision or abort is accepted: it
// depends on the event's expects, epoch and type and on the standing alone, so
// the fold and the agents come to the same answer. It returns "" when the
// event is accepted as far as this rule goes (the fold may know more), else
// the reason, which names the values and what would be accepted.
func Judge(k Kind, a Axis, e Event, s Standing) string {
	if (k.Class == Command || k.Class == Decision) && (e.Expects == nil || *e.Expects != s.Version) {
		return fmt.Sprintf("expects version %s, %s is at version %d: read the state again", expected(e), e.Stream, s.Version)
	}
	if k.Epoch {
		want := s.Epoch
		if e.Type == "SwitchRequested" {
			want++
		}
		if e.Epoch != want {
			return fmt.Sprintf("epoch %d, %s would accept epoch %d", e.Epoch, e.Stream, want)
		}
	}
	var froms []string
	for _, m := range moved[moving{a, e.Type}] {
		if slices.Contains(m.From, s.Phase) {
			return ""
		}
		for _, p := range m.From {
			if !slices.Contains(froms, string(p)) {
				froms = append(froms, string(p))
			}
		}
	}
	if froms == nil {
		return ""
	}
	return fmt.Sprintf("%s is %s, %s needs %s", e.Stream, s.Phase, e.Type, strings.Join(froms, " or "))
}

func expected(e Event) string {
	if e.Expects == nil {
		return "(none)"
	}
	return fmt.Sprint(*e.Expects)
}
