package agent_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	eventlog "github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

const (
	testGroup  = "billing"
	testTopic  = "orders"
	testTarget = "orders-eu"
	waitFor    = 60 * time.Second // a broker that restarts on a busy machine
)

// env is a source with a topic, and a target with the topic under another name and the control topics.
type env struct {
	t      testing.TB
	ctx    context.Context
	pair   *embedded.Pair  // nil on Apache Kafka
	at     [2][]string     // bootstrap servers
	s, c   *cluster.Client // source; target, which is the control cluster, too
	parts  int32
	sent   map[int32]int
	copied map[int32]int
	seq    int

	mu      sync.Mutex
	handled map[agent.TopicPartition][]string // values in the order of handling
	notices []heard
}

// heard is a notice with who gave it, and when.
type heard struct {
	agent.Notice
	instance string
	at       time.Time
}

func newEnv(t *testing.T, parts int32) *env {
	pair := embedded.ForTest(t, embedded.Options{
		Source: embedded.Side{Topics: []embedded.Topic{{Name: testTopic, Partitions: parts}}},
		Target: embedded.Side{Topics: []embedded.Topic{{Name: testTarget, Partitions: parts}}},
	})
	e := newEnvAt(t, parts, pair.Source.Bootstrap(), pair.Target.Bootstrap())
	e.pair = pair
	return e
}

// newEnvAt is newEnv on clusters that have the topics already.
func newEnvAt(t testing.TB, parts int32, source, target []string) *env {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	e := &env{t: t, ctx: ctx, at: [2][]string{source, target}, parts: parts, sent: map[int32]int{}, copied: map[int32]int{}, handled: map[agent.TopicPartition][]string{}}
	e.s, e.c = e.open("source", source), e.open("target", target)
	_, err := eventlog.Init(ctx, e.c, eventlog.InitOptions{})
	require.NoError(t, err)
	for p := range parts { // offsets differ between the sides
		e.append(e.c, testTarget, p, "older", "older", "older")
	}
	return e
}

func (e *env) config(bootstrap []string) cluster.Config {
	return cluster.Config{Bootstrap: bootstrap, DialTimeout: 2 * time.Second, RequestTimeout: 3 * time.Second}
}

func (e *env) open(name string, bootstrap []string) *cluster.Client {
	c, err := cluster.Open(e.ctx, name, cluster.Config{Bootstrap: bootstrap})
	require.NoError(e.t, err)
	e.t.Cleanup(func() { require.NoError(e.t, c.Close()) })
	return c
}

func (e *env) append(c *cluster.Client, topic string, p int32, values ...string) {
	var list []batch.Record
	for _, v := range values {
		list = append(list, batch.Record{Timestamp: time.Now().UnixMilli(), Key: []byte("k"), Value: []byte(v)})
	}
	b, err := batch.Build(batch.Spec{}, list)
	require.NoError(e.t, err)
	e.eventually(func() bool {
		_, err = c.Append(e.ctx, topic, p, b)
		return err == nil || cluster.Uncertain(err) || !cluster.Retriable(err) // a broker that has just started leads nothing yet
	}, "append to %s/%d", topic, p)
	require.NoError(e.t, err)
}

// send appends n records to every partition of the source: "0", "1", …
func (e *env) send(n int) {
	for p := range e.parts {
		var values []string
		for range n {
			values = append(values, strconv.Itoa(e.sent[p]))
			e.sent[p]++
		}
		e.append(e.s, testTopic, p, values...)
	}
}

// copy brings the target up to the source; a record's offset there is three higher.
func (e *env) copy() {
	for p := range e.parts {
		var values []string
		for ; e.copied[p] < e.sent[p]; e.copied[p]++ {
			values = append(values, strconv.Itoa(e.copied[p]))
		}
		if len(values) > 0 {
			e.append(e.c, testTarget, p, values...)
		}
	}
}

func (e *env) consumerConfig(instance string) agent.ConsumerConfig {
	return agent.ConsumerConfig{
		Group: testGroup, Topics: []string{testTopic}, Instance: instance, Home: "source", Control: "control",
		Clusters: map[string]cluster.Config{"source": e.config(e.at[0]), "target": e.config(e.at[1]), "control": e.config(e.at[1])},
		Handler:  e.handle, CommitInterval: 50 * time.Millisecond, Heartbeat: 100 * time.Millisecond, Session: 6 * time.Second, Rebalance: 8 * time.Second,
	}
}

func (e *env) handle(_ context.Context, r agent.Record) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := agent.TopicPartition{Topic: r.Topic, Partition: r.Partition}
	e.handled[p] = append(e.handled[p], string(r.Value))
	return nil
}

// running is a consumer that runs beside the test.
type running struct {
	*agent.Consumer
	e    *env
	stop context.CancelFunc
	done chan error
}

func (e *env) start(cfg agent.ConsumerConfig) *running {
	log := zerolog.Nop()
	if testing.Verbose() {
		log = zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, NoColor: true, TimeFormat: "05.000"}).With().Timestamp().Logger()
	}
	c, err := agent.NewConsumer(cfg, agent.WithLogger(log), agent.WithConsumerObserver(agent.ConsumerObserver{
		Notice: func(n agent.Notice) {
			e.mu.Lock()
			e.notices = append(e.notices, heard{n, cfg.Instance, time.Now()})
			e.mu.Unlock()
		},
	}))
	require.NoError(e.t, err)
	ctx, cancel := context.WithCancel(e.ctx)
	r := &running{Consumer: c, e: e, stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		c.Close()
	})
	return r
}

// halt stops a consumer and returns what Run said.
func (r *running) halt() error {
	r.stop()
	select {
	case err := <-r.done:
		return err
	case <-time.After(waitFor):
		r.e.t.Fatal("Run did not return")
		return nil
	}
}

func (e *env) eventually(ok func() bool, what string, args ...any) {
	e.t.Helper()
	require.Eventually(e.t, ok, waitFor, 5*time.Millisecond, fmt.Sprintf(what, args...))
}

// allHandled waits until every record sent was handled, and checks that each was handled once, in order.
func (e *env) allHandled() {
	e.t.Helper()
	e.eventually(func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		for p := range e.parts {
			if len(e.handled[agent.TopicPartition{Topic: testTopic, Partition: p}]) < e.sent[p] {
				return false
			}
		}
		return true
	}, "not everything was handled")
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.parts {
		var want []string
		for i := range e.sent[p] {
			want = append(want, strconv.Itoa(i))
		}
		require.Equal(e.t, want, e.handled[agent.TopicPartition{Topic: testTopic, Partition: p}], "partition %d", p)
	}
}

func (e *env) committed(c *cluster.Client, topic string) map[int32]int64 {
	found, err := c.Offsets(e.ctx, testGroup, true, map[string][]int32{topic: partitionIDs(e.parts)})
	require.NoError(e.t, err)
	out := map[int32]int64{}
	for p, o := range found[topic] {
		out[p] = o.At
	}
	return out
}

func partitionIDs(n int32) (list []int32) {
	for p := range n {
		list = append(list, p)
	}
	return list
}

// orchestra plays the orchestrator: it publishes directives, keeps guards and reads acknowledgements.
type orchestra struct {
	*env
	version uint64
	epoch   uint32
	phase   events.Phase
	at      int64
	guardS  *group.Guard
	guardT  *group.Guard
	hold    time.Duration
	policy  string
	cut     []events.CutPoint
}

func (e *env) orchestra() *orchestra {
	o := &orchestra{env: e, phase: events.PhaseOnSource, hold: 4 * time.Second, policy: events.StragglerAbort}
	o.guardT = o.guard(e.c, testTarget)
	e.t.Cleanup(func() {
		o.guardT.Stop()
		if o.guardS != nil {
			o.guardS.Stop()
		}
	})
	return o
}

func (o *orchestra) guard(c *cluster.Client, topic string) *group.Guard {
	g, err := group.NewGuard(c, group.GuardConfig{Group: testGroup, Topics: []string{topic}, Heartbeat: 100 * time.Millisecond, Rebalance: 8 * time.Second})
	require.NoError(o.t, err)
	_, err = g.Wait(o.ctx)
	require.NoError(o.t, err)
	return g
}

// event appends a fact as the orchestrator.
func (o *orchestra) event(b events.Body) int64 {
	o.seq++
	e, err := events.New(fmt.Sprintf("orchestra-%d", o.seq), "move", events.GroupStream(testGroup),
		events.Actor{Kind: events.Orchestrator, Name: "test"}, time.Now(), b)
	require.NoError(o.t, err)
	kind, _ := events.Lookup(b.EventType())
	if kind.Epoch {
		e.Epoch = o.epoch
	}
	if kind.Class == events.Command || kind.Class == events.Decision {
		v := o.version
		e.Expects = &v
	}
	if kind.Class.Versioned() {
		o.version++
	}
	at, err := eventlog.NewAppender(o.c, eventlog.AppenderOptions{}).Append(o.ctx, e)
	require.NoError(o.t, err)
	o.at = at
	return at
}

// tell publishes an order derived from the last event.
func (o *orchestra) tell(order string, change func(*events.GroupOrder)) {
	g := &events.GroupOrder{
		Order: order, Source: "source", Target: "target", HoldMillis: o.hold.Milliseconds(), Straggler: o.policy,
		Topics: []events.GroupTopic{{Topic: testTopic, TargetTopic: testTarget, Partitions: o.parts}}, Open: order == events.OrderSource,
	}
	if change != nil {
		change(g)
	}
	require.NoError(o.t, eventlog.NewDirectives(o.c, eventlog.Options{}).Publish(o.ctx, events.Directive{
		SourceCluster: o.s.ID(), Addressee: events.ToGroup(testGroup), Position: o.at, Migration: "move", Stream: events.GroupStream(testGroup),
		Version: o.version, Epoch: o.epoch, Phase: o.phase, AtLeast: "0.1", Group: g,
	}))
}

// log is the whole event log.
func (o *orchestra) log() (all []events.Record) {
	r := eventlog.NewReader(o.c, 0)
	end, err := eventlog.End(o.ctx, o.c)
	require.NoError(o.t, err)
	for next := int64(0); next < end; {
		page, err := r.Next(o.ctx, 0, 0)
		require.NoError(o.t, err)
		all = append(all, page.Records...)
		next = page.Next
	}
	return all
}

// acks are the events of a type in the log of the present epoch.
func acks[B events.Body](o *orchestra) (list []B) {
	for _, rec := range o.log() {
		if b, ok := rec.Body.(B); ok && (rec.Event.Epoch == o.epoch || rec.Event.Epoch == 0) {
			list = append(list, b)
		}
	}
	return list
}

func (o *orchestra) begin() {
	o.event(events.GuardHeld{Side: events.RouteTarget, MemberID: "guard"})
	o.tell(events.OrderSource, nil)
}

// prepare orders to prepare and waits until n instances have.
func (o *orchestra) prepare(n int) {
	o.epoch++
	o.phase = events.PhasePreparing
	o.event(events.SwitchRequested{To: events.RouteTarget})
	o.tell(events.OrderPrepare, nil)
	o.guardS = o.guard(o.s, testTopic)
	o.eventually(func() bool {
		seen := map[string]bool{}
		for _, p := range acks[events.Prepared](o) {
			seen[p.Incarnation] = true
		}
		return len(seen) >= n
	}, "not all have prepared")
}

func (o *orchestra) holdNow(n int) {
	o.phase = events.PhaseHolding
	o.event(events.HoldOrdered{Members: []string{"m"}})
	o.tell(events.OrderHold, nil)
	if n > 0 {
		o.eventually(func() bool { return len(acks[events.Drained](o)) >= n }, "not all have drained")
	}
}

// cross copies, takes the cut, lets it be staged, decides and routes.
func (o *orchestra) cross() {
	o.copy()
	var cut []events.CutPoint
	for p, at := range o.committed(o.s, testTopic) {
		cut = append(cut, events.CutPoint{Topic: testTopic, Partition: p, Source: at, Target: at + 3})
	}
	slices.SortFunc(cut, func(a, b events.CutPoint) int { return int(a.Partition - b.Partition) })
	o.cut, o.phase = cut, events.PhaseCut
	o.event(events.CutTaken{Cut: cut})
	o.tell(events.OrderStage, func(g *events.GroupOrder) { g.Cut = cut })
	o.eventually(func() bool {
		staged := map[int32]int64{}
		for _, s := range acks[events.Staged](o) {
			for _, at := range s.Offsets {
				staged[at.Partition] = at.Offset
			}
		}
		for _, c := range cut {
			if staged[c.Partition] != c.Target {
				return false
			}
		}
		return true
	}, "the cut is not staged")
	o.phase = events.PhaseCommitted
	o.event(events.SwitchCommitted{})
	o.tell(events.OrderTarget, func(g *events.GroupOrder) { g.Cut = cut })
}

// finish lets everybody leave the source and opens the target.
func (o *orchestra) finish() {
	o.event(events.GuardHeld{Side: events.RouteSource, MemberID: "guard"})
	o.tell(events.OrderTarget, func(g *events.GroupOrder) { g.Cut, g.LeaveSource = o.cut, true })
	o.phase = events.PhaseOnTarget
	o.event(events.SwitchCompleted{Evidence: "test"})
	o.tell(events.OrderTarget, func(g *events.GroupOrder) { g.Cut, g.LeaveSource, g.Open = o.cut, true, true })
}
