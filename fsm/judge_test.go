package fsm_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// decisions are the versioned events of an axis, each with a body that fits
// when everything else does.
func decisions(w *world, a events.Axis) (list []events.Body) {
	if a == events.ReadersAxis {
		g, _ := w.Group("m", "billing")
		return []events.Body{
			events.SwitchRequested{To: events.RouteTarget}, events.HoldOrdered{Members: []string{"m1"}}, events.DrainProven{Offsets: everywhere(g, 7)},
			events.CutTaken{Cut: cutAt(g, 7, 5)}, events.SwitchCommitted{}, events.SwitchCompleted{Evidence: "e"},
			events.AbortRequested{Code: "operator", Reason: "r"},
		}
	}
	topic, _ := w.Topic("m", "orders")
	return []events.Body{
		events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart}, events.WritersRolling{}, events.SwitchCommitted{Ends: endsOf(topic, 20)},
		events.SwitchCompleted{Evidence: "e"}, events.AbortRequested{Code: "operator", Reason: "r"},
	}
}

// readyFor takes a world to a phase in which the phase's own decision would be
// accepted at once.
func readyFor(t *testing.T, a events.Axis, p events.Phase) (*world, events.Stream) {
	w := newWorld()
	if a == events.WritersAxis {
		w.plan(t, "m", planned{topics: []string{"orders:2"}})
		w.drive(t, "m", "topic/orders", events.CopyAxis, events.PhaseSynced)
		w.drive(t, "m", "topic/orders", a, p)
		return w, "topic/orders"
	}
	w.plan(t, "m", planned{topics: []string{"orders:2"}, groups: []string{"billing:orders"}})
	w.drive(t, "m", "topic/orders", events.CopyAxis, events.PhaseSynced)
	w.drive(t, "m", "group/billing", a, p)
	for {
		body := w.next("m", "group/billing", a)
		if body == nil {
			return w, "group/billing"
		}
		if kind, _ := events.Lookup(body.EventType()); kind.Class.Versioned() || body.EventType() == "Staged" {
			return w, "group/billing"
		}
		w.say(t, "m", said{"group/billing", body})
	}
}

// TestPhaseGuardAlone sends every decision in every phase with the right
// version and the right epoch: what protects then is the phase, and nothing
// else. (In the model the protocol holds without versions, and breaks without
// this guard.)
func TestPhaseGuardAlone(t *testing.T) {
	for _, a := range []events.Axis{events.ReadersAxis, events.WritersAxis} {
		for _, p := range phasesOf(a) {
			w, stream := readyFor(t, a, p)
			for _, body := range decisions(w, a) {
				e := w.event(t, "m", said{stream, body})
				if e.Epoch == 0 {
					continue // no attempt yet: such an event cannot be written
				}
				fits := slices.ContainsFunc(events.Moves(a), func(m events.Move) bool { return m.Type == e.Type && slices.Contains(m.From, p) })
				out := w.try(t, e)
				require.Equal(t, fits, out.Note.Verdict == fsm.Accepted, "%s in %s: %s", e.Type, p, out.Note.Reason)
				if !fits {
					require.Contains(t, out.Note.Reason, fmt.Sprintf("is %s, %s needs", p, e.Type))
				}
			}
		}
	}
}

// TestEpochGuardAlone sends, in every phase, the decision that would fit, with
// the right version and another attempt's number.
func TestEpochGuardAlone(t *testing.T) {
	eachFitting(t, func(t *testing.T, w *world, e events.Event) {
		for _, epoch := range []uint32{e.Epoch - 1, e.Epoch + 1, e.Epoch + 7} {
			if epoch == 0 {
				continue
			}
			other := e
			other.Epoch = epoch
			out := w.try(t, other)
			require.NotEqual(t, fsm.Accepted, out.Note.Verdict, "%s of epoch %d", e.Type, epoch)
			require.Contains(t, out.Note.Reason, fmt.Sprintf("epoch %d", epoch))
		}
	})
}

// TestVersionGuardAlone sends, in every phase, the decision that would fit,
// with the right epoch and another version.
func TestVersionGuardAlone(t *testing.T) {
	eachFitting(t, func(t *testing.T, w *world, e events.Event) {
		if e.Expects == nil {
			return // an abort is judged by (epoch, phase) alone
		}
		for _, version := range []uint64{0, *e.Expects - 1, *e.Expects + 1} {
			other := e
			other.Expects = &version
			out := w.try(t, other)
			require.Equal(t, fsm.Refused, out.Note.Verdict, "%s at version %d", e.Type, version)
			require.Contains(t, out.Note.Reason, fmt.Sprintf("expects version %d", version))
		}
	})
}

// eachFitting goes through all phases and the decisions that fit there.
func eachFitting(t *testing.T, f func(t *testing.T, w *world, e events.Event)) {
	tried := 0
	for _, a := range []events.Axis{events.ReadersAxis, events.WritersAxis} {
		for _, p := range phasesOf(a) {
			w, stream := readyFor(t, a, p)
			for _, body := range decisions(w, a) {
				e := w.event(t, "m", said{stream, body})
				if e.Epoch > 0 && w.try(t, e).Note.Verdict == fsm.Accepted {
					tried++
					f(t, w, e)
				}
			}
		}
	}
	require.Equal(t, 6+5+4+1, tried, "readers: six decisions and five aborts; writers: four and one")
}

// phasesOf are the phases of an axis that its decisions lead through.
func phasesOf(a events.Axis) []events.Phase {
	if a == events.WritersAxis {
		return []events.Phase{events.PhaseOnSource, events.PhaseArming, events.PhaseRolling, events.PhaseCommitted, events.PhaseOnTarget}
	}
	return []events.Phase{
		events.PhaseOnSource, events.PhasePreparing, events.PhaseHolding, events.PhaseDrained, events.PhaseCut, events.PhaseStaged,
		events.PhaseCommitted, events.PhaseOnTarget,
	}
}

// try steps an event without applying what follows.
func (w *world) try(t *testing.T, e events.Event) fsm.Outcome {
	rec := w.record(t, e)
	rec.Position = w.position
	return w.machines.Step(w, rec)
}
