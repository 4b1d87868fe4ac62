package cluster_test

import (
	"testing"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestBrokersOfEveryAge runs every method against brokers that offer what old and new releases offered.
func TestBrokersOfEveryAge(t *testing.T) {
	for _, release := range []struct {
		name     string
		versions *kversion.Versions
		ids      bool // metadata has topic ids (2.8)
		stable   bool // stable offset fetch (2.5)
		alter    bool // incremental configs (2.3)
		types    bool // group types (3.8)
	}{
		{"1.0", kversion.V1_0_0(), false, false, false, false},
		{"2.1", kversion.V2_1_0(), false, false, false, false},
		{"2.4", kversion.V2_4_0(), false, false, true, false},
		{"2.8", kversion.V2_8_0(), true, true, true, false},
		{"3.6", kversion.V3_6_0(), true, true, true, false},
		{"3.9", kversion.V3_9_0(), true, true, true, true},
		{"newest", kversion.Stable(), true, true, true, true},
	} {
		t.Run(release.name, func(t *testing.T) {
			_, c := embedded(t, kfake.MaxVersions(release.versions))
			ctx := within(t)
			require.NoError(t, c.CreateTopic(ctx, cluster.TopicSpec{Name: "t", Partitions: 2, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "-1"}}))
			topics, err := c.Topics(ctx, "t")
			require.NoError(t, err)
			require.Equal(t, release.ids, topics["t"].ID != [16]byte{})
			require.Len(t, topics["t"].Partitions, 2)

			id, epoch, err := c.InitProducerID(ctx)
			require.NoError(t, err)
			_, err = c.Append(ctx, "t", 1, built(t, batch.Spec{Codec: batch.Gzip, Producer: &batch.Producer{ID: id, Epoch: epoch}}, "a", "b"))
			require.NoError(t, err)
			page, err := c.Read(ctx, "t", 1, 1, cluster.ReadOptions{Committed: true})
			require.NoError(t, err)
			require.Equal(t, []string{"b"}, values(page.Records))
			for _, at := range []int64{cluster.Latest, cluster.Stable} {
				ends, err := c.ListOffsets(ctx, "t", []int32{0, 1}, at)
				require.NoError(t, err)
				require.Equal(t, map[int32]int64{0: 0, 1: 2}, ends)
			}

			configs, err := c.TopicConfigs(ctx, "t")
			require.NoError(t, err)
			require.Equal(t, cluster.ConfigValue{Value: "-1"}, configs["retention.ms"])
			require.True(t, configs["cleanup.policy"].Default)
			err = c.AlterTopicConfigs(ctx, "t", map[string]string{"retention.ms": "5"}, nil)
			requireOr(t, release.alter, err)

			commit(t, c, "g", "", -1, "t", map[int32]int64{1: 2})
			_, err = c.Offsets(ctx, "g", true, nil)
			requireOr(t, release.stable, err)
			offsets, err := c.Offsets(ctx, "g", false, nil)
			require.NoError(t, err)
			require.EqualValues(t, 2, offsets["t"][1].At)
			group, err := c.DescribeGroup(ctx, "g")
			require.NoError(t, err)
			require.Equal(t, "Empty", group.State)
			listed, err := c.Groups(ctx)
			require.NoError(t, err)
			require.Len(t, listed, 1)
			require.Equal(t, release.types, listed[0].Type == "classic")
			require.NoError(t, c.DeleteTopic(ctx, "t"))
		})
	}
}

// requireOr demands success where the release offers the API, and otherwise the error that says that it does not.
func requireOr(t *testing.T, offered bool, err error) {
	t.Helper()
	if offered {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, cluster.ErrUnsupported)
	require.ErrorContains(t, err, "offer")
	require.False(t, cluster.Retriable(err))
	require.False(t, cluster.Uncertain(err))
}

// TestBrokersTooOld: a release before the format of batches is told, not misread.
func TestBrokersTooOld(t *testing.T) {
	k := brokers(t, kfake.MaxVersions(kversion.V0_10_2()))
	_, err := cluster.Open(within(t), "a", config(k))
	require.ErrorIs(t, err, cluster.ErrUnsupported)
	require.ErrorContains(t, err, "Metadata")
}
