package driver

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestClear: the target of a copy that is to begin anew is deleted once the
// workers have left it, and then it is created again.
func TestClear(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.synced("orders")
	r.published()
	r.say(events.Operator, orders, 0, events.RecopyRequested{})
	r.awaits(orders, "the workers are not told to stop yet")
	r.published()
	mend := broken(r.pair.Target, kmsg.DeleteTopics, "orders", kerr.TopicAuthorizationFailed)
	_, err := r.look(orders)
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	mend()
	r.away["target"] = true
	r.fails(orders, errAway.Error())
	r.away["target"] = false
	mend = broken(r.pair.Target, kmsg.DeleteTopics, "orders", kerr.UnknownTopicOrPartition)
	r.fails(orders, "orders on target is still being deleted")
	mend()
	before, _ := r.exists("orders")
	r.does(orders, "TargetDeleted")
	r.does(orders, "TargetCreated")
	after, ok := r.exists("orders")
	require.True(t, ok)
	require.NotEqual(t, before, after)
	r.awaitsCopy()
}

// TestClearForAnotherSource: what is copied anew is the source topic that is
// there now; while there is none, the copy of the former one stays.
func TestClearForAnotherSource(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.synced("orders")
	r.say(events.Operator, orders, 0, events.RecopyRequested{})
	r.published()
	r.away["source"] = true
	r.fails(orders, errAway.Error())
	r.away["source"] = false
	require.NoError(t, r.source().DeleteTopic(t.Context(), "orders"))
	r.fails(orders, "topic orders is not on source: nothing could be copied in place of what is on target")
	_, stands := r.exists("orders")
	require.True(t, stands)
	was := r.topic("orders").Plan.TopicID
	require.NoError(t, r.pair.Source.CreateTopic(embedded.Topic{Name: "orders", Partitions: 3, Configs: map[string]string{"retention.ms": "3600000"}}))
	mend := broken(r.pair.Source, kmsg.DescribeConfigs, "", kerr.TopicAuthorizationFailed)
	r.fails(orders, "TOPIC_AUTHORIZATION_FAILED")
	mend()
	r.does(orders, "TargetDeleted")
	plan := r.topic("orders").Plan
	require.NotEqual(t, was, plan.TopicID)
	require.EqualValues(t, 3, plan.Partitions)
	require.Equal(t, map[string]string{"retention.ms": "3600000"}, plan.Configs)
	r.does(orders, "TargetCreated")
	all, err := r.target().Topics(t.Context(), "orders")
	require.NoError(t, err)
	require.Len(t, all["orders"].Partitions, 3)
}

// awaitsCopy says that what is known of a former copy does not count.
func (r *rig) awaitsCopy() {
	r.t.Helper()
	r.write(r.source(), "orders", "one")
	r.awaits(orders, "orders/0 is not copied yet, the source is at 1")
}

// TestClearSomebodysTopic: a topic that somebody made in place of the copy is
// not deleted: a person has to look.
func TestClearSomebodysTopic(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.synced("orders")
	r.say(events.Operator, orders, 0, events.RecopyRequested{})
	r.published()
	recreate(r, "orders")
	r.does(orders, "CopyFailed")
	require.Contains(t, r.topic("orders").Stop.Reason, "somebody has deleted it and created it again")
	_, ok := r.exists("orders")
	require.True(t, ok)
}

// TestGrow: the target gets the partitions that the source has got, whatever
// fails on the way, and what was there stays.
func TestGrow(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.synced("orders")
	before, _ := r.exists("orders")
	require.NoError(t, r.source().GrowTopic(t.Context(), "orders", 3))
	r.say(events.Worker, orders, 0, events.PartitionsAdded{Partitions: 3})
	mend := broken(r.pair.Target, kmsg.CreatePartitions, "orders", kerr.PolicyViolation)
	r.fails(orders, "POLICY_VIOLATION")
	mend()
	r.does(orders, "TargetCreated")
	after, _ := r.exists("orders")
	require.Equal(t, before, after)
	all, err := r.target().Topics(t.Context(), "orders")
	require.NoError(t, err)
	require.Len(t, all["orders"].Partitions, 3)
}
