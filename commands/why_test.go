package commands_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

// why is what Why says, a line each.
func (w *world) why() (lines []string) {
	w.look(func(v *projector.View) {
		blockers, err := commands.Why(v, "m")
		require.NoError(w.t, err)
		for _, b := range blockers {
			lines = append(lines, b.String())
		}
	})
	return lines
}

func at(offset int64) []events.TopicOffset {
	return []events.TopicOffset{{Topic: "orders", Partition: 0, Offset: offset}, {Topic: "orders", Partition: 1, Offset: offset}}
}

// TestWhy goes through a migration from its plan to its end and asks at every
// stage what it waits for.
func TestWhy(t *testing.T) {
	w := newWorld(t)
	stage := func(stream events.Stream, body events.Body, want ...string) {
		t.Helper()
		w.said(stream, body)
		require.Equal(t, want, w.why(), "after %s", body.EventType())
	}
	r := resolved("m")
	r.Plan.Steps[1].Approve, r.Plan.Steps[3].Approve = events.ApproveAuto, events.ApproveAuto
	es, err := r.Events(func(s events.Stream, b events.Body) (events.Event, error) {
		return events.New(w.id(), "m", s, events.Actor{Kind: events.Operator, Name: "me"}, w.config().Now(), b)
	})
	require.NoError(t, err)
	_, err = w.append(t.Context(), es[:1])
	require.NoError(t, err)
	require.Equal(t, []string{"a person: migration waits for the seal of its plan, which did not follow: cancel it and create it under another name → portage cancel m"}, w.why())
	_, err = w.append(t.Context(), es[1:])
	require.NoError(t, err)
	require.Equal(t, []string{"a person: migration waits for the start → portage start m"}, w.why())

	const m = events.MigrationStream
	stage(m, events.StartRequested{}, "portage: topic/orders waits for its copy to begin")
	stage(orders, events.CopyStarted{}, "portage: topic/orders waits for the target topic")
	stage(orders, events.TargetCreated{TopicID: "bb", Created: true}, "the workers: topic/orders waits for the copy to reach the source's end")
	stage(orders, events.CopyStopped{Partition: 1, Code: "out-of-range", From: 3, To: 8, Reason: "retention"},
		"a person: topic/orders waits for a decision on records that cannot be copied: the copy stopped, out-of-range, partition 1, offsets 3 to 7: retention → portage accept-loss m orders 1 --reason WHY")
	stage(orders, events.CopyStopped{Partition: 0, Code: "foreign-writer", From: 5, To: 5, Reason: "producer 9"},
		"a person: topic/orders waits for a decision on records that cannot be copied: the copy stopped, out-of-range, partition 1, offsets 3 to 7: retention → portage accept-loss m orders 1 --reason WHY",
		"a person: topic/orders waits for a copy from the beginning: the copy stopped, foreign-writer, partition 0 at offset 5: producer 9 → portage recopy m orders")
	for stop, want := range map[events.CopyStopped]string{
		{Code: "refused-batch", From: 3, To: 4, Reason: "raise it"}: "what the reason asks for and then portage retry m orders, or a decision to give up records that cannot be copied: the copy stopped, refused-batch, partition 0, offsets 3 to 3: raise it → portage accept-loss m orders 0 --reason WHY",
		{Code: "recreated", Reason: "another id"}:                   "a copy from the beginning: the copy stopped, recreated, partition 0 at offset 0: another id → portage recopy m orders",
		{Code: "added", To: math.MaxInt64, Reason: "it has 2"}:      "a decision on a partition that is not copied: the copy stopped, added, partition 0 from offset 0 on: it has 2 → portage accept-loss m orders 0 --reason WHY",
	} {
		w.said(orders, events.RetryRequested{}, events.TargetCreated{TopicID: "bb", Created: true}, stop)
		require.Equal(t, []string{"a person: topic/orders waits for " + want}, w.why())
	}
	w.said(orders, events.RetryRequested{}, events.TargetCreated{TopicID: "bb", Created: true}, events.CopyFailed{Effect: "describe orders", Reason: "no rights"})
	require.Equal(t, []string{"a person: topic/orders waits for a retry: the copy stopped, failed: describe orders: no rights → portage retry m orders"}, w.why())
	w.said(orders, events.RetryRequested{}, events.TargetCreated{TopicID: "bb", Created: true})
	stage(orders, events.CopySynced{Ends: ends(9)}, "portage: group/billing waits for the guard to hold the group on the target")
	stage(m, events.PauseRequested{Reason: "lunch"}, "a person: migration waits for the end of the pause (lunch) → portage resume m")
	w.said(m, events.ResumeRequested{}, events.PauseRequested{})
	require.Equal(t, []string{"a person: migration waits for the end of the pause → portage resume m"}, w.why())
	w.said(m, events.ResumeRequested{})
	stage(billing, events.GuardHeld{Side: "target", MemberID: "gt"}, "portage: group/billing waits for the switch")
	stage(billing, events.AgentSeen{Incarnation: "i1", Instance: "pod-1", Logins: map[string]string{"new": "wrong password"}},
		"the service: group/billing waits for instance pod-1 to log in to new: wrong password")
	stage(billing, events.SwitchRequested{To: "target"},
		"the service: group/billing waits for its instances to be inside both closed groups: 0 of 1 are, missing: pod-1",
		"the service: group/billing waits for instance pod-1 to log in to new: wrong password")
	stage(billing, events.AbortRequested{Code: "prepare-expired", Reason: "pod-1 is missing"},
		"a person: group/billing waits for another request: the switch was aborted (prepare-expired): pod-1 is missing → portage switch readers m billing")
	w.said(billing, events.AgentSeen{Incarnation: "i1", Instance: "pod-1"}, events.SwitchRequested{To: "target"}, events.GuardHeld{Side: "source", MemberID: "gs"})
	stage(billing, events.Prepared{Incarnation: "i2", SourceMember: "m2", TargetMember: "t2"},
		"the service: group/billing waits for its instances to be inside both closed groups: 1 of 2 are (i2), missing: pod-1")
	stage(billing, events.HoldOrdered{Members: []string{"m2"}}, "the service: group/billing waits for its instances to be drained: 0 of 2 are, missing: i2, pod-1")
	w.said(billing, events.Drained{Incarnation: "i2", Member: "m2"})
	stage(billing, events.DrainProven{Offsets: at(7)}, "the workers: group/billing waits for the copy to pass the drained offsets")
	stage(billing, events.CutTaken{Cut: []events.CutPoint{{Topic: "orders", Partition: 0, Source: 7, Target: 6}, {Topic: "orders", Partition: 1, Source: 7, Target: 6}}},
		"the service: group/billing waits for owners to stage the cut: 0 of 2 partitions are")
	stage(billing, events.Staged{Incarnation: "i2", Member: "t2", Offsets: at(6)}, "portage: group/billing waits for the decision")
	stage(billing, events.SwitchCommitted{}, "portage: group/billing waits for proof that the guard holds the source")
	stage(billing, events.GuardHeld{Side: "source", MemberID: "gs"}, "portage: group/billing waits for evidence that the group consumes on the target")
	stage(billing, events.SwitchCompleted{Evidence: "e"}, "a person: migration waits for the approval of step 2 (writers) → portage approve m")
	stage(m, events.Approved{Step: 2}, "portage: topic/orders waits for the switch of the writers")
	stage(orders, events.SwitchRequested{To: "target", Level: "restart"}, "the workers: topic/orders waits for workers to expect other writers: on 0 of 2 partitions they do")
	stage(orders, events.AbortRequested{Code: "prepare-expired", Reason: "no worker"},
		"a person: topic/orders waits for another request: the switch of the writers was aborted (prepare-expired): no worker → portage switch writers m orders")
	w.said(orders, events.SwitchRequested{To: "target", Level: "restart"}, events.ProducerSeen{Incarnation: "p1", Instance: "web-1"},
		events.ProducerSeen{Incarnation: "p2", Instance: "web-2"}, events.ProducerRouted{Incarnation: "p2", Route: "source"})
	stage(orders, events.WritersRolling{},
		"the service: topic/orders waits for producer web-1 (p1) to tell its route",
		"the service: topic/orders waits for producer web-2 (p2) to leave the source → restart it")
	w.said(orders, events.ProducerLeft{Incarnation: "p2"})
	stage(orders, events.ProducerRouted{Incarnation: "p1", Route: "target"}, "portage: topic/orders waits for the source to stand still, then the decision")
	stage(orders, events.SwitchCommitted{Ends: ends(20)}, "the workers: topic/orders waits for the copy to pass the source's last records")
	stage(orders, events.SwitchCompleted{Evidence: "e"}, "the service: topic/orders waits for the source to be without writes for the quiet time")
	w.said(orders, events.ProducerSeen{Incarnation: "p3", Instance: "web-3"})
	stage(orders, events.ProducerRouted{Incarnation: "p3", Route: "source"},
		"the service: topic/orders waits for producer web-3 (p3) to leave the source: the topic's writers have moved → restart it",
		"the service: topic/orders waits for the source to be without writes for the quiet time")
	stage(orders, events.SourceQuiet{Ends: ends(20)})
	stage(m, events.CompleteRequested{}, "portage: topic/orders waits for a comparison of both sides to the end (the copy is synced, both sides were not compared to the end)")
	w.said(orders, events.VerifyOrdered{UpTo: ends(20)})
	stage(orders, events.PartitionVerified{Partition: 0, UpTo: 20, Digest: "d"}, "the workers: topic/orders waits for the comparison of both sides: 1 of 2 partitions are done")
	stage(orders, events.PartitionVerified{Partition: 1, UpTo: 20, Digest: "d"}, "portage: topic/orders waits for the real settings on the target")
	stage(orders, events.TopicFinished{})
}

// TestWhyWhileCopiedAnew: the old copy has to go first.
func TestWhyWhileCopiedAnew(t *testing.T) {
	w := created(t)
	w.said(events.MigrationStream, events.StartRequested{})
	w.said(orders, events.CopyStarted{}, events.TargetCreated{TopicID: "bb", Created: true}, events.RecopyRequested{})
	require.Contains(t, w.why(), "portage: topic/orders waits for the target topic to be deleted, to be copied anew")
}

// TestWhyInAPause: of what stands still, only the end of the pause is waited for.
func TestWhyInAPause(t *testing.T) {
	w := created(t)
	pause := []string{"a person: migration waits for the end of the pause → portage resume m"}
	w.said(events.MigrationStream, events.StartRequested{}, events.PauseRequested{})
	require.Equal(t, pause, w.why(), "its copy has not begun")
	w.said(events.MigrationStream, events.ResumeRequested{})
	w.said(orders, events.CopyStarted{}, events.TargetCreated{TopicID: "bb", Created: true})
	w.said(events.MigrationStream, events.PauseRequested{})
	require.Equal(t, pause, w.why(), "its copy has begun")
}

// TestWhyNobodyIsThere: a switch that no instance has heard of says so.
func TestWhyNobodyIsThere(t *testing.T) {
	w := created(t)
	w.said(events.MigrationStream, events.StartRequested{})
	w.said(orders, events.CopyStarted{}, events.TargetCreated{TopicID: "bb", Created: true}, events.CopySynced{Ends: ends(9)})
	w.said(billing, events.GuardHeld{Side: "target", MemberID: "gt"}, events.SwitchRequested{To: "target"})
	require.Contains(t, w.why(), "the service: group/billing waits for its instances to be inside both closed groups: none has reported, is one running?")
}

// TestWhyWhileCancelling: what is waited for until nothing is left.
func TestWhyWhileCancelling(t *testing.T) {
	w := created(t)
	w.said(events.MigrationStream, events.StartRequested{}, events.CancelRequested{})
	require.Equal(t, []string{
		"portage: topic/orders waits for the removal of what was created for it", "portage: group/billing waits for the guards to leave the group",
	}, w.why())
	w.said(billing, events.GroupReleased{})
	require.Equal(t, []string{"portage: topic/orders waits for the removal of what was created for it"}, w.why())
	w.said(orders, events.TopicReleased{})
	require.Empty(t, w.why())
}

// TestWhyPersonsFirst: what needs a person stands before what will come by
// itself.
func TestWhyPersonsFirst(t *testing.T) {
	w := newWorld(t)
	r := resolved("m")
	users := r.Topics[0]
	users.Name, users.Body.TargetTopic = "users", "users"
	r.Topics = append(r.Topics, users)
	_, err := w.cmds.Create(t.Context(), r)
	require.NoError(t, err)
	w.said(events.MigrationStream, events.StartRequested{})
	w.said(orders, events.CopyStarted{})
	w.said("topic/users", events.CopyStarted{}, events.CopyFailed{Effect: "create users", Reason: "no rights"})
	require.Equal(t, []string{
		"a person: topic/users waits for a retry: the copy stopped, failed: create users: no rights → portage retry m users",
		"portage: topic/orders waits for the target topic",
	}, w.why())
}

// TestWhyUnknown: there is no list of what a migration that is not there waits for.
func TestWhyUnknown(t *testing.T) {
	w := newWorld(t)
	w.look(func(v *projector.View) {
		_, err := commands.Why(v, "m")
		require.ErrorContains(t, err, `there is no migration "m"`)
	})
}
