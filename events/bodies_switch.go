package events

import (
	"errors"
	"fmt"
)

// SwitchRequested asks to move a group's readers (on a group's stream) or a
// topic's writers (on a topic's stream) to the target. Its epoch is the
// stream's epoch plus one.
type SwitchRequested struct {
	// To is the side to move to: "target".
	To string `json:"to"`
	// Level says how writers move: "restart". Empty for readers.
	Level string `json:"level,omitempty"`
}

// LevelRestart moves writers by a rollout: each process keeps for its life the
// route that it found at its start.
const LevelRestart = "restart"

// EventType implements [Body].
func (SwitchRequested) EventType() Type { return "SwitchRequested" }

// Validate implements [Body].
func (b SwitchRequested) Validate() error {
	if b.To != RouteTarget {
		return fmt.Errorf(`to: want "target", have %s`, quote(b.To))
	}
	if b.Level != "" && b.Level != LevelRestart {
		return fmt.Errorf(`level: want "restart" for writers, none for readers, have %s`, quote(b.Level))
	}
	return nil
}

// AbortRequested asks to end an undecided switch. It is judged by (epoch,
// phase) alone: the first of AbortRequested and the decision wins.
type AbortRequested struct {
	// Code is a stable word: stranger, hold-expired, prepare-expired,
	// straggler, gate, operator, failed.
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// EventType implements [Body].
func (AbortRequested) EventType() Type { return "AbortRequested" }

// Validate implements [Body].
func (b AbortRequested) Validate() error {
	if b.Code == "" || b.Reason == "" {
		return errors.New("code and reason are required")
	}
	return nil
}

// SwitchCommitted is the decision: from here on the target is the route.
type SwitchCommitted struct {
	// Ends are, for writers, the source ends at the decision.
	Ends []PartitionOffset `json:"ends,omitempty"`
}

// EventType implements [Body].
func (SwitchCommitted) EventType() Type { return "SwitchCommitted" }

// Validate implements [Body].
func (b SwitchCommitted) Validate() error { return validOffsets("ends", b.Ends) }

// SwitchCompleted closes a committed switch on evidence.
type SwitchCompleted struct {
	// Evidence says what was seen, for people.
	Evidence string `json:"evidence"`
}

// EventType implements [Body].
func (SwitchCompleted) EventType() Type { return "SwitchCompleted" }

// Validate implements [Body].
func (b SwitchCompleted) Validate() error {
	if b.Evidence == "" {
		return errors.New("evidence is required")
	}
	return nil
}
