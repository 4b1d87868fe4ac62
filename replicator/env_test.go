package replicator

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		fmt.Fprintln(os.Stderr, runChild(text))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// env is a source and a target cluster; the target is the control cluster, too.
type env struct {
	t              *testing.T
	sourceAddr     []string
	targetAddr     []string
	source, target *cluster.Client
	directives     *log.Directives
	position       int64
	workers        int
	running        []*running
	logs           *testLog
}

// testLog prints the workers' logs when the test has failed.
type testLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newEnv(t *testing.T, source, target []string) *env {
	t.Helper()
	e := &env{t: t, sourceAddr: source, targetAddr: target, logs: &testLog{}}
	e.source, e.target = e.open("source", source), e.open("target", target)
	_, err := log.Init(e.within(30*time.Second), e.target, log.InitOptions{})
	require.NoError(t, err)
	e.directives = log.NewDirectives(e.target, log.Options{})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(e.logs.String())
		}
	})
	return e
}

// onKfake is an env on embedded clusters.
func onKfake(t *testing.T, o embedded.Options) (*env, *embedded.Pair) {
	t.Helper()
	o.Target.Extra = append(o.Target.Extra, kfake.GroupMinSessionTimeout(time.Second)) // a killed worker is missed soon
	pair := embedded.ForTest(t, o)
	return newEnv(t, pair.Source.Bootstrap(), pair.Target.Bootstrap()), pair
}

func (e *env) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	e.t.Cleanup(cancel)
	return ctx
}

func (e *env) open(name string, addr []string) *cluster.Client {
	e.t.Helper()
	c, err := cluster.Open(e.within(30*time.Second), name, cluster.Config{Bootstrap: addr})
	require.NoError(e.t, err)
	e.t.Cleanup(func() { _ = c.Close() })
	return c
}

// topic creates a topic on both sides and returns the order to copy it.
func (e *env) topic(name string, partitions int32, configs map[string]string) events.CopyOrder {
	e.t.Helper()
	ctx := e.within(30 * time.Second)
	all := map[string]string{"retention.ms": "-1"} // the records are old
	maps.Copy(all, configs)
	require.NoError(e.t, e.source.CreateTopic(ctx, cluster.TopicSpec{Name: name, Partitions: partitions, ReplicationFactor: 1, Configs: all}))
	return e.order(name, partitions)
}

// order creates the target topic and returns the order to copy it.
func (e *env) order(name string, partitions int32) events.CopyOrder {
	e.t.Helper()
	ctx := e.within(30 * time.Second)
	require.NoError(e.t, e.target.CreateTopic(ctx, cluster.TopicSpec{Name: name + "-copy", Partitions: partitions, ReplicationFactor: 1,
		Configs: map[string]string{"compression.type": "producer", "retention.ms": "-1"}}))
	return events.CopyOrder{
		Run: true, Source: "source", Topic: name, TopicID: topicID(e.t, e.source, name), Partitions: partitions,
		Target: "target", TargetTopic: name + "-copy", TargetTopicID: topicID(e.t, e.target, name+"-copy"),
	}
}

func topicID(t *testing.T, c *cluster.Client, name string) string {
	t.Helper()
	topics, err := c.Topics(context.Background(), name)
	require.NoError(t, err)
	id := topics[name].ID
	return hex.EncodeToString(id[:])
}

// publish makes an order the one in force.
func (e *env) publish(o events.CopyOrder) events.Directive { return e.publishAt(o, 0) }

func (e *env) publishAt(o events.CopyOrder, epoch uint32) events.Directive {
	e.t.Helper()
	e.position++
	d := events.Directive{
		SourceCluster: e.source.ID(), Addressee: events.ToCopy(o.Topic), Position: e.position, Migration: "m",
		Stream: events.TopicStream(o.Topic), Epoch: epoch, Phase: events.PhaseCopying, AtLeast: Version, Copy: &o,
	}
	require.NoError(e.t, e.directives.Publish(e.within(30*time.Second), d))
	return d
}

func (e *env) pool(o events.PoolOrder) {
	e.t.Helper()
	e.position++
	d := events.Directive{
		SourceCluster: e.source.ID(), Addressee: events.ToPool("m"), Position: e.position, Migration: "m",
		Stream: events.MigrationStream, Phase: events.PhaseRunning, AtLeast: Version, Pool: &o,
	}
	require.NoError(e.t, e.directives.Publish(e.within(30*time.Second), d))
}

// running is a worker at work.
type running struct {
	*Worker
	cancel context.CancelFunc
	done   chan error
	// source and target are its own clients: a dead process takes its
	// connections along.
	clients []*cluster.Client
}

// config is a worker's configuration with short times; edit changes it.
func (e *env) config(edit func(*Config)) (Config, []*cluster.Client) {
	e.t.Helper()
	e.workers++
	name := fmt.Sprintf("w%d", e.workers)
	control, source, target := e.open("control", e.targetAddr), e.open("source", e.sourceAddr), e.open("target", e.targetAddr)
	cfg := Config{
		Control: control, Name: name, Host: "test",
		Clusters: func(_ context.Context, name string) (*cluster.Client, error) {
			switch name {
			case "source":
				return source, nil
			case "target":
				return target, nil
			}
			return nil, fmt.Errorf("no cluster %q", name)
		},
		Heartbeat: 200 * time.Millisecond, Session: time.Second, Rebalance: 10 * time.Second,
		FetchWait: 50 * time.Millisecond, PublishEvery: 20 * time.Millisecond, ProgressEvery: 50 * time.Millisecond,
		IdentityEvery: 200 * time.Millisecond, Patience: 300 * time.Millisecond,
		Log: zerolog.New(e.logs).With().Timestamp().Str("worker", name).Logger(),
	}
	if os.Getenv("PORTAGE_TEST_LOG") == "" {
		cfg.Log = cfg.Log.Level(zerolog.InfoLevel)
	}
	if edit != nil {
		edit(&cfg)
	}
	return cfg, []*cluster.Client{control, source, target}
}

func (e *env) start(edit func(*Config)) *running {
	e.t.Helper()
	cfg, clients := e.config(edit)
	w, err := New(cfg)
	require.NoError(e.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Worker: w, cancel: cancel, done: make(chan error, 1), clients: clients}
	e.running = append(e.running, r)
	go func() { r.done <- w.Run(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		<-r.done
		r.done <- nil
	})
	return r
}

// kill ends a worker as if its process had died.
func (r *running) kill() {
	for _, c := range r.clients {
		_ = c.Close()
	}
	r.cancel()
	err := <-r.done
	r.done <- err
}

// stop ends a worker gracefully.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.Stop()
	select {
	case err := <-r.done:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the worker does not stop")
	}
	r.done <- nil
}

// eventually waits for a state.
func (e *env) eventually(what string, f func() bool) {
	e.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(40 * time.Second); !f(); <-tick.C {
		require.True(e.t, time.Now().Before(end), "in vain: %s", what)
	}
}

// ends are the source's last stable offsets.
func (e *env) ends(o events.CopyOrder) map[int32]int64 {
	e.t.Helper()
	var all []int32
	for p := range o.Partitions {
		all = append(all, p)
	}
	ends, err := e.source.ListOffsets(e.within(10*time.Second), o.Topic, all, cluster.Stable)
	require.NoError(e.t, err)
	return ends
}

// published is the watermark that the offsets topic says, and the map.
func (e *env) published(key events.CopyKey) (int64, []events.Block, []events.Claim) {
	e.t.Helper()
	claims, blocks, err := log.NewOffsets(e.target, log.Options{}).Load(e.within(10*time.Second), key)
	require.NoError(e.t, err)
	if len(blocks) == 0 {
		return -1, nil, claims
	}
	m, err := mergeBlocks(blocks)
	require.NoError(e.t, err)
	return m.Watermark(), blocks, claims
}

// workersWatermark is how far the workers have come, all partitions together.
func (e *env) workersWatermark() (sum int64) {
	for _, r := range e.running {
		for _, s := range r.Status() {
			sum += s.Watermark
		}
	}
	return sum
}

// copied waits until every partition's published watermark is at its end.
func (e *env) copied(orders ...events.CopyOrder) {
	e.t.Helper()
	for _, o := range orders {
		ends := e.ends(o)
		for p := range o.Partitions {
			key := events.CopyKey{Migration: "m", Topic: o.Topic, Partition: p}
			e.eventually(fmt.Sprintf("%s is copied up to %d", key, ends[p]), func() bool {
				at, _, _ := e.published(key)
				return at >= ends[p]
			})
		}
	}
}

// kafka opens a client of another library, for writing and for judging.
func kafka(t *testing.T, addr []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// readAll reads every committed record of a partition.
func readAll(t *testing.T, c *cluster.Client, addr []string, topic string, partition int32) []*kgo.Record {
	t.Helper()
	ends, err := c.ListOffsets(context.Background(), topic, []int32{partition}, cluster.Stable)
	require.NoError(t, err)
	starts, err := c.ListOffsets(context.Background(), topic, []int32{partition}, cluster.Earliest)
	require.NoError(t, err)
	k := kafka(t, addr, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {partition: kgo.NewOffset().At(starts[partition])},
	}))
	defer k.Close()
	var all []*kgo.Record
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for next := starts[partition]; next < ends[partition]; {
		got := k.PollFetches(ctx)
		require.NoError(t, got.Err(), "at %d of %d", next, ends[partition])
		got.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
		})
	}
	return all
}

// same requires the target to equal the source record for record.
func (e *env) same(o events.CopyOrder) {
	e.t.Helper()
	for p := range o.Partitions {
		want := readAll(e.t, e.source, e.sourceAddr, o.Topic, p)
		got := readAll(e.t, e.target, e.targetAddr, o.TargetTopic, p)
		require.Equal(e.t, len(want), len(got), "partition %d", p)
		for i := range want {
			requireEqual(e.t, want[i], got[i])
		}
	}
}

func requireEqual(t *testing.T, want, got *kgo.Record) {
	t.Helper()
	about := fmt.Sprintf("source offset %d, target offset %d", want.Offset, got.Offset)
	require.Equal(t, want.Key, got.Key, about)
	require.Equal(t, want.Value, got.Value, about)
	require.Equal(t, want.Headers, got.Headers, about)
	require.Equal(t, want.Timestamp.UnixMilli(), got.Timestamp.UnixMilli(), about)
}

// events reads everything that was appended to the log.
func (e *env) events() []events.Record {
	e.t.Helper()
	ctx := e.within(10 * time.Second)
	end, err := log.End(ctx, e.target)
	require.NoError(e.t, err)
	r := log.NewReader(e.target, 0)
	var all []events.Record
	for len(all) < int(end) {
		page, err := r.Next(ctx, 1000, time.Second)
		require.NoError(e.t, err)
		all = append(all, page.Records...)
	}
	return all
}

// awaitEvent waits for an event with a body of type B that f likes.
func awaitEvent[B events.Body](e *env, f func(events.Event, B) bool) B {
	e.t.Helper()
	var found B
	e.eventually(fmt.Sprintf("such a %T", found), func() bool {
		for _, r := range e.events() {
			if b, ok := r.Body.(B); ok && f(r.Event, b) {
				found = b
				return true
			}
		}
		return false
	})
	return found
}
