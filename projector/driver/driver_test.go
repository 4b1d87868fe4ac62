package driver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

// TestConfig: what is missing is named, what may be left out has its default.
func TestConfig(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "Store, Control, Appender and Clusters are required")
	full := Config{
		Store: new(projector.Store), Control: new(cluster.Client), Appender: new(rig),
		Clusters: func(context.Context, string) (*cluster.Client, error) { return nil, nil },
	}
	for name, actor := range map[string]events.Actor{"no name": {Kind: events.Orchestrator}, "no orchestrator": {Kind: events.Agent, Name: "a"}} {
		c := full
		c.Actor = actor
		require.ErrorContains(t, c.Validate(), "named orchestrator", name)
	}
	full.Actor = events.Actor{Kind: events.Orchestrator, Name: "here"}
	require.NoError(t, full.Validate())
	require.Equal(t, []time.Duration{10 * time.Millisecond, 250 * time.Millisecond, 30 * time.Minute}, []time.Duration{full.Poll, full.Idle, full.GuardSession})
	require.Equal(t, 16, full.Workers)
}

// TestLook: a failure is told, counted and followed by a growing pause; a look
// that goes well ends the count. What nobody knows is nothing to look at.
func TestLook(t *testing.T) {
	var failed []error
	r := newRig(t, func(c *Config) {
		c.Hooks.Failed = func(_ string, _ events.Stream, err error) { failed = append(failed, err) }
	})
	r.begin(nil, "orders")
	r.does(orders, "CopyStarted")
	it := item{"m", orders}
	r.away["target"] = true
	var last time.Duration
	for range 8 {
		next := time.Until(r.d.look(t.Context(), it))
		require.Greater(t, next, last/4, "jitter halves a pause at most, and each is twice the former")
		last = next
	}
	require.Len(t, failed, 8)
	require.ErrorIs(t, failed[7], errAway)
	require.Equal(t, 8, r.d.memory[it].tries)
	r.away["target"] = false
	require.False(t, r.d.look(t.Context(), it).IsZero())
	require.Zero(t, r.d.memory[it].tries)

	for name, nobody := range map[string]item{
		"another migration": {"n", orders}, "another topic": {"m", "topic/x"}, "another group": {"m", "group/x"}, "another kind": {"m", "x/y"},
	} {
		require.True(t, r.d.look(t.Context(), nobody).IsZero(), name)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.True(t, r.d.look(over, it).IsZero(), "the driver ends")
	require.NoError(t, r.store.Close())
	require.False(t, r.d.look(t.Context(), it).IsZero())
	require.ErrorIs(t, failed[len(failed)-1], projector.ErrClosed)
}

// TestWaiting: what a stream waits for is told when it changes.
func TestWaiting(t *testing.T) {
	var told []string
	d := &Driver{cfg: Config{Hooks: Hooks{Waiting: func(_ string, _ events.Stream, why string) { told = append(told, why) }}}, memory: make(map[item]*memory)}
	it := item{"m", orders}
	mem := d.recall(it, events.PhaseCopying, 0)
	for _, why := range []string{"a", "a", "b", "b", "a"} {
		d.waiting(it, mem, why)
	}
	require.Equal(t, []string{"a", "b", "a"}, told)
	require.Same(t, mem, d.recall(it, events.PhaseCopying, 0))
	require.NotSame(t, mem, d.recall(it, events.PhaseCopying, 1), "another epoch begins anew")
}

// TestComplete: the driver completes a migration whose last step needs nobody.
func TestComplete(t *testing.T) {
	r := onTarget(t)
	r.awaits(orders, "less than the quiet time ago")
	r.stoodStill(orders, quiet)
	r.does(orders, "SourceQuiet")
	next, err := r.look(events.MigrationStream)
	require.NoError(t, err)
	require.Zero(t, next, "a person approves first")
	r.say(events.Operator, events.MigrationStream, 0, events.Approved{Step: 3})
	r.does(events.MigrationStream, "CompleteRequested")
}

// TestAppend: an event that cannot be appended is an error; one that was refused
// is not appended again before its row has changed.
func TestAppend(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.refused = "CopyStarted"
	r.fails(orders, "append CopyStarted to topic/orders: "+errRefused.Error())
	r.refused = ""
	r.does(orders, "CopyStarted")
	early := events.CopySynced{Ends: []events.PartitionOffset{{Partition: 0}}}
	for range 3 {
		r.with(func(w *work) {
			next, err := w.onTopic(t.Context(), r.topic("orders"), events.CopyAxis, early)
			require.NoError(t, err)
			require.Equal(t, w.idle(), next, "it did not count")
		})
		require.Len(t, r.appended, 2)
	}
	r.does(orders, "TargetCreated")
	r.with(func(w *work) {
		next, err := w.onTopic(t.Context(), r.topic("orders"), events.CopyAxis, early)
		require.NoError(t, err)
		require.Equal(t, again, next, "now it does")
	})
}

// TestAppendUnfolded: an event that is not folded in time is an error, because
// nobody knows what became of it.
func TestAppendUnfolded(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	ctx, cancel := context.WithCancel(t.Context())
	r.d.cfg.Appender = appenderFunc(func(context.Context, events.Event) (int64, error) {
		cancel()
		return 1000, nil
	})
	r.with(func(w *work) {
		_, err := w.topic(ctx, r.topic("orders"))
		require.ErrorContains(t, err, "wait for position 1000")
		require.ErrorIs(t, err, context.Canceled)
	})
}

// with gives a look at orders to a function.
func (r *rig) with(do func(*work)) {
	r.t.Helper()
	v := r.store.View()
	defer func() { require.NoError(r.t, v.Close()) }()
	m, ok := v.Migration("m")
	require.True(r.t, ok)
	do(&work{d: r.d, view: v, it: item{"m", orders}, mig: m})
}

type appenderFunc func(context.Context, events.Event) (int64, error)

// Append implements Appender.
func (f appenderFunc) Append(ctx context.Context, e events.Event) (int64, error) { return f(ctx, e) }
