package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
)

// loop runs the core of one consumer. One goroutine owns it; everything that waits runs beside and posts its answer.
type loop struct {
	*Consumer
	core        *consume.Core
	incarnation string
	log         zerolog.Logger
	clusters    *clusters
	control     *control
	key         events.DirectiveKey

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

func newLoop(c *Consumer, core *consume.Core, incarnation string) *loop {
	log := c.opts.log.With().Str("group", c.cfg.Group).Str("instance", c.cfg.Instance).Logger()
	l := &loop{
		Consumer: c, core: core, incarnation: incarnation, log: log, clusters: newClusters(c.cfg.Clusters, log),
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
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	for !l.finished {
		l.schedule(timer)
		select {
		case in := <-l.inputs:
			l.step(in)
		case <-timer.C:
			l.step(consume.Tick{Next: l.progress()})
		case <-stopped:
			stopped = nil
			late.Reset(l.cfg.StopTimeout)
			l.step(consume.Close{})
		case <-late.C:
			if stopped != nil { // the timer's first hour
				continue
			}
			if err != nil {
				return err
			}
			err = l.hurry()
			late.Reset(stopGrace)
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

// do starts an action. Nothing here waits.
//
//rules:flat one case an action
func (l *loop) do(a consume.Action) {
	switch a := a.(type) {
	case consume.ReadDirective:
		l.work.Go(func() { l.readDirective(a) })
	case consume.Join:
		l.fetcher(a.Cluster, a.Offer.Topics)
		l.seats[a.Side] = sit(l.ctx, &l.work, l.clusters, a, l.member(a.Offer), l.post)
	case consume.Tell:
		if t := l.seats[a.Side]; t != nil {
			t.tell(a.Input)
		}
	case consume.Forget:
		if t := l.seats[a.Side]; t != nil {
			t.cancel()
			l.seats[a.Side] = nil
		}
	case consume.Open:
		l.open(a.Lane)
	case consume.Shut:
		if lane := l.lanes[a.Lane]; lane != nil {
			if lane.stop(); a.Cancel {
				lane.cancel()
			}
		}
	case consume.Abandon:
		if lane := l.lanes[a.Lane]; lane != nil {
			l.work.Go(lane.abandon)
		}
	case consume.FindStarts:
		l.work.Go(func() { l.findStarts(a) })
	case consume.Call:
		l.hooks.push(func() { l.call(a) })
	case consume.Append:
		l.outbox.push(func() { l.append(a.Event) })
	case consume.ReadEvents:
		l.work.Go(func() { l.readEvents(a) })
	case consume.LogIn:
		l.work.Go(func() { l.logIn(a) })
	case consume.Notice:
		l.notice(noticeOf(a))
	case consume.Done:
		l.finished = true
	}
}

func (l *loop) member(offer group.Offer) group.Config {
	return group.Config{
		Group: l.cfg.Group, Offer: offer, Heartbeat: l.cfg.Heartbeat, Session: l.cfg.Session, Rebalance: l.cfg.Rebalance, Log: l.log,
	}
}

func (l *loop) readDirective(a consume.ReadDirective) {
	in := consume.DirectiveRead{Seq: a.Seq}
	err := again(l.ctx, l.log, "read the directive", func() (err error) {
		in.Directive, in.Found, _, err = l.control.latest(l.ctx, l.key)
		return err
	})
	if err == nil {
		l.post(in)
	}
}

// open starts a lane and lets the fetcher of its cluster know.
func (l *loop) open(spec consume.Lane) {
	var after <-chan struct{}
	if former := l.latest[spec.Partition]; former != nil {
		after = former.done
	}
	t := l.seats[spec.Side]
	lane := newLane(l.ctx, spec, &l.cfg, after)
	lane.seen, lane.lease = l.opts.observe, t.lease
	f := l.fetcher(spec.Cluster, nil)
	lane.hungry = f.wake
	lane.report = func(in consume.LaneClosed) {
		f.remove(spec.ID)
		l.post(in)
	}
	l.prune()
	l.lanes[spec.ID], l.latest[spec.Partition] = lane, lane
	l.hands.Go(lane.run)
	f.add(lane)
}

// prune forgets lanes that have ended.
func (l *loop) prune() {
	for id, lane := range l.lanes {
		select {
		case <-lane.done:
			delete(l.lanes, id)
		default:
		}
	}
}

// fetcher returns the fetcher of a cluster. It is made when the cluster's group is joined, so that connections stand and leaders
// are known when the first lane opens.
func (l *loop) fetcher(name string, topics []string) *fetcher {
	f := l.fetchers[name]
	if f == nil {
		f = newFetcher(l.clusters, name, topics, l.opts, func(at *lane, text string) {
			p := TopicPartition{Topic: at.spec.Partition.Topic, Partition: at.spec.Partition.ID}
			l.notice(Notice{Kind: NoticeAlarm, Side: at.spec.Side.String(), Text: text, Partition: &p, Position: l.state.Load().Position})
		})
		l.fetchers[name] = f
		l.work.Go(func() { f.run(l.ctx) })
	}
	return f
}

// findStarts asks where partitions without a commit begin.
func (l *loop) findStarts(a consume.FindStarts) {
	found := map[consume.Partition]int64{}
	err := again(l.ctx, l.log, "find where to begin", func() error {
		c, err := l.clusters.get(l.ctx, a.Cluster)
		if err != nil {
			return err
		}
		for p, start := range a.At {
			at := cluster.Earliest
			if start == consume.StartLatest {
				at = cluster.Latest
			}
			ends, err := c.ListOffsets(l.ctx, a.Topics[p.Topic], []int32{p.ID}, at)
			if err != nil {
				return err
			}
			found[p] = ends[p.ID]
		}
		return nil
	})
	if err == nil {
		l.post(consume.StartsFound{Seq: a.Seq, Offsets: found})
	}
}

// call runs a hook of the service.
func (l *loop) call(a consume.Call) {
	switch {
	case a.Assigned && l.cfg.OnAssigned != nil:
		l.cfg.OnAssigned(l.ctx, Assignment{Cluster: a.Cluster, Partitions: outside(a.Partitions)})
	case !a.Assigned && l.cfg.OnRevoked != nil:
		l.cfg.OnRevoked(l.ctx, Revocation{Cluster: a.Cluster, Partitions: outside(a.Partitions), Lost: a.Lost})
	}
	l.post(consume.Returned{Seq: a.Seq})
}

// controlFails: held partitions wait for the control cluster, and somebody should know.
func (l *loop) controlFails(what string, err error) {
	if s := l.state.Load(); !s.Held.IsZero() {
		l.notice(Notice{Kind: NoticeAlarm, Position: s.Position, Text: fmt.Sprintf(
			"partitions are held since %s and the control cluster does not answer: %s: %v", s.Held.Format(time.TimeOnly), what, err)})
	}
}

func (l *loop) append(e events.Event) {
	at, err := l.control.append(l.ctx, e)
	if err != nil {
		if l.ctx.Err() == nil {
			l.notice(Notice{Kind: NoticeAlarm, Text: fmt.Sprintf("event %s was refused: %v", e.Type, err)})
		}
		return
	}
	l.post(consume.Appended{ID: e.ID, Position: at})
}

func (l *loop) readEvents(a consume.ReadEvents) {
	if all, err := l.control.read(l.ctx, a.From, a.To); err == nil {
		l.post(consume.EventsRead{Seq: a.Seq, Records: all})
	}
}

// logIn tries a cluster: opening it authenticates, and an open one is asked something.
func (l *loop) logIn(a consume.LogIn) {
	ctx, cancel := context.WithTimeout(l.ctx, attemptTimeout)
	defer cancel()
	in := consume.LoggedIn{Cluster: a.Cluster}
	c, err := l.clusters.get(ctx, a.Cluster)
	if err == nil {
		_, _, err = c.Brokers(ctx)
	}
	if err != nil {
		in.Err = err.Error()
	}
	l.post(in)
}

func (l *loop) notice(n Notice) {
	level := zerolog.InfoLevel
	switch n.Kind {
	case NoticeAlarm:
		level = zerolog.WarnLevel
	case NoticeStale:
		level = zerolog.DebugLevel
	}
	e := l.log.WithLevel(level).Str("kind", string(n.Kind)).Str("side", n.Side).Int64("position", n.Position)
	if n.Pause > 0 {
		e = e.Dur("pause", n.Pause)
	}
	e.Msg(n.Text)
	if l.opts.observe.Notice != nil {
		l.opts.observe.Notice(n)
	}
}
