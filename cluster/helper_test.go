package cluster_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bootstrapVariable names a real cluster to run those tests against that need no control over the brokers.
const bootstrapVariable = "PORTAGE_TEST_BOOTSTRAP"

// anyKafka returns a client of a cluster of any kind: the one named in the environment, or an embedded one.
func anyKafka(t *testing.T) *cluster.Client {
	t.Helper()
	if real() {
		return open(t, cluster.Config{Bootstrap: strings.Split(os.Getenv(bootstrapVariable), ",")})
	}
	_, c := embedded(t)
	return c
}

// real says that anyKafka returns a real cluster: the embedded one is more lenient in places.
func real() bool { return os.Getenv(bootstrapVariable) != "" }

// embedded returns an embedded cluster of three brokers and a client of it.
func embedded(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *cluster.Client) {
	t.Helper()
	k := brokers(t, opts...)
	return k, open(t, config(k))
}

// patient is embedded where waiting ends well: machines may be busy.
func patient(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *cluster.Client) {
	t.Helper()
	k := brokers(t, opts...)
	cfg := config(k)
	cfg.Settle, cfg.RequestTimeout = 20*time.Second, 20*time.Second
	return k, open(t, cfg)
}

func brokers(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

func config(k *kfake.Cluster) cluster.Config {
	return cluster.Config{Bootstrap: k.ListenAddrs(), Settle: 500 * time.Millisecond, RequestTimeout: 5 * time.Second}
}

func open(t *testing.T, cfg cluster.Config) *cluster.Client {
	t.Helper()
	c, err := cluster.Open(within(t), "a", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var serial atomic.Int64

// unique makes a name that no earlier run on the same cluster used.
func unique(prefix string) string {
	return fmt.Sprintf("%s-%d-%d", prefix, time.Now().UnixNano(), serial.Add(1))
}

// topic creates a topic for the test and returns its name. The records of tests are old, so they are kept for ever.
func topic(t *testing.T, c *cluster.Client, partitions int32, configs ...string) string {
	t.Helper()
	spec := cluster.TopicSpec{Name: unique("topic"), Partitions: partitions, Configs: map[string]string{"retention.ms": "-1"}}
	for i := 0; i < len(configs); i += 2 {
		spec.Configs[configs[i]] = configs[i+1]
	}
	require.NoError(t, c.CreateTopic(within(t), spec))
	t.Cleanup(func() { _ = c.DeleteTopic(within(t), spec.Name) })
	return spec.Name
}

func built(t *testing.T, s batch.Spec, values ...string) batch.Batch {
	t.Helper()
	records := make([]batch.Record, len(values))
	for i, v := range values {
		records[i] = batch.Record{Timestamp: 1000 + int64(i), Key: []byte("k" + v), Value: []byte(v)}
	}
	b, err := batch.Build(s, records)
	require.NoError(t, err)
	return b
}

func appendValues(t *testing.T, c *cluster.Client, topic string, partition int32, values ...string) int64 {
	t.Helper()
	var base int64
	require.Eventually(t, func() bool { // a leader may not know of a topic that was just created
		var err error
		base, err = c.Append(within(t), topic, partition, built(t, batch.Spec{}, values...))
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	return base
}

func values(records []cluster.Record) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return out
}
