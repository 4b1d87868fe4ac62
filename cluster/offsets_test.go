package cluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	timeout = 10 * time.Second
	step    = 5 * time.Millisecond
)

// TestListOffsets: starts, ends, stable ends and timestamps of partitions on several leaders.
func TestListOffsets(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 3)
	appendValues(t, c, name, 1, "a", "b", "c") // at 1000, 1001, 1002
	parts := []int32{0, 1, 2}
	for at, want := range map[int64]map[int32]int64{
		cluster.Earliest: {0: 0, 1: 0, 2: 0},
		cluster.Latest:   {0: 0, 1: 3, 2: 0},
		cluster.Stable:   {0: 0, 1: 3, 2: 0},
		1001:             {1: 1}, // a time after every record leaves the partition out
		5000:             {},
	} {
		got, err := c.ListOffsets(ctx, name, parts, at)
		require.NoError(t, err)
		require.Equal(t, want, got, "at %d", at)
	}
	got, err := c.ListOffsets(ctx, name, nil, cluster.Latest)
	require.NoError(t, err)
	require.Empty(t, got)
}

// TestListOffsetsJoinsErrorsPerPartition: what could be had comes with the errors of the rest.
func TestListOffsetsJoinsErrorsPerPartition(t *testing.T) {
	c := anyKafka(t)
	name := topic(t, c, 2)
	appendValues(t, c, name, 0, "a")
	got, err := c.ListOffsets(within(t), name, []int32{0, 1, 7, 8}, cluster.Latest)
	require.Equal(t, map[int32]int64{0: 1, 1: 0}, got, "the good ones are there, and none is −1")
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)
	require.ErrorContains(t, err, "partition 7")
	require.ErrorContains(t, err, "partition 8")
	got, err = c.ListOffsets(within(t), "no-such-topic", []int32{0}, cluster.Latest)
	require.Empty(t, got)
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)
}

// TestListOffsetsWaitsForANewPartition: a partition that was just created is waited for.
func TestListOffsetsWaitsForANewPartition(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.LeaderNotAvailable} {
		k, c := patient(t, kfake.SeedTopics(4, "t"))
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "t", Partitions: []int32{2}, Err: e, Count: 3})
		got, err := c.ListOffsets(within(t), "t", []int32{0, 1, 2, 3}, cluster.Latest)
		require.NoError(t, err, "%v", e)
		require.Len(t, got, 4)
	}
}

// TestListOffsetsGivesUp: one that never answers is an error after Settle, the others are returned.
func TestListOffsetsGivesUp(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(2, "t"))
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "t", Partitions: []int32{1}, Err: kerr.NotLeaderForPartition, Count: -1})
	got, err := c.ListOffsets(within(t), "t", []int32{0, 1}, cluster.Latest)
	require.Equal(t, map[int32]int64{0: 0}, got)
	require.ErrorIs(t, err, kerr.NotLeaderForPartition)
	require.ErrorContains(t, err, `topic "t" partition 1`)
	code, ok := cluster.Code(err)
	require.True(t, ok)
	require.EqualValues(t, 6, code)
	require.True(t, cluster.Retriable(err))
}

// A broker that answers error 0 and offset −1 for an end must not be believed: as a fetch position it makes a hot loop.
func TestListOffsetsNeverReturnsMinusOne(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(2, "t"))
	k.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = "t"
		part := kmsg.NewListOffsetsResponseTopicPartition()
		part.Offset = -1
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	got, err := c.ListOffsets(within(t), "t", []int32{0, 1}, cluster.Latest)
	require.Empty(t, got)
	require.ErrorContains(t, err, `partition 0: UNKNOWN_SERVER_ERROR (-1): the response holds no offset`)
	require.ErrorContains(t, err, `partition 1: UNKNOWN_SERVER_ERROR (-1): the response holds no offset`, "nor one that leaves it out")
	late, err2 := c.ListOffsets(within(t), "t", []int32{0, 1}, 1<<40)
	require.NoError(t, err2, "a timestamp may be later than every record")
	require.Empty(t, late)
	var e *cluster.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, "ListOffsets", e.API)
}

// TestLeaderCacheForgets: a leader is asked for again after Forget and after a refusal.
func TestLeaderCacheForgets(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	ctx := within(t)
	old, err := c.Leader(ctx, "t", 0)
	require.NoError(t, err)
	next := (old + 1) % 3
	require.NoError(t, k.MoveTopicPartition("t", 0, next))
	leader, err := c.Leader(ctx, "t", 0)
	require.NoError(t, err)
	require.Equal(t, old, leader, "remembered")
	c.Forget("t")
	leader, err = c.Leader(ctx, "t", 0)
	require.NoError(t, err)
	require.Equal(t, next, leader)
}

// TestLeaderWaitsForAnElection: a partition without a leader gets a moment to find one.
func TestLeaderWaitsForAnElection(t *testing.T) {
	k, c := patient(t, kfake.SeedTopics(1, "t"))
	left := 3
	k.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if m := req.(*kmsg.MetadataRequest); len(m.Topics) == 0 || left == 0 {
			return nil, nil, false
		}
		left--
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("t")
		part := kmsg.NewMetadataResponseTopicPartition()
		part.Leader, part.ErrorCode = -1, 5
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	topics, err := c.Topics(within(t), "t")
	require.NoError(t, err)
	require.ErrorIs(t, topics["t"].Partitions[0].Err, kerr.LeaderNotAvailable)
	c.Forget("t")
	leader, err := c.Leader(within(t), "t", 0)
	require.NoError(t, err)
	require.GreaterOrEqual(t, leader, int32(0))
	require.Zero(t, left)
}

// TestListOffsetsOfAMissingTopic: the metadata is asked for once in a round, not once for each partition.
func TestListOffsetsOfAMissingTopic(t *testing.T) {
	k, c := embedded(t)
	asked := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Observe: true, Count: -1})
	partitions := make([]int32, 1000)
	for i := range partitions {
		partitions[i] = int32(i)
	}
	got, err := c.ListOffsets(within(t), "missing", partitions, cluster.Latest)
	require.Empty(t, got)
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)
	require.Less(t, asked.Hits(), 50)
}
