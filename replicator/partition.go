package replicator

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
)

// partition is the shell around one core. Its keeper, a goroutine, does what
// the core asks for; the loops of its source and target brokers feed it pages
// and answers.
type partition struct {
	w      *Worker
	key    events.CopyKey
	log    zerolog.Logger
	run    context.Context // of the worker: loops outlive a partition
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{} // for the keeper

	mu   sync.Mutex
	core *core
	job  job
	// ordered is true once there is a job. Without one nothing is done.
	ordered bool
	// again says that the core is to begin anew once nothing is on its way.
	again bool
	// life counts the core's beginnings: what was asked in a former one is void.
	life int
	// source and target are the clusters, seat and stream its places in the loops
	// of their brokers; nil where it has none.
	source, target *link
	seat           *seat
	stream         *stream
	// full says that the seat's wish waits for room.
	full bool
	// beyond is set to the offset of a fetch that was out of range.
	beyond *int64
	// weight is the part of the buffers that is accounted for.
	weight int
	// failures counts failed attempts of the keeper in a row; absences the looks
	// in a row that did not find a topic; denied is for how long a side denies us.
	failures int
	absences map[*link]int
	denied   map[side]denial
	// refusals counts refused fetches in a row; fetchAfter is when to fetch
	// again, recheckAfter when to look at the target after a doubt.
	refusals                 int
	fetchAfter, recheckAfter time.Duration
	// fencedAt is when another owner was met. A heartbeat sent later and answered
	// says that the partition is ours all the same: then it is claimed again.
	fencedAt time.Duration
	// added is the number of partitions of the source topic if it has more than
	// the plan, addedReported up to which they were reported.
	added, addedReported int32
	// publishing is true while a block is on its way.
	publishing bool
	// shared is the epoch whose CopyShared was appended, verified the cause of
	// the last comparison begun.
	shared     uint32
	verified   string
	background sync.WaitGroup
	ctx        context.Context
	reported   events.Progress
	reportedAt time.Duration
}

func newPartition(run context.Context, w *Worker, key events.CopyKey) *partition {
	ctx, cancel := context.WithCancel(run)
	p := &partition{
		w: w, key: key, run: run, ctx: ctx, absences: map[*link]int{}, denied: map[side]denial{}, cancel: cancel, done: make(chan struct{}), wake: make(chan struct{}, 1),
		log: w.cfg.Log.With().Stringer("partition", key).Logger(),
	}
	p.core = newCore(w.cfg.limits(), false)
	go func() {
		defer close(p.done)
		p.keep(ctx)
		p.background.Wait()
		p.detach()
	}()
	return p
}

// keep does what is to be done, one thing after the other, until ctx ends.
func (p *partition) keep(ctx context.Context) {
	for ctx.Err() == nil {
		t, idle := p.next()
		if t == nil {
			p.sleep(ctx, idle)
			continue
		}
		err := p.do(ctx, t)
		if err != nil && ctx.Err() == nil {
			wait(ctx, p.failed(err))
		} else if err == nil {
			p.succeeded()
		}
	}
}

// do carries a task out, in a slot if it asks a cluster.
func (p *partition) do(ctx context.Context, t *task) error {
	if t.free {
		return t.run(ctx)
	}
	slots := p.slots()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
		return t.run(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slots bound how many keepers ask the same two clusters at a time: those of
// other clusters do not wait for one that hangs.
func (p *partition) slots() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.w.slots(p.job.copy().Source + " to " + p.job.copy().Target)
}

// sleep waits for the keeper to be woken, or for a time.
func (p *partition) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
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

func (p *partition) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = 0
}

// idleFor is how long the keeper sleeps when nothing wakes it.
const idleFor = time.Minute

// task is one thing that the keeper does.
type task struct {
	run func(context.Context) error
	// free tasks take no slot: the loader serves any number of keepers at once.
	free bool
}

// next says what the keeper is to do, or how long to sleep.
func (p *partition) next() (*task, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.core
	if !p.ordered || p.job.tooNew {
		return nil, idleFor
	}
	if p.again {
		if !c.idle() {
			return nil, 5 * time.Millisecond
		}
		p.again, c.paused = false, p.job.paused
		p.begin()
	}
	if c.phase == fenced {
		if !p.w.confirmedSince(p.fencedAt) {
			return nil, p.w.cfg.Heartbeat / 2
		}
		p.begin()
	}
	if p.job.paused && c.phase == claiming {
		return nil, idleFor
	}
	if left := p.recheckAfter - p.w.now(); c.phase == rechecking && left > 0 {
		return nil, left
	}
	a, life := c.ask(), p.life
	switch a.kind {
	case askNothing:
		return p.nextAside()
	case askPublish: // the publisher does so, for many at once, and wakes us
		p.w.publisher.mark(p)
		return nil, idleFor
	}
	return &task{run: func(ctx context.Context) error { return p.perform(ctx, a, life) }, free: a.kind == askLoad}, 0
}

// nextAside is what to do when the core waits for nothing.
func (p *partition) nextAside() (*task, time.Duration) {
	c := p.core
	switch {
	case c.phase == copying && p.beyond != nil:
		return &task{run: p.lookAround}, 0
	case c.phase == copying && !c.paused && p.stream == nil:
		return &task{run: p.attachStream}, 0
	case c.phase == copying && !c.paused && p.seat == nil:
		if left := p.fetchAfter - p.w.now(); left > 0 {
			return nil, left
		}
		return &task{run: p.attachReader}, 0
	case p.added > p.addedReported:
		return &task{run: p.reportAdded}, 0
	case p.job.copy().Shared && p.shared != p.job.Epoch:
		return &task{run: p.acknowledgeShared}, 0
	}
	p.startVerification()
	return nil, idleFor
}

// begin starts a new life of the core. The lock is held.
func (p *partition) begin() {
	p.core.restart()
	p.life++
	p.beyond, p.fencedAt = nil, 0
	p.account()
}

// renew says that the group has given the partition again.
func (p *partition) renew() { signal(p.wake) }

// order gives the partition its order. A newer one brings a stopped partition
// back to life.
func (p *partition) order(j job, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !known { // not wanted any more; the group will take it away
		p.core.paused = true
		return
	}
	newer, first := p.ordered && j.Position > p.job.Position, !p.ordered
	again := newer && (p.core.phase == halted || !sameTopics(*p.job.Copy, *j.Copy))
	p.job, p.ordered = j, true
	p.core.paused, p.core.shared = j.paused, j.Copy.Shared
	p.core.recopies, p.core.losses = j.Copy.Recopies, j.losses(p.key.Partition)
	if again || p.again {
		p.log.Info().Int64("position", j.Position).Msg("starting again as the directive says")
		p.again, p.core.paused = true, true
	}
	if (newer || first) && j.tooNew {
		p.log.Error().Str("at_least", j.AtLeast).Str("have", Version).Msg("the directive needs a later release of the worker; upgrade it")
	}
	if p.core.paused {
		p.detachLocked()
	}
	signal(p.wake)
}

// sameTopics says whether two orders are about the same two topics.
func sameTopics(a, b events.CopyOrder) bool {
	return a.Source == b.Source && a.TopicID == b.TopicID && a.Target == b.Target && a.TargetTopic == b.TargetTopic && a.TargetTopicID == b.TargetTopicID
}

// update lets f change the core if its life is still the one that was asked
// in, and follows up.
func (p *partition) update(life int, f func(*core)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if life != p.life {
		return
	}
	f(p.core)
	p.follow()
}

// follow does what every change of the core may make necessary. The lock is held.
func (p *partition) follow() {
	p.account()
	c := p.core
	if c.ledger.dirty() && c.phase >= recording {
		p.w.publisher.mark(p)
	}
	if c.phase == fenced && p.fencedAt == 0 {
		p.fencedAt = p.w.now()
		p.log.Warn().Msg("another owner has a later claim; waiting for the group to say whose the partition is")
	}
	if c.phase != copying {
		p.detachLocked()
		signal(p.wake)
		return
	}
	if p.stream != nil && c.sendable() {
		p.stream.ready(p)
	}
	if p.full {
		p.seat.r.touch(p.seat)
	}
}

// retryLater lets the keeper look for the source's leader again after a pause
// that grows with the number of refused fetches in a row. The lock is held.
func (p *partition) retryLater() {
	p.refusals++
	p.fetchAfter = p.w.now() + backoff(p.refusals)
	signal(p.wake)
}

// detach takes the partition out of its loops.
func (p *partition) detach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.detachLocked()
	p.discount()
}

func (p *partition) detachLocked() {
	p.rise()
	if p.stream != nil {
		p.stream.remove(p)
		p.stream = nil
	}
}

// awaitIdle waits until no batch is on its way.
func (p *partition) awaitIdle(ctx context.Context) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		idle := p.core.idle()
		p.mu.Unlock()
		if idle {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func (p *partition) status() PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PartitionStatus{Key: p.key, Phase: p.core.phase.String(), Watermark: p.core.watermark()}
	if p.core.phase == halted {
		s.Code, s.Reason = p.core.stop.code, p.core.stop.reason
	}
	return s
}
