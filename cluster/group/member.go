package group

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Caller sends one request to the coordinator of the member's group, at version v exactly.
type Caller func(ctx context.Context, req kmsg.Request, v int16) (kmsg.Response, error)

// On is the Caller of a group on a cluster.
func On(c *cluster.Client, group string) Caller {
	return func(ctx context.Context, req kmsg.Request, v int16) (kmsg.Response, error) {
		return c.Call(ctx, req, cluster.OnGroup(group), cluster.AtVersion(v))
	}
}

// Counts is an Inventory that asks a cluster how many partitions the topics have. Topics that do not exist are absent.
func Counts(c *cluster.Client) func(context.Context, []string) (Inventory, error) {
	return func(ctx context.Context, names []string) (Inventory, error) {
		inv := Inventory{Counts: map[string]int32{}}
		if len(names) == 0 { // to ask for none would be to ask for all
			return inv, nil
		}
		topics, err := c.Topics(ctx, names...)
		for name, t := range topics {
			inv.Counts[name] = int32(len(t.Partitions))
		}
		return inv, err
	}
}

// Member runs a Core on a cluster. Its goroutines end with Close. All methods may be called from several goroutines at once,
// but not from a hook.
type Member struct {
	cfg    Config
	call   Caller
	inputs chan order
	events chan Event
	cancel context.CancelFunc
	ctx    context.Context
	done   chan struct{}

	mu      sync.Mutex
	status  Status
	lease   Lease
	waiters map[uint64]chan Event // of calls that wait for their answer
	leavers []chan Event
	lastID  uint64

	// Owned by the loop.
	core     *Core
	queue    []Event
	inFlight map[uint64]context.CancelFunc
	work     sync.WaitGroup
}

// Join starts a member on a cluster. It returns at once; what happens shows in Events, which must be read.
func Join(c *cluster.Client, cfg Config) (*Member, error) {
	if cfg.Inventory == nil {
		cfg.Inventory = Counts(c)
	}
	return Run(On(c, cfg.Group), cfg)
}

// Run is Join with another way to send requests.
func Run(call Caller, cfg Config) (*Member, error) {
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	core, err := NewCore(cfg)
	if err != nil {
		return nil, err
	}
	m := &Member{
		cfg: core.cfg, call: call, core: core, status: core.Status(),
		inputs: make(chan order), events: make(chan Event), done: make(chan struct{}),
		waiters: map[uint64]chan Event{}, inFlight: map[uint64]context.CancelFunc{},
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	go m.loop()
	m.Do(Start{})
	return m, nil
}

// Events delivers what happens, in order. It is closed by Close. A reader that falls behind costs memory, never a heartbeat.
func (m *Member) Events() <-chan Event { return m.events }

// order is an input on its way to the loop.
type order struct {
	in   Input
	done chan struct{} // closed when the core has taken it
}

// Do tells the core something; when it returns, Status and Lease show it. It does not wait for brokers. Answers (Committed,
// Fetched, Confirmed, Left) come as events, if the input's ID was chosen below CallIDs.
func (m *Member) Do(in Input) {
	o := order{in: in, done: make(chan struct{})}
	select {
	case m.inputs <- o:
		<-o.done
	case <-m.ctx.Done():
	}
}

// Status returns where the member stands.
func (m *Member) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// Lease returns the present lease; ask it, with time.Now, before every record that is started.
func (m *Member) Lease() Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lease
}

// Close stops the member without leaving the group, and waits for its goroutines. A static member stays in for its session, a
// dynamic one until the broker misses its heartbeats; to leave, call Leave first.
func (m *Member) Close() {
	m.cancel()
	<-m.done
}

// loop owns the core. Events are queued so that a slow reader never delays a heartbeat.
func (m *Member) loop() {
	defer close(m.done)
	defer close(m.events)
	defer m.work.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		m.schedule(timer)
		var out chan Event
		var head Event
		if len(m.queue) > 0 {
			out, head = m.events, m.queue[0]
		}
		select {
		case o := <-m.inputs:
			m.step(o.in)
			close(o.done)
		case <-timer.C:
			m.step(Tick{})
		case out <- head:
			m.queue = m.queue[1:]
		case <-m.ctx.Done():
			m.giveUp()
			return
		}
	}
}

// schedule sets the timer to when the core wants to be woken.
func (m *Member) schedule(timer *time.Timer) {
	d := time.Hour
	if at := m.core.Wake(); !at.IsZero() {
		d = max(time.Until(at), 0)
	}
	timer.Reset(d)
}

func (m *Member) step(in Input) {
	outputs := m.core.Step(time.Now(), in)
	m.mu.Lock()
	m.status, m.lease = m.core.Status(), m.core.Lease()
	m.mu.Unlock()
	for _, o := range outputs {
		switch o := o.(type) {
		case Send:
			m.send(o)
		case Drop:
			m.drop(o.ID)
		case Need:
			m.work.Go(func() { m.supply(o) })
		case Event:
			m.report(o)
		}
	}
	if r, ok := in.(Reply); ok {
		m.drop(r.ID)
	}
}

// send makes the request in a goroutine of its own: a join waits for the whole group while heartbeats of another go on.
func (m *Member) send(s Send) {
	ctx, cancel := context.WithTimeout(m.ctx, s.Timeout)
	m.inFlight[s.ID] = cancel
	m.work.Go(func() {
		defer cancel()
		start := time.Now()
		resp, err := m.call(ctx, s.Request, version(s.Request))
		if m.cfg.Hooks.Request != nil {
			m.cfg.Hooks.Request(s.Op, time.Since(start), err)
		}
		m.Do(Reply{ID: s.ID, Response: resp, Err: err})
	})
}

func (m *Member) drop(id uint64) {
	if cancel := m.inFlight[id]; cancel != nil {
		cancel()
		delete(m.inFlight, id)
	}
}

// supply finds out what there is to assign; a question that hangs is asked again.
func (m *Member) supply(n Need) {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.Request)
	defer cancel()
	s := Supply{Generation: n.Generation}
	if m.cfg.Inventory != nil {
		s.Inventory, s.Err = m.cfg.Inventory(ctx, n.Topics)
	}
	m.Do(s)
}

// retryingAtMost bounds the queue of a reader that does not read: reports of retries are for people and may be lost.
const retryingAtMost = 256

// report hands an event to the call that waits for it, else to the reader.
func (m *Member) report(e Event) {
	m.log(e)
	if m.cfg.Hooks.Event != nil {
		m.cfg.Hooks.Event(e)
	}
	if m.answered(e) {
		return
	}
	if _, telemetry := e.(Retrying); telemetry && len(m.queue) >= retryingAtMost {
		return
	}
	m.queue = append(m.queue, e)
}

func (m *Member) log(e Event) {
	line := m.cfg.Log.Debug()
	switch e := e.(type) {
	case Joined, Assigned, RebalanceNeeded, Left:
		line = m.cfg.Log.Info()
	case Lost:
		line = m.cfg.Log.Warn().Err(e.Why)
	case Refused:
		line = m.cfg.Log.Warn().Err(e.Why)
	case Retrying:
		line = m.cfg.Log.Warn().Err(e.Err).Str("op", e.Op).Int("tries", e.Tries)
	}
	line.Str("group", m.cfg.Group).Str("member", m.status.MemberID).Int32("generation", m.status.Generation).Msg(name(e))
}
