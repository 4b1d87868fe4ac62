package cluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
)

func TestSmoke(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(3))
	require.NoError(t, err)
	defer k.Close()
	ctx := context.Background()
	c, err := cluster.Open(ctx, "a", cluster.Config{Bootstrap: k.ListenAddrs()})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.CreateTopic(ctx, cluster.TopicSpec{Name: "t", Partitions: 6, ReplicationFactor: 3}))
	b, err := batch.Build(batch.Spec{}, []batch.Record{{Timestamp: 1, Value: []byte("x")}})
	require.NoError(t, err)
	for p := range int32(6) {
		base, err := c.Append(ctx, "t", p, b)
		require.NoError(t, err)
		require.EqualValues(t, 0, base)
		page, err := c.Read(ctx, "t", p, 0, cluster.ReadOptions{Wait: time.Second, Committed: true})
		require.NoError(t, err)
		require.Len(t, page.Records, 1)
	}
	ends, err := c.ListOffsets(ctx, "t", []int32{0, 1, 2, 3, 4, 5}, cluster.Latest)
	require.NoError(t, err)
	require.Len(t, ends, 6)
	_, err = c.Offsets(ctx, "g", true, nil)
	require.NoError(t, err)
	_, err = c.Groups(ctx)
	require.NoError(t, err)
	err = c.CreateTopic(ctx, cluster.TopicSpec{Name: "t", Partitions: 6, ReplicationFactor: 3})
	require.ErrorIs(t, err, cluster.ErrTopicExists)
	t.Log(err, c.ID())
	_, err = c.Read(ctx, "t", 0, 100, cluster.ReadOptions{})
	t.Log(err)
	require.ErrorIs(t, err, cluster.ErrOffsetOutOfRange)
}
