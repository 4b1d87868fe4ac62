package oracle

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/workload"
)

const partitions = 4

// migration moves topic "orders" and group "billing" by hand between two clusters, as the product would: the workload
// writes, plain copies follow, the group crosses half-way. What it does wrong is up to the plants.
type migration struct {
	t              *testing.T
	source, target workload.ClusterConfig
	journal        *workload.Journal
	path           string
	group          string
}

// newMigration begins between two embedded clusters.
func newMigration(t *testing.T) *migration {
	t.Helper()
	m, _ := newMigrationOf(t, nil)
	return m
}

// newMigrationOf begins with settings of the source's topic.
func newMigrationOf(t *testing.T, configs map[string]string) (*migration, *embedded.Pair) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	topic := embedded.Topic{Name: "orders", Partitions: partitions}
	target := embedded.Side{Topics: []embedded.Topic{topic}}
	topic.Configs = configs
	pair := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Topics: []embedded.Topic{topic}}, Target: target})
	return between(t,
		workload.ClusterConfig{Name: pair.Source.Name(), Bootstrap: pair.Source.Bootstrap()},
		workload.ClusterConfig{Name: pair.Target.Name(), Bootstrap: pair.Target.Bootstrap()}), pair
}

// between begins between two clusters that have the topic.
func between(t *testing.T, source, target workload.ClusterConfig) *migration {
	t.Helper()
	m := &migration{t: t, source: source, target: target, path: filepath.Join(t.TempDir(), "journal"), group: "billing"}
	var err error
	m.journal, err = workload.OpenJournal(m.path)
	require.NoError(t, err)
	return m
}

func (m *migration) produce(cluster workload.ClusterConfig, name string, cfg workload.ProducerConfig) {
	m.t.Helper()
	cfg.Cluster = cluster
	cfg.Generator.Run, cfg.Generator.Producer, cfg.Generator.Topics = "r", name, []string{"orders"}
	cfg.Generator.Keys, cfg.Generator.Headers, cfg.Generator.Journal = 10, 4, m.journal
	p, err := workload.NewProducer(cfg)
	require.NoError(m.t, err)
	defer p.Close()
	require.NoError(m.t, p.Run(m.t.Context()))
}

// copyOver writes the source's committed records to the target, partition by partition and in order, unless told to drop.
func (m *migration) copyOver(drop func(*kgo.Record) bool) {
	m.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(m.target.Bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	require.NoError(m.t, err)
	defer client.Close()
	require.NoError(m.t, ReadTopic(m.t.Context(), m.source, "orders", func(r *kgo.Record) {
		if drop != nil && drop(r) {
			return
		}
		client.Produce(context.WithoutCancel(m.t.Context()), &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp},
			func(_ *kgo.Record, err error) {
				if err != nil {
					m.t.Errorf("copy: %v", err)
				}
			})
	}))
	require.NoError(m.t, client.Flush(m.t.Context()))
}

// consume lets the group handle n more records on a cluster.
func (m *migration) consume(cluster workload.ClusterConfig, n int64, plant workload.Plant) {
	m.t.Helper()
	h, err := workload.NewHandler(workload.HandlerConfig{Group: m.group, Instance: "on-" + cluster.Name, Journal: m.journal, Plant: plant})
	require.NoError(m.t, err)
	c, err := workload.NewConsumer(workload.ConsumerConfig{Cluster: cluster, Topics: []string{"orders"}, Handler: h})
	require.NoError(m.t, err)
	defer c.Close()
	ctx, cancel := context.WithCancel(m.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	require.Eventually(m.t, func() bool { return h.Handled() >= n }, 20*time.Second, 2*time.Millisecond)
	cancel()
	require.NoError(m.t, <-done)
}

// cross commits the source group's offsets on the target, too far by some. With a source that was dense when it was copied
// the offsets are equal.
func (m *migration) cross(tooFar int64) {
	m.t.Helper()
	from, err := kgo.NewClient(kgo.SeedBrokers(m.source.Bootstrap...))
	require.NoError(m.t, err)
	defer from.Close()
	to, err := kgo.NewClient(kgo.SeedBrokers(m.target.Bootstrap...))
	require.NoError(m.t, err)
	defer to.Close()
	offsets, err := kadm.NewClient(from).FetchOffsets(m.t.Context(), m.group)
	require.NoError(m.t, err)
	commit := offsets.Offsets()
	for _, ps := range commit {
		for p, o := range ps {
			o.LeaderEpoch, o.At = -1, o.At+tooFar
			ps[p] = o
		}
	}
	require.NoError(m.t, kadm.NewClient(to).CommitAllOffsets(m.t.Context(), m.group, commit))
}

func (m *migration) judge(s Switch) Report { return m.judgeTopic(Topic{Name: "orders"}, s) }

func (m *migration) judgeTopic(topic Topic, s Switch) Report {
	m.t.Helper()
	require.NoError(m.t, m.journal.Close())
	entries, err := workload.ReadFiles(m.path)
	require.NoError(m.t, err)
	s.Group = m.group
	rep, err := Judge(m.t.Context(), Config{
		Run: "r", Source: m.source, Target: m.target, Entries: entries,
		Topics: []Topic{topic}, Groups: []Group{{Name: m.group, Topics: []string{"orders"}}},
		Switches: []Switch{s},
	})
	require.NoError(m.t, err)
	return rep
}

// run makes the whole migration: the group handles 150 records on the source and finds 150 more of them, and 100 that
// were written there, on the target.
func (m *migration) run(plant workload.Plant) Report {
	m.t.Helper()
	producing, handling := plant, workload.PlantNone
	if plant >= workload.PlantReprocess {
		producing, handling = handling, producing
	}
	m.produce(m.source, "first", workload.ProducerConfig{Count: 150, Codec: "zstd", Generator: workload.GeneratorConfig{Plant: producing}})
	first := int64(150)
	if plant == workload.PlantUnprocessed {
		first-- // the handler never counts it
	}
	m.consume(m.source, first, handling)
	m.produce(m.source, "second", workload.ProducerConfig{Count: 150, Codec: "gzip"})
	s := Switch{From: m.journal.Now()}
	m.copyOver(nil)
	m.cross(0)
	s.To = m.journal.Now()
	m.produce(m.target, "third", workload.ProducerConfig{Count: 100, Codec: "lz4"})
	m.consume(m.target, 250, workload.PlantNone)
	return m.judge(s)
}

// TestPlantedFaultsAreNamed: each fault by its kind and no other.
func TestPlantedFaultsAreNamed(t *testing.T) {
	for plant, kind := range map[workload.Plant]Kind{
		workload.PlantNone:        "",
		workload.PlantLoss:        Loss,
		workload.PlantDuplicate:   Duplicate,
		workload.PlantReorder:     Reorder,
		workload.PlantReprocess:   Reprocessed,
		workload.PlantUnprocessed: Unprocessed,
	} {
		t.Run(plant.String(), func(t *testing.T) {
			rep := newMigration(t).run(plant)
			require.Equal(t, kind == "", rep.OK(), rep.Table())
			if kind == "" {
				require.Equal(t, TopicCount{Topic: "orders", Sent: 400, Source: 300, Target: 400}, rep.Topics[0])
				require.Equal(t, GroupCount{Group: "billing", Handled: 400, Records: 400, Instances: 2}, rep.Groups[0])
				require.Positive(t, rep.Pauses[0].Partitions)
				require.Positive(t, rep.Pauses[0].Max)
				return
			}
			require.Len(t, rep.Findings, 1, rep.Table())
			require.Equal(t, kind, rep.Findings[0].Kind, rep.Table())
			require.Equal(t, 1, rep.Findings[0].Count, rep.Table())
			require.Contains(t, rep.Table(), "FAULT "+string(kind))
		})
	}
}

// TestACopyThatDropsOneIsNamed: by the record's place on the source.
func TestACopyThatDropsOneIsNamed(t *testing.T) {
	m := newMigration(t)
	m.produce(m.source, "before", workload.ProducerConfig{Count: 50})
	var dropped *kgo.Record
	m.copyOver(func(r *kgo.Record) bool {
		if dropped == nil && r.Offset == 3 {
			dropped = r
		}
		return dropped == r
	})
	m.consume(m.target, 49, workload.PlantNone)
	rep := m.judge(Switch{})
	require.Len(t, rep.Findings, 1, rep.Table())
	require.Equal(t, Loss, rep.Findings[0].Kind)
	require.Equal(t, workload.Place{Cluster: "source", Topic: "orders", Partition: dropped.Partition, Offset: 3}, rep.Findings[0].Examples[0].Place)
}

// behind counts the records of a cluster that the group has not come to, by its offsets there.
func (m *migration) behind(cluster workload.ClusterConfig) (n int64) {
	m.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Bootstrap...))
	require.NoError(m.t, err)
	defer client.Close()
	offsets, err := kadm.NewClient(client).FetchOffsets(m.t.Context(), m.group)
	require.NoError(m.t, err)
	require.NoError(m.t, ReadTopic(m.t.Context(), cluster, "orders", func(r *kgo.Record) {
		if o, ok := offsets.Lookup("orders", r.Partition); !ok || r.Offset >= o.At {
			n++
		}
	}))
	return n
}

// TestCleanedBeforeTheGroupCame: the source's cleaner takes records that were copied. A group that reads on there has skipped
// them by right; one that crosses to behind them has lost them, though nobody can see them on the source any more.
func TestCleanedBeforeTheGroupCame(t *testing.T) {
	for what, c := range map[string]struct {
		tooFar   int64
		readsOn  bool
		findings int
	}{
		"it reads on":        {0, true, 0},
		"it crosses":         {0, false, 0},
		"it crosses too far": {5, false, 1},
	} {
		t.Run(what, func(t *testing.T) {
			m, pair := newMigrationOf(t, map[string]string{"cleanup.policy": "compact"})
			m.produce(m.source, "first", workload.ProducerConfig{Count: 100})
			m.consume(m.source, 100, workload.PlantNone)
			for i := range 5 { // batches of their own: the last one is never cleaned
				m.produce(m.source, fmt.Sprint("more-", i), workload.ProducerConfig{Count: 60})
			}
			m.copyOver(nil)
			pair.Source.Kfake().Compact()
			left := m.behind(m.source)
			require.Less(t, left, int64(200), "the cleaner has taken some of 300")
			if c.readsOn {
				m.consume(m.source, left, workload.PlantNone)
			}
			m.cross(c.tooFar)
			m.produce(m.target, "last", workload.ProducerConfig{Count: 20})
			m.consume(m.target, m.behind(m.target), workload.PlantNone)
			rep := m.judgeTopic(Topic{Name: "orders", Compacted: true}, Switch{})
			require.Len(t, rep.Findings, c.findings, rep.Table())
			require.Equal(t, int(c.tooFar)*partitions, rep.Count(Unprocessed), rep.Table())
			if c.readsOn {
				require.Less(t, rep.Groups[0].Records, rep.Topics[0].Target, "some were never handled, and rightly so")
			}
		})
	}
}

// TestAbortedTransactionsAreNotMissed: nobody looks for what was aborted.
func TestAbortedTransactionsAreNotMissed(t *testing.T) {
	m := newMigration(t)
	m.produce(m.source, "tx", workload.ProducerConfig{Count: 120, Transactions: workload.Transactions{ID: "tx", AbortEvery: 4}})
	m.copyOver(nil)
	m.consume(m.target, 90, workload.PlantNone)
	rep := m.judge(Switch{})
	require.True(t, rep.OK(), rep.Table())
	require.Equal(t, TopicCount{Topic: "orders", Sent: 90, Aborted: 30, Source: 90, Target: 90}, rep.Topics[0])
}

// TestStrangeJournals: a judgement of which no entry is about the topics, by a slip in a name, is an error and no clean bill.
func TestStrangeJournals(t *testing.T) {
	m := newMigration(t)
	m.produce(m.source, "first", workload.ProducerConfig{Count: 5})
	require.NoError(t, m.journal.Close())
	entries, err := workload.ReadFiles(m.path)
	require.NoError(t, err)
	_, err = Judge(t.Context(), Config{Run: "another", Source: m.source, Target: m.target, Entries: entries, Topics: []Topic{{Name: "orders"}}})
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, `none of the 5 journal entries is of run "another"`)
}
