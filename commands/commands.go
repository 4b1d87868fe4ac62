package commands

import (
	"context"
	"errors"
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
