package driver

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/events"
)

// TestSync: the copy is synced when it has passed the ends that the source had
// when that was first looked at; what is written meanwhile does not count.
func TestSync(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.write(r.source(), "orders", "one", "two")
	r.created("orders")
	r.away["source"] = true
	r.fails(orders, errAway.Error())
	r.away["source"] = false
	r.awaits(orders, "orders/0 is not copied yet, the source is at 2")
	r.copied("orders")
	r.write(r.source(), "orders", "three")
	e := r.does(orders, "CopySynced")
	require.JSONEq(t, marshal(t, events.CopySynced{Ends: []events.PartitionOffset{{Partition: 0, Offset: 2}}}), string(e.Body))
}

// TestSyncOfGrown: another orchestrator has given the topic more partitions since
// this one looked at it: the ends of all of them are to be reached.
func TestSyncOfGrown(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.write(r.source(), "orders", "one")
	r.created("orders")
	r.awaits(orders, "orders/0 is not copied yet")
	require.NoError(t, r.source().GrowTopic(t.Context(), "orders", 2))
	r.say(events.Worker, orders, 0, events.PartitionsAdded{Partitions: 2})
	require.NoError(t, r.target().GrowTopic(t.Context(), "orders", 2))
	id, _ := r.exists("orders")
	r.say(events.Orchestrator, orders, 0, events.TargetCreated{TopicID: id, Created: true})
	r.awaits(orders, "orders/0 is not copied yet")
	r.copied("orders")
	e := r.does(orders, "CopySynced")
	require.JSONEq(t, marshal(t, events.CopySynced{Ends: []events.PartitionOffset{{Partition: 0, Offset: 1}, {Partition: 1}}}), string(e.Body))
}

// completing is a migration of which nothing is left but the comparison.
func completing(t *testing.T) *rig {
	r := onTarget(t)
	r.awaits(orders, "less than the quiet time ago")
	r.stoodStill(orders, quiet)
	r.does(orders, "SourceQuiet")
	r.say(events.Operator, events.MigrationStream, 0, events.CompleteRequested{})
	return r
}

// verified says for a worker that both sides are the same.
func (r *rig) verified() {
	r.t.Helper()
	v := r.topic("orders").Verify
	require.NotNil(r.t, v)
	r.answer(v.Cause, events.Worker, orders, 0, events.PartitionVerified{UpTo: v.UpTo[0].Offset, Digest: "d"})
}

// TestFinish: both sides are compared up to the quiet source's ends; then the
// topic gets its real settings and is finished.
func TestFinish(t *testing.T) {
	r := completing(t)
	r.does(orders, "VerifyOrdered")
	r.awaits(orders, "both sides are being compared")
	r.verified()
	mend := broken(r.pair.Target, kmsg.IncrementalAlterConfigs, "", kerr.PolicyViolation)
	for range maxTries {
		r.d.look(t.Context(), item{"m", orders})
	}
	r.does(orders, "CopyFailed")
	require.Contains(t, r.topic("orders").Stop.Reason, "set the configs of orders")
	mend()
	r.say(events.Operator, orders, 0, events.RetryRequested{})
	r.does(orders, "TargetCreated")
	r.does(orders, "CopySynced")
	r.does(orders, "VerifyOrdered")
	r.verified()
	r.does(orders, "TopicFinished")
	next, err := r.look(orders)
	require.NoError(t, err)
	require.Zero(t, next, "the migration is over")
}

// TestFinishSeesStrays: what reaches the source while both sides are compared is
// copied and compared, too.
func TestFinishSeesStrays(t *testing.T) {
	r := completing(t)
	r.does(orders, "VerifyOrdered")
	r.away["source"] = true
	r.fails(orders, errAway.Error())
	r.away["source"] = false
	r.write(r.source(), "orders", "stray")
	r.does(orders, "StrayWrite")
	r.awaits(orders, "orders/0 is copied up to 0 of 1")
	r.verified()
	r.copied("orders")
	r.awaits(orders, "less than the quiet time ago")
	r.stoodStill(orders, quiet)
	r.does(orders, "SourceQuiet")
	e := r.does(orders, "VerifyOrdered")
	require.JSONEq(t, marshal(t, events.VerifyOrdered{UpTo: []events.PartitionOffset{{Partition: 0, Offset: 1}}}), string(e.Body), "the first comparison ended below it")
}
