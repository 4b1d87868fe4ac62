package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestConsumeRebalanceStop(t *testing.T) {
	e := newEnv(t, 4)
	e.send(20)
	a := e.start(e.consumerConfig("a"))
	e.allHandled()
	b := e.start(e.consumerConfig("b"))
	e.eventually(func() bool { return len(a.State().Reading) == 2 && len(b.State().Reading) == 2 }, "partitions are not shared")
	e.send(20)
	e.allHandled()
	require.NoError(t, a.halt())
	e.eventually(func() bool { return len(b.State().Reading) == 4 }, "partitions are not taken over")
	e.send(5)
	e.allHandled()
	require.NoError(t, b.halt())
	for p, at := range e.committed(e.s, testTopic) {
		require.EqualValues(t, e.sent[p], at, "partition %d", p)
	}
	d, err := e.s.DescribeGroup(e.ctx, testGroup)
	require.NoError(t, err)
	require.Empty(t, d.Members, "both have left")
}

// Every line of the log is one JSON object whose fields have one value each: group and instance, whoever writes it.
func TestLogNamesEachFieldOnce(t *testing.T) {
	e := newEnv(t, 1)
	e.send(1)
	var lines lockedBuffer
	c, err := agent.NewConsumer(e.consumerConfig("a"), agent.WithLogger(zerolog.New(&lines)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(e.ctx)
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	e.allHandled()
	cancel()
	require.NoError(t, <-done)
	field := regexp.MustCompile(`"(group|instance)":`)
	for line := range strings.Lines(lines.String()) {
		names := field.FindAllString(line, -1)
		slices.Sort(names)
		require.Equal(t, slices.Compact(slices.Clone(names)), names, line)
	}
	require.Contains(t, lines.String(), `"instance":"a"`)
	require.Contains(t, lines.String(), `"message":"joined"`, "the member's own lines are among them")
}

// lockedBuffer takes a log from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A record whose handler failed is handled again before any later one, and nothing beyond it is committed.
func TestHandlerErrors(t *testing.T) {
	e := newEnv(t, 1)
	e.send(3)
	var failures atomic.Int32
	release := make(chan struct{})
	cfg := e.consumerConfig("a")
	cfg.RetryFirst = time.Millisecond
	cfg.Handler = func(ctx context.Context, r agent.Record) error {
		select {
		case <-release:
		default:
			if string(r.Value) == "1" {
				failures.Add(1)
				return errors.New("not now")
			}
		}
		return e.handle(ctx, r)
	}
	c := e.start(cfg)
	e.eventually(func() bool { return failures.Load() > 3 }, "the handler is not called again")
	e.eventually(func() bool { return e.committed(e.s, testTopic)[0] == 1 }, "what was handled is not committed")
	close(release)
	e.allHandled()
	require.NoError(t, c.halt())
	require.EqualValues(t, 3, e.committed(e.s, testTopic)[0])
}

func TestStartLatest(t *testing.T) {
	e := newEnv(t, 1)
	e.append(e.s, testTopic, 0, "before")
	cfg := e.consumerConfig("a")
	cfg.Start = agent.Latest
	c := e.start(cfg)
	e.eventually(func() bool { return e.committed(e.s, testTopic)[0] == 1 }, "the beginning is not committed")
	e.send(2)
	e.allHandled()
	require.NoError(t, c.halt())
}

// The whole switch, with two instances and records that keep coming.
func TestSwitch(t *testing.T) {
	e := newEnv(t, 4)
	o := e.orchestra()
	o.begin()
	a, b := e.start(e.consumerConfig("a")), e.start(e.consumerConfig("b"))
	e.eventually(func() bool { return len(a.State().Reading) == 2 && len(b.State().Reading) == 2 }, "partitions are not shared")
	e.send(10)
	o.prepare(2)
	e.send(10)
	o.holdNow(2)
	e.send(5)
	o.cross()
	for _, r := range []*running{a, b} {
		e.eventually(func() bool {
			s := r.State()
			for _, on := range s.Reading {
				if on != "target" {
					return false
				}
			}
			return s.Order == events.OrderTarget && len(s.Reading) == 2
		}, "does not read the target")
	}
	e.allHandled()
	o.finish()
	e.eventually(func() bool { return a.State().SourceMember == "" && b.State().SourceMember == "" }, "the source is not left")
	e.send(5)
	e.copy()
	e.allHandled()
	require.NotEmpty(t, acks[events.Resumed](o))
	require.NotEmpty(t, acks[events.AgentSeen](o))
	e.mu.Lock()
	var pauses []time.Duration
	for _, n := range e.notices {
		if n.Kind == agent.NoticeResumed {
			pauses = append(pauses, n.Pause)
		}
	}
	e.mu.Unlock()
	require.Len(t, pauses, 2)
	// A third one starts on the target at once.
	c := e.start(e.consumerConfig("c"))
	e.eventually(func() bool { return len(c.State().Reading) > 0 && c.State().SourceMember == "" }, "the third instance gets nothing")
	e.send(2)
	e.copy()
	e.allHandled()
	for _, r := range []*running{a, b, c} {
		require.NoError(t, r.halt())
	}
}

// Nobody decides: the instances ask for an abort, find it accepted and go back by themselves.
func TestHoldExpires(t *testing.T) {
	e := newEnv(t, 2)
	o := e.orchestra()
	o.hold = 300 * time.Millisecond
	o.begin()
	a := e.start(e.consumerConfig("a"))
	e.eventually(func() bool { return len(a.State().Reading) == 2 }, "nothing is read")
	o.prepare(1)
	e.send(5)
	o.holdNow(1)
	e.send(5)
	e.eventually(func() bool { return a.State().Order == events.OrderSource && len(a.State().Reading) == 2 }, "does not go back")
	e.allHandled()
	require.Len(t, acks[events.AbortRequested](o), 1)
	require.NoError(t, a.halt())
}

// A decision that may precede the request keeps an expired hold held, until the directive comes.
func TestHoldExpiresAfterDecision(t *testing.T) {
	e := newEnv(t, 1)
	o := e.orchestra()
	o.hold = 300 * time.Millisecond
	o.begin()
	a := e.start(e.consumerConfig("a"))
	e.eventually(func() bool { return len(a.State().Reading) == 1 }, "nothing is read")
	e.send(5)
	e.allHandled()
	o.prepare(1)
	o.holdNow(1)
	o.event(events.DrainProven{Offsets: []events.TopicOffset{{Topic: testTopic, Offset: 5}}})
	o.event(events.CutTaken{Cut: []events.CutPoint{{Topic: testTopic, Source: 5, Target: 8}}})
	o.event(events.SwitchCommitted{})
	e.eventually(func() bool { return len(acks[events.AbortRequested](o)) == 1 }, "does not ask for an abort")
	require.Equal(t, events.OrderHold, a.State().Order)
	require.Empty(t, a.State().Reading)
	require.NoError(t, a.halt())
}

// An instance that starts in the middle of a hold joins both groups, held.
func TestStartHeld(t *testing.T) {
	e := newEnv(t, 2)
	e.send(3)
	o := e.orchestra()
	o.hold = 10 * time.Second
	o.begin()
	a := e.start(e.consumerConfig("a"))
	e.allHandled()
	o.prepare(1)
	o.holdNow(1)
	b := e.start(e.consumerConfig("b"))
	e.eventually(func() bool { s := b.State(); return s.SourceMember != "" && s.TargetMember != "" }, "does not join both groups")
	e.eventually(func() bool { return len(acks[events.Drained](o)) >= 2 }, "does not acknowledge")
	e.send(3)
	o.cross()
	e.allHandled()
	require.NoError(t, a.halt())
	require.NoError(t, b.halt())
}

// Without the control cluster an instance that starts is not ready; it begins when the cluster is there.
func TestControlAway(t *testing.T) {
	e := newEnv(t, 1)
	e.send(2)
	e.pair.Target.Cut()
	a := e.start(e.consumerConfig("a"))
	require.Never(t, func() bool { return a.State().SourceMember != "" }, 300*time.Millisecond, 20*time.Millisecond)
	e.pair.Target.Heal()
	e.allHandled()
	// A running one goes on without it.
	e.pair.Target.Cut()
	e.send(2)
	e.allHandled()
	require.NoError(t, a.halt())
}

// A source that drops off the network for a while loses nothing and repeats nothing.
func TestSourceAway(t *testing.T) {
	e := newEnv(t, 2)
	e.send(5)
	a := e.start(e.consumerConfig("a"))
	e.allHandled()
	e.pair.Source.Cut()
	require.Never(t, func() bool { return len(a.State().Reading) == 1 }, 500*time.Millisecond, 50*time.Millisecond)
	e.pair.Source.Heal()
	e.send(5)
	e.allHandled()
	require.NoError(t, a.halt())
}

func TestStopTimeout(t *testing.T) {
	e := newEnv(t, 1)
	e.send(1)
	cfg := e.consumerConfig("a")
	cfg.StopTimeout = 100 * time.Millisecond
	entered := make(chan struct{})
	cfg.Handler = func(ctx context.Context, _ agent.Record) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}
	a := e.start(cfg)
	<-entered
	require.ErrorIs(t, a.halt(), agent.ErrStopTimeout)
	require.ErrorIs(t, a.Run(context.Background()), agent.ErrUsed)
}

// A handler that does not finish: the policy goes on without it. Its record is listed, and handled again on the target, but
// not before the abandoned call has returned.
func TestStragglerProceeds(t *testing.T) {
	e := newEnv(t, 1)
	o := e.orchestra()
	o.hold, o.policy = 700*time.Millisecond, events.StragglerProceed
	o.begin()
	var calls atomic.Int32
	entered, release := make(chan struct{}), make(chan struct{})
	cfg := e.consumerConfig("a")
	cfg.Handler = func(ctx context.Context, r agent.Record) error {
		if string(r.Value) == "1" && calls.Add(1) == 1 {
			close(entered)
			<-ctx.Done() // told, and in no hurry
			<-release
			return nil
		}
		return e.handle(ctx, r)
	}
	a := e.start(cfg)
	o.prepare(1)
	e.send(3)
	<-entered
	o.holdNow(1)
	require.Equal(t, []events.TopicOffset{{Topic: testTopic, Partition: 0, Offset: 1}}, acks[events.Drained](o)[0].Abandoned)
	o.cross()
	e.eventually(func() bool { return len(a.State().Reading) == 1 }, "does not resume")
	require.Never(t, func() bool { return calls.Load() > 1 }, 100*time.Millisecond, 10*time.Millisecond)
	close(release)
	e.allHandled()
	require.EqualValues(t, 2, calls.Load())
	require.NoError(t, a.halt())
}

// A consumer without the SDK is inside when the doors are to close: the instance asks for an abort and goes on.
func TestStranger(t *testing.T) {
	e := newEnv(t, 2)
	x, err := kgo.NewClient(kgo.SeedBrokers(e.at[0]...), kgo.ConsumerGroup(testGroup), kgo.ConsumeTopics(testTopic), kgo.Balancers(kgo.RangeBalancer()))
	require.NoError(t, err)
	defer x.Close()
	o := e.orchestra()
	o.begin()
	a := e.start(e.consumerConfig("a"))
	e.eventually(func() bool { return len(a.State().Reading) == 1 }, "partitions are not shared with the stranger")
	o.epoch, o.phase = 1, events.PhasePreparing
	o.event(events.SwitchRequested{To: events.RouteTarget})
	o.tell(events.OrderPrepare, nil)
	e.eventually(func() bool { return len(acks[events.AbortRequested](o)) == 1 }, "does not ask for an abort")
	require.Equal(t, "stranger", acks[events.AbortRequested](o)[0].Code)
	o.phase = events.PhaseOnSource
	o.tell(events.OrderSource, nil)
	e.eventually(func() bool { return len(a.State().Reading) == 1 && a.State().TargetMember == "" }, "does not go on")
	require.NoError(t, a.halt())
}

// Hooks: partitions are assigned before their first record, and revoked after the last one is committed, on each side.
func TestHooks(t *testing.T) {
	e := newEnv(t, 1)
	o := e.orchestra()
	o.begin()
	cfg := e.consumerConfig("a")
	var mu sync.Mutex
	var calls []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, fmt.Sprintf(format, args...))
	}
	cfg.OnAssigned = func(_ context.Context, a agent.Assignment) { note("assigned %s %v", a.Cluster, a.Partitions) }
	cfg.OnRevoked = func(_ context.Context, r agent.Revocation) {
		note("revoked %s %v lost=%v at %d", r.Cluster, r.Partitions, r.Lost, e.committed(e.s, testTopic)[0])
	}
	cfg.Handler = func(ctx context.Context, r agent.Record) error {
		note("record %s from %s", r.Value, r.Cluster)
		return e.handle(ctx, r)
	}
	a := e.start(cfg)
	e.eventually(func() bool { return len(a.State().Reading) == 1 }, "nothing is read")
	o.prepare(1)
	e.send(1)
	e.allHandled()
	o.holdNow(1)
	e.send(1)
	o.cross()
	e.allHandled()
	require.NoError(t, a.halt())
	mu.Lock()
	defer mu.Unlock()
	for len(calls) > 2 && strings.HasPrefix(calls[1], "revoked") { // the doors closed, in one rebalance or in two
		require.Equal(t, []string{"assigned source [orders/0]", "revoked source [orders/0] lost=false at 0"}, calls[:2])
		calls = calls[2:]
	}
	require.Equal(t, []string{
		"assigned source [orders/0]", "record 0 from source", "revoked source [orders/0] lost=false at 1",
		"assigned target [orders/0]", "record 1 from target", "revoked target [orders/0] lost=false at 1",
	}, calls)
}

// A process that is cut off from the source for longer than its session handles nothing that its successor has.
func TestLostMembership(t *testing.T) {
	e := newEnv(t, 1)
	e.send(1)
	cfg := e.consumerConfig("a")
	var lost atomic.Bool
	cfg.OnRevoked = func(_ context.Context, r agent.Revocation) { lost.Store(lost.Load() || r.Lost) }
	a := e.start(cfg)
	e.allHandled()
	e.eventually(func() bool { return e.committed(e.s, testTopic)[0] == 1 }, "what was handled is not committed")
	member := a.State().SourceMember
	req := kmsg.NewPtrLeaveGroupRequest() // somebody else's doing: to the member it looks like an eviction
	req.Group = testGroup
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = member
	req.Members = append(req.Members, m)
	_, err := e.s.Call(e.ctx, req, cluster.OnGroup(testGroup), cluster.AtVersion(3))
	require.NoError(t, err)
	e.eventually(func() bool { s := a.State(); return s.SourceMember != member && len(s.Reading) == 1 }, "does not come back")
	require.True(t, lost.Load())
	e.send(1)
	e.allHandled()
	require.NoError(t, a.halt())
}
