package driver

import (
	"container/heap"
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
	mu sync.Mutex
	// due has every item that waits, agenda those of them that nobody works on,
	// the earliest first.
	due     map[item]*appointment
	agenda  agenda
	running map[item]bool
	wake    chan struct{}
}

// appointment is when an item is due; index is its place in the agenda, -1
// while the item is worked on.
type appointment struct {
	it    item
	at    time.Time
	index int
}

func newQueue() *queue {
	return &queue{due: make(map[item]*appointment), running: make(map[item]bool), wake: make(chan struct{}, 1)}
}

// add makes an item due at a moment, or sooner if it is already.
func (q *queue) add(it item, at time.Time) {
	q.mu.Lock()
	switch a := q.due[it]; {
	case a == nil:
		a = &appointment{it: it, at: at, index: -1}
		q.due[it] = a
		if !q.running[it] {
			heap.Push(&q.agenda, a)
		}
	case at.Before(a.at):
		a.at = at
		if a.index >= 0 {
			heap.Fix(&q.agenda, a.index)
		}
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

// size is how many items wait or are worked on.
func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.agenda) + len(q.running)
}

// take marks the items that are due as running, most of them at most, and says
// when the next one is. That is zero when none waits, and when more are due
// than may be taken: then the end of a work is what to wait for.
func (q *queue) take(now time.Time, most int) (ready []item, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.agenda) > 0 {
		first := q.agenda[0]
		if first.at.After(now) {
			return ready, first.at
		}
		if len(ready) == most {
			break
		}
		heap.Pop(&q.agenda)
		delete(q.due, first.it)
		q.running[first.it] = true
		ready = append(ready, first.it)
	}
	return ready, time.Time{}
}

// done ends the work on an item; it is due again at next unless that is zero.
func (q *queue) done(it item, next time.Time) {
	q.mu.Lock()
	delete(q.running, it)
	if a := q.due[it]; a != nil {
		heap.Push(&q.agenda, a)
	}
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
				at := work(ctx, it)
				free <- struct{}{}
				q.done(it, at)
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

// agenda is a heap of appointments, the earliest first.
type agenda []*appointment

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push implements heap.Interface.
func (a *agenda) Push(x any) {
	if p, ok := x.(*appointment); ok {
		p.index = len(*a)
		*a = append(*a, p)
	}
}

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	p := (*a)[last]
	p.index = -1
	(*a)[last] = nil
	*a = (*a)[:last]
	return p
}
