package workload

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

// broker starts a cluster with topics "orders" (4 partitions) and "bills" (1, compacted).
func broker(t *testing.T) ClusterConfig {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"), kfake.SeedTopics(1, "bills"))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return ClusterConfig{Name: "source", Bootstrap: c.ListenAddrs()}
}

func journal(t *testing.T, name string) (*Journal, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	j, err := OpenJournal(path)
	require.NoError(t, err)
	return j, path
}

// produce runs a producer to its end and closes it.
func produce(t *testing.T, cfg ProducerConfig) *Producer {
	t.Helper()
	p, err := NewProducer(cfg)
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.Run(context.Background()))
	return p
}

// consume runs one plain group member until it has handled n records.
func consume(t *testing.T, cluster ClusterConfig, group string, n int64, topics ...string) []Entry {
	t.Helper()
	j, path := journal(t, group)
	h, err := NewHandler(HandlerConfig{Group: group, Instance: "i-1", Journal: j})
	require.NoError(t, err)
	c, err := NewConsumer(ConsumerConfig{Cluster: cluster, Topics: topics, Handler: h})
	require.NoError(t, err)
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	require.Eventually(t, func() bool { return h.Handled() >= n }, 20*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, j.Close())
	entries, err := ReadFiles(path)
	require.NoError(t, err)
	return entries
}

// Every codec, with headers and tombstones: what was acknowledged is what is handled, at the same places.
func TestProducedIsConsumed(t *testing.T) {
	cluster := broker(t)
	j, path := journal(t, "producers")
	const each = 200
	for i, codec := range Codecs() {
		p := produce(t, ProducerConfig{
			Generator: GeneratorConfig{Run: "r", Producer: "p-" + codec, Topics: []string{"orders", "bills"}, Keys: 7, MaxBytes: 300, Headers: 5, Tombstones: 9, Seed: uint64(i), Journal: j},
			Cluster:   cluster, Count: each, Codec: codec,
		})
		require.EqualValues(t, each, p.Acked())
	}
	require.NoError(t, j.Close())
	sent, err := ReadFiles(path)
	require.NoError(t, err)
	require.Len(t, sent, each*len(Codecs()))

	places := map[ID]map[string]Place{}
	for _, e := range sent {
		require.Equal(t, KindSent, e.Kind)
		if places[e.ID] == nil {
			places[e.ID] = map[string]Place{}
		}
		places[e.ID][e.Topic] = e.Place
	}
	handled := consume(t, cluster, "billing", each*int64(len(Codecs())), "orders", "bills")
	seen := 0
	for _, e := range handled {
		if e.Kind == KindHandled {
			seen++
			require.Equal(t, places[e.ID][e.Topic], e.Place)
		}
	}
	require.Equal(t, len(sent), seen)
}

func TestTransactionsCommitAndAbort(t *testing.T) {
	cluster := broker(t)
	j, path := journal(t, "producer")
	p := produce(t, ProducerConfig{
		Generator: GeneratorConfig{Run: "r", Producer: "p", Topics: []string{"orders"}, Keys: 5, Journal: j},
		Cluster:   cluster, Count: 100, Transactions: Transactions{ID: "tx", Size: 10, AbortEvery: 3},
	})
	require.NoError(t, j.Close())
	entries, err := ReadFiles(path)
	require.NoError(t, err)
	count := map[Kind]int{}
	for _, e := range entries {
		count[e.Kind]++
		require.GreaterOrEqual(t, e.Offset, int64(0))
	}
	require.Equal(t, map[Kind]int{KindSent: 70, KindAborted: 30}, count)
	require.EqualValues(t, 70, p.Acked())
	require.EqualValues(t, 100, p.Sent())
	handled := 0
	for _, e := range consume(t, cluster, "billing", 70, "orders") {
		if e.Kind == KindHandled {
			handled++
		}
	}
	require.Equal(t, 70, handled, "the aborted ones are not read")
}

func TestRateAndStop(t *testing.T) {
	cluster := broker(t)
	j, _ := journal(t, "producer")
	p, err := NewProducer(ProducerConfig{
		Generator: GeneratorConfig{Run: "r", Producer: "p", Topics: []string{"orders"}, Keys: 5, Journal: j},
		Cluster:   cluster, Rate: 2000,
	})
	require.NoError(t, err)
	defer p.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done, start := make(chan error, 1), time.Now()
	go func() { done <- p.Run(ctx) }()
	require.Eventually(t, func() bool { return p.Acked() >= 1000 }, 20*time.Second, time.Millisecond)
	took := time.Since(start)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, p.Sent(), p.Acked(), "the end waits for every answer")
	require.GreaterOrEqual(t, took, 450*time.Millisecond, "1,000 records at 2,000 per second")
	require.NoError(t, j.Close())
}

func TestUnansweredSendsAreUnknown(t *testing.T) {
	cluster := broker(t)
	j, path := journal(t, "producer")
	p, err := NewProducer(ProducerConfig{
		Generator: GeneratorConfig{Run: "r", Producer: "p", Topics: []string{"nowhere"}, Keys: 5, Journal: j},
		Cluster:   cluster, Count: 3,
	})
	require.NoError(t, err)
	defer p.Close()
	require.ErrorContains(t, p.Run(context.Background()), "send p/key-")
	require.NoError(t, j.Close())
	entries, err := ReadFiles(path)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	for _, e := range entries {
		require.Equal(t, KindUnknown, e.Kind)
	}
}

func TestClientConfigs(t *testing.T) {
	h, _ := handler(t, HandlerConfig{})
	cluster := ClusterConfig{Name: "source", Bootstrap: []string{"127.0.0.1:1"}}
	producer := ProducerConfig{Cluster: cluster, Generator: GeneratorConfig{Run: "r", Producer: "p", Topics: []string{"t"}, Journal: NewJournal(nil)}}
	require.NoError(t, producer.Validate())
	for field, spoil := range map[string]func(*ProducerConfig){
		"Run is":          func(c *ProducerConfig) { c.Generator.Run = "" },
		"Cluster.Name is": func(c *ProducerConfig) { c.Cluster.Name = "" },
		"Rate":            func(c *ProducerConfig) { c.Rate = -1 },
		`Codec is "lzma"`: func(c *ProducerConfig) { c.Codec = "lzma" },
		"has no ID":       func(c *ProducerConfig) { c.Transactions.Size = 3 },
	} {
		c := producer
		spoil(&c)
		_, err := NewProducer(c)
		require.ErrorIs(t, err, ErrConfig, field)
		require.ErrorContains(t, err, field)
	}
	consumer := ConsumerConfig{Cluster: cluster, Topics: []string{"t"}, Handler: h}
	require.NoError(t, consumer.Validate())
	for field, spoil := range map[string]func(*ConsumerConfig){
		"Cluster.Bootstrap":       func(c *ConsumerConfig) { c.Cluster.Bootstrap = nil },
		"a consumer needs Topics": func(c *ConsumerConfig) { c.Topics = nil },
		"a Handler":               func(c *ConsumerConfig) { c.Handler = nil },
	} {
		c := consumer
		spoil(&c)
		_, err := NewConsumer(c)
		require.ErrorIs(t, err, ErrConfig, field)
		require.ErrorContains(t, err, field)
	}
}

// BenchmarkProduce sends as fast as an embedded broker takes it.
func BenchmarkProduce(b *testing.B) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"))
	require.NoError(b, err)
	defer c.Close()
	j, err := OpenJournal(filepath.Join(b.TempDir(), "journal"))
	require.NoError(b, err)
	p, err := NewProducer(ProducerConfig{
		Generator: GeneratorConfig{Run: "r", Producer: "p", Topics: []string{"orders"}, Keys: 1000, Headers: 2, Journal: j},
		Cluster:   ClusterConfig{Name: "source", Bootstrap: c.ListenAddrs()}, Count: int64(b.N),
	})
	require.NoError(b, err)
	defer p.Close()
	b.ResetTimer()
	require.NoError(b, p.Run(context.Background()))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
