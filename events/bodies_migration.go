package events

import (
	"errors"
	"fmt"
)

// Body is the typed content of an event.
type Body interface {
	// EventType is the catalogue's name of the body.
	EventType() Type
	// Validate names the first missing or impossible field.
	Validate() error
}

// ClusterRef is a cluster by the name that configurations give it and by the
// id that the cluster gives itself.
type ClusterRef struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

func (c ClusterRef) validate(field string) error {
	if !ValidName(c.Name) || c.ID == "" {
		return fmt.Errorf("%s: want a name and a cluster id, have %q and %q", field, c.Name, c.ID)
	}
	return nil
}

// Step is one entry of a migration's step list. Steps run in the list's order.
type Step struct {
	// Do is what the step does: copy, readers, writers or finish.
	Do string `json:"do" yaml:"do"`
	// Approve is "manual" (a person approves the step first) or "auto".
	Approve string `json:"approve" yaml:"approve"`
}

// The steps that a migration is made of.
const (
	StepCopy    = "copy"
	StepReaders = "readers"
	StepWriters = "writers"
	StepFinish  = "finish"
)

// Approval of a step.
const (
	ApproveManual = "manual"
	ApproveAuto   = "auto"
)

// Policy bounds the switches of a migration. All durations are milliseconds.
type Policy struct {
	// PrepareMillis is how long agents have to prepare before the switch is aborted.
	PrepareMillis int64 `json:"prepare_ms"`
	// HoldMillis is how long agents hold before they ask for an abort.
	HoldMillis int64 `json:"hold_ms"`
	// Straggler says what to do with a handler that is not done when the hold
	// expires: "abort" the switch, or "proceed" and list the record.
	Straggler string `json:"straggler"`
	// MaxLag is the copy lag in records above which no switch is started.
	MaxLag int64 `json:"max_lag"`
	// QuietMillis is how long a source topic must be without writes to be quiet.
	QuietMillis int64 `json:"quiet_ms"`
	// SilentMillis is how long a source topic must be without writes before a
	// producer that neither moved nor said good-bye is taken for gone.
	SilentMillis int64 `json:"silent_ms"`
}

// What a policy does with a straggling handler.
const (
	StragglerAbort   = "abort"
	StragglerProceed = "proceed"
)

func (p Policy) validate() error {
	for _, f := range []struct {
		name string
		ms   int64
	}{{"policy.prepare_ms", p.PrepareMillis}, {"policy.hold_ms", p.HoldMillis}, {"policy.quiet_ms", p.QuietMillis}, {"policy.silent_ms", p.SilentMillis}} {
		if f.ms <= 0 {
			return fmt.Errorf("%s: want a positive number of milliseconds, have %d", f.name, f.ms)
		}
	}
	if p.Straggler != StragglerAbort && p.Straggler != StragglerProceed {
		return fmt.Errorf("policy.straggler: want %q or %q, have %q", StragglerAbort, StragglerProceed, p.Straggler)
	}
	return nil
}

// MigrationCreated seals a plan: the topics and groups planned before it under
// the same migration are all there are.
type MigrationCreated struct {
	// Hash is the SHA-256 of the plan's canonical form, in hex.
	Hash string `json:"hash"`
	// Machine is the version of the state machines that fold this migration.
	Machine int `json:"machine"`
	// Topics and Groups are the numbers of plan events that precede this one.
	Topics int `json:"topics"`
	Groups int `json:"groups"`
	// Source and Targets are the clusters; Strategy the name of the step list.
	Source   ClusterRef   `json:"source"`
	Targets  []ClusterRef `json:"targets"`
	Strategy string       `json:"strategy"`
	Steps    []Step       `json:"steps"`
	Policy   Policy       `json:"policy"`
	Owner    string       `json:"owner,omitempty"`
}

// EventType implements [Body].
func (MigrationCreated) EventType() Type { return "MigrationCreated" }

// Validate implements [Body].
func (b MigrationCreated) Validate() error {
	if b.Hash == "" || b.Topics <= 0 || b.Groups < 0 || b.Machine <= 0 || len(b.Targets) == 0 || len(b.Steps) == 0 {
		return errors.New("hash, machine, topics, targets and steps are required")
	}
	errs := []error{b.Source.validate("source"), b.Policy.validate()}
	for i, t := range b.Targets {
		errs = append(errs, t.validate(fmt.Sprintf("targets[%d]", i)))
	}
	for i, s := range b.Steps {
		errs = append(errs, s.validate(i))
	}
	return errors.Join(errs...)
}

func (s Step) validate(i int) error {
	switch s.Do {
	case StepCopy, StepReaders, StepWriters, StepFinish:
	default:
		return fmt.Errorf("steps[%d].do: want copy, readers, writers or finish, have %q", i, s.Do)
	}
	if s.Approve != ApproveManual && s.Approve != ApproveAuto {
		return fmt.Errorf("steps[%d].approve: want manual or auto, have %q", i, s.Approve)
	}
	return nil
}

// StartRequested lets a planned migration begin with its first step.
type StartRequested struct{}

// EventType implements [Body].
func (StartRequested) EventType() Type { return "StartRequested" }

// Validate implements [Body].
func (StartRequested) Validate() error { return nil }

// PauseRequested stops copying and keeps new steps and switches from starting;
// a switch under way still ends.
type PauseRequested struct {
	Reason string `json:"reason,omitempty"`
}

// EventType implements [Body].
func (PauseRequested) EventType() Type { return "PauseRequested" }

// Validate implements [Body].
func (PauseRequested) Validate() error { return nil }

// ResumeRequested ends a pause.
type ResumeRequested struct{}

// EventType implements [Body].
func (ResumeRequested) EventType() Type { return "ResumeRequested" }

// Validate implements [Body].
func (ResumeRequested) Validate() error { return nil }

// Approved lets the step at Index of the step list start.
type Approved struct {
	Step int    `json:"step"`
	Note string `json:"note,omitempty"`
}

// EventType implements [Body].
func (Approved) EventType() Type { return "Approved" }

// Validate implements [Body].
func (b Approved) Validate() error {
	if b.Step < 0 {
		return fmt.Errorf("step: want an index of the step list from 0, have %d", b.Step)
	}
	return nil
}

// CancelRequested ends a migration of which nothing has moved yet: what was
// created on the targets is removed.
type CancelRequested struct {
	Reason string `json:"reason,omitempty"`
}

// EventType implements [Body].
func (CancelRequested) EventType() Type { return "CancelRequested" }

// Validate implements [Body].
func (CancelRequested) Validate() error { return nil }

// CompleteRequested asks to finish a migration of which everything has moved.
type CompleteRequested struct{}

// EventType implements [Body].
func (CompleteRequested) EventType() Type { return "CompleteRequested" }

// Validate implements [Body].
func (CompleteRequested) Validate() error { return nil }

// RateChanged bounds how fast the records of a migration are copied, by all
// workers together.
type RateChanged struct {
	Rate Rate `json:"rate"`
}

// Rate is a bound in bytes of record batches per second.
type Rate struct {
	// Cluster is the name of the cluster whose reading or writing is bounded;
	// empty for the migration as a whole.
	Cluster string `json:"cluster,omitempty"`
	// BytesPerSecond is the bound, 0 for none.
	BytesPerSecond int64 `json:"bytes_per_second"`
}

// EventType implements [Body].
func (RateChanged) EventType() Type { return "RateChanged" }

// Validate implements [Body].
func (b RateChanged) Validate() error { return b.Rate.validate("rate.") }

func (r Rate) validate(field string) error {
	switch {
	case r.Cluster != "" && !ValidName(r.Cluster):
		return fmt.Errorf("%scluster: want the name of a cluster, have %s", field, quote(r.Cluster))
	case r.BytesPerSecond < 0:
		return fmt.Errorf("%sbytes_per_second: want a number from 0 (no bound), have %d", field, r.BytesPerSecond)
	}
	return nil
}

// Checkpoint records the digests of the fold at a position, so that a replay
// that comes to another result can name where.
type Checkpoint struct {
	// Position is the last event that the digests cover.
	Position int64 `json:"position"`
	// Log and State are the digests in hex.
	Log   string `json:"log"`
	State string `json:"state"`
}

// EventType implements [Body].
func (Checkpoint) EventType() Type { return "Checkpoint" }

// Validate implements [Body].
func (b Checkpoint) Validate() error {
	if b.Position < 0 || len(b.Log) != 64 || len(b.State) != 64 {
		return errors.New("position, log and state are required; digests are 64 hex digits")
	}
	return nil
}
