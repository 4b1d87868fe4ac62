package replicator

import (
	"context"
	"sync"
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
