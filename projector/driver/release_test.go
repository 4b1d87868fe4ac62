package driver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// cancelling is a migration of one topic that is being cancelled, and whose
// workers know it. Another topic keeps the migration from being over.
func cancelling(t *testing.T, change ...func(*rig)) *rig {
	r := newRig(t)
	r.begin(nil, "orders", "other")
	r.created("orders")
	for _, f := range change {
		f(r)
	}
	r.say(events.Operator, events.MigrationStream, 0, events.CancelRequested{})
	r.published()
	return r
}

// released is what became of orders.
func (r *rig) released() events.TopicReleased {
	r.t.Helper()
	r.does(orders, "TopicReleased")
	return *r.topic("orders").Release
}

// longAgo lets everything that a stream has waited for be of long ago.
func (r *rig) longAgo(s events.Stream) {
	r.d.memory[item{"m", s}].since = time.Now().Add(-time.Hour)
}

// TestRelease: only what portage created and nobody has changed is deleted.
func TestRelease(t *testing.T) {
	t.Run("as it was created", func(t *testing.T) {
		r := cancelling(t)
		require.Equal(t, events.TopicReleased{Deleted: true}, r.released())
		_, ok := r.exists("orders")
		require.False(t, ok)
		next, err := r.look(orders)
		require.NoError(t, err)
		require.Zero(t, next, "there is nothing more to do")
	})
	t.Run("never begun", func(t *testing.T) {
		r := cancelling(t)
		r.does(events.TopicStream("other"), "TopicReleased")
		require.Equal(t, events.TopicReleased{}, *r.topic("other").Release)
	})
	t.Run("gone", func(t *testing.T) {
		r := cancelling(t)
		require.NoError(t, r.target().DeleteTopic(t.Context(), "orders"))
		require.Equal(t, events.TopicReleased{Note: "the topic is not there"}, r.released())
	})
	t.Run("another one", func(t *testing.T) {
		r := cancelling(t)
		recreate(r, "orders")
		require.Contains(t, r.released().Note, "deleted and created again by somebody else")
	})
	t.Run("another number of partitions", func(t *testing.T) {
		r := cancelling(t)
		require.NoError(t, r.target().GrowTopic(t.Context(), "orders", 2))
		require.Contains(t, r.released().Note, "has 2 partitions, portage would have made 1")
	})
	t.Run("created before it could be said", func(t *testing.T) {
		r := newRig(t)
		r.begin(nil, "orders", "other")
		r.does(orders, "CopyStarted")
		require.NoError(t, r.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 1, Configs: copyingConfigs(nil)}))
		r.say(events.Operator, events.MigrationStream, 0, events.CancelRequested{})
		r.published()
		require.True(t, r.released().Deleted)
	})
	t.Run("somebody's of the same name", func(t *testing.T) {
		r := newRig(t)
		r.begin(nil, "orders", "other")
		r.does(orders, "CopyStarted")
		require.NoError(t, r.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 1}))
		r.say(events.Operator, events.MigrationStream, 0, events.CancelRequested{})
		r.published()
		require.Contains(t, r.released().Note, "not created by portage")
	})
}

// TestReleaseOfForeignRecords: records that the copy did not write keep the
// topic, once the map had the time to tell of all that it did write.
func TestReleaseOfForeignRecords(t *testing.T) {
	r := cancelling(t, func(r *rig) {
		r.write(r.source(), "orders", "one", "two")
		r.copied("orders")
		r.write(r.target(), "orders", "theirs")
	})
	r.awaits(orders, "orders/0 has 1 records that the copy did not write")
	r.longAgo(orders)
	require.Contains(t, r.released().Note, "1 records that the copy did not write: it is left as it is")
	_, ok := r.exists("orders")
	require.True(t, ok)
}

// TestReleaseWaits: nothing is deleted before the workers are told to stop, and
// before the maps are known, which say what they have written.
func TestReleaseWaits(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders", "other")
	r.created("orders")
	r.published()
	r.say(events.Operator, events.MigrationStream, 0, events.CancelRequested{})
	r.awaits(orders, "not told to stop yet")
	r.published()
	r.d.maps = newMapStore()
	r.awaits(orders, "maps are being read")
	r.d.maps.whole()
	require.True(t, r.released().Deleted)
}

// TestReleaseFails: what cannot be looked at or deleted now is tried again.
func TestReleaseFails(t *testing.T) {
	r := cancelling(t)
	for _, key := range []kmsg.Key{kmsg.DeleteTopics, kmsg.ListOffsets} {
		mend := broken(r.pair.Target, key, "orders", kerr.TopicAuthorizationFailed)
		_, err := r.look(orders)
		require.ErrorIs(t, err, cluster.ErrUnauthorized, key.Name())
		mend()
	}
	r.away["target"] = true
	r.fails(orders, errAway.Error())
	r.away["target"] = false
	mend := broken(r.pair.Target, kmsg.DeleteTopics, "orders", kerr.UnknownTopicOrPartition)
	require.True(t, r.released().Deleted, "somebody was faster")
	mend()
}
