package realkafka

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, c *Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Bootstrap(Internal)...)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// roundTrip creates a topic, writes a record to each partition, and reads them back.
func roundTrip(t *testing.T, client *kgo.Client, topic string, partitions int32) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	_, err := kadm.NewClient(client).CreateTopic(ctx, partitions, -1, nil, topic)
	require.NoError(t, err)
	for p := range partitions {
		rec := &kgo.Record{Topic: topic, Partition: p, Value: fmt.Appendf(nil, "v%d", p)}
		require.NoError(t, client.ProduceSync(ctx, rec).FirstErr())
	}
	readBack(t, client, topic, partitions)
}

func readBack(t *testing.T, client *kgo.Client, topic string, partitions int32) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	client.AddConsumeTopics(topic)
	got := map[int32]string{}
	for len(got) < int(partitions) {
		fetches := client.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { got[r.Partition] = string(r.Value) })
	}
	for p := range partitions {
		require.Equal(t, fmt.Sprintf("v%d", p), got[p])
	}
}

func manual() kgo.Opt { return kgo.RecordPartitioner(kgo.ManualPartitioner()) }

func TestRealOneBroker(t *testing.T) {
	for _, version := range Pinned() {
		t.Run(version, func(t *testing.T) {
			began := time.Now()
			c := ForTest(t, Options{Version: version})
			t.Logf("started in %v", time.Since(began).Round(10*time.Millisecond))
			meta, err := kadm.NewClient(dial(t, c)).Metadata(within(t, 10*time.Second))
			require.NoError(t, err)
			require.Equal(t, c.ID(), meta.Cluster)
			roundTrip(t, dial(t, c, manual()), "orders", 3)
		})
	}
}

func TestRealThreeBrokers(t *testing.T) {
	for _, version := range Pinned() {
		t.Run(version, func(t *testing.T) {
			began := time.Now()
			c := ForTest(t, Options{Version: version, Brokers: 3})
			t.Logf("started in %v", time.Since(began).Round(10*time.Millisecond))
			client := dial(t, c, manual())
			roundTrip(t, client, "orders", 6)
			topics, err := kadm.NewClient(client).ListTopics(within(t, 10*time.Second), "orders")
			require.NoError(t, err)
			leaders := map[int32]bool{}
			for _, p := range topics["orders"].Partitions {
				require.Len(t, p.Replicas, 3)
				leaders[p.Leader] = true
			}
			require.Len(t, leaders, 3)
		})
	}
}

func TestRealKillAndRestartKeepData(t *testing.T) {
	for _, version := range []string{Oldest, Target} {
		t.Run(version, func(t *testing.T) { restarted(t, version) })
	}
}

func restarted(t *testing.T, version string) {
	c := ForTest(t, Options{Version: version})
	roundTrip(t, dial(t, c, manual()), "orders", 2)
	for _, sig := range []os.Signal{os.Kill, terminate()} {
		require.NoError(t, c.Kill(1, sig))
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		require.Error(t, dial(t, c).Ping(short), "nobody answers after %v", sig)
		cancel()
		require.NoError(t, c.Restart(within(t, time.Minute), 1))
		readBack(t, dial(t, c), "orders", 2)
	}
	require.NoError(t, c.Restart(within(t, time.Minute), 1), "a running broker is stopped first")
	readBack(t, dial(t, c), "orders", 2)
}

func TestRealThreeBrokersOutliveOne(t *testing.T) {
	c := ForTest(t, Options{Version: Source, Brokers: 3})
	client := dial(t, c, manual())
	roundTrip(t, client, "orders", 3)
	require.NoError(t, c.Kill(2, os.Kill))
	ctx := within(t, 30*time.Second)
	for p := range int32(3) { // the partition that broker 2 led has another leader soon
		require.NoError(t, client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: p, Value: []byte("after")}).FirstErr())
	}
	require.NoError(t, c.Restart(within(t, time.Minute), 2))
	meta, err := kadm.NewClient(dial(t, c)).Metadata(within(t, 10*time.Second))
	require.NoError(t, err)
	require.Len(t, meta.Brokers, 3)
}

func TestRealFetchFromMaven(t *testing.T) {
	Require(t)
	dir := filepath.Join(t.TempDir(), "libs")
	require.NoError(t, fetch(within(t, 10*time.Minute), Target, dir))
	require.True(t, complete(dir, Target))
	require.NoError(t, moveIn(dir, filepath.Join(t.TempDir(), "again"), Target))
	err := fetch(within(t, 10*time.Minute), "0.0.0", filepath.Join(t.TempDir(), "libs"))
	require.ErrorContains(t, err, "org.apache.kafka:kafka_2.13:jar:0.0.0", "Maven's words are in the error")
}

func TestRealPortTakenMeanwhileIsTriedAgain(t *testing.T) {
	Require(t)
	o := Options{}.withDefaults()
	c, err := prepare(o)
	require.NoError(t, err)
	defer c.Stop()
	l, err := net.Listen("tcp", c.Bootstrap(Internal)[0])
	require.NoError(t, err)
	defer l.Close()
	require.ErrorContains(t, c.boot(within(t, time.Minute)), portTaken, "Start looks for these words to try other ports")
}

func TestRealPauseFreezesAndResumeThaws(t *testing.T) {
	c := ForTest(t, Options{})
	client := dial(t, c)
	require.NoError(t, client.Ping(within(t, 10*time.Second)))
	require.NoError(t, c.Pause(1))
	short, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	require.Error(t, client.Ping(short))
	require.NoError(t, c.Resume(1))
	require.NoError(t, dial(t, c).Ping(within(t, 30*time.Second)))
}

func TestRealBadSettingFailsWithTheBrokersWords(t *testing.T) {
	Require(t)
	_, err := Start(within(t, time.Minute), Options{Properties: map[string]string{"log.retention.ms": "often"}})
	require.ErrorContains(t, err, "log.retention.ms")
	_, err = Start(within(t, time.Minute), Options{Properties: map[string]string{"num.io.threads": "0"}})
	require.ErrorContains(t, err, "num.io.threads")
}
