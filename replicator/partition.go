package replicator

import (
	"context"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
)

// partition is the shell around one core: the keepers do what the core asks
// for, the loops of its source and target brokers feed it pages and answers.
type partition struct {
	w   *Worker
	key events.CopyKey
	run context.Context // of the worker: loops outlive a partition

	mu   sync.Mutex
	core *core
	// job is nil until there is an order: without one nothing is done.
	job *job
	// gone is true once the partition is another's.
	gone bool
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
	// failures counts failed tasks in a row; absences the looks in a row that did
	// not find a topic; denied is for how long a side denies us.
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
	// the plan, addedReported up to which they were reported under this order:
	// what was refused then may be heard after another one.
	added, addedReported int32
	// publishing is true while a block is on its way.
	publishing bool
	// shared is the epoch whose CopyShared was appended, verified the cause of
	// the last comparison begun.
	shared     uint32
	verified   string
	reported   events.Progress
	reportedAt time.Duration
	meter      meter

	// What follows belongs to the keepers. poked is guarded by their lock; busy is
	// true while a task is under way, alone when the next survey is not for many;
	// timer pokes, and nothing is done before notBefore.
	poked, busy, alone bool
	timer              *time.Timer
	notBefore          time.Duration
	// ctx ends with the partition; there is one only while something runs.
	activities int
	ctx        context.Context
	cancel     context.CancelFunc
	background sync.WaitGroup
}

func newPartition(run context.Context, w *Worker, key events.CopyKey) *partition {
	return &partition{w: w, key: key, run: run, core: newCore(w.cfg.limits(), false)}
}

// log is the partition's logger.
func (p *partition) log() *zerolog.Logger {
	l := p.w.cfg.Log.With().Stringer("partition", p.key).Logger()
	return &l
}

// close says that the partition is another's: nothing more is begun.
func (p *partition) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	if p.cancel != nil {
		p.cancel()
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.detachLocked()
}

// end waits until nothing of a closed partition runs any more.
func (p *partition) end() {
	p.background.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.detachLocked()
	p.discount()
}

// copyOrder is the order in force.
func (p *partition) copyOrder() events.CopyOrder {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.job.copy()
}

// begin starts a new life of the core. The lock is held.
func (p *partition) begin() {
	p.core.restart()
	p.life++
	p.alone = false
	p.beyond, p.fencedAt = nil, 0
	p.account()
}

// renew says that the group has given the partition again: what could not be
// done in between is tried at once. If another may have had it meanwhile, the
// core begins anew: what it believes about the target is out of date.
func (p *partition) renew(another bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notBefore = 0
	if another {
		p.again, p.core.paused = true, true
		p.detachLocked()
	}
	p.poke()
}

// order gives the partition its order. A newer one brings a stopped partition
// back to life.
func (p *partition) order(j *job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j == nil { // not wanted any more; the group will take it away
		p.core.paused = true
		return
	}
	if p.core.awaited != j.awaited {
		p.core.awaited = j.awaited
		signal(p.w.publisher.wake)
	}
	if p.job != nil && p.job.Position == j.Position && p.job.paused == j.paused && (p.again || p.core.paused == j.paused) {
		return
	}
	newer, first := p.job != nil && j.Position > p.job.Position, p.job == nil
	if newer {
		p.addedReported = 0
	}
	again := newer && (p.core.phase == halted || !sameTopics(*p.job.Copy, *j.Copy))
	p.job = j
	p.core.paused, p.core.shared = j.paused, j.Copy.Shared
	p.core.recopies, p.core.losses = j.Copy.Recopies, j.losses(p.key.Partition)
	if again || p.again {
		p.log().Info().Int64("position", j.Position).Msg("starting again as the directive says")
		p.again, p.core.paused = true, true
	}
	if (newer || first) && j.tooNew {
		p.log().Error().Str("at_least", j.AtLeast).Str("have", Version).Msg("the directive needs a later release of the worker; upgrade it")
	}
	if p.core.paused {
		p.detachLocked()
	}
	p.poke()
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
	if p.core.digests == nil {
		p.core.digests = batch.NewDigester(nil)
	}
	f(p.core)
	if p.core.phase != resolving {
		p.core.digests = nil // it is for resolving, and partitions are many
	}
	p.follow()
}

// lives says whether a life of the core goes on.
func (p *partition) lives(life int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.gone && p.life == life
}

// follow does what every change of the core may make necessary. The lock is held.
func (p *partition) follow() {
	p.account()
	p.w.progress.mark(p)
	c := p.core
	if c.ledger.dirty() && c.phase >= recording {
		p.w.publisher.mark(p)
	}
	if c.phase == fenced && p.fencedAt == 0 {
		p.fencedAt = p.w.now()
		p.log().Warn().Msg("another owner has a later claim; waiting for the group to say whose the partition is")
	}
	if c.phase != copying {
		p.detachLocked()
		p.poke()
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
	p.poke()
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
	for !p.idle() {
		if ctx.Err() != nil {
			return false
		}
		wait(ctx, 2*time.Millisecond)
	}
	return true
}

func (p *partition) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.core.idle()
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
