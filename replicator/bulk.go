package replicator

import (
	"context"
	"sync"

	"github.com/portage-kafka/portage/events"
	"golang.org/x/sync/errgroup"
)

// bulk does for many partitions at once what they ask for one by one: what is
// asked for while it is at work goes into the next round. Nobody waits for it in
// a goroutine: do tells everyone who asked.
type bulk[T any] struct {
	do   func(context.Context, []T)
	wake chan struct{}

	mu      sync.Mutex
	waiting []T
}

func newBulk[T any](do func(context.Context, []T)) *bulk[T] {
	return &bulk[T]{do: do, wake: make(chan struct{}, 1)}
}

// ask enters a request.
func (b *bulk[T]) ask(t T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, t)
	signal(b.wake)
}

func (b *bulk[T]) take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.waiting
	b.waiting = nil
	return all
}

// run serves until ctx ends.
func (b *bulk[T]) run(ctx context.Context) error {
	for {
		if all := b.take(); len(all) > 0 {
			b.do(ctx, all)
			continue
		}
		select {
		case <-b.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sharded is a bulk for each partition of the control topics: one that does not
// answer holds up nobody else.
type sharded[T any] [events.ControlPartitions]*bulk[T]

func newSharded[T any](do func(context.Context, []T)) *sharded[T] {
	var s sharded[T]
	for i := range s {
		s[i] = newBulk(do)
	}
	return &s
}

// ask enters a request about a partition of a topic.
func (s *sharded[T]) ask(k events.CopyKey, t T) { s[k.ControlPartition()].ask(t) }

// run serves until ctx ends.
func (s *sharded[T]) run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, b := range s {
		all.Go(func() error { return b.run(ctx) })
	}
	return all.Wait()
}
