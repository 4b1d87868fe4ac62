package cluster_test

import (
	"errors"
	"testing"

	"github.com/portage-kafka/portage/cluster"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTopicLife: a topic is created, grown, deleted and created again, with another id.
func TestTopicLife(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 3, "retention.ms", "86400000", "cleanup.policy", "compact")

	topics, err := c.Topics(ctx, name, "no-such-topic")
	require.NoError(t, err)
	require.Len(t, topics, 1, "unknown topics are absent")
	got := topics[name]
	require.Equal(t, name, got.Name)
	require.NotZero(t, got.ID)
	require.False(t, got.Internal)
	require.Len(t, got.Partitions, 3)
	for i, p := range got.Partitions {
		require.EqualValues(t, i, p.ID)
		require.GreaterOrEqual(t, p.Leader, int32(0))
		require.GreaterOrEqual(t, p.LeaderEpoch, int32(0))
		require.NotEmpty(t, p.Replicas)
		require.NotEmpty(t, p.ISR)
		require.NoError(t, p.Err)
		leader, err := c.Leader(ctx, name, p.ID)
		require.NoError(t, err)
		require.Equal(t, p.Leader, leader)
	}
	all, err := c.Topics(ctx)
	require.NoError(t, err)
	require.Contains(t, all, name)

	err = c.CreateTopic(ctx, cluster.TopicSpec{Name: name, Partitions: 1})
	require.ErrorIs(t, err, cluster.ErrTopicExists)
	require.ErrorContains(t, err, name)

	require.NoError(t, c.GrowTopic(ctx, name, 5))
	_, err = c.Leader(ctx, name, 4)
	require.NoError(t, err, "the leaders of new partitions are known")
	code, ok := cluster.Code(c.GrowTopic(ctx, name, 4))
	require.True(t, ok)
	require.Equal(t, kerr.InvalidPartitions.Code, code)
	require.ErrorIs(t, c.GrowTopic(ctx, "no-such-topic", 5), cluster.ErrUnknownTopic)

	require.NoError(t, c.DeleteTopic(ctx, name))
	require.ErrorIs(t, c.DeleteTopic(ctx, name), cluster.ErrUnknownTopic)
	again := cluster.TopicSpec{Name: name, Partitions: 1}
	require.Eventually(t, func() bool { // with ZooKeeper the old one is there for a moment more
		err = c.CreateTopic(ctx, again)
		require.True(t, err == nil || errors.Is(err, cluster.ErrTopicExists), "%v", err)
		return err == nil
	}, timeout, step)
	topics, err = c.Topics(ctx, name)
	require.NoError(t, err)
	require.NotEqual(t, got.ID, topics[name].ID, "a topic born again has another id")
}

// TestTopicRefusals: each reason not to create or delete a topic is told.
func TestTopicRefusals(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	err := c.CreateTopic(ctx, cluster.TopicSpec{Name: unique("t"), Partitions: 1, ReplicationFactor: 99})
	require.ErrorIs(t, err, kerr.InvalidReplicationFactor)
	require.ErrorContains(t, err, "fewer brokers")
	if real() { // the embedded broker takes any name
		err = c.CreateTopic(ctx, cluster.TopicSpec{Name: "in valid", Partitions: 1})
		require.ErrorIs(t, err, kerr.InvalidTopicException)
	}
	_, err = c.Leader(ctx, "no-such-topic", 0)
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)
	_, err = c.Leader(ctx, topic(t, c, 1), 5)
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)
	require.ErrorContains(t, err, "partition 5")
}

// TestConfigs: settings are read with where they come from, set and removed.
func TestConfigs(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 1, "retention.ms", "86400000")
	configs, err := c.TopicConfigs(ctx, name)
	require.NoError(t, err)
	require.Equal(t, cluster.ConfigValue{Value: "86400000"}, configs["retention.ms"])
	require.True(t, configs["cleanup.policy"].Default)
	require.Equal(t, "delete", configs["cleanup.policy"].Value)

	require.NoError(t, c.AlterTopicConfigs(ctx, name, map[string]string{"cleanup.policy": "compact", "max.message.bytes": "2000000"}, []string{"retention.ms"}))
	require.Eventually(t, func() bool {
		configs, err = c.TopicConfigs(ctx, name)
		return err == nil && !configs["cleanup.policy"].Default && configs["retention.ms"].Default
	}, timeout, step)
	require.Equal(t, "compact", configs["cleanup.policy"].Value)
	require.Equal(t, "2000000", configs["max.message.bytes"].Value)
	require.NoError(t, c.AlterTopicConfigs(ctx, name, nil, nil), "nothing to do")

	if real() { // the embedded broker takes any value
		err = c.AlterTopicConfigs(ctx, name, map[string]string{"cleanup.policy": "nonsense"}, nil)
		code, _ := cluster.Code(err)
		require.Contains(t, []int16{kerr.InvalidConfig.Code, kerr.InvalidRequest.Code}, code, "the latter before Kafka 3: %v", err)
		require.ErrorContains(t, err, "nonsense")
	}
	_, err = c.TopicConfigs(ctx, "no-such-topic")
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)

	brokers, controller, err := c.Brokers(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, brokers)
	require.GreaterOrEqual(t, controller, int32(0))
	for _, b := range brokers {
		require.Contains(t, b.Address(), ":")
		configs, err := c.BrokerConfigs(ctx, b.ID)
		require.NoError(t, err)
		require.NotEmpty(t, configs)
	}
}

// TestSensitiveConfigsAreWithheld: passwords among settings are marked and empty.
func TestSensitiveConfigsAreWithheld(t *testing.T) {
	k, c := embedded(t)
	k.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		r := kmsg.NewDescribeConfigsResponseResource()
		cfg := kmsg.NewDescribeConfigsResponseResourceConfig()
		cfg.Name, cfg.IsSensitive, cfg.Source = "ssl.key.password", true, kmsg.ConfigSourceStaticBrokerConfig
		r.Configs = append(r.Configs, cfg)
		resp.Resources = append(resp.Resources, r)
		return resp, nil, true
	})
	configs, err := c.BrokerConfigs(within(t), 0)
	require.NoError(t, err)
	require.Equal(t, cluster.ConfigValue{Sensitive: true}, configs["ssl.key.password"])
}

// TestCallOptions: requests go where options send them, at the version that they ask for.
func TestCallOptions(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	brokers, _, err := c.Brokers(ctx)
	require.NoError(t, err)
	for _, opt := range []cluster.CallOption{cluster.OnBroker(brokers[0].ID), cluster.OnController(), cluster.AtVersion(1), cluster.AtMost(4)} {
		resp, err := cluster.Do[*kmsg.MetadataResponse](ctx, c, kmsg.NewPtrMetadataRequest(), opt)
		require.NoError(t, err)
		require.NotEmpty(t, resp.Brokers)
	}
	resp, err := c.Call(ctx, kmsg.NewPtrMetadataRequest(), cluster.AtVersion(1))
	require.NoError(t, err)
	require.EqualValues(t, 1, resp.GetVersion())
	_, err = cluster.Do[*kmsg.ProduceResponse](ctx, c, kmsg.NewPtrMetadataRequest())
	require.ErrorContains(t, err, "the caller expects")

	offers, err := c.Versions(ctx, -1)
	require.NoError(t, err)
	require.GreaterOrEqual(t, offers[3].Max, int16(8))
	_, err = c.Call(ctx, kmsg.NewPtrVoteRequest())
	if !real() {
		require.ErrorIs(t, err, cluster.ErrUnsupported)
		require.ErrorContains(t, err, "Vote")
	}
	require.NotEmpty(t, c.ID())
	require.Equal(t, "a", c.Name())
	require.Positive(t, c.Connections())
}

// A request filled in with topic names must not be sent at a version that has ids in their place.
func TestNamesAreNeverSentWhereIDsBelong(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	seen := map[int16]int16{}
	for _, key := range []int16{0, 1, 8, 9} {
		k.ControlKey(key, func(req kmsg.Request) (kmsg.Response, error, bool) {
			seen[key] = req.GetVersion()
			return nil, nil, false
		})
	}
	produce := kmsg.NewPtrProduceRequest()
	_, err := c.Call(within(t), produce)
	require.ErrorContains(t, err, "acks=0")
	produce.Acks = -1
	for _, req := range []kmsg.Request{produce, kmsg.NewPtrFetchRequest(), kmsg.NewPtrOffsetCommitRequest(), kmsg.NewPtrOffsetFetchRequest()} {
		_, err := c.Call(within(t), req)
		require.NoError(t, err)
	}
	require.Equal(t, map[int16]int16{0: 12, 1: 12, 8: 9, 9: 9}, seen)
}
