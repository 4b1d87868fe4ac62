package replicator

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// keepers see to it that what the partitions' cores ask for is done: a partition
// that is poked is looked at, and what it wants is handed to those who do such
// things for many at once, or done by a member of the crew for its two clusters.
// A partition that wants nothing has no goroutine and no timer.
type keepers struct {
	most int // tasks at a time for the same two clusters
	wake chan struct{}
	work sync.WaitGroup // of the crews

	mu    sync.Mutex
	poked []*partition
	crews map[string]*crew
}

// crew does the tasks for two clusters: those of others do not wait for one that
// hangs.
type crew struct {
	busy    int
	waiting []chore
}

// chore is a task of a partition.
type chore struct {
	p   *partition
	run func(context.Context) error
}

// task is one thing to do for a partition: run by a crew, or handed to somebody
// who reports the end with finished.
type task struct {
	run  func(context.Context) error
	hand func()
}

func newKeepers(most int) *keepers {
	return &keepers{most: most, wake: make(chan struct{}, 1), crews: map[string]*crew{}}
}

// poke has a partition looked at.
func (k *keepers) poke(p *partition) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !p.poked {
		p.poked = true
		k.poked = append(k.poked, p)
		signal(k.wake)
	}
}

func (k *keepers) take() []*partition {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := k.poked
	k.poked = nil
	for _, p := range all {
		p.poked = false
	}
	return all
}

// run looks at partitions until ctx ends.
func (k *keepers) run(ctx context.Context) error {
	for {
		for _, p := range k.take() {
			switch t, pair := p.next(); {
			case t.hand != nil:
				t.hand()
			case t.run != nil:
				k.enlist(pair, chore{p, t.run})
			}
		}
		select {
		case <-k.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// enlist has a crew do a chore, now or when a member is free.
func (k *keepers) enlist(pair string, c chore) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.crews[pair]
	if w == nil {
		w = &crew{}
		k.crews[pair] = w
	}
	if w.busy == k.most {
		w.waiting = append(w.waiting, c)
		return
	}
	w.busy++
	k.work.Go(func() { k.serve(w, c) })
}

// serve does chores until none is waiting.
func (k *keepers) serve(w *crew, c chore) {
	for more := true; more; {
		if ctx, ok := c.p.start(); ok {
			err := c.run(ctx)
			c.p.stop()
			c.p.finished(err)
		}
		c, more = k.following(w)
	}
}

func (k *keepers) following(w *crew) (chore, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(w.waiting) == 0 {
		w.busy--
		return chore{}, false
	}
	c := w.waiting[0]
	w.waiting = w.waiting[1:]
	return c, true
}

// wait waits for the crews, whose partitions have been closed.
func (k *keepers) wait() { k.work.Wait() }

// start begins something that takes time, for as long as the partition is ours.
func (p *partition) start() (context.Context, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.startLocked()
}

func (p *partition) startLocked() (context.Context, bool) {
	if p.gone {
		return nil, false
	}
	if p.activities == 0 {
		p.ctx, p.cancel = context.WithCancel(p.run)
	}
	p.activities++
	p.background.Add(1)
	return p.ctx, true
}

// stop ends what start began.
func (p *partition) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.activities--; p.activities == 0 {
		p.cancel()
		p.ctx, p.cancel = nil, nil
	}
	p.background.Done()
}

// finished ends a task: the partition is looked at again, after a failure when
// its pause is over.
func (p *partition) finished(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
	switch {
	case p.gone:
		return
	case err != nil:
		p.notBefore = p.w.now() + p.failed(err)
	default:
		p.failures, p.notBefore = 0, 0
	}
	p.poke()
}

// poke has the partition looked at.
func (p *partition) poke() { p.w.keepers.poke(p) }

// later pokes after a while, unless somebody does so before. The lock is held.
func (p *partition) later(d time.Duration) { p.timer = time.AfterFunc(d, p.poke) }

// next is what to do for the partition, and for which two clusters. Until it is
// finished there is nothing else.
func (p *partition) next() (t task, pair string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.gone || p.busy || p.job == nil || p.job.tooNew {
		return task{}, ""
	}
	if left := p.notBefore - p.w.now(); left > 0 {
		p.later(left)
		return task{}, ""
	}
	t = p.nextTask()
	p.busy = t.run != nil || t.hand != nil
	return t, p.pair()
}

// pair names the two clusters of the partition. The lock is held.
func (p *partition) pair() string { return p.job.Copy.Source + " to " + p.job.Copy.Target }

// nextTask is what the core asks for. The lock is held.
func (p *partition) nextTask() task {
	c := p.core
	if p.again {
		if !c.idle() {
			return task{} // the last answer pokes
		}
		p.again, c.paused = false, p.job.paused
		p.begin()
	}
	if c.phase == fenced {
		if !p.w.confirmedSince(p.fencedAt) {
			p.later(p.w.cfg.Heartbeat / 2)
			return task{}
		}
		p.begin()
	}
	if p.job.paused && c.phase == claiming {
		return task{}
	}
	if left := p.recheckAfter - p.w.now(); c.phase == rechecking && left > 0 {
		p.later(left)
		return task{}
	}
	a, life := c.ask(), p.life
	switch a.kind {
	case askNothing:
		return p.nextAside()
	case askLoad:
		return task{hand: func() { p.askLoad(life) }}
	case askClaim:
		return task{hand: func() { p.w.claims.ask(p.key, claimRequest{p, life, a.claim}) }}
	case askBounds:
		if !p.alone {
			survey := p.w.surveyOf(p.run, p.pair())
			return task{hand: func() { survey.ask(surveyRequest{p, life}) }}
		}
		p.alone = false
	case askPublish: // the publisher does so for many at once, and pokes
		p.w.publisher.mark(p)
		return task{}
	}
	return task{run: func(ctx context.Context) error { return p.perform(ctx, a, life) }}
}

// nextAside is what to do when the core waits for nothing.
func (p *partition) nextAside() task {
	c := p.core
	copies := c.phase == copying && !c.paused
	switch {
	case c.phase == copying && p.beyond != nil:
		return task{run: p.lookAround}
	case copies && p.stream == nil:
		return task{run: p.attachStream}
	case copies && p.seat == nil:
		if left := p.fetchAfter - p.w.now(); left > 0 {
			p.later(left)
			return task{}
		}
		return task{run: p.attachReader}
	case p.added > p.known():
		return task{run: p.reportAdded}
	case p.job.Copy.Shared && p.shared != p.job.Epoch:
		return task{run: p.acknowledgeShared}
	}
	p.startVerification()
	return task{}
}

// wait waits for a time, or for the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// backoff is 50 ms after the first failure, doubled after every other up to 5 s,
// of which chance takes up to a half.
func backoff(failures int) time.Duration {
	d := min(50*time.Millisecond<<min(max(failures-1, 0), 10), 5*time.Second)
	return d - time.Duration(rand.Float64()*float64(d)/2)
}
