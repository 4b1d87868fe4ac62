package cluster_test

import (
	"testing"

	"github.com/portage-kafka/portage/cluster"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tell makes the embedded brokers answer requests for topics with these.
func tell(k *kfake.Cluster, topics ...kmsg.MetadataResponseTopic) {
	k.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if m := req.(*kmsg.MetadataRequest); m.Topics != nil && len(m.Topics) == 0 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 5, Host: "h", Port: 9, Rack: kmsg.StringPtr("r")}}
		resp.Topics = topics
		return resp, nil, true
	})
}

func described(name string, code int16, parts ...kmsg.MetadataResponseTopicPartition) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.ErrorCode, t.Partitions = kmsg.StringPtr(name), code, parts
	return t
}

func part(id, leader int32, code int16) kmsg.MetadataResponseTopicPartition {
	p := kmsg.NewMetadataResponseTopicPartition()
	p.Partition, p.Leader, p.ErrorCode, p.LeaderEpoch = id, leader, code, 7
	p.Replicas, p.ISR, p.OfflineReplicas = []int32{1, 2}, []int32{1}, []int32{2}
	return p
}

// TestMetadataIsReadWhole: topic ids, epochs, replicas and problems of partitions are not lost.
func TestMetadataIsReadWhole(t *testing.T) {
	k, c := embedded(t)
	internal := described("__consumer_offsets", 0, part(1, 2, 0), part(0, 1, 9))
	internal.IsInternal, internal.TopicID = true, [16]byte{1}
	tell(k, internal, described("leaderless", 0, part(0, -1, 5)), described("gone", 3), described("secret", 29), described("broken", 17))
	topics, err := c.Topics(within(t))
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.ErrorIs(t, err, kerr.InvalidTopicException)
	require.ErrorContains(t, err, `DESCRIBE on topic "secret"`)
	require.Len(t, topics, 2, "the others are there all the same")
	got := topics["__consumer_offsets"]
	require.True(t, got.Internal)
	require.Equal(t, [16]byte{1}, got.ID)
	require.Equal(t, []cluster.Partition{
		{ID: 0, Leader: 1, LeaderEpoch: 7, Replicas: []int32{1, 2}, ISR: []int32{1}, Offline: []int32{2}},
		{ID: 1, Leader: 2, LeaderEpoch: 7, Replicas: []int32{1, 2}, ISR: []int32{1}, Offline: []int32{2}},
	}, got.Partitions, "sorted, and a dead replica is no error")
	require.ErrorIs(t, topics["leaderless"].Partitions[0].Err, kerr.LeaderNotAvailable)
	k, c = embedded(t)
	tell(k, described("leaderless", 0, part(0, -1, 5)))
	_, err = c.Leader(within(t), "leaderless", 0)
	require.ErrorIs(t, err, kerr.LeaderNotAvailable)
	require.True(t, cluster.Retriable(err))
}

// TestNoNamesIsNotAllTopics: an empty list of names that is not nil asks for none.
func TestNoNamesIsNotAllTopics(t *testing.T) {
	_, c := embedded(t, kfake.SeedTopics(1, "t"))
	all, err := c.Topics(within(t))
	require.NoError(t, err)
	require.Len(t, all, 1)
	none, err := c.Topics(within(t), []string{}...)
	require.NoError(t, err)
	require.Empty(t, none)
}

// TestBrokersAreSorted: by id, with the controller's.
func TestBrokersAreSorted(t *testing.T) {
	_, c := embedded(t)
	brokers, controller, err := c.Brokers(within(t))
	require.NoError(t, err)
	require.Len(t, brokers, 3)
	for i, b := range brokers {
		require.EqualValues(t, i, b.ID)
		require.Equal(t, "127.0.0.1", b.Host)
	}
	require.Contains(t, []int32{0, 1, 2}, controller)
}

// TestResponsesThatAnswerNothing: a response without what was asked for is an error, never a zero value.
func TestResponsesThatAnswerNothing(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	for key, call := range map[kmsg.Key]func() error{
		kmsg.CreateTopics:            func() error { return c.CreateTopic(within(t), cluster.TopicSpec{Name: "x", Partitions: 1}) },
		kmsg.DeleteTopics:            func() error { return c.DeleteTopic(within(t), "t") },
		kmsg.DescribeConfigs:         func() error { _, err := c.TopicConfigs(within(t), "t"); return err },
		kmsg.IncrementalAlterConfigs: func() error { return c.AlterTopicConfigs(within(t), "t", map[string]string{"a": "b"}, nil) },
		kmsg.DescribeGroups:          func() error { _, err := c.DescribeGroup(within(t), "g"); return err },
		kmsg.Produce:                 func() error { _, err := c.Append(within(t), "t", 0, built(t, batchSpec, "x")); return err },
		kmsg.Fetch:                   func() error { _, err := c.Read(within(t), "t", 0, 0, cluster.ReadOptions{}); return err },
	} {
		k.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) { return req.ResponseKind(), nil, true })
		require.ErrorContains(t, call(), "does not answer what was asked", "%v", key)
	}
}
