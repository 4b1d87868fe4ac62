package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/workload"
)

// shop is the migration of TestRealMigration: topics of several kinds, their groups and producers.
type shop struct {
	*bench
	topics   []oracle.Topic
	groups   []oracle.Group
	services map[string]service   // producers by instance
	live     map[string]producers // what they do
	// transactions is the producer without the SDK that writes payments in transactions.
	transactions *transactional
}

func newShop(b *bench) *shop {
	s := &shop{
		bench: b,
		topics: []oracle.Topic{
			{Name: "orders"}, {Name: "payments"}, {Name: "profiles", Compacted: true}, {Name: "clicks", Target: "clicks-eu"}, {Name: "archive"},
		},
		groups: []oracle.Group{
			{Name: "billing", Topics: []string{"orders", "payments"}}, {Name: "directory", Topics: []string{"profiles"}}, {Name: "analytics", Topics: []string{"clicks"}},
		},
		services: map[string]service{},
		live: map[string]producers{
			"web-0":    {topics: []string{"orders", "clicks"}, rate: 60, codec: "lz4"},
			"web-1":    {topics: []string{"orders", "clicks"}, rate: 60, codec: "zstd"},
			"mobile-0": {topics: []string{"clicks"}, rate: 30, codec: "none", flags: []string{"--keys", "0"}},
			"admin-0":  {topics: []string{"profiles"}, rate: 20, codec: "gzip", flags: []string{"--tombstones", "9"}},
		},
	}
	b.topic(source, "orders", 6, map[string]string{"retention.ms": "86400000"})
	b.topic(source, "payments", 4, nil)
	b.topic(source, "profiles", 4, map[string]string{"cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "500"})
	b.topic(source, "clicks", 6, nil)
	b.topic(source, "archive", 8, nil)
	return s
}

// history fills the source before the migration: all codecs, aborted transactions, compaction with holes, and enough bytes
// for workers to be seen at work.
func (s *shop) history() {
	s.t.Helper()
	var g errgroup.Group
	for i, codec := range workload.Codecs() {
		g.Go(func() error {
			return s.filling(source, workload.ProducerConfig{Codec: codec, Count: 600, Generator: workload.GeneratorConfig{
				Producer: "history-" + codec, Topics: []string{"orders", "clicks"}, Keys: 50, Headers: i, MinBytes: 50, MaxBytes: 2000, Seed: uint64(i)}})
		})
	}
	g.Go(func() error { return s.filling(source, s.paying("paid-before", 800, 50)) })
	g.Go(func() error {
		return s.filling(source, workload.ProducerConfig{Count: 64_000, Linger: 20 * time.Millisecond, Generator: workload.GeneratorConfig{
			Producer: "archivist", Topics: []string{"archive"}, Keys: 1000, MinBytes: 4000}})
	})
	require.NoError(s.t, g.Wait())
	for i := 0; s.count("profiles") >= 100*i; i++ { // until the cleaner has taken some
		s.fill(source, workload.ProducerConfig{Count: 100, Rate: 400, Codec: "snappy", Generator: workload.GeneratorConfig{
			Producer: fmt.Sprint("history-", i), Topics: []string{"profiles"}, Keys: 30, Tombstones: 7}})
	}
}

// count is how many records of a topic of the source can be read.
func (s *shop) count(topic string) (n int) {
	s.t.Helper()
	require.NoError(s.t, oracle.ReadTopic(s.t.Context(), s.cluster(source), topic, func(*kgo.Record) { n++ }))
	if n == 0 {
		return 1 // nothing was written yet
	}
	return n
}

// paying says how to write payments in transactions of some size, every fourth of which is aborted; 0 records never ends.
func (s *shop) paying(producer string, records int64, size int) workload.ProducerConfig {
	return workload.ProducerConfig{Count: records, Codec: "snappy",
		Generator:    workload.GeneratorConfig{Producer: producer, Topics: []string{"payments"}, Keys: 40, Headers: 1, MinBytes: 200},
		Transactions: workload.Transactions{ID: producer, Size: size, AbortEvery: 4}}
}

// transactional is a producer that runs until it is stopped.
type transactional struct {
	stop context.CancelFunc
	done chan error
}

func (s *shop) payOn(cluster, producer string) *transactional {
	s.t.Helper()
	journal, err := workload.OpenJournal(s.journal(producer))
	require.NoError(s.t, err)
	cfg := s.paying(producer, 0, 8)
	cfg.Rate = 40
	cfg.Generator.Run, cfg.Generator.Journal, cfg.Cluster = run, journal, s.cluster(cluster)
	p, err := workload.NewProducer(cfg)
	require.NoError(s.t, err)
	ctx, stop := context.WithCancel(s.t.Context())
	t := &transactional{stop: stop, done: make(chan error, 1)}
	go func() {
		err := p.Run(ctx)
		p.Close()
		t.done <- err
	}()
	return t
}

func (t *transactional) end(s *shop) {
	s.t.Helper()
	t.stop()
	require.NoError(s.t, <-t.done)
}

// open starts consumers and producers.
func (s *shop) open() {
	s.t.Helper()
	const latency = 20 * time.Millisecond
	for i := range 3 {
		s.consume(fmt.Sprint("billing-", i), consumers{groups: []string{"billing=orders,payments"}, latency: latency})
		s.consume(fmt.Sprint("analytics-", i), consumers{groups: []string{"analytics=clicks"}, latency: latency})
	}
	for i := range 2 {
		s.consume(fmt.Sprint("directory-", i), consumers{groups: []string{"directory=profiles"}, latency: latency})
	}
	for name, p := range s.live {
		s.services[name] = s.produce(name, p)
	}
	s.transactions = s.payOn(source, "paid-live")
	s.reading(groupNames(s.groups)...)
}

// burst leaves every group far behind: a switch finds records waiting and in hand.
func (s *shop) burst() {
	s.t.Helper()
	var g errgroup.Group
	g.Go(func() error {
		return s.filling(source, workload.ProducerConfig{Codec: "lz4", Count: 9000, Generator: workload.GeneratorConfig{Producer: "burst", Topics: []string{"orders", "clicks"}, Keys: 80}})
	})
	g.Go(func() error { return s.filling(source, s.paying("paid-burst", 3000, 50)) })
	g.Go(func() error {
		return s.filling(source, workload.ProducerConfig{Codec: "zstd", Count: 3000, Generator: workload.GeneratorConfig{Producer: "burst-profiles", Topics: []string{"profiles"}, Keys: 2500}})
	})
	require.NoError(s.t, g.Wait())
}

// lags are how far groups are behind on the source.
func (s *shop) lags() map[string]int64 {
	s.t.Helper()
	out := map[string]int64{}
	lags, err := s.admin(source).Lag(s.t.Context(), groupNames(s.groups)...)
	require.NoError(s.t, err)
	for name, l := range lags {
		require.NoError(s.t, l.Error())
		out[name] = l.Lag.Total()
	}
	return out
}

// copyWithACrash lets two workers copy, kills one half-way, starts another, and demands that each of the two has done a
// quarter of the work.
func (s *shop) copyWithACrash() {
	s.t.Helper()
	first, second := s.work("work-0"), s.work("work-1")
	s.eventually("both workers to share", func() bool {
		groups, err := s.admin(target).DescribeGroups(s.t.Context(), "portage-workers")
		return err == nil && len(groups["portage-workers"].Members) == 2 && groups["portage-workers"].State == "Stable"
	})
	total := s.size(source, names(s.topics)...)
	s.do("start", "shop")
	var done float64
	s.eventually("work-0 to have copied a quarter", func() bool {
		done = first.copied()
		return done >= 0.26*total
	})
	first.kill()
	require.Less(s.t, done+second.copied(), 0.95*total, "the copy was over before a worker was killed")
	third := s.work("work-2")
	s.counted("shop", "all topics synced", func(c fsm.Count) bool { return c.Synced == len(s.topics) })
	shares := fmt.Sprintf("of %.0f MB work-0 copied %.0f %% until it was killed, work-1 %.0f %%, work-2 %.0f %%",
		total/1e6, 100*done/total, 100*second.copied()/total, 100*third.copied()/total)
	s.t.Log(shares)
	require.GreaterOrEqual(s.t, second.copied(), 0.25*total, shares)
}

// rollOut restarts every producer; the new processes find the target.
func (s *shop) rollOut() {
	s.t.Helper()
	s.transactions.end(s)
	s.approve("shop", events.StepWriters)
	s.counted("shop", "producers may move", func(c fsm.Count) bool { return c.Moved == len(s.topics)+len(s.groups) })
	for name, p := range s.live {
		old := s.services[name]
		old.stop()
		s.services[name] = s.produce(name, p)
	}
	s.counted("shop", "all writers on the target", func(c fsm.Count) bool { return c.Writers == len(s.topics) })
	s.transactions = s.payOn(target, "paid-after")
	s.counted("shop", "every source quiet", func(c fsm.Count) bool { return c.Quiet == len(s.topics) })
}

// TestRealMigration takes a shop from Apache Kafka 3.9.2 to 4.3.1 while it is open, by the command line alone.
func TestRealMigration(t *testing.T) {
	b := realBench(t, realkafka.Options{}, realkafka.Options{})
	s := newShop(b)
	s.history()
	b.init()
	serve := b.serve("", "--no-worker")
	s.open()
	plan := b.plan("shop", []string{"orders", "payments", "profiles", "clicks→clicks-eu", "archive"}, groupNames(s.groups), "quiet: 2s, silent: 30s")
	b.do("doctor")
	b.do("preflight", "-f", plan)
	b.do("create", "-f", plan)
	s.copyWithACrash()
	s.burst()
	lags := s.lags()
	for _, g := range s.groups {
		require.GreaterOrEqual(t, lags[g.Name], int64(1000), "%s is to be behind when its switch starts", g.Name)
	}
	t.Logf("records behind when the switch starts: %v", lags)
	b.approve("shop", events.StepReaders)
	b.counted("shop", "all groups on the target", func(c fsm.Count) bool { return c.Readers == len(s.groups) })
	s.rollOut()
	quiet := b.ends(source, names(s.topics)...)
	for _, p := range s.services {
		p.stop()
	}
	s.transactions.end(s)
	b.drained(s.topics, s.groups)
	b.do("complete", "shop")
	b.phase("shop", events.PhaseFinished)
	require.Equal(t, quiet, b.ends(source, names(s.topics)...), "the source is quiet")
	s.finished()
	report := b.judge("shop", verdict{topics: s.topics, groups: s.groups})
	for _, topic := range report.Topics {
		require.Zero(t, topic.Unjournalled, "every record of %s was judged", topic.Topic)
	}
	s.audited(serve)
}

// finished demands what `portage status` and the target show of a finished migration.
func (s *shop) finished() {
	s.t.Helper()
	var status struct {
		Migration fsm.Migration
		Topics    []fsm.Topic
		Groups    []fsm.Group
	}
	s.json(&status, "status", "shop")
	require.Equal(s.t, events.PhaseFinished, status.Migration.Phase)
	require.Len(s.t, status.Topics, len(s.topics))
	for _, t := range status.Topics {
		require.Equal(s.t, []events.Phase{events.PhaseFinished, events.PhaseOnTarget, events.PhaseQuiet}, []events.Phase{t.Copy, t.Writers, t.Retire}, t.Topic)
		require.Empty(s.t, t.Strays, t.Topic)
	}
	require.Len(s.t, status.Groups, len(s.groups))
	for _, g := range status.Groups {
		require.Equal(s.t, events.PhaseOnTarget, g.Readers, g.Group)
		require.Empty(s.t, g.Abandoned, g.Group)
	}
	configs, err := s.admin(target).DescribeTopicConfigs(s.t.Context(), "profiles", "orders")
	require.NoError(s.t, err)
	have := map[string]string{}
	for _, topic := range configs {
		for _, c := range topic.Configs {
			have[topic.Name+" "+c.Key] = c.MaybeValue()
		}
	}
	require.Equal(s.t, "compact", have["profiles cleanup.policy"])
	require.Equal(s.t, "86400000", have["orders retention.ms"])
}

// audited demands that a replay comes to the digests of the command line's projection and of the orchestrator's, also when
// the log was compacted meanwhile.
func (s *shop) audited(serve *process) {
	s.t.Helper()
	before := s.replayed("shop")
	serve.stop()
	require.Equal(s.t, before, s.stored("shop"), "the orchestrator's own projection")
	s.compacted()
	after := s.replayed("shop")
	require.Equal(s.t, before, after, "compaction changes nothing")
}

// stored are the digests in the orchestrator's store.
func (s *shop) stored(migration string) digests {
	s.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.dir, "data", "serve", "*"))
	require.NoError(s.t, err)
	require.Len(s.t, dirs, 1)
	store, err := projector.Open(projector.Options{Dir: dirs[0]})
	require.NoError(s.t, err)
	defer store.Close()
	v := store.View()
	defer v.Close()
	d, ok := v.Digests(migration)
	require.True(s.t, ok)
	return digests{Migration: d.Migration, Log: d.Log.String(), State: d.State.String(), Events: d.Events, Position: d.Position}
}

// compacted lets the broker clean portage.events and shows that it did: of two foreign records with one key the first is
// gone.
func (s *shop) compacted() {
	s.t.Helper()
	ctx := s.t.Context()
	admin := s.admin(target)
	var set []kadm.AlterConfig
	for k, v := range map[string]string{"segment.ms": "500", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1000"} {
		set = append(set, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: kadm.StringPtr(v)})
	}
	_, err := admin.AlterTopicConfigs(ctx, set, events.TopicEvents)
	require.NoError(s.t, err)
	client, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap[target]...), kgo.DefaultProduceTopic(events.TopicEvents))
	require.NoError(s.t, err)
	defer client.Close()
	plant := func(key string) int64 {
		r, err := client.ProduceSync(ctx, kgo.KeyStringRecord(key, "planted")).First()
		require.NoError(s.t, err)
		return r.Offset
	}
	gone, kept := plant("planted"), plant("planted")
	n := 0
	s.eventually("the cleaner to take a planted record", func() bool {
		n++
		plant(fmt.Sprint("more-", n)) // segments roll when something is appended
		have := map[int64]bool{}
		require.NoError(s.t, oracle.ReadTopic(ctx, s.cluster(target), events.TopicEvents, func(r *kgo.Record) { have[r.Offset] = true }))
		require.True(s.t, have[kept])
		return !have[gone]
	})
	s.t.Logf("the cleaner took the record at %d of portage.events; the one at %d, of the same key, stands", gone, kept)
	out := s.do("events", "--odd")
	require.Contains(s.t, out, fmt.Sprint(kept), "foreign records are shown")
	_, err = os.Stat(filepath.Join(s.dir, "data", "cli"))
	require.NoError(s.t, err, "the command line keeps a projection of its own")
}
