package agent

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/group"
)

// lane runs one lane of the core: one goroutine that hands records to the handler, one after the other.
type lane struct {
	spec   consume.Lane
	cfg    *ConsumerConfig
	seen   ConsumerObserver
	lease  func() group.Lease
	report func(consume.LaneClosed)
	hungry func() // the buffer has room again

	ctx    context.Context
	cancel context.CancelFunc
	shut   chan struct{} // closed by stop
	once   sync.Once
	said   atomic.Bool // LaneClosed was reported
	next   atomic.Int64
	done   chan struct{} // closed when the goroutine has ended
	after  <-chan struct{}

	// The buffer, and what the fetcher keeps about the lane.
	mu      sync.Mutex
	chunks  []chunk
	bytes   int
	fetch   int64 // the offset to fetch next
	arrived chan struct{}
	leader  int32 // −1: to be looked up
	polling bool
	pauseTo time.Time // not fetched before: the last fetch failed
}

// chunk is what one fetch brought: records, and the offset after everything that it covered.
type chunk struct {
	records []batch.Record
	bytes   int
	next    int64
}

// newLane makes a lane that waits for the end of the former lane of its partition in this process, if that still runs: a
// handler that was abandoned must not be joined by another one.
func newLane(ctx context.Context, spec consume.Lane, cfg *ConsumerConfig, after <-chan struct{}) *lane {
	l := &lane{
		spec: spec, cfg: cfg, shut: make(chan struct{}), done: make(chan struct{}), after: after,
		fetch: spec.From, leader: -1, arrived: make(chan struct{}, 1),
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.next.Store(spec.From)
	return l
}

// stop makes the lane start no further record.
func (l *lane) stop() { l.once.Do(func() { close(l.shut) }) }

func (l *lane) stopped() bool {
	select {
	case <-l.shut:
		return true
	default:
		return false
	}
}

// abandon reports the lane as closed although a record is in the handler's hands, and cancels the handler's context.
func (l *lane) abandon() {
	if l.said.CompareAndSwap(false, true) {
		l.report(consume.LaneClosed{Lane: l.spec.ID, Next: l.next.Load(), Abandoned: true})
	}
	l.cancel()
}

// run handles records until the lane is stopped.
func (l *lane) run() {
	defer close(l.done)
	defer l.cancel()
	if l.after != nil {
		select {
		case <-l.after:
		case <-l.shut:
		}
	}
	for !l.stopped() {
		c, ok := l.take()
		if !ok || !l.handleAll(c) {
			break
		}
	}
	if l.said.CompareAndSwap(false, true) {
		l.report(consume.LaneClosed{Lane: l.spec.ID, Next: l.next.Load()})
	}
	l.empty()
	if l.after != nil { // a lane that follows this one must wait for the one before, too
		<-l.after
	}
}

// empty gives the buffer back.
func (l *lane) empty() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chunks, l.bytes = nil, 0
}

func (l *lane) handleAll(c chunk) bool {
	for _, r := range c.records {
		if !l.handle(recordOf(l.spec, r)) {
			return false
		}
		l.next.Store(r.Offset + 1)
	}
	l.next.Store(max(l.next.Load(), c.next)) // over markers and aborted records, too
	return true
}

// handle calls the handler until it returns nil; false means that the lane was stopped before.
func (l *lane) handle(r Record) bool {
	for pause := l.cfg.RetryFirst; ; pause = min(2*pause, l.cfg.RetryMost) {
		if !l.mayStart() {
			return false
		}
		start := time.Now()
		err := l.cfg.Handler(l.ctx, r)
		if l.seen.Handled != nil {
			l.seen.Handled(r, time.Since(start), err)
		}
		if err == nil {
			return !l.said.Load() // an abandoned record counts for nothing
		}
		if !l.wait(pause) {
			return false
		}
	}
}

// leasePoll is how long a lane waits before it asks again whether the group's lease holds.
const leasePoll = 10 * time.Millisecond

// mayStart waits until a record may be started; false means that the lane was stopped.
func (l *lane) mayStart() bool {
	for {
		open := !l.stopped() && l.ctx.Err() == nil
		if consume.MayStart(l.spec, open, l.lease(), time.Now()) {
			return true
		}
		if !open || !l.wait(leasePoll) {
			return false
		}
	}
}

// wait waits unless the lane is stopped.
func (l *lane) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.shut:
	case <-l.ctx.Done():
	}
	return false
}

// take waits for the next chunk.
func (l *lane) take() (chunk, bool) {
	for {
		l.mu.Lock()
		if len(l.chunks) > 0 {
			c := l.chunks[0]
			l.chunks = l.chunks[1:]
			l.bytes -= c.bytes
			l.mu.Unlock()
			l.hungry()
			return c, true
		}
		l.mu.Unlock()
		select {
		case <-l.arrived:
		case <-l.shut:
			return chunk{}, false
		case <-l.ctx.Done():
			return chunk{}, false
		}
	}
}

// put adds what a fetch brought.
func (l *lane) put(c chunk) {
	l.mu.Lock()
	l.fetch = c.next
	if !l.stopped() {
		l.chunks = append(l.chunks, c)
		l.bytes += c.bytes
	}
	l.mu.Unlock()
	select {
	case l.arrived <- struct{}{}:
	default:
	}
}

// claim says from where to fetch, if the lane wants more, and marks it as being fetched.
func (l *lane) claim(now time.Time) (want, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.polling || l.stopped() || now.Before(l.pauseTo) || l.bytes > l.cfg.Buffer/2 {
		return want{}, false
	}
	l.polling = true
	return want{lane: l, leader: l.leader, offset: l.fetch, room: l.cfg.Buffer - l.bytes}, true
}

// release ends a claim. The leader is −1 if it has to be looked up, and after a failure the lane is not fetched for a while.
func (l *lane) release(leader int32, pauseTo time.Time) {
	l.mu.Lock()
	l.polling, l.leader, l.pauseTo = false, leader, pauseTo
	l.mu.Unlock()
}

// rests says for how much longer the lane is not fetched after a failure; not above zero: it does not wait for that.
func (l *lane) rests(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.polling {
		return 0
	}
	return l.pauseTo.Sub(now)
}
