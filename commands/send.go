package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// Send judges a command on the current state and appends it. The stream's
// version and epoch are those of the state that it was judged on. A command
// that does not fit is a *[Refused]; of an error that is [log.ErrOutcomeUnknown]
// the event may be in the log, and its note tells what became of it.
func (c *Commands) Send(ctx context.Context, migration string, stream events.Stream, body events.Body) (Receipt, error) {
	e, err := c.judge(ctx, migration, stream, body)
	if err != nil {
		return Receipt{}, err
	}
	receipts, err := c.append(ctx, []events.Event{e})
	if err != nil {
		return Receipt{}, err
	}
	return receipts[0], nil
}

func (c *Commands) judge(ctx context.Context, migration string, stream events.Stream, body events.Body) (e events.Event, err error) {
	view, err := c.cfg.Fold(ctx)
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	if e, err = c.event(view, migration, stream, body); err != nil {
		return e, err
	}
	out, err := view.Try(e)
	if err != nil {
		return e, err
	}
	if n := out[0].Note; n.Verdict != fsm.Accepted {
		return e, &Refused{Migration: migration, Type: e.Type, Stream: stream, Reason: n.Reason + first(view, migration, n.Reason), Possible: c.possible(view, migration, stream)}
	}
	return e, nil
}

// event builds a command for the stream as it stands in the view.
func (c *Commands) event(view *projector.View, migration string, stream events.Stream, body events.Body) (events.Event, error) {
	e, err := events.New(c.cfg.NewID(), migration, stream, c.cfg.Actor, c.cfg.Now().UTC(), body)
	if err != nil {
		return e, err
	}
	refused := func(reason string) error {
		if err := view.Err(); err != nil {
			return err
		}
		return &Refused{Migration: migration, Type: e.Type, Stream: stream, Reason: reason}
	}
	if unknown := Unknown(view, migration, stream); unknown != "" {
		return e, refused(unknown)
	}
	standing, _ := StandingOf(view, migration, stream)
	kind, _ := events.Lookup(e.Type)
	if kind.Class == events.Abort && standing.Epoch == 0 {
		return e, refused("no switch attempt was begun yet: there is nothing to abort")
	}
	if kind.Class == events.Command || kind.Class == events.Decision {
		e.Expects = &standing.Version
	}
	if kind.Epoch {
		e.Epoch = max(standing.Epoch, 1)
		if e.Type == (events.SwitchRequested{}).EventType() {
			e.Epoch = standing.Epoch + 1
		}
	}
	return e, nil
}

// first names what has to come first when a stream is refused because of where its
// migration stands.
func first(view *projector.View, migration, reason string) string {
	m, ok := view.Migration(migration)
	if !ok || reason != fmt.Sprintf("migration %q is %s", migration, m.Phase) {
		return ""
	}
	switch m.Phase {
	case events.PhasePlanned:
		return ": start it first (portage start " + migration + ")"
	case events.PhasePaused:
		return ": resume it first (portage resume " + migration + ")"
	}
	return ""
}

// StandingOf is where a stream stands: version and epoch.
func StandingOf(view *projector.View, migration string, stream events.Stream) (fsm.Standing, bool) {
	switch stream.Kind() {
	case events.OfMigration:
		if m, ok := view.Migration(migration); ok {
			return m.Standing, true
		}
	case events.OfTopic:
		if t, ok := view.Topic(migration, stream.Name()); ok {
			return t.Standing, true
		}
	case events.OfGroup:
		if g, ok := view.Group(migration, stream.Name()); ok {
			return g.Standing, true
		}
	}
	return fsm.Standing{}, false
}

// possible tries the commands that a person could send to the stream.
func (c *Commands) possible(view *projector.View, migration string, stream events.Stream) (out []events.Type) {
	for _, body := range candidates(view, migration, stream) {
		e, err := c.event(view, migration, stream, body)
		if err != nil {
			continue
		}
		tried, err := view.Try(e)
		if err == nil && tried[0].Note.Verdict == fsm.Accepted && !slices.Contains(out, e.Type) {
			out = append(out, e.Type)
		}
	}
	return out
}

// candidates are the commands that a person sends by hand to a kind of stream.
func candidates(view *projector.View, migration string, stream events.Stream) []events.Body {
	switch stream.Kind() {
	case events.OfMigration:
		list := []events.Body{events.StartRequested{}, events.PauseRequested{}, events.ResumeRequested{}}
		if m, ok := view.Migration(migration); ok {
			if i, awaiting := m.StepIs(); awaiting {
				list = append(list, events.Approved{Step: i})
			}
		}
		return append(list, events.CompleteRequested{}, events.CancelRequested{})
	case events.OfTopic:
		list := []events.Body{events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart}, events.RetryRequested{}}
		if t, ok := view.Topic(migration, stream.Name()); ok && t.Copy == events.PhaseStopped {
			list = append(list, events.RecopyRequested{})
			for _, s := range append([]fsm.Stop{*t.Stop}, t.MoreStops...) {
				list = append(list, events.LossAccepted{Lost: events.Interval{Partition: s.Partition, From: s.From, To: s.To}, Reason: "tried"})
			}
		}
		return append(list, events.AbortRequested{Code: "operator", Reason: "tried"})
	case events.OfGroup:
		return []events.Body{events.SwitchRequested{To: events.RouteTarget}, events.AbortRequested{Code: "operator", Reason: "tried"}}
	}
	return nil
}

// append writes events and looks up what became of each. The first refusal is
// the error; the receipts are those of the events before it.
func (c *Commands) append(ctx context.Context, es []events.Event) (receipts []Receipt, err error) {
	positions, err := c.cfg.Append(ctx, es)
	if err != nil {
		return nil, err
	}
	if len(positions) != len(es) {
		return nil, fmt.Errorf("%w: %d events were appended, the log has told %d positions", log.ErrOutcomeUnknown, len(es), len(positions))
	}
	view, err := c.cfg.Fold(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %s stands at position %d, what became of it cannot be read: %w", log.ErrOutcomeUnknown, es[0].Type, positions[0], err)
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	for i, e := range es {
		note, ok := view.Note(positions[i])
		if !ok {
			return receipts, errors.Join(view.Err(), fmt.Errorf("%w: event %s was appended at position %d, of which nothing is noted", log.ErrOutcomeUnknown, e.ID, positions[i]))
		}
		if note.Verdict != fsm.Accepted {
			return receipts, &Refused{Migration: e.Migration, Type: e.Type, Stream: e.Stream, Reason: note.Reason, Possible: c.possible(view, e.Migration, e.Stream), Appended: true}
		}
		receipts = append(receipts, Receipt{Event: e, Note: note})
	}
	return receipts, nil
}
