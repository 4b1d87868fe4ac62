package fsm

import (
	"strconv"

	"github.com/portage-kafka/portage/events"
)

// EffectID names an effect after the event that it follows from.
type EffectID struct {
	Position int64 `json:"position"`
	Index    int   `json:"index"`
}

// String is the form in which an acknowledgement cites the effect as its cause.
func (e EffectID) String() string {
	return "effect/" + strconv.FormatInt(e.Position, 10) + "/" + strconv.Itoa(e.Index)
}

// EffectKind is what an effect asks the driver to do.
type EffectKind string

// The effects. Each is what one phase of one axis wants done.
const (
	EffectStartCopies   EffectKind = "start-copies"   // take the current step of the migration further
	EffectFinishTopics  EffectKind = "finish-topics"  // verify, set the real configs
	EffectRelease       EffectKind = "release"        // undo what was created
	EffectCreateTopic   EffectKind = "create-topic"   // create the target topic
	EffectDeleteTarget  EffectKind = "delete-target"  // delete the target topic, to copy anew
	EffectAwaitSync     EffectKind = "await-sync"     // watch the copy
	EffectVerify        EffectKind = "verify"         // watch the comparison
	EffectPrepare       EffectKind = "prepare"        // guard the source group, prove that all are prepared
	EffectProveDrain    EffectKind = "prove-drain"    // prove that the source group stands still
	EffectTakeCut       EffectKind = "take-cut"       // translate the offsets
	EffectAwaitStaged   EffectKind = "await-staged"   // watch the owners stage
	EffectDecide        EffectKind = "decide"         // commit the switch
	EffectCloseSource   EffectKind = "close-source"   // let instances leave, keep the source closed
	EffectArmWriters    EffectKind = "arm-writers"    // let the copy expect other writers
	EffectAwaitRollout  EffectKind = "await-rollout"  // watch the producers restart
	EffectSettleWriters EffectKind = "settle-writers" // copy to the end
	EffectAwaitQuiet    EffectKind = "await-quiet"    // watch the source
)

// Effect is something to be done outside, as data. The driver compares what is
// wanted with what is there; the effect gives its acknowledgement a name to
// cite.
type Effect struct {
	ID    EffectID     `json:"id"`
	Kind  EffectKind   `json:"kind"`
	Epoch uint32       `json:"epoch,omitempty"`
	Phase events.Phase `json:"phase"`
}

// OutboxKey is a place of the outbox: one axis of one stream has at most one
// open effect.
type OutboxKey struct {
	Migration string        `json:"migration"`
	Stream    events.Stream `json:"stream"`
	Axis      events.Axis   `json:"axis"`
}

// OutboxChange puts an effect into the outbox in place of the former one of
// the same key; nil takes the former one out.
type OutboxChange struct {
	Key    OutboxKey
	Effect *Effect
}

// effectOf is what a phase wants done; "" for nothing.
//
//rules:flat one row a phase
func effectOf(a events.Axis, p events.Phase) EffectKind {
	switch a {
	case events.MigrationAxis:
		switch p {
		case events.PhaseRunning:
			return EffectStartCopies
		case events.PhaseCompleting:
			return EffectFinishTopics
		case events.PhaseCancelling:
			return EffectRelease
		}
	case events.CopyAxis:
		switch p {
		case events.PhaseCreating:
			return EffectCreateTopic
		case events.PhaseClearing:
			return EffectDeleteTarget
		case events.PhaseCopying:
			return EffectAwaitSync
		case events.PhaseSynced:
			return EffectVerify
		}
	case events.ReadersAxis:
		switch p {
		case events.PhasePreparing:
			return EffectPrepare
		case events.PhaseHolding:
			return EffectProveDrain
		case events.PhaseDrained:
			return EffectTakeCut
		case events.PhaseCut:
			return EffectAwaitStaged
		case events.PhaseStaged:
			return EffectDecide
		case events.PhaseCommitted:
			return EffectCloseSource
		}
	case events.WritersAxis:
		switch p {
		case events.PhaseArming:
			return EffectArmWriters
		case events.PhaseRolling:
			return EffectAwaitRollout
		case events.PhaseCommitted:
			return EffectSettleWriters
		}
	case events.RetirementAxis:
		if p == events.PhaseDraining {
			return EffectAwaitQuiet
		}
	}
	return ""
}
