package driver

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

// Appender appends events to portage.events; it returns the position of the
// first copy of each.
type Appender interface {
	Append(ctx context.Context, e events.Event) (int64, error)
}

// Config is what a driver needs.
type Config struct {
	// Store is the projection that somebody else keeps up to date.
	Store *projector.Store
	// Control is the cluster of the control topics.
	Control *cluster.Client
	// Appender writes the driver's events.
	Appender Appender
	// Clusters finds a cluster by the name that plans give it.
	Clusters func(ctx context.Context, name string) (*cluster.Client, error)
	// Actor signs the driver's events. Its name should outlive the process
	// (host name), so that a restarted driver repeats the same event ids.
	Actor events.Actor
	// Logger takes structured logs.
	Logger zerolog.Logger
	// Poll is how often things that no event announces are looked at again
	// while a switch is under way; default 10 ms.
	Poll time.Duration
	// Idle is the same for everything else; default 250 ms.
	Idle time.Duration
	// GuardSession is the session timeout of the guards, at most 30 min, which
	// is also the default: as long may a group stay closed without us.
	GuardSession time.Duration
	// Workers is how many streams are worked on at a time; default 16.
	Workers int
	// Hooks are told what happens; each may be nil.
	Hooks Hooks
}

// Hooks listen to a driver.
type Hooks struct {
	// Appended is called for every event that the driver appended.
	Appended func(events.Event, int64)
	// Published is called for every directive that was read back.
	Published func(events.Directive)
	// Waiting is called with what a stream waits for, when that changes.
	Waiting func(migration string, stream events.Stream, why string)
	// Failed is called for every failed attempt.
	Failed func(migration string, stream events.Stream, err error)
}

// Validate checks the config and sets its defaults.
func (c *Config) Validate() error {
	if c.Store == nil || c.Control == nil || c.Appender == nil || c.Clusters == nil {
		return errors.New("driver: Store, Control, Appender and Clusters are required")
	}
	if c.Actor.Kind != events.Orchestrator || c.Actor.Name == "" {
		return errors.New("driver: Actor must be a named orchestrator")
	}
	if c.Poll <= 0 {
		c.Poll = 10 * time.Millisecond
	}
	if c.Idle <= 0 {
		c.Idle = 250 * time.Millisecond
	}
	if c.GuardSession <= 0 {
		c.GuardSession = 30 * time.Minute
	}
	if c.Workers <= 0 {
		c.Workers = 16
	}
	return nil
}
