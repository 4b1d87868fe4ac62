package service_test

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cmd/internal/operator"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// patience bounds every wait for a state: machines may be busy.
const patience = time.Minute

// bench is clusters with control topics on one of them, services and a
// commander.
type bench struct {
	t testing.TB
	// pair is nil on Apache Kafka.
	pair      *embedded.Pair
	bootstrap map[string][]string
	clusters  map[string]*cluster.Client
	// control has the control topics, migration is the one that is spoken of.
	control, migration string
	desk               *operator.Operator

	mu sync.Mutex
	// handled counts, per group and value, how often agents handled a record.
	handled map[string]int
}

// newBench is a bench on an embedded pair; the target has the control topics.
func newBench(t testing.TB) *bench {
	if alone, is := t.(*testing.T); is {
		alone.Parallel() // they mostly wait
	}
	pair := embedded.ForTest(t, embedded.Options{Seed: 1})
	b := benchOn(t, "target", map[string][]string{"source": pair.Source.Bootstrap(), "target": pair.Target.Bootstrap()})
	b.pair = pair
	return b
}

func benchOn(t testing.TB, control string, bootstrap map[string][]string) *bench {
	b := &bench{
		t: t, bootstrap: bootstrap, control: control, migration: "m",
		clusters: make(map[string]*cluster.Client), handled: make(map[string]int),
	}
	for name, addresses := range bootstrap {
		b.clusters[name] = b.open(name, cluster.Config{Bootstrap: addresses})
	}
	_, err := log.Init(t.Context(), b.clusters[control], log.InitOptions{})
	require.NoError(t, err)
	b.desk, err = operator.New(operator.Options{Control: b.clusters[control], Name: "tester"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.desk.Close()) })
	return b
}

// open returns a client that is closed when the test ends.
func (b *bench) open(name string, cfg cluster.Config) *cluster.Client {
	b.t.Helper()
	client, err := cluster.Open(b.t.Context(), name, cfg)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (b *bench) source() *cluster.Client { return b.clusters["source"] }
func (b *bench) target() *cluster.Client { return b.clusters["target"] }

func (b *bench) client(_ context.Context, name string) (*cluster.Client, error) {
	if c := b.clusters[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no cluster %q", name)
}

// serve runs the orchestrator until the function returned is called; it may be
// called again.
func (b *bench) serve() (stop func()) { return b.serveAs("here") }

func (b *bench) serveAs(host string, change ...func(*service.Options)) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	o := b.options(host, change...)
	return b.runs(cancel, func() error { return service.Serve(ctx, o) })
}

// work copies until the function returned is called.
func (b *bench) work() (stop func()) { return b.workAs() }

func (b *bench) workAs(change ...func(*service.Options)) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	o := b.options("worker", change...)
	return b.runs(cancel, func() error { return service.Work(ctx, o) })
}

func (b *bench) options(host string, change ...func(*service.Options)) service.Options {
	o := service.Options{
		Control: b.clusters[b.control], Clusters: b.client, Host: host, Incarnation: "w-" + operator.NewID(),
		Logger: zerolog.New(zerolog.NewTestWriter(b.t)).Level(zerolog.InfoLevel).With().Str("host", host).Logger(),
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

// runs lets a service run until the function returned is called, at the latest at
// the end of the test.
func (b *bench) runs(cancel func(), run func() error) (stop func()) {
	done := make(chan error, 1)
	go func() { done <- run() }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			assert.NoError(b.t, err)
		case <-time.After(patience):
			b.t.Error("the service did not stop")
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// view waits for a state of the projection.
func (b *bench) view(what string, ok func(v *projector.View) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	require.NoError(b.t, b.desk.Until(ctx, b.migration, ok), what)
}

// until waits for a state of the migration.
func (b *bench) until(what string, ok func(m *fsm.Migration) bool) {
	b.t.Helper()
	b.view(what, func(v *projector.View) bool {
		m, found := v.Migration(b.migration)
		return found && ok(m)
	})
}

// topic waits for a state of a topic and returns its row.
func (b *bench) topic(name string, ok func(t *fsm.Topic) bool) *fsm.Topic {
	b.t.Helper()
	var row *fsm.Topic
	b.view("topic "+name, func(v *projector.View) bool {
		t, found := v.Topic(b.migration, name)
		row = t
		return found && ok(t)
	})
	return row
}

// group waits for a state of a group and returns its row.
func (b *bench) group(name string, ok func(g *fsm.Group) bool) *fsm.Group {
	b.t.Helper()
	var row *fsm.Group
	b.view("group "+name, func(v *projector.View) bool {
		g, found := v.Group(b.migration, name)
		row = g
		return found && ok(g)
	})
	return row
}

// create makes a migration and starts it.
func (b *bench) create(p string) {
	b.t.Helper()
	b.plan(p)
	b.send(events.MigrationStream, events.StartRequested{})
}

func (b *bench) plan(p string) {
	b.t.Helper()
	parsed, err := plan.Parse([]byte(p))
	require.NoError(b.t, err)
	resolved, err := plan.Resolve(b.t.Context(), parsed, func(ctx context.Context, name string) (plan.Cluster, error) { return b.client(ctx, name) })
	require.NoError(b.t, err)
	_, err = b.desk.Commands.Create(b.t.Context(), resolved)
	require.NoError(b.t, err)
}

func (b *bench) send(stream events.Stream, body events.Body) {
	b.t.Helper()
	_, err := b.desk.Commands.Send(b.t.Context(), b.migration, stream, body)
	require.NoError(b.t, err)
}

// say appends an acknowledgement in the name of an instance.
func (b *bench) say(stream events.Stream, epoch uint32, body events.Body) {
	b.t.Helper()
	e, err := events.New(operator.NewID(), b.migration, stream, events.Actor{Kind: events.Agent, Name: "instance"}, time.Now().UTC(), body)
	require.NoError(b.t, err)
	e.Epoch = epoch
	_, err = log.NewAppender(b.clusters[b.control], log.AppenderOptions{}).Append(b.t.Context(), e)
	require.NoError(b.t, err)
}

// topics creates topics on a cluster.
func (b *bench) topics(at *embedded.Cluster, partitions int32, names ...string) {
	b.t.Helper()
	for _, name := range names {
		require.NoError(b.t, at.CreateTopic(embedded.Topic{Name: name, Partitions: partitions}))
	}
}

// write appends records to a partition.
func (b *bench) write(at *cluster.Client, topic string, partition int32, values ...string) {
	b.t.Helper()
	records := make([]batch.Record, len(values))
	for i, v := range values {
		records[i] = batch.Record{Timestamp: time.Now().UnixMilli(), Key: []byte("k"), Value: []byte(v)}
	}
	raw, err := batch.Build(batch.Spec{}, records)
	require.NoError(b.t, err)
	_, err = at.Append(b.t.Context(), topic, partition, raw)
	require.NoError(b.t, err)
}

// numbered are values from..to-1.
func numbered(from, to int) (values []string) {
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprint(i))
	}
	return values
}

// exists says whether a cluster has a topic.
func (b *bench) exists(at *cluster.Client, topic string) bool {
	b.t.Helper()
	all, err := at.Topics(b.t.Context(), topic)
	require.NoError(b.t, err)
	_, ok := all[topic]
	return ok
}

// consume runs an instance of a group until the function returned is called.
func (b *bench) consume(group, instance string, topics ...string) (stop func()) {
	b.t.Helper()
	return b.consumeFrom("source", group, instance, topics...)
}

// consumeFrom is consume for a group that lives on another cluster.
func (b *bench) consumeFrom(home, group, instance string, topics ...string) (stop func()) {
	b.t.Helper()
	return b.instance(agent.ConsumerConfig{
		Group: group, Topics: topics, Instance: instance, Home: home,
		Handler: func(_ context.Context, r agent.Record) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.handled[group+"/"+string(r.Value)]++
			return nil
		},
		Heartbeat: 50 * time.Millisecond, CommitInterval: 50 * time.Millisecond, MetadataMaxAge: 200 * time.Millisecond,
	})
}

func (b *bench) instance(cfg agent.ConsumerConfig, options ...agent.ConsumerOption) (stop func()) {
	b.t.Helper()
	cfg.Home, cfg.Control, cfg.Clusters = cmp.Or(cfg.Home, "source"), b.control, make(map[string]cluster.Config)
	for name, addresses := range b.bootstrap {
		cfg.Clusters[name] = cluster.Config{Bootstrap: addresses}
	}
	c, err := agent.NewConsumer(cfg, options...)
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(b.t, <-done)
	})
	b.t.Cleanup(stop)
	return stop
}

// once waits until every value was handled, and says that none was twice.
func (b *bench) once(group string, values []string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, v := range values {
			if b.handled[group+"/"+v] == 0 {
				return false
			}
		}
		return true
	}, patience, 10*time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range values {
		require.Equal(b.t, 1, b.handled[group+"/"+v], "record %s", v)
	}
}

// counts says how many events of a type were accepted in a stream.
func (b *bench) counts(stream events.Stream, kind events.Type) (n int) {
	b.t.Helper()
	v, err := b.desk.View(b.t.Context())
	require.NoError(b.t, err)
	defer v.Close()
	notes, err := v.History(b.migration, stream, -1, projector.All)
	require.NoError(b.t, err)
	for _, note := range notes {
		if note.Type == kind && note.Verdict == fsm.Accepted {
			n++
		}
	}
	return n
}

// calm says that the orchestrator has nothing more to append.
func (b *bench) calm() {
	b.t.Helper()
	var before int64 = -1
	require.Eventually(b.t, func() bool {
		end, err := log.End(b.t.Context(), b.clusters[b.control])
		require.NoError(b.t, err)
		same := end == before
		before = end
		return same
	}, patience, 700*time.Millisecond)
}

// end is the end of a topic's first partition on the target.
func (b *bench) end(topic string) int64 {
	b.t.Helper()
	ends, err := b.target().ListOffsets(b.t.Context(), topic, []int32{0}, cluster.Latest)
	require.NoError(b.t, err)
	return ends[0]
}

// published is the position of the directive to an addressee that the topic
// has, -1 for none.
func (b *bench) published(to events.Addressee) int64 {
	b.t.Helper()
	key := events.DirectiveKey{SourceCluster: b.source().ID(), Addressee: to}
	d, found, _, err := log.NewDirectives(b.target(), log.Options{}).Latest(b.t.Context(), key)
	require.NoError(b.t, err)
	if !found {
		return -1
	}
	return d.Position
}

// noWorker leaves the copying to another service.
func noWorker(o *service.Options) { o.NoWorker = true }
