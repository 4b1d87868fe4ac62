package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// join makes one static member join a group of type consumer and returns its id and generation.
func join(t *testing.T, c *cluster.Client, group string) (member string, generation int32) {
	t.Helper()
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = group, "consumer", 10000, 10000
	req.InstanceID = kmsg.StringPtr("guard-1")
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "portage", []byte("meta")
	req.Protocols = append(req.Protocols, p)
	resp, err := cluster.Do[*kmsg.JoinGroupResponse](within(t), c, req, cluster.OnGroup(group))
	require.NoError(t, err)
	require.Zero(t, resp.ErrorCode)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation, sync.InstanceID = group, resp.MemberID, resp.Generation, req.InstanceID
	sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("portage")
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = resp.MemberID, []byte("assigned")
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	synced, err := cluster.Do[*kmsg.SyncGroupResponse](within(t), c, sync, cluster.OnGroup(group))
	require.NoError(t, err)
	require.Zero(t, synced.ErrorCode)
	return resp.MemberID, resp.Generation
}

func commit(t *testing.T, c *cluster.Client, group, member string, generation int32, topic string, offsets map[int32]int64) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = group, member, generation
	if member != "" {
		req.InstanceID = kmsg.StringPtr("guard-1")
	}
	at := kmsg.NewOffsetCommitRequestTopic()
	at.Topic = topic
	for p, o := range offsets {
		part := kmsg.NewOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset, part.LeaderEpoch, part.Metadata = p, o, -1, kmsg.StringPtr("note")
		at.Partitions = append(at.Partitions, part)
	}
	req.Topics = append(req.Topics, at)
	resp, err := cluster.Do[*kmsg.OffsetCommitResponse](within(t), c, req, cluster.OnGroup(group))
	require.NoError(t, err)
	for _, p := range resp.Topics[0].Partitions {
		require.Zero(t, p.ErrorCode)
	}
}

// TestGroupLife: a group is listed, described, committed to and read.
func TestGroupLife(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name, group := topic(t, c, 2), unique("group")

	g, err := c.DescribeGroup(ctx, group)
	require.NoError(t, err)
	require.Equal(t, "Dead", g.State, "a group that does not exist")
	offsets, err := c.Offsets(ctx, group, true, map[string][]int32{name: {0, 1}})
	require.NoError(t, err)
	require.EqualValues(t, -1, offsets[name][0].At)
	require.EqualValues(t, -1, offsets[name][1].At)

	member, generation := join(t, c, group)
	g, err = c.DescribeGroup(ctx, group)
	require.NoError(t, err)
	require.Equal(t, "Stable", g.State)
	require.Equal(t, "consumer", g.ProtocolType)
	require.Equal(t, "portage", g.Protocol)
	require.Len(t, g.Members, 1)
	m := g.Members[0]
	require.Equal(t, member, m.ID)
	require.Equal(t, "guard-1", m.InstanceID)
	require.Equal(t, "portage", m.ClientID)
	require.Equal(t, "meta", string(m.Metadata))
	require.Equal(t, "assigned", string(m.Assignment))
	require.NotEmpty(t, m.Host)

	commit(t, c, group, member, generation, name, map[int32]int64{0: 5})
	offsets, err = c.Offsets(ctx, group, true, map[string][]int32{name: {0, 1}})
	require.NoError(t, err)
	require.Equal(t, cluster.Offset{At: 5, LeaderEpoch: -1, Metadata: "note"}, offsets[name][0])
	require.EqualValues(t, -1, offsets[name][1].At)
	all, err := c.Offsets(ctx, group, false, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]map[int32]cluster.Offset{name: {0: {At: 5, LeaderEpoch: -1, Metadata: "note"}}}, all)
	none, err := c.Offsets(ctx, group, false, map[string][]int32{})
	require.NoError(t, err)
	require.Empty(t, none, "no topics is not all topics")

	listed, err := c.Groups(ctx)
	require.NoError(t, err)
	i := slices.IndexFunc(listed, func(g cluster.GroupListing) bool { return g.Group == group })
	require.GreaterOrEqual(t, i, 0, "%v", listed)
	require.Contains(t, []string{"classic", ""}, listed[i].Type, "nothing before Kafka 3.8")
	listed[i].Type = ""
	require.Equal(t, cluster.GroupListing{Group: group, ProtocolType: "consumer", State: "Stable"}, listed[i])
}

// TestAdminCommit: a commit without a generation is taken while the group is empty, and only then.
func TestAdminCommit(t *testing.T) {
	c := anyKafka(t)
	name, group := topic(t, c, 1), unique("group")
	commit(t, c, group, "", -1, name, map[int32]int64{0: 9})
	offsets, err := c.Offsets(within(t), group, true, nil)
	require.NoError(t, err)
	require.EqualValues(t, 9, offsets[name][0].At)
	join(t, c, group)
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: name, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 10, LeaderEpoch: -1}}}}
	resp, err := cluster.Do[*kmsg.OffsetCommitResponse](within(t), c, req, cluster.OnGroup(group))
	require.NoError(t, err)
	require.Equal(t, kerr.UnknownMemberID.Code, resp.Topics[0].Partitions[0].ErrorCode)
}

// TestCoordinatorIsLookedUpAgain: group calls are repeated while the coordinator loads, moves or is not there.
func TestCoordinatorIsLookedUpAgain(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator} {
		k, c := patient(t, kfake.SeedTopics(1, "t"))
		h := k.Fault(
			kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Group: "g", Err: kerr.CoordinatorNotAvailable, Count: 2},
			kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "g", Err: e, Count: 2},
			kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "g", Err: e, Count: 2},
			kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Group: "g", Err: e, Count: 2},
			kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup}, Group: "g", TopLevel: true, Err: e, Count: 4},
		)
		member, generation := join(t, c, "g")
		commit(t, c, "g", member, generation, "t", map[int32]int64{0: 1})
		offsets, err := c.Offsets(within(t), "g", true, nil)
		require.NoError(t, err, "%v", e)
		require.EqualValues(t, 1, offsets["t"][0].At)
		g, err := c.DescribeGroup(within(t), "g")
		require.NoError(t, err)
		require.Equal(t, "Stable", g.State)
		require.Equal(t, 12, h.Hits(), "every fault was met")
	}
}

// TestCoordinatorMoves: a coordinator that has moved is found again.
func TestCoordinatorMoves(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	old, err := c.Coordinator(within(t), "g")
	require.NoError(t, err)
	require.Equal(t, k.CoordinatorFor("g"), old)
	commit(t, c, "g", "", -1, "t", map[int32]int64{0: 1})
	for k.CoordinatorFor("g") == old {
		k.RehashCoordinators()
	}
	_, err = c.Offsets(within(t), "g", true, nil)
	require.NoError(t, err)
	now, err := c.Coordinator(within(t), "g")
	require.NoError(t, err)
	require.Equal(t, k.CoordinatorFor("g"), now)
}

// TestCoordinatorStaysAway: they are given up after RequestTimeout, with the code.
func TestCoordinatorStaysAway(t *testing.T) {
	k := brokers(t)
	cfg := config(k)
	cfg.RequestTimeout = 300 * time.Millisecond
	c := open(t, cfg)
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
	_, err := c.Offsets(within(t), "g", false, nil)
	require.ErrorIs(t, err, kerr.CoordinatorNotAvailable)
	require.ErrorContains(t, err, `group "g"`)
	require.True(t, cluster.Retriable(err))
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	_, err = c.DescribeGroup(ctx, "g")
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, cluster.Retriable(err))
}

// TestStableOffsetsWait: pending transactional offsets are waited for, and an error if they stay.
func TestStableOffsetsWait(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	commit(t, c, "g", "", -1, "t", map[int32]int64{0: 4})
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "g", Err: kerr.UnstableOffsetCommit, Count: 3})
	offsets, err := c.Offsets(within(t), "g", true, map[string][]int32{"t": {0}})
	require.NoError(t, err)
	require.EqualValues(t, 4, offsets["t"][0].At)
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "g", Err: kerr.UnstableOffsetCommit, Count: -1})
	_, err = c.Offsets(within(t), "g", true, map[string][]int32{"t": {0}})
	require.ErrorIs(t, err, kerr.UnstableOffsetCommit)
}

// Any group API that answers 14, 15 or 16 is repeated; the table in coordinatorCode must know its field.
func TestEveryGroupAPIIsRepeated(t *testing.T) {
	heartbeat := kmsg.NewPtrHeartbeatRequest()
	heartbeat.Group = "g"
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "g"
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Groups = []string{"g"}
	offsets := kmsg.NewPtrOffsetDeleteRequest()
	offsets.Group = "g"
	describe := kmsg.NewPtrConsumerGroupDescribeRequest()
	describe.Groups = []string{"g"}
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Group = "g"
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
	for req, topLevel := range map[kmsg.Request]bool{heartbeat: true, leave: true, offsets: true, beat: true, remove: false, describe: false, fetch: false} {
		k, c := patient(t, kfake.SeedTopics(1, "t"))
		h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Key(req.Key())}, Group: "g", TopLevel: topLevel, Err: kerr.NotCoordinator, Count: 2})
		_, err := c.Call(within(t), req, cluster.OnGroup("g"))
		require.NoError(t, err, kmsg.NameForKey(req.Key()))
		require.Equal(t, 2, h.Hits(), kmsg.NameForKey(req.Key()))
	}
}

// TestListGroupsFailsForABrokerThatCannotAnswer: the groups of the other brokers come with the error.
func TestListGroupsFailsForABrokerThatCannotAnswer(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	commit(t, c, "g", "", -1, "t", map[int32]int64{0: 1})
	other := (k.CoordinatorFor("g") + 1) % 3
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, Nodes: []int32{other}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: -1})
	listed, err := c.Groups(within(t))
	require.ErrorIs(t, err, kerr.CoordinatorLoadInProgress)
	require.ErrorContains(t, err, fmt.Sprintf("broker %d (", other))
	require.Len(t, listed, 1)
	require.Equal(t, "g", listed[0].Group)
}

// TestGroupRefusals: what is missing is named, for the cluster, a group and a partition; offsets of the others are kept.
func TestGroupRefusals(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(2, "t"))
	commit(t, c, "g", "", -1, "t", map[int32]int64{0: 3, 1: 4})
	denied := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
	listed, err := c.Groups(within(t))
	require.Equal(t, 3, denied.Hits(), "every broker is asked")
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.ErrorContains(t, err, "needs DESCRIBE on the cluster")
	require.Empty(t, listed)

	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Err: kerr.GroupAuthorizationFailed, Count: 1})
	_, err = c.DescribeGroup(within(t), "g")
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.ErrorContains(t, err, `needs DESCRIBE on group "g"`)

	k.ControlKey(int16(kmsg.OffsetFetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		resp := r.ResponseKind().(*kmsg.OffsetFetchResponse)
		resp.Topics = []kmsg.OffsetFetchResponseTopic{{Topic: "t", Partitions: []kmsg.OffsetFetchResponseTopicPartition{
			{Partition: 0, Offset: 3, LeaderEpoch: -1}, {Partition: 1, Offset: -1, ErrorCode: kerr.TopicAuthorizationFailed.Code}}}}
		return resp, nil, true
	})
	offsets, err := c.Offsets(within(t), "g", false, nil)
	require.ErrorContains(t, err, `OffsetFetch: topic "t" partition 1: TOPIC_AUTHORIZATION_FAILED`)
	require.Equal(t, map[string]map[int32]cluster.Offset{"t": {0: {At: 3, LeaderEpoch: -1}}}, offsets)
}
