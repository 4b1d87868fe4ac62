package service_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/events"
)

// life is an orchestrator with connections of its own, so that it can be killed.
type life struct {
	b       *bench
	clients []*cluster.Client
	cancel  func()
	once    sync.Once
	ended   chan struct{}
}

// live runs an orchestrator that is killed at an append: point is "before:TYPE"
// or "after:TYPE", "" for never.
func (b *bench) live(point string, change ...func(*service.Options)) *life {
	b.t.Helper()
	l := &life{b: b, ended: make(chan struct{})}
	own := make(map[string]*cluster.Client)
	for name, addresses := range b.bootstrap {
		own[name] = b.open(name, cluster.Config{Bootstrap: addresses})
		l.clients = append(l.clients, own[name])
	}
	o := b.options("here", append(change, noWorker, func(o *service.Options) {
		o.Control = own[b.control]
		o.Clusters = func(_ context.Context, name string) (*cluster.Client, error) { return own[name], nil }
		if o.Before == nil {
			o.Before, o.After = service.CrashPoint(point, l.kill)
		}
	})...)
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	l.cancel = cancel
	go func() {
		defer close(l.ended)
		_ = service.Serve(ctx, o) // whatever a dying process says
	}()
	b.t.Cleanup(func() {
		l.kill()
		<-l.ended
	})
	return l
}

// kill does to the clusters what the end of a process does: all its connections
// break at once, and nothing is sent any more. No good-byes, no last commits.
func (l *life) kill() {
	l.once.Do(func() {
		for _, c := range l.clients {
			_ = c.Close()
		}
		l.cancel()
	})
}

// dead waits until it was killed and is gone.
func (l *life) dead() {
	l.b.t.Helper()
	select {
	case <-l.ended:
	case <-time.After(patience):
		require.Fail(l.b.t, "the orchestrator lives on")
	}
}

// TestKilled: the orchestrator is killed before and after every event of a
// switch that it appends. Its successors take over the guards that it has left
// behind, the group crosses once, and no record is lost or handled twice.
func TestKilled(t *testing.T) {
	b, _ := newReaders(t)
	b.work()
	first := b.live("after:GuardHeld")
	b.create(readers("prepare: 5m, hold: 1m"))
	first.dead()
	second := b.live("before:HoldOrdered")
	b.ready()
	b.switchReaders()
	second.dead()
	kinds := []events.Type{"HoldOrdered", "DrainProven", "CutTaken", "SwitchCommitted", "SwitchCompleted"}
	for i, kind := range kinds {
		if i > 0 {
			b.live("before:" + string(kind)).dead()
		}
		require.Zero(t, b.counts(billing, kind), kind)
		b.live("after:" + string(kind)).dead()
		require.Equal(t, 1, b.counts(billing, kind), kind)
	}
	b.live("after:GuardReleased").dead()
	b.live("")
	b.onTarget()
	for _, kind := range kinds {
		require.Equal(t, 1, b.counts(billing, kind), kind)
	}
	b.calm()
}
