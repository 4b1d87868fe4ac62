package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portage-kafka/portage/events"
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
	if r.Appended {
		b.WriteString("; others were faster: it stands in the log and changes nothing")
	}
	return b.String()
}
