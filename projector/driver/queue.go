package driver

import (
	"context"
	"sync"
	"time"

	"github.com/portage-kafka/portage/events"
)

// item is one thing to look at: a stream of a migration.
type item struct {
	migration string
	stream    events.Stream
}

// queue hands out items when they are due, each to one worker at a time. An
// item that is added while it is worked on is looked at again afterwards.
type queue struct {
	mu      sync.Mutex
	due     map[item]time.Time
	running map[item]bool
	wake    chan struct{}
}

func newQueue() *queue {
	return &queue{due: make(map[item]time.Time), running: make(map[item]bool), wake: make(chan struct{}, 1)}
}

// add makes an item due at a moment, or sooner if it is already.
func (q *queue) add(it item, at time.Time) {
	q.mu.Lock()
	if was, ok := q.due[it]; !ok || at.Before(was) {
		q.due[it] = at
	}
	q.mu.Unlock()
	q.poke()
}

// addNow makes an item due at once.
func (q *queue) addNow(it item) { q.add(it, time.Now()) }

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take marks the items that are due as running and says when the next one is.
func (q *queue) take(now time.Time, most int) (ready []item, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for it, at := range q.due {
		switch {
		case q.running[it]:
		case len(ready) < most && !at.After(now):
			ready = append(ready, it)
			delete(q.due, it)
			q.running[it] = true
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return ready, next
}

// done ends the work on an item; it is due again at next unless that is zero.
func (q *queue) done(it item, next time.Time) {
	q.mu.Lock()
	delete(q.running, it)
	q.mu.Unlock()
	if !next.IsZero() {
		q.add(it, next)
	}
	q.poke()
}

// run works on due items, at most workers at a time, until ctx is done and all
// work has returned. work says when to look again; zero means when something
// changes.
func (q *queue) run(ctx context.Context, workers int, work func(context.Context, item) time.Time) {
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, workers)
	for range workers {
		free <- struct{}{}
	}
	for {
		ready, next := q.take(time.Now(), len(free))
		for _, it := range ready {
			<-free
			wg.Go(func() {
				defer func() { free <- struct{}{} }()
				q.done(it, work(ctx, it))
			})
		}
		if !q.wait(ctx, next) {
			return
		}
	}
}

// wait returns when something may be due; false when ctx is done.
func (q *queue) wait(ctx context.Context, next time.Time) bool {
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-q.wake:
	case <-timer:
	}
	return ctx.Err() == nil
}
