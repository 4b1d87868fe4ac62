package oracle

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/workload"
)

func cluster(t *testing.T, o embedded.Options) (*embedded.Cluster, workload.ClusterConfig) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	o.Source.Topics = []embedded.Topic{{Name: "orders", Partitions: 3}}
	c := embedded.ForTest(t, o).Source
	return c, workload.ClusterConfig{Name: c.Name(), Bootstrap: c.Bootstrap()}
}

func client(t *testing.T, c workload.ClusterConfig, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(c.Bootstrap...), kgo.DefaultProduceTopic("orders"), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	cl, err := kgo.NewClient(opts...)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// read returns the offsets that were read, by partition.
func read(t *testing.T, c workload.ClusterConfig) (map[int32][]int64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := map[int32][]int64{}
	err := ReadTopic(ctx, c, "orders", func(r *kgo.Record) { got[r.Partition] = append(got[r.Partition], r.Offset) })
	return got, err
}

func TestReadsAllOfEveryPartition(t *testing.T) {
	_, c := cluster(t, embedded.Options{Brokers: 3})
	cl := client(t, c, kgo.ProducerBatchMaxBytes(100_000))
	big := make([]byte, 90_000) // several fetches per partition
	want := map[int32][]int64{}
	for i := range 120 {
		p := int32(i % 2) // the third one stays empty
		require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Partition: p, Value: big}).FirstErr())
		want[p] = append(want[p], int64(i/2))
	}
	got, err := read(t, c)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestReadsOverAnAbortedEnd(t *testing.T) {
	_, c := cluster(t, embedded.Options{})
	cl := client(t, c, kgo.TransactionalID("tx"))
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		require.NoError(t, cl.BeginTransaction())
		require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Value: []byte("a")}, &kgo.Record{Value: []byte("b")}).FirstErr())
		require.NoError(t, cl.EndTransaction(t.Context(), commit))
	}
	got, err := read(t, c)
	require.NoError(t, err)
	require.Equal(t, map[int32][]int64{0: {0, 1}}, got, "the log ends in an aborted batch and a marker")

	require.NoError(t, cl.BeginTransaction())
	require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Value: []byte("c")}).FirstErr())
	_, err = read(t, c)
	require.ErrorIs(t, err, ErrOpenTransaction)
	require.ErrorContains(t, err, "partition 0 is stable up to 6 and ends at 7")
	require.NoError(t, cl.EndTransaction(t.Context(), kgo.TryAbort))
}

func TestReadsThroughPassingErrors(t *testing.T) {
	e, c := cluster(t, embedded.Options{Brokers: 3})
	require.NoError(t, client(t, c).ProduceSync(t.Context(), &kgo.Record{Value: []byte("a")}, &kgo.Record{Value: []byte("b")}).FirstErr())
	failures := 0
	e.Kfake().ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		e.Kfake().KeepControl()
		failures++
		if failures > 3 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range req.(*kmsg.FetchRequest).Topics {
			out := kmsg.FetchResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
			for _, p := range t.Partitions {
				out.Partitions = append(out.Partitions, kmsg.FetchResponseTopicPartition{Partition: p.Partition, ErrorCode: kerr.NotLeaderForPartition.Code})
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp, nil, true
	})
	got, err := read(t, c)
	require.NoError(t, err)
	require.Equal(t, map[int32][]int64{0: {0, 1}}, got)
	require.Greater(t, failures, 3)
}

func TestReadFailuresSayWhatAndWhere(t *testing.T) {
	_, c := cluster(t, embedded.Options{})
	err := ReadTopic(t.Context(), c, "nowhere", func(*kgo.Record) {})
	require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
	require.ErrorContains(t, err, "oracle: read topic nowhere of source")
	_, err = Judge(t.Context(), Config{Run: "r", Target: c, Topics: []Topic{{Name: "orders", Target: "gone"}}})
	require.ErrorContains(t, err, "oracle: read topic gone of source")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, ReadTopic(ctx, c, "orders", func(*kgo.Record) {}), context.Canceled)
}

// Two clients that share nothing count the same.
func TestKcatCountsTheSame(t *testing.T) {
	m := newMigration(t)
	m.produce(m.source, "tx", workload.ProducerConfig{Count: 60, Codec: "gzip", Transactions: workload.Transactions{ID: "tx", AbortEvery: 3}})
	m.produce(m.source, "plain", workload.ProducerConfig{Count: 100, Codec: "snappy"})
	n, err := Kcat(t.Context(), m.source.Bootstrap, "orders")
	if errors.Is(err, ErrNoKcat) {
		t.Skip(err)
	}
	require.NoError(t, err)
	ours := int64(0)
	require.NoError(t, ReadTopic(t.Context(), m.source, "orders", func(*kgo.Record) { ours++ }))
	require.Equal(t, ours, n)
	require.EqualValues(t, 140, n)
}

func TestWithoutKcat(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Kcat(t.Context(), []string{"127.0.0.1:1"}, "orders")
	require.ErrorIs(t, err, ErrNoKcat)
}
