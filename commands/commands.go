package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// Config is what commands need; all fields are required.
type Config struct {
	// Append writes events in order and returns their positions.
	Append func(ctx context.Context, es []events.Event) ([]int64, error)
	// Fold returns a view of the projection folded to the end that the log has
	// now. The caller of Fold closes it.
	Fold func(ctx context.Context) (*projector.View, error)
	// Actor signs the commands.
	Actor events.Actor
	// NewID makes a ULID, Now is the clock that events show.
	NewID func() string
	Now   func() time.Time
}

// Commands sends commands.
type Commands struct{ cfg Config }

// New checks the config.
func New(cfg Config) (*Commands, error) {
	if cfg.Append == nil || cfg.Fold == nil || cfg.NewID == nil || cfg.Now == nil {
		return nil, errors.New("commands: Append, Fold, NewID and Now are required")
	}
	if cfg.Actor.Kind != events.Operator || cfg.Actor.Name == "" {
		return nil, errors.New("commands: Actor must be a named operator")
	}
	return &Commands{cfg: cfg}, nil
}

// Receipt is an accepted command.
type Receipt struct {
	Event events.Event   `json:"event"`
	Note  projector.Note `json:"note"`
}

// Refused is a command that does not fit. Nothing was appended, unless
// Appended says so: then the log has moved on between judging and appending,
// and the event stands there with its refusal.
type Refused struct {
	Type   events.Type   `json:"type"`
	Stream events.Stream `json:"stream"`
	// Reason says why, with the values.
	Reason string `json:"reason"`
	// Possible are the commands that the stream would accept now.
	Possible []events.Type `json:"possible,omitempty"`
	Appended bool          `json:"appended,omitempty"`
}

// Error says why, and what would be possible instead.
func (r *Refused) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s is refused: %s", r.Type, r.Stream, r.Reason)
	if len(r.Possible) > 0 {
		names := make([]string, len(r.Possible))
		for i, t := range r.Possible {
			names[i] = string(t)
		}
		fmt.Fprintf(&b, " (possible now: %s)", strings.Join(names, ", "))
	}
	return b.String()
}

// Send judges a command on the current state and appends it. The stream's
// version and epoch are those of the state that it was judged on.
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
		return e, &Refused{Type: e.Type, Stream: stream, Reason: n.Reason, Possible: c.possible(view, migration, stream)}
	}
	return e, nil
}

// event builds a command for the stream as it stands in the view.
func (c *Commands) event(view *projector.View, migration string, stream events.Stream, body events.Body) (events.Event, error) {
	e, err := events.New(c.cfg.NewID(), migration, stream, c.cfg.Actor, c.cfg.Now().UTC(), body)
	if err != nil {
		return e, err
	}
	standing, ok := StandingOf(view, migration, stream)
	if !ok && migrationMissing(view, migration) {
		return e, &Refused{Type: e.Type, Stream: stream, Reason: fmt.Sprintf("there is no migration %q: `portage get migrations` lists them", migration)}
	}
	kind, _ := events.Lookup(e.Type)
	if kind.Class == events.Command || kind.Class == events.Decision {
		e.Expects = &standing.Version
	}
	if kind.Epoch {
		e.Epoch = standing.Epoch
		if e.Type == (events.SwitchRequested{}).EventType() {
			e.Epoch++
		}
	}
	return e, nil
}

func migrationMissing(view *projector.View, migration string) bool {
	_, ok := view.Migration(migration)
	return !ok
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
	for _, body := range candidates(stream.Kind()) {
		e, err := c.event(view, migration, stream, body)
		if err != nil {
			return nil
		}
		tried, err := view.Try(e)
		if err == nil && tried[0].Note.Verdict == fsm.Accepted {
			out = append(out, e.Type)
		}
	}
	return out
}

func candidates(k events.StreamKind) []events.Body {
	switch k {
	case events.OfMigration:
		return []events.Body{events.StartRequested{}, events.PauseRequested{}, events.ResumeRequested{}, events.CompleteRequested{}, events.CancelRequested{}}
	case events.OfTopic:
		return []events.Body{
			events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart}, events.RetryRequested{},
			events.AbortRequested{Code: "operator", Reason: "tried"},
		}
	case events.OfGroup:
		return []events.Body{events.SwitchRequested{To: events.RouteTarget}, events.AbortRequested{Code: "operator", Reason: "tried"}}
	}
	return nil
}

// Create appends the events of a resolved plan, after judging them all.
func (c *Commands) Create(ctx context.Context, r *plan.Resolved) ([]Receipt, error) {
	es, err := r.Events(func(stream events.Stream, body events.Body) (events.Event, error) {
		return events.New(c.cfg.NewID(), r.Plan.Migration, stream, c.cfg.Actor, c.cfg.Now().UTC(), body)
	})
	if err != nil {
		return nil, err
	}
	if err := c.judgeAll(ctx, es); err != nil {
		return nil, err
	}
	return c.append(ctx, es)
}

func (c *Commands) judgeAll(ctx context.Context, es []events.Event) (err error) {
	view, err := c.cfg.Fold(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	outs, err := view.Try(es...)
	if err != nil {
		return err
	}
	for i, o := range outs {
		if o.Note.Verdict != fsm.Accepted {
			return &Refused{Type: es[i].Type, Stream: es[i].Stream, Reason: o.Note.Reason}
		}
	}
	return nil
}

// append writes events and looks up what became of each. The first refusal is
// the error.
func (c *Commands) append(ctx context.Context, es []events.Event) (receipts []Receipt, err error) {
	positions, err := c.cfg.Append(ctx, es)
	if err != nil {
		return nil, err
	}
	view, err := c.cfg.Fold(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	for i, e := range es {
		note, ok := view.Note(positions[i])
		if !ok {
			return receipts, fmt.Errorf("event %s was appended at position %d and is not there", e.ID, positions[i])
		}
		if note.Verdict != fsm.Accepted {
			return receipts, &Refused{Type: e.Type, Stream: e.Stream, Reason: note.Reason, Appended: true}
		}
		receipts = append(receipts, Receipt{Event: e, Note: note})
	}
	return receipts, nil
}
