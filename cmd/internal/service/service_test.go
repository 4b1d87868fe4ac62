package service_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/operator"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// bench is a pair of clusters with control topics, a service and a commander.
type bench struct {
	t        *testing.T
	pair     *embedded.Pair
	clusters map[string]*cluster.Client
	desk     *operator.Operator
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, pair: embedded.ForTest(t, embedded.Options{Seed: 1}), clusters: make(map[string]*cluster.Client)}
	for name, c := range map[string]*embedded.Cluster{"source": b.pair.Source, "target": b.pair.Target} {
		client, err := cluster.Open(t.Context(), name, cluster.Config{Bootstrap: c.Bootstrap()})
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		b.clusters[name] = client
	}
	control := b.clusters["target"]
	_, err := log.Init(t.Context(), control, log.InitOptions{})
	require.NoError(t, err)
	b.desk, err = operator.New(operator.Options{Control: control, Name: "tester"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.desk.Close()) })
	return b
}

func (b *bench) client(_ context.Context, name string) (*cluster.Client, error) {
	if c := b.clusters[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no cluster %q", name)
}

// serve runs the orchestrator until the function returned is called.
func (b *bench) serve() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- service.Serve(ctx, service.Options{
			Control: b.clusters["target"], Clusters: b.client, Host: "here", Incarnation: "w-" + fmt.Sprint(time.Now().UnixNano()),
			Logger: zerolog.New(zerolog.NewTestWriter(b.t)).Level(zerolog.InfoLevel),
		})
	}()
	return func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(b.t, err)
		case <-time.After(30 * time.Second):
			b.t.Error("serve did not stop")
		}
	}
}

// until waits for a state of the migration.
func (b *bench) until(what string, ok func(m *fsm.Migration) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	require.NoError(b.t, b.desk.Until(ctx, "m", func(v *projector.View) bool {
		m, found := v.Migration("m")
		return found && ok(m)
	}), what)
}

// create makes a migration of topics and groups and starts it.
func (b *bench) create(p string) {
	b.t.Helper()
	parsed, err := plan.Parse([]byte(p))
	require.NoError(b.t, err)
	resolved, err := plan.Resolve(b.t.Context(), parsed, func(ctx context.Context, name string) (plan.Cluster, error) { return b.client(ctx, name) })
	require.NoError(b.t, err)
	_, err = b.desk.Commands.Create(b.t.Context(), resolved)
	require.NoError(b.t, err)
	b.send(events.MigrationStream, events.StartRequested{})
}

func (b *bench) send(stream events.Stream, body events.Body) {
	b.t.Helper()
	_, err := b.desk.Commands.Send(b.t.Context(), "m", stream, body)
	require.NoError(b.t, err)
}

// TestTopicsOnly takes topics without groups from the plan to the end: created,
// copied while they are written to, writers moved, compared, finished.
func TestTopicsOnly(t *testing.T) {
	b := newBench(t)
	names := []string{"orders", "payments"}
	for _, name := range names {
		require.NoError(t, b.pair.Source.CreateTopic(embedded.Topic{Name: name, Partitions: 3, Configs: map[string]string{"retention.ms": "3600000"}}))
	}
	entries := t.TempDir() + "/journal"
	journal, err := workload.OpenJournal(entries)
	require.NoError(t, err)
	source := workload.ClusterConfig{Name: "source", Bootstrap: b.pair.Source.Bootstrap()}
	producer, err := workload.NewProducer(workload.ProducerConfig{
		Generator: workload.GeneratorConfig{Run: "r", Producer: "p", Topics: names, Keys: 20, Headers: 2, Journal: journal},
		Cluster:   source, Rate: 2000, Count: 6000, Codec: "lz4",
	})
	require.NoError(t, err)
	defer producer.Close()
	sent := make(chan error, 1)
	go func() { sent <- producer.Run(t.Context()) }()

	stop := b.serve()
	defer stop()
	b.create("migration: m\nsource: source\ntargets: [target]\ntopics: [{name: orders}, {name: payments, target_name: payments-eu}]\n" +
		"steps: [{do: copy, approve: auto}, {do: readers, approve: auto}, {do: writers, approve: manual}, {do: finish, approve: manual}]\n" +
		"policy: {quiet: 300ms, silent: 1s}\n")
	b.until("all synced", func(m *fsm.Migration) bool { return m.Count.Synced == 2 })
	require.NoError(t, <-sent)
	b.send(events.MigrationStream, events.Approved{Step: 2})
	b.until("the source is quiet", func(m *fsm.Migration) bool { return m.Count.Quiet == 2 })
	b.send(events.MigrationStream, events.Approved{Step: 3})
	b.until("the end", func(m *fsm.Migration) bool { return m.Phase == events.PhaseFinished })

	require.NoError(t, journal.Close())
	all, err := workload.ReadFiles(entries)
	require.NoError(t, err)
	report, err := oracle.Judge(t.Context(), oracle.Config{
		Run: "r", Source: source, Target: workload.ClusterConfig{Name: "target", Bootstrap: b.pair.Target.Bootstrap()},
		Topics: []oracle.Topic{{Name: "orders"}, {Name: "payments", Target: "payments-eu"}}, Entries: all,
	})
	require.NoError(t, err)
	require.True(t, report.OK(), report.Table())

	configs, err := b.clusters["target"].TopicConfigs(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, "3600000", configs["retention.ms"].Value)
	replayed, err := projector.Replay(t.Context(), service.LogOf(b.clusters["target"]), "m")
	require.NoError(t, err)
	v, err := b.desk.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	live, _ := v.Digests("m")
	require.Equal(t, live, replayed.Digests[0])

	_, err = b.desk.Commands.Send(t.Context(), "m", events.MigrationStream, events.CancelRequested{})
	var refused *commands.Refused
	require.True(t, errors.As(err, &refused), "%v", err)
}
