package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// Create appends the events of a resolved plan, after judging them all on one
// state. If others append meanwhile and one is refused all the same, the
// migration is left unsealed, or sealed as it was accepted; the *[Refused] says
// so, and nothing starts by itself.
func (c *Commands) Create(ctx context.Context, r *plan.Resolved) ([]Receipt, error) {
	es, err := r.Events(func(stream events.Stream, body events.Body) (events.Event, error) {
		return events.New(c.cfg.NewID(), r.Plan.Migration, stream, c.cfg.Actor, c.cfg.Now().UTC(), body)
	})
	if err != nil {
		return nil, err
	}
	if err := c.judgeAll(ctx, r.Plan.Migration, es); err != nil {
		return nil, err
	}
	receipts, err := c.append(ctx, es)
	var refused *Refused
	if errors.As(err, &refused) {
		refused.Possible = nil
		refused.Reason += fmt.Sprintf("; the migration is not as planned: cancel it and create it under another name (portage cancel %s)", r.Plan.Migration)
	}
	return receipts, err
}

func (c *Commands) judgeAll(ctx context.Context, migration string, es []events.Event) (err error) {
	view, err := c.cfg.Fold(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	if m, ok := view.Migration(migration); ok {
		reason := fmt.Sprintf("migration %q exists already, it is %s: a name is used once, choose another one", migration, m.Phase)
		return &Refused{Migration: migration, Type: (events.MigrationCreated{}).EventType(), Stream: events.MigrationStream, Reason: reason}
	}
	outs, err := view.Try(es...)
	if err != nil {
		return err
	}
	for i, o := range outs {
		if o.Note.Verdict != fsm.Accepted {
			return &Refused{Migration: migration, Type: es[i].Type, Stream: es[i].Stream, Reason: o.Note.Reason}
		}
	}
	return nil
}
