package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
)

// loop runs the core of one consumer. One goroutine owns it; everything that waits runs beside and posts its answer.
type loop struct {
	*Consumer
	core     *consume.Core
	log      zerolog.Logger
	bare     zerolog.Logger // without the group, which members name themselves
	clusters *clusters
	control  *control
	key      events.DirectiveKey

	ctx    context.Context // of everything but handlers' graceful end
	cancel context.CancelFunc
	inputs chan consume.Input
	work   sync.WaitGroup
	hands  sync.WaitGroup // lanes: a handler that ignores its context must not keep Run from returning
	hooks  *serial
	outbox *serial

	// Owned by the goroutine of run.
	seats    [2]*seat
	lanes    map[uint64]*lane
	latest   map[consume.Partition]*lane // the last lane of each partition
	fetchers map[string]*fetcher
	finished bool
}

func newLoop(c *Consumer, core *consume.Core) *loop {
	bare := c.opts.log.With().Str("instance", c.cfg.Instance).Logger()
	log := bare.With().Str("group", c.cfg.Group).Logger()
	l := &loop{
		Consumer: c, core: core, bare: bare, log: log, clusters: newClusters(c.cfg.Clusters, log),
		inputs: make(chan consume.Input), hooks: newSerial(), outbox: newSerial(),
		lanes: map[uint64]*lane{}, latest: map[consume.Partition]*lane{}, fetchers: map[string]*fetcher{},
	}
	l.control = &control{clusters: l.clusters, name: c.cfg.Control, log: log, failing: l.controlFails}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// run runs the core until it is done. stop ends gracefully.
func (l *loop) run(stop context.Context) error {
	err := l.live(stop)
	l.cancel()
	l.work.Wait()
	if !l.handsDown() && err == nil {
		err = fmt.Errorf("agent: consumer of group %q: a handler that was abandoned ignores its context: %w", l.cfg.Group, ErrStopTimeout)
	}
	if e := l.clusters.close(); e != nil {
		l.log.Debug().Err(e).Msg("close connections")
	}
	return err
}

// handsDown waits for the lanes, whose contexts are cancelled by now; false says that a handler does not care.
func (l *loop) handsDown() bool {
	down := make(chan struct{})
	go func() {
		l.hands.Wait()
		close(down)
	}()
	select {
	case <-down:
		return true
	case <-time.After(stopGrace):
		return false
	}
}

func (l *loop) live(stop context.Context) error {
	if !l.findHome(stop) {
		return nil // stopped before it began
	}
	l.work.Go(func() { l.hooks.run(l.ctx) })
	l.work.Go(func() { l.outbox.run(l.ctx) })
	l.work.Go(func() {
		l.control.watch(l.ctx, l.key, func(d events.Directive) { l.post(consume.DirectiveSeen{Directive: d}) }, nil)
	})
	l.step(consume.Begin{})
	if err := l.loop(stop); err != nil {
		return err
	}
	l.drainOutbox()
	return nil
}

// findHome learns the id of the home cluster, under which its directives stand.
func (l *loop) findHome(stop context.Context) bool {
	id := l.cfg.HomeID
	if id == "" {
		c, err := l.clusters.wait(stop, l.cfg.Home)
		if err != nil {
			return false
		}
		id = c.ID()
	}
	l.key = events.DirectiveKey{SourceCluster: id, Addressee: events.ToGroup(l.cfg.Group)}
	return true
}

// stopGrace is how long a stop goes on after handlers' contexts were cancelled, so that what they did is committed and the
// groups are left.
const stopGrace = 2 * time.Second

// loop feeds the core until it is done.
func (l *loop) loop(stop context.Context) (err error) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	stopped := stop.Done()
	var late <-chan time.Time // runs from the stop on
	for !l.finished {
		l.schedule(timer)
		select {
		case in := <-l.inputs:
			l.step(in)
		case <-timer.C:
			l.step(consume.Tick{Next: l.progress()})
		case <-stopped:
			stopped = nil
			late = time.After(l.cfg.StopTimeout)
			l.step(consume.Close{})
		case <-late:
			if err != nil {
				return err
			}
			err = l.hurry()
			late = time.After(stopGrace)
		}
	}
	return err
}

func (l *loop) schedule(timer *time.Timer) {
	d := time.Hour
	if at := l.core.Wake(); !at.IsZero() {
		d = max(time.Until(at), 0)
	}
	timer.Reset(d)
}

func (l *loop) progress() map[uint64]int64 {
	next := make(map[uint64]int64, len(l.lanes))
	for id, lane := range l.lanes {
		next[id] = lane.next.Load()
	}
	return next
}

// hurry cancels the contexts of handlers that are still running. Unless they return nil their records will be handled again.
func (l *loop) hurry() error {
	n := 0
	for _, lane := range l.lanes {
		if !lane.said.Load() {
			n++
		}
		lane.cancel()
	}
	return fmt.Errorf("agent: consumer of group %q: %d partitions: %w", l.cfg.Group, n, ErrStopTimeout)
}

// outboxPatience is how long a stop waits for acknowledgements that are on their way.
const outboxPatience = 2 * time.Second

func (l *loop) drainOutbox() {
	end := time.Now().Add(outboxPatience)
	for !l.outbox.idle() && time.Now().Before(end) {
		select {
		case <-l.inputs: // nobody needs the answers any more
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// post hands the core an input; it never blocks for long, because the loop never waits for anybody.
func (l *loop) post(in consume.Input) {
	select {
	case l.inputs <- in:
	case <-l.ctx.Done():
	}
}

func (l *loop) step(in consume.Input) {
	for _, a := range l.core.Step(time.Now(), in) {
		l.do(a)
	}
	s := l.core.State()
	l.state.Store(&s)
}
