package group_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/realkafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a cluster to test on. The same tests run on the embedded broker and on Apache Kafka.
type site struct {
	c       *cluster.Client
	version string // of Apache Kafka; empty on the embedded broker
	kfake   *embedded.Cluster
}

// sessionsFrom lets tests use sessions that are far shorter than the default minimum of 6 s.
const sessionsFrom = "group.min.session.timeout.ms"

var groups atomic.Int64

// fresh returns the name of a group that nobody has used.
func fresh() string { return fmt.Sprintf("group-%d-%d", os.Getpid(), groups.Add(1)) }

func open(t *testing.T, name string, bootstrap []string) *cluster.Client {
	t.Helper()
	c, err := cluster.Open(t.Context(), name, cluster.Config{Bootstrap: bootstrap})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// suite is every test that runs on both kinds of broker.
var suite = map[string]func(*testing.T, site){
	"ShareAndHandOver":       testShareAndHandOver,
	"ClosedGroup":            testClosedGroup,
	"StrangerInside":         testStrangerInside,
	"HoldLongerThanSession":  testHoldLongerThanSession,
	"ForcedRejoin":           testForcedRejoin,
	"CommitsAndReads":        testCommitsAndReads,
	"Mirror":                 testMirror,
	"Workers":                testWorkers,
	"GuardTakeOver":          testGuardTakeOver,
	"GuardThatLeads":         testGuardThatLeads,
	"Nudge":                  testNudge,
	"GuardCommits":           testGuardCommits,
	"Seal":                   testSeal,
	"SealNotAlone":           testSealNotAlone,
	"Inspect":                testInspect,
	"NewerProtocol":          testNewerProtocol,
	"CloseWhileJoining":      testCloseWhileJoining,
	"LeaveWhileJoining":      testLeaveWhileJoining,
	"SessionTooLong":         testSessionTooLong,
	"Eviction":               testEviction,
	"Confirm":                testConfirm,
	"CoordinatorConformance": testConformance,
}

func runSuite(t *testing.T, s site) {
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range suite {
			if !yield(n) {
				return
			}
		}
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite[name](t, s)
		})
	}
}

// TestEmbedded: runs the suite on the embedded broker.
func TestEmbedded(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Topics: []embedded.Topic{{Name: "orders", Partitions: 8}}, Extra: []kfake.Opt{kfake.GroupMinSessionTimeout(100 * time.Millisecond)}}})
	t.Run("all", func(t *testing.T) {
		runSuite(t, site{c: open(t, "embedded", pair.Source.Bootstrap()), kfake: pair.Source})
	})
}

// TestReal runs the same on Apache Kafka: PORTAGE_REAL=1.
func TestReal(t *testing.T) {
	for _, version := range realkafka.Versions() {
		t.Run(version, func(t *testing.T) {
			k := realkafka.ForTest(t, realkafka.Options{Version: version, Properties: map[string]string{sessionsFrom: "100"}})
			c := open(t, version, k.Bootstrap(realkafka.Internal))
			require.NoError(t, c.CreateTopic(t.Context(), cluster.TopicSpec{Name: "orders", Partitions: 8, ReplicationFactor: 1}))
			t.Run("all", func(t *testing.T) { runSuite(t, site{c: c, version: version}) })
		})
	}
}

// actor is a member whose events are kept, and which says Ready at once unless it holds.
type actor struct {
	*group.Member
	t    *testing.T
	hold atomic.Bool
	done chan struct{}

	mu     sync.Mutex
	events []group.Event
	news   chan struct{}
}

// quick are the durations of tests: long enough for a busy machine, short enough to wait for.
func quick(name string, offer group.Offer) group.Config {
	return group.Config{Group: name, Offer: offer, Heartbeat: 50 * time.Millisecond, Session: 3 * time.Second, Rebalance: 10 * time.Second}
}

func agent(incarnation string) group.Identity {
	return group.Identity{Kind: group.KindAgent, Incarnation: incarnation, Host: "test"}
}

func join(t *testing.T, s site, cfg group.Config) *actor {
	t.Helper()
	cfg.Log = zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	m, err := group.Join(s.c, cfg)
	require.NoError(t, err)
	a := &actor{Member: m, t: t, done: make(chan struct{}), news: make(chan struct{})}
	go a.read()
	t.Cleanup(func() {
		a.Close()
		<-a.done
	})
	return a
}

func (a *actor) read() {
	defer close(a.done)
	for e := range a.Events() {
		switch e := e.(type) {
		case group.RebalanceNeeded:
			if !a.hold.Load() {
				a.Ready(e.Generation)
			}
		case group.Lost:
			if !a.hold.Load() {
				a.Ready(e.Generation)
			}
		}
		a.mu.Lock()
		a.events = append(a.events, e)
		close(a.news)
		a.news = make(chan struct{})
		a.mu.Unlock()
	}
}

// await returns the first event from the given position on that satisfies, and the position after it.
func await[E group.Event](a *actor, from int, ok func(E) bool) (E, int) {
	a.t.Helper()
	limit := time.After(30 * time.Second)
	for i := from; ; {
		a.mu.Lock()
		events, news := a.events, a.news
		a.mu.Unlock()
		for ; i < len(events); i++ {
			if e, is := events[i].(E); is && (ok == nil || ok(e)) {
				return e, i + 1
			}
		}
		select {
		case <-news:
		case <-limit:
			var none E
			a.t.Fatalf("%T is not among %s\nstatus %+v", none, show(events), a.Status())
		}
	}
}

func show(events []group.Event) string {
	var lines []string
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("%T%+v", e, e))
	}
	return "\n" + strings.Join(lines, "\n")
}

// assigned waits until the member holds so many partitions or units in a generation whose lease holds.
func (a *actor) assigned(n int) group.Status {
	a.t.Helper()
	var s group.Status
	require.Eventually(a.t, func() bool {
		s = a.Status()
		return s.Assigned && s.Assignment.Len() == n && a.Lease().Holds(time.Now())
	}, 30*time.Second, 5*time.Millisecond, "%d assigned", n)
	return s
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	t.Cleanup(cancel)
	return c
}

func testShareAndHandOver(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	a.assigned(8)
	b := join(t, s, quick(name, group.Open(agent("b"), "orders")))
	one, two := a.assigned(4), b.assigned(4)
	require.Equal(t, one.Generation, two.Generation)
	require.Equal(t, "portage", one.Protocol)
	for _, p := range one.Assignment.Partitions["orders"] {
		require.False(t, two.Assignment.Partitions.Has("orders", p))
	}
	require.NoError(t, b.Leave(ctx(t)))
	require.Equal(t, "outside", b.Status().Phase)
	require.False(t, b.Lease().Holds(time.Now()))
	a.assigned(8)
	require.NoError(t, b.Rejoin(group.Open(agent("b"), "orders")))
	b.assigned(4)
}

func testClosedGroup(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	b := join(t, s, quick(name, group.Open(agent("b"), "orders")))
	a.assigned(4)
	b.assigned(4)
	g := guard(t, s, name, false)
	_, err := g.Wait(ctx(t))
	require.NoError(t, err)
	require.NoError(t, a.Rejoin(group.Closed(agent("a"), "orders")))
	require.False(t, a.Status().Assigned, "nothing may be started any more")
	require.NoError(t, b.Rejoin(group.Closed(agent("b"), "orders")))
	foreign := group.Offer{Type: "consumer", Protocols: []string{"range"}, Topics: []string{"orders"}, Identity: agent("x")}
	x := join(t, s, quick(name, foreign))
	_, next := await[group.Refused](x, 0, func(r group.Refused) bool { return errors.Is(r.Why, group.ErrStranger) && !r.Member })
	require.NoError(t, a.Leave(ctx(t)))
	require.NoError(t, b.Leave(ctx(t)))
	require.NoError(t, x.Rejoin(foreign))
	await[group.Refused](x, next, nil) // while the group empties and when only the guard is left
	held, err := g.Wait(ctx(t))
	require.NoError(t, err)
	snap, err := group.Inspect(ctx(t), s.c, name)
	require.NoError(t, err)
	require.Len(t, snap.Members, 1)
	require.Equal(t, held.MemberID, snap.Members[0].ID)
}

func testStrangerInside(t *testing.T, s site) {
	name := fresh()
	x := join(t, s, quick(name, group.Offer{Type: "consumer", Protocols: []string{"range"}, Topics: []string{"orders"}, Identity: agent("x")}))
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	x.assigned(4)
	require.Equal(t, "range", a.assigned(4).Protocol)
	g := guard(t, s, name, false)
	_, err := g.Wait(ctx(t))
	require.ErrorIs(t, err, group.ErrStranger)
	require.NoError(t, a.Rejoin(group.Closed(agent("a"), "orders")))
	_, next := await[group.Refused](a, 0, func(r group.Refused) bool { return r.Member })
	await[group.Assigned](a, next, func(e group.Assigned) bool { return e.Assignment.Len() == 4 })
	require.NoError(t, x.Leave(ctx(t)))
	a.assigned(8)
	require.NoError(t, g.Retry())
	_, err = g.Wait(ctx(t))
	require.NoError(t, err)
}

func testHoldLongerThanSession(t *testing.T, s site) {
	name := fresh()
	cfg := quick(name, group.Open(agent("a"), "orders"))
	cfg.Session, cfg.Rebalance = time.Second, 20*time.Second
	a := join(t, s, cfg)
	first := a.assigned(8)
	a.hold.Store(true)
	b := join(t, s, quick(name, group.Open(agent("b"), "orders")))
	needed, _ := await[group.RebalanceNeeded](a, 0, nil)
	require.Equal(t, first.Generation, needed.Generation)
	require.False(t, a.Lease().Holds(time.Now()))
	end := time.Now().Add(2500 * time.Millisecond)
	for at := int64(1); time.Now().Before(end); at++ {
		done, err := a.Commit(ctx(t), first.Generation, group.Offset{Partition: group.Partition{Topic: "orders"}, At: at})
		require.NoError(t, err)
		require.NoError(t, done.Err(name))
	}
	require.Equal(t, first.MemberID, a.Status().MemberID)
	a.Ready(first.Generation)
	require.Equal(t, first.MemberID, a.assigned(4).MemberID, "it was never evicted")
	b.assigned(4)
}

func testForcedRejoin(t *testing.T, s site) {
	name := fresh()
	cfg := quick(name, group.Open(agent("a"), "orders"))
	cfg.Rebalance, cfg.Margin = 3*time.Second, time.Second
	a := join(t, s, cfg)
	first := a.assigned(8)
	a.hold.Store(true)
	cfg.Offer = group.Open(agent("b"), "orders")
	b := join(t, s, cfg)
	b.assigned(4)
	require.Equal(t, first.MemberID, a.assigned(4).MemberID, "it rejoined by itself, in time")
}
