package oracle

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/workload"
)

// kafka starts two Apache Kafka brokers, of the source's and the target's version.
func kafka(t *testing.T) (source, target workload.ClusterConfig) {
	t.Helper()
	realkafka.Require(t)
	t.Cleanup(func() { goleak.VerifyNone(t) })
	fast := map[string]string{"log.cleaner.backoff.ms": "500"}
	both := realkafka.AllForTest(t,
		realkafka.Options{Name: "source", Version: realkafka.Source, Properties: fast},
		realkafka.Options{Name: "target", Version: realkafka.Target, Properties: fast})
	return workload.ClusterConfig{Name: "source", Bootstrap: both[0].Bootstrap(realkafka.Internal)},
		workload.ClusterConfig{Name: "target", Bootstrap: both[1].Bootstrap(realkafka.Internal)}
}

// create makes topic "orders" anew on a cluster.
func create(t *testing.T, c workload.ClusterConfig, configs map[string]string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap...))
	require.NoError(t, err)
	defer cl.Close()
	admin := kadm.NewClient(cl)
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	_, _ = admin.DeleteTopic(t.Context(), "orders")
	require.Eventually(t, func() bool {
		_, err := admin.CreateTopic(t.Context(), partitions, 1, values, "orders")
		return err == nil
	}, 20*time.Second, 50*time.Millisecond)
}

// TestRealKafka repeats on real brokers what the embedded ones show: a clean migration and every planted fault.
func TestRealKafka(t *testing.T) {
	source, target := kafka(t)
	for plant, kind := range map[workload.Plant]Kind{
		workload.PlantNone:        "",
		workload.PlantLoss:        Loss,
		workload.PlantDuplicate:   Duplicate,
		workload.PlantReorder:     Reorder,
		workload.PlantReprocess:   Reprocessed,
		workload.PlantUnprocessed: Unprocessed,
	} {
		t.Run(plant.String(), func(t *testing.T) {
			create(t, source, nil)
			create(t, target, nil)
			m := between(t, source, target)
			m.group = fmt.Sprintf("billing-%v", plant)
			rep := m.run(plant)
			if kind == "" {
				require.True(t, rep.OK(), rep.Table())
				return
			}
			require.Len(t, rep.Findings, 1, rep.Table())
			require.Equal(t, kind, rep.Findings[0].Kind, rep.Table())
			require.Equal(t, 1, rep.Findings[0].Count, rep.Table())
		})
	}
	t.Run("transactions, read by kcat, too", func(t *testing.T) {
		create(t, source, nil)
		create(t, target, nil)
		m := between(t, source, target)
		m.group = "billing-transactions"
		m.produce(m.source, "tx", workload.ProducerConfig{Count: 120, Transactions: workload.Transactions{ID: "tx", AbortEvery: 4}})
		m.copyOver(nil)
		m.consume(m.target, 90, workload.PlantNone)
		rep := m.judge(Switch{})
		require.True(t, rep.OK(), rep.Table())
		require.Equal(t, TopicCount{Topic: "orders", Sent: 90, Aborted: 30, Source: 90, Target: 90}, rep.Topics[0])
		for _, c := range []workload.ClusterConfig{source, target} {
			n, err := Kcat(t.Context(), c.Bootstrap, "orders")
			require.NoError(t, err)
			require.EqualValues(t, 90, n)
		}
	})
	t.Run("compacted, with tombstones", func(t *testing.T) { realCompaction(t, source, target) })
}

// realCompaction lets the source compact records away before they are copied: no loss.
func realCompaction(t *testing.T, source, target workload.ClusterConfig) {
	create(t, source, map[string]string{"cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "200", "delete.retention.ms": "0"})
	create(t, target, nil)
	m := between(t, source, target)
	m.group = "billing-compacted"
	for i := range 5 { // each round rolls segments
		m.produce(m.source, fmt.Sprint("round-", i), workload.ProducerConfig{Count: 100, Rate: 200, Generator: workload.GeneratorConfig{Tombstones: 7}})
	}
	require.Eventually(t, func() bool {
		n := 0
		require.NoError(t, ReadTopic(t.Context(), source, "orders", func(*kgo.Record) { n++ }))
		return n < 400
	}, 60*time.Second, 200*time.Millisecond, "the cleaner ran")
	m.copyOver(nil)
	require.NoError(t, m.journal.Close())
	entries, err := workload.ReadFiles(m.path)
	require.NoError(t, err)
	cfg := Config{Run: "r", Source: source, Target: target, Entries: entries, Topics: []Topic{{Name: "orders", Compacted: true}}}
	rep, err := Judge(t.Context(), cfg)
	require.NoError(t, err)
	require.True(t, rep.OK(), rep.Table())
	require.Greater(t, rep.Topics[0].Compacted, 100)
	cfg.Topics[0].Compacted = false
	rep, err = Judge(t.Context(), cfg)
	require.NoError(t, err)
	require.Greater(t, rep.Count(Loss), 100, "without compaction they would be lost")
}
