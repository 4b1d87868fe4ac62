package driver

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/embedded"
)

var orders = events.TopicStream("orders")

// TestCreate: the topic is created as it is to be while it is copied, and what
// the broker shows is what the event says.
func TestCreate(t *testing.T) {
	r := newRig(t)
	r.plan(nil, events.TopicPlanned{Partitions: 3, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "3600000", "cleanup.policy": "compact"}}, "orders")
	next, err := r.look(orders)
	require.NoError(t, err)
	require.Zero(t, next, "nothing to do before the start")
	r.say(events.Operator, events.MigrationStream, 0, events.StartRequested{})
	r.created("orders")
	row := r.topic("orders")
	id, ok := r.exists("orders")
	require.True(t, ok)
	require.Equal(t, id, row.Target.TopicID)
	require.True(t, row.Target.Created)
	have, err := r.target().TopicConfigs(t.Context(), "orders")
	require.NoError(t, err)
	for name, want := range copyingConfigs(row.Plan.Configs) {
		require.Equal(t, want, have[name].Value, name)
	}
}

// TestCreateAgain: a topic that an attempt created which died before it could
// say so is portage's; one that lacks a setting of it is somebody else's.
func TestCreateAgain(t *testing.T) {
	for name, ours := range map[string]bool{"ours": true, "somebody's": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.begin(nil, "orders")
			r.does(orders, "CopyStarted")
			configs := copyingConfigs(nil)
			if !ours {
				delete(configs, "retention.bytes")
			}
			require.NoError(t, r.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 1, Configs: configs}))
			r.does(orders, "TargetCreated")
			require.Equal(t, ours, r.topic("orders").Target.Created)
		})
	}
}

// TestCreateExisting: a topic that stood there when the plan was made gets the
// settings of a copy, and is never called portage's.
func TestCreateExisting(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 1, Configs: map[string]string{
		"cleanup.policy": "compact", boundAfter: "3600000",
	}}))
	r.plan(nil, events.TopicPlanned{Partitions: 1, ReplicationFactor: 1, Existing: true}, "orders")
	r.say(events.Operator, events.MigrationStream, 0, events.StartRequested{})
	r.does(orders, "CopyStarted")
	mend := broken(r.pair.Target, kmsg.IncrementalAlterConfigs, "", kerr.PolicyViolation)
	r.fails(orders, "POLICY_VIOLATION")
	mend()
	r.does(orders, "TargetCreated")
	require.False(t, r.topic("orders").Target.Created)
	have, err := r.target().TopicConfigs(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, "delete", have["cleanup.policy"].Value)
	require.Equal(t, "9223372036854775807", have[boundAfter].Value, "records of any time are taken")
}

// TestCreateFails: whatever the brokers refuse is tried again, and recorded with
// its cause once it was refused too often. A person's retry mends it.
func TestCreateFails(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.does(orders, "CopyStarted")
	for _, c := range []struct {
		key   kmsg.Key
		topic string
		err   *kerr.Error
	}{
		{kmsg.CreateTopics, "orders", kerr.PolicyViolation}, {kmsg.Metadata, "orders", kerr.UnknownTopicOrPartition},
		{kmsg.DescribeConfigs, "", kerr.TopicAuthorizationFailed}, {kmsg.ListOffsets, "orders", kerr.TopicAuthorizationFailed},
	} {
		mend := broken(r.pair.Target, c.key, c.topic, c.err)
		_, err := r.look(orders)
		require.Error(t, err, c.key.Name())
		mend()
	}
	r.away["target"] = true
	for range maxTries {
		require.False(t, r.d.look(t.Context(), item{"m", orders}).IsZero(), "it is tried again")
	}
	r.does(orders, "CopyFailed")
	require.Equal(t, "create orders: "+errAway.Error(), r.topic("orders").Stop.Reason)
	r.away["target"] = false
	r.say(events.Operator, orders, 0, events.RetryRequested{})
	r.does(orders, "TargetCreated")
}

// TestCreateRefuses: a topic that is not the one to copy into stops the copy at
// once, with what is there: no retry mends that.
func TestCreateRefuses(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 2}))
	r.begin(nil, "orders")
	r.does(orders, "CopyStarted")
	r.does(orders, "CopyFailed")
	require.Contains(t, r.topic("orders").Stop.Reason, "orders has 2 partitions on target, the source has 1")

	r = newRig(t)
	r.begin(nil, "orders")
	r.created("orders")
	r.say(events.Worker, orders, 0, events.CopyStopped{Code: "diverged", Reason: "test"})
	r.say(events.Operator, orders, 0, events.RetryRequested{})
	recreate(r, "orders")
	r.does(orders, "CopyFailed")
	require.Contains(t, r.topic("orders").Stop.Reason, "another topic than the one that was copied to")
}

// TestCreateWithoutACLs: where portage may not see ACLs, a person is told to
// grant them, and the copy goes on.
func TestCreateWithoutACLs(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.does(orders, "CopyStarted")
	mend := broken(r.pair.Source, kmsg.DescribeACLs, "", kerr.ClusterAuthorizationFailed)
	defer mend()
	r.does(orders, "TargetCreated")
	require.Contains(t, r.topic("orders").Target.ACLs.Note, "not copied, grant them by hand")
}

// TestCreateLate: a creation that comes after another orchestrator has released
// the topic is taken back, but not what somebody else has made of it.
func TestCreateLate(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(r *rig)
		stays     bool
	}{
		"as it was":           {func(*rig) {}, false},
		"written to":          {func(r *rig) { r.write(r.target(), "orders", "theirs") }, true},
		"deleted":             {func(r *rig) { require.NoError(r.t, r.target().DeleteTopic(r.t.Context(), "orders")) }, false},
		"another one by then": {func(r *rig) { recreate(r, "orders") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			var r *rig
			r = newRig(t, func(c *Config) {
				c.Hooks.Appended = func(e events.Event, _ int64) {
					if e.Type == "TargetCreated" {
						r.meanwhile()
					}
				}
			})
			r.begin(nil, "orders")
			_, err := r.look(orders) // CopyStarted
			require.NoError(t, err)
			v := r.store.View()
			defer v.Close()
			m, _ := v.Migration("m")
			late := &work{d: r.d, view: v, it: item{"m", orders}, mig: m}
			r.say(events.Operator, events.MigrationStream, 0, events.CancelRequested{})
			r.say(events.Orchestrator, orders, 0, events.TopicReleased{})
			r.meanwhile = func() { c.meanwhile(r) }
			_, err = late.do(t.Context())
			require.NoError(t, err)
			_, ok := r.exists("orders")
			require.Equal(t, c.stays, ok)
			require.Equal(t, events.PhaseReleased, r.topic("orders").Copy)
		})
	}
}

// recreate makes another topic of the same name.
func recreate(r *rig, topic string) {
	require.NoError(r.t, r.target().DeleteTopic(r.t.Context(), topic))
	require.NoError(r.t, r.pair.Target.CreateTopic(embedded.Topic{Name: topic, Partitions: 1}))
}

// TestUndoNeedsItsCluster: what cannot be taken back now is an error, so that it
// is tried again.
func TestUndoNeedsItsCluster(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.created("orders")
	row := r.topic("orders")
	r.say(events.Operator, events.MigrationStream, 0, events.CancelRequested{})
	r.say(events.Orchestrator, orders, 0, events.TopicReleased{})
	w := &work{d: r.d, it: item{"m", orders}, mig: &fsm.Migration{Name: "m"}, view: r.store.View()}
	defer w.view.Close()
	r.away["target"] = true
	require.ErrorIs(t, w.undoCreate(t.Context(), row, row.Target.TopicID), errAway)
	r.away["target"] = false
	for _, key := range []kmsg.Key{kmsg.ListOffsets, kmsg.DeleteTopics} {
		mend := broken(r.pair.Target, key, "orders", kerr.TopicAuthorizationFailed)
		require.ErrorIs(t, w.undoCreate(t.Context(), row, row.Target.TopicID), cluster.ErrUnauthorized, key.Name())
		mend()
	}
	require.NoError(t, w.undoCreate(t.Context(), row, row.Target.TopicID))
	_, ok := r.exists("orders")
	require.False(t, ok)
	require.NoError(t, w.undoCreate(t.Context(), row, row.Target.TopicID), "a second time there is nothing to do")
}

// TestFinalConfigs: the real settings replace those of the copy, and are read
// back.
func TestFinalConfigs(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.created("orders")
	w := &work{d: r.d, it: item{"m", orders}}
	row, wanted := r.topic("orders"), map[string]string{"retention.ms": "1000"}
	for _, key := range []kmsg.Key{kmsg.DescribeConfigs, kmsg.IncrementalAlterConfigs} {
		mend := broken(r.pair.Target, key, "", kerr.PolicyViolation)
		_, err := w.finalConfigs(t.Context(), row, wanted)
		require.ErrorContains(t, err, "POLICY_VIOLATION", key.Name())
		mend()
	}
	set, err := w.finalConfigs(t.Context(), row, wanted)
	require.NoError(t, err)
	require.Equal(t, wanted, set)
	have, err := r.target().TopicConfigs(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, "1000", have["retention.ms"].Value)
	require.True(t, have["retention.bytes"].Default, "only the copy needed it")
	wanted["retention.ms"] = "2000"
	require.ErrorIs(t, compareConfigs(t.Context(), r.target(), "orders", wanted), errConfigs)
	r.away["target"] = true
	_, err = w.finalConfigs(t.Context(), row, wanted)
	require.ErrorIs(t, err, errAway)
}

// TestFinalBounds: bounds on times that were open for the copy go again.
func TestFinalBounds(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 1, Configs: map[string]string{boundBefore: "1", boundAfter: "1"}}))
	r.plan(nil, events.TopicPlanned{Partitions: 1, ReplicationFactor: 1, Existing: true, Configs: map[string]string{boundBefore: "3600000"}}, "orders")
	r.say(events.Operator, events.MigrationStream, 0, events.StartRequested{})
	r.created("orders")
	require.Equal(t, "9223372036854775807", r.topic("orders").Target.Configs[boundBefore])
	w := &work{d: r.d, it: item{"m", orders}}
	set, err := w.finalConfigs(t.Context(), r.topic("orders"), map[string]string{boundBefore: "3600000"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{boundBefore: "3600000"}, set)
	have, err := r.target().TopicConfigs(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, "3600000", have[boundBefore].Value)
	require.NotContains(t, have, boundAfter, "only the copy needed it")
}
