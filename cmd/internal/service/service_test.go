package service_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

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
