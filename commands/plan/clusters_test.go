package plan_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/testkit/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a pair of clusters: old and new, the latter also as other.
type world struct {
	t    *testing.T
	ctx  context.Context
	pair *embedded.Pair
	old  *cluster.Client
	open map[string]*cluster.Client
}

func start(t *testing.T, o embedded.Options) *world {
	pair := embedded.ForTest(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, pair: pair, open: make(map[string]*cluster.Client)}
	for name, side := range map[string]*embedded.Cluster{"old": pair.Source, "again": pair.Source, "new": pair.Target, "other": pair.Target} {
		c, err := cluster.Open(ctx, name, cluster.Config{Bootstrap: side.Bootstrap()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		w.open[name] = c
	}
	w.old = w.open["old"]
	return w
}

func (w *world) clusters(_ context.Context, name string) (plan.Cluster, error) {
	if c, ok := w.open[name]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("cluster %q is not configured", name)
}

func (w *world) client(side *embedded.Cluster, opts ...kgo.Opt) *kgo.Client {
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(side.Bootstrap()...)}, opts...)...)
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

// write produces records to a partition.
func (w *world) write(side *embedded.Cluster, topic string, partition int32, n int) {
	c := w.client(side, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for range n {
		require.NoError(w.t, c.ProduceSync(w.ctx, &kgo.Record{Topic: topic, Partition: partition, Value: []byte("x")}).FirstErr())
	}
}

// commit commits an offset of a group without members.
func (w *world) commit(group, topic string, partition int32, at int64) {
	var offsets kadm.Offsets
	offsets.AddOffset(topic, partition, at, -1)
	_, err := kadm.NewClient(w.client(w.pair.Source)).CommitOffsets(w.ctx, group, offsets)
	require.NoError(w.t, err)
}

// parse is a plan file that is right by itself.
func parse(t *testing.T, file string) *plan.Plan {
	t.Helper()
	p, err := plan.Parse([]byte(file))
	require.NoError(t, err)
	return p
}
