// Package service puts the long-running parts together: what `portage serve`
// and `portage work` run, and what the demo runs in one process.
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/metrics"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/projector/driver"
	"github.com/portage-kafka/portage/replicator"
)

// Options are what a service needs.
type Options struct {
	// Control is the cluster of the control topics, Clusters finds the others.
	Control  *cluster.Client
	Clusters func(ctx context.Context, name string) (*cluster.Client, error)
	// Dir is the projection's folder; empty keeps it in memory. Serve only.
	Dir string
	// Host names the machine, Incarnation the process.
	Host, Incarnation string
	// Instance makes the worker a static member of the workers' group; see
	// replicator.Config. Empty for a dynamic one.
	Instance string
	// Listen is the address of metrics and health; empty for none.
	Listen string
	Logger zerolog.Logger
	// Before and After are called around every append of the orchestrator:
	// fault injection kills the process there.
	Before, After func(events.Event)
	// Watch is told what the driver waits for and publishes; may be nil.
	Watch func(driver.Hooks) driver.Hooks
	// NoWorker leaves copying to `portage work`. Serve only.
	NoWorker bool
}

// Serve runs the orchestrator, projector and driver, and a worker beside them,
// until ctx is done.
func Serve(ctx context.Context, o Options) (err error) {
	if _, err := log.Check(ctx, o.Control); err != nil {
		return done(ctx, err)
	}
	store, err := projector.Open(projector.Options{Dir: o.Dir, Logger: o.Logger})
	if err != nil {
		return fmt.Errorf("open the projection: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return done(ctx, serve(ctx, o, store))
}

func serve(ctx context.Context, o Options, store *projector.Store) error {
	set := metrics.New()
	fold, err := projector.New(projector.Config{Store: store, Log: LogOf(o.Control), Logger: o.Logger, Hooks: set.Projector()})
	if err != nil {
		return err
	}
	if _, err := fold.CatchUp(ctx); err != nil {
		return fmt.Errorf("fold the log: %w", err)
	}
	d, err := driver.New(driverConfig(o, store, set))
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return fold.Run(ctx) })
	g.Go(func() error { return d.Run(ctx) })
	if !o.NoWorker {
		g.Go(func() error { keepWorking(ctx, o, set.Worker()); return nil })
	}
	if o.Listen != "" {
		g.Go(func() error { return set.Serve(ctx, o.Listen, folding(store, fold)) })
	}
	o.Logger.Info().Str("control", o.Control.Name()).Int64("applied", store.Applied()).Msg("serving")
	return g.Wait()
}

// folding says why the projection may be behind the log: the store has failed, or
// the log cannot be read.
func folding(store *projector.Store, fold *projector.Projector) func() error {
	return func() error { return cmp.Or(store.Err(), fold.Status().Err) }
}

func driverConfig(o Options, store *projector.Store, set *metrics.Set) driver.Config {
	hooks := set.Driver()
	if o.Watch != nil {
		hooks = o.Watch(hooks)
	}
	return driver.Config{
		Store: store, Control: o.Control, Clusters: o.Clusters, Logger: o.Logger, Hooks: hooks,
		Appender: log.NewAppender(o.Control, log.AppenderOptions{Logger: o.Logger, Before: o.Before, After: o.After}),
		Actor:    events.Actor{Kind: events.Orchestrator, Name: o.Host, Host: o.Host},
	}
}

// Work runs a worker until ctx is done.
func Work(ctx context.Context, o Options) error {
	set := metrics.New()
	g, inner := errgroup.WithContext(ctx)
	hooks, joined := readiness(set.Worker())
	g.Go(func() error { return runWorker(inner, o, hooks) })
	if o.Listen != "" {
		g.Go(func() error { return set.Serve(inner, o.Listen, joined) })
	}
	o.Logger.Info().Str("control", o.Control.Name()).Msg("working")
	return done(ctx, g.Wait())
}

// readiness says that a worker is ready once the workers' group has told it
// what to copy.
func readiness(hooks replicator.Hooks) (replicator.Hooks, func() error) {
	var told atomic.Bool
	owned := hooks.Owned
	hooks.Owned = func(n int) {
		told.Store(true)
		owned(n)
	}
	return hooks, func() error {
		if !told.Load() {
			return errors.New("not a member of the workers' group yet")
		}
		return nil
	}
}

// The pauses before a worker beside the orchestrator begins anew.
const (
	firstRest = time.Second
	mostRest  = time.Minute
)

// keepWorking runs a worker until ctx is done. One that fails begins anew after
// a pause: switches and guards must not stand still because a copy does. The
// pauses grow while it fails again and again.
func keepWorking(ctx context.Context, o Options, hooks replicator.Hooks) {
	for rest := firstRest; ; rest = min(2*rest, mostRest) {
		begun := time.Now()
		err := runWorker(ctx, o, hooks)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > mostRest {
			rest = firstRest
		}
		o.Logger.Error().Err(err).Dur("rest", rest).Msg("the worker has failed and begins anew")
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return
		}
	}
}

// runWorker lets a worker finish what is under way when ctx is done.
func runWorker(ctx context.Context, o Options, hooks replicator.Hooks) error {
	w, err := replicator.New(replicator.Config{
		Control: o.Control, Clusters: o.Clusters, Name: o.Incarnation, Host: o.Host, Instance: o.Instance, Log: o.Logger, Hooks: hooks,
	})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, w.Stop)
	defer stop()
	return w.Run(context.WithoutCancel(ctx))
}

// done takes the end that was asked for as no error.
func done(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// LogOf is portage.events as the projector reads it.
func LogOf(c *cluster.Client) projector.Log {
	return projector.Log{
		ClusterID: c.ID(),
		TopicID:   func(ctx context.Context) (string, error) { return log.TopicID(ctx, c) },
		End:       func(ctx context.Context) (int64, error) { return log.End(ctx, c) },
		Reader:    func(from int64, topicID string) projector.Reader { return log.NewReader(c, from).Pin(topicID) },
		Retriable: cluster.Retriable,
	}
}

// CrashPoint is a hook that ends the process the hard way at one append: point
// is "before:TYPE" or "after:TYPE". The kill function does not return.
func CrashPoint(point string, kill func()) (before, after func(events.Event)) {
	var fired atomic.Bool
	at := func(when string) func(events.Event) {
		return func(e events.Event) {
			if point == when+":"+string(e.Type) && fired.CompareAndSwap(false, true) {
				kill()
			}
		}
	}
	return at("before"), at("after")
}
