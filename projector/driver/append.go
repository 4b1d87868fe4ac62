package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// intent is an event that the driver wants to append.
type intent struct {
	it item
	// axis is the one whose open effect the event answers.
	axis events.Axis
	// expects is the stream's version for commands and decisions.
	version uint64
	epoch   uint32
	// row tells states of the stream apart: what was refused in one may be said
	// again in another.
	row  string
	body events.Body
}

// append writes the event and waits until the projection has folded it. The
// note says what became of it. A repetition of the same intent on the same row
// repeats the event's id, so that only its first copy counts.
func (d *Driver) append(ctx context.Context, view *projector.View, in intent) (fsm.Note, error) {
	e, err := d.event(view, in)
	if err != nil {
		return fsm.Note{}, err
	}
	if first, seen := view.Seen(e.Migration, e.ID); seen {
		return fsm.Note{Position: first, Verdict: fsm.Ignored, Reason: "said before"}, nil
	}
	at, err := d.cfg.Appender.Append(ctx, e)
	if err != nil {
		return fsm.Note{}, fmt.Errorf("append %s to %s: %w", e.Type, e.Stream, err)
	}
	if d.cfg.Hooks.Appended != nil {
		d.cfg.Hooks.Appended(e, at)
	}
	if err := d.cfg.Store.Wait(ctx, at); err != nil {
		return fsm.Note{}, fmt.Errorf("wait for position %d: %w", at, err)
	}
	note, err := d.note(at)
	if err != nil {
		return fsm.Note{}, err
	}
	d.log(in.it).Info().Str("event", e.ID).Str("type", string(e.Type)).Int64("position", at).Uint32("epoch", e.Epoch).
		Str("verdict", string(note.Verdict)).Str("reason", note.Reason).Msg("event appended")
	return note.Note, nil
}

func (d *Driver) note(position int64) (projector.Note, error) {
	view := d.cfg.Store.View()
	note, _ := view.Note(position)
	return note, view.Close()
}

func (d *Driver) event(view *projector.View, in intent) (events.Event, error) {
	raw, err := json.Marshal(in.body)
	if err != nil {
		return events.Event{}, err
	}
	cause := ""
	if in.axis != "" {
		if eff, ok := view.Effect(fsm.OutboxKey{Migration: in.it.migration, Stream: in.it.stream, Axis: in.axis}); ok {
			cause = eff.ID.String()
		}
	}
	kind := in.body.EventType()
	id := events.DeriveID(string(kind), in.it.migration, string(in.it.stream), cause, fmt.Sprint(in.version), fmt.Sprint(in.epoch), d.cfg.Actor.Name, in.row, string(raw))
	e, err := events.New(id, in.it.migration, in.it.stream, d.cfg.Actor, time.Now().UTC(), in.body)
	if err != nil {
		return events.Event{}, err
	}
	e.Cause, e.Epoch = cause, in.epoch
	if k, ok := events.Lookup(kind); ok && (k.Class == events.Command || k.Class == events.Decision) {
		e.Expects = &in.version
	}
	return e, nil
}
