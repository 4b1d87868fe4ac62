package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

// receipt shows an event as it stands in the log, not as Go holds it, and what
// became of it. A foreign record has no event.
type receipt struct {
	Event json.RawMessage `json:"event,omitempty"`
	Note  projector.Note  `json:"note"`
}

// printEvents shows the events that notes are about, as they stand in the log.
func (a *app) printEvents(ctx context.Context, notes []projector.Note) error {
	control, err := a.control(ctx)
	if err != nil {
		return err
	}
	log := service.LogOf(control)
	id, err := log.TopicID(ctx)
	if err != nil {
		return err
	}
	found, err := atPositions(ctx, notes, func(from int64) projector.Reader { return log.Reader(from, id) })
	if err != nil {
		return fmt.Errorf("read the events again: %w", err)
	}
	shown := make([]receipt, len(notes))
	for i, n := range notes {
		shown[i].Note = n
		if rec, ok := found[n.Position]; ok && rec.Refusal == nil {
			if shown[i].Event, err = events.Encode(rec.Event); err != nil {
				return fmt.Errorf("event %d: %w", n.Position, err)
			}
		}
	}
	return a.printRows(shown)
}

// near is how far apart two wanted records may be for what lies in between to be
// read over.
const near = 1000

// soon bounds the wait for a record that is known to be in the log, but for those
// that compaction has taken.
const soon = time.Second

// atPositions reads the records at the positions of notes, which rise.
func atPositions(ctx context.Context, notes []projector.Note, open func(from int64) projector.Reader) (map[int64]events.Record, error) {
	found := make(map[int64]events.Record, len(notes))
	wanted := make(map[int64]bool, len(notes))
	for _, n := range notes {
		wanted[n.Position] = true
	}
	var r projector.Reader
	for at := int64(-1); len(notes) > 0; { // everything wanted below at was read
		next := notes[0].Position
		if next < at {
			notes = notes[1:]
			continue
		}
		if r == nil || next > at+near {
			r, at = open(next), next
		}
		page, err := r.Next(ctx, 0, soon)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			if wanted[rec.Position] {
				found[rec.Position] = rec
			}
		}
		if page.Next <= at {
			break // the log ends here
		}
		at = page.Next
	}
	return found, nil
}
