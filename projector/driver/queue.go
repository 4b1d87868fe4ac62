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
// Migrations with something that fails share half of the workers: looks at a
// cluster that does not answer take long, and must not keep others waiting.
type queue struct {
	mu sync.Mutex
	// due has every item that waits, agendas those of them that nobody works on,
	// by migration, the earliest first.
	due     map[item]*appointment
	agendas map[string]*agenda
	running map[item]bool
	// failed are the items whose last look failed, failing counts them by
	// migration, and failingAtOnce bounds how many items of such are worked on.
	failed        map[item]bool
	failing       map[string]int
	failingAtOnce int
	wake          chan struct{}
}

// appointment is when an item is due; index is its place in the agenda, -1
// while the item is worked on.
type appointment struct {
	it    item
	at    time.Time
	index int
}

func newQueue() *queue {
	return &queue{
		due: make(map[item]*appointment), agendas: make(map[string]*agenda), running: make(map[item]bool),
		failed: make(map[item]bool), failing: make(map[string]int), failingAtOnce: 1, wake: make(chan struct{}, 1),
	}
}

// add makes an item due at a moment, or sooner if it is already.
func (q *queue) add(it item, at time.Time) {
	q.mu.Lock()
	switch a := q.due[it]; {
	case a == nil:
		a = &appointment{it: it, at: at, index: -1}
		q.due[it] = a
		if !q.running[it] {
			q.enter(a)
		}
	case at.Before(a.at):
		a.at = at
		if a.index >= 0 {
			heap.Fix(q.agendas[it.migration], a.index)
		}
	}
	q.mu.Unlock()
	q.poke()
}

// enter puts an appointment into its migration's agenda.
func (q *queue) enter(a *appointment) {
	of := q.agendas[a.it.migration]
	if of == nil {
		of = &agenda{}
		q.agendas[a.it.migration] = of
	}
	heap.Push(of, a)
}

// mark notes how the last look at an item went.
func (q *queue) mark(it item, failed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case failed && !q.failed[it]:
		q.failed[it] = true
		q.failing[it.migration]++
	case !failed && q.failed[it]:
		delete(q.failed, it)
		q.failing[it.migration]--
	}
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
	n := len(q.running)
	for _, a := range q.agendas {
		n += a.Len()
	}
	return n
}

// take marks the items that are due as running, most of them at most, and says
// when the next one is. That is zero when none waits, and when more are due
// than may be taken: then the end of a work is what to wait for.
func (q *queue) take(now time.Time, most int) (ready []item, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for a := q.next(); a != nil; a = q.next() {
		first := (*a)[0]
		if first.at.After(now) {
			return ready, first.at
		}
		if len(ready) == most {
			break
		}
		heap.Pop(a)
		delete(q.due, first.it)
		q.running[first.it] = true
		ready = append(ready, first.it)
	}
	return ready, time.Time{}
}

// next is the agenda with the earliest appointment, nil for none; migrations with
// something that fails are left out while they have all the workers they may.
func (q *queue) next() (best *agenda) {
	working := 0
	for it := range q.running {
		if q.failing[it.migration] > 0 {
			working++
		}
	}
	for migration, a := range q.agendas {
		if a.Len() == 0 || q.failing[migration] > 0 && working >= q.failingAtOnce {
			continue
		}
		if best == nil || (*a)[0].at.Before((*best)[0].at) {
			best = a
		}
	}
	return best
}

// done ends the work on an item; it is due again at next unless that is zero.
func (q *queue) done(it item, next time.Time) {
	q.mu.Lock()
	delete(q.running, it)
	if a := q.due[it]; a != nil {
		q.enter(a)
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
	q.mu.Lock()
	q.failingAtOnce = max(1, workers/2)
	q.mu.Unlock()
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
