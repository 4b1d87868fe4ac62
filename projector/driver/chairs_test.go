package driver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

var (
	onSourceSeat = seat{"source", "billing"}
	onTargetSeat = seat{"target", "billing"}
	theGroup     = item{"m", billing}
)

// guarded is a group whose guard stands on the target, as before every switch.
func guarded(t *testing.T) *rig {
	r := newRig(t)
	r.begin([]string{"billing"}, "orders")
	r.synced("orders")
	r.reaches("GuardHeld")
	return r
}

// another orchestrator takes a seat of this one's.
func (r *rig) another(s seat, sealed bool) *Driver {
	r.t.Helper()
	d := r.driver()
	require.NoError(r.t, d.guards.join(r.clients[s.cluster], s, theGroup, sealed, []string{"orders"}))
	waitHeld(r.t, d.guards, s, theGroup)
	return d
}

// fenced waits until the guard on a seat knows that it was relieved.
func (r *rig) fenced(s seat) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.d.guards.nudge(r.t.Context(), s, theGroup)
		state, _ := r.d.guards.at(s, theGroup).State()
		return state.Err != nil
	}, patience, time.Millisecond)
}

// due says when billing is due.
func (r *rig) due() time.Time {
	r.d.queue.mu.Lock()
	defer r.d.queue.mu.Unlock()
	if a := r.d.queue.due[theGroup]; a != nil {
		return a.at
	}
	return time.Time{}
}

// TestAside: a seat that another orchestrator took is left to it while nothing
// needs it, and taken back once the other one has gone.
func TestAside(t *testing.T) {
	r := guarded(t)
	mine := r.group("billing").TargetGuard.MemberID
	other := r.another(onTargetSeat, false)
	r.fenced(onTargetSeat)
	_, err := r.look(billing)
	require.NoError(t, err)
	require.Nil(t, r.d.guards.at(onTargetSeat, theGroup), "it steps aside")
	until := r.d.guards.asideUntil(onTargetSeat)
	require.Greater(t, time.Until(until), firstAside/2)
	_, err = r.look(billing)
	require.NoError(t, err)
	require.Nil(t, r.d.guards.at(onTargetSeat, theGroup), "and stays so")
	require.False(t, r.due().After(until), "it looks again then")

	past := func() { r.d.guards.aside[onTargetSeat].until = time.Now().Add(-time.Second) }
	past()
	_, err = r.look(billing)
	require.NoError(t, err)
	require.Nil(t, r.d.guards.at(onTargetSeat, theGroup), "the other one is there")
	mend := broken(r.pair.Target, kmsg.DescribeGroups, "", kerr.GroupAuthorizationFailed)
	_, err = r.look(billing)
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	mend()

	require.NoError(t, other.guards.leave(t.Context(), onTargetSeat, other.guards.at(onTargetSeat, theGroup)))
	r.reaches("GuardHeld")
	require.NotEqual(t, mine, r.group("billing").TargetGuard.MemberID)
}

// TestAsideInASwitch: while a switch is under way the seat is taken back even
// from an orchestrator that is still there: whoever goes on with the switch
// needs it.
func TestAsideInASwitch(t *testing.T) {
	r, _ := preparing(t)
	r.reaches("GuardHeld")
	r.another(onTargetSeat, false)
	r.fenced(onTargetSeat)
	_, err := r.look(billing)
	require.NoError(t, err)
	r.d.guards.aside[onTargetSeat].until = time.Now().Add(-time.Second)
	r.reaches("GuardHeld")
	_, held := r.d.guards.held(onTargetSeat, theGroup)
	require.True(t, held)
}

// TestGuardComesBack: a guard that was removed from its group tries to get in
// again, with growing pauses, and is recorded under its other member id.
func TestGuardComesBack(t *testing.T) {
	r := guarded(t)
	before := r.group("billing").TargetGuard.MemberID
	evictGuard(t, r.target())
	r.fenced(onTargetSeat)
	_, err := r.look(billing)
	require.NoError(t, err)
	p := r.d.guards.at(onTargetSeat, theGroup)
	require.Equal(t, firstEntry, p.again.last)
	require.False(t, r.due().After(p.again.until))
	_, err = r.look(billing)
	require.NoError(t, err)
	state, _ := p.State()
	require.ErrorIs(t, state.Err, group.ErrUnknownMember, "not before the pause is over")
	p.again.until = time.Now().Add(-time.Second)
	_, err = r.look(billing)
	require.NoError(t, err)
	require.Equal(t, 2*firstEntry, p.again.last)
	r.reaches("GuardHeld")
	require.NotEqual(t, before, r.group("billing").TargetGuard.MemberID)
}

// evictGuard removes the guard of billing as an administrator would.
func evictGuard(t *testing.T, at *cluster.Client) {
	t.Helper()
	q := kmsg.NewPtrLeaveGroupRequest()
	q.Group = "billing"
	m := kmsg.NewLeaveGroupRequestMember()
	m.InstanceID = kmsg.StringPtr(guardInstance)
	q.Members = append(q.Members, m)
	resp, err := cluster.Do[*kmsg.LeaveGroupResponse](t.Context(), at, q, cluster.OnGroup("billing"), cluster.AtVersion(3))
	require.NoError(t, err)
	require.Zero(t, resp.Members[0].ErrorCode)
}

// TestStrangerInside: a client inside the source that does not offer portage
// keeps the guard out, which ends an attempt that is being prepared.
func TestStrangerInside(t *testing.T) {
	r, i := preparing(t)
	require.NoError(t, i.source.Leave(t.Context()))
	i.join(r.source(), group.Offer{Type: group.TypeConsumer, Protocols: []string{group.ProtocolRange}, Topics: []string{"orders"}, Identity: i.who()})
	require.Eventually(t, func() bool {
		_, err := r.look(billing)
		require.NoError(t, err)
		return r.group("billing").Abort != nil
	}, patience, time.Millisecond)
	require.Equal(t, "stranger", r.group("billing").Abort.Code)
	require.Contains(t, r.group("billing").Abort.Reason, "source: ")
}

// over takes a group to the target and lets its instance leave the source.
func over(t *testing.T) *rig {
	r, i := drained(t)
	r.does(billing, "CutTaken")
	r.say(events.Agent, billing, 1, events.Staged{Incarnation: "i1", Member: i.target.Status().MemberID, Offsets: []events.TopicOffset{{Topic: "orders", Offset: 2}}})
	r.does(billing, "SwitchCommitted")
	r.reaches("GuardHeld")
	i.cross(4)
	r.reaches("SwitchCompleted")
	r.reaches("GuardReleased")
	require.NoError(t, i.source.Leave(t.Context()))
	return r
}

// TestOtherType: a successor that is refused where a group may be sealed tries
// the guard's own protocol type: its predecessor died between sealing the group
// and saying so. Where that is refused, too, it goes back to the door.
func TestOtherType(t *testing.T) {
	r := over(t)
	r.d.guards.close()
	evictGuard(t, r.source())
	forget(t, r.source()) // the embedded broker lets no emptied group change its type
	r.another(onSourceSeat, true)
	refused := func(sealed bool) *post {
		p := r.d.guards.at(onSourceSeat, theGroup)
		require.Equal(t, sealed, p.sealed)
		require.Eventually(t, func() bool { state, _ := p.State(); return state.Err != nil }, patience, time.Millisecond)
		state, _ := p.State()
		require.ErrorIs(t, state.Err, group.ErrStranger)
		return p
	}
	look := func() {
		_, err := r.look(billing)
		require.NoError(t, err)
	}
	look()
	p := refused(false)
	look()
	require.Equal(t, firstEntry, p.again.last, "a pause first")
	p.again.until = time.Now().Add(-time.Second)
	r.reaches("GuardHeld")
	require.True(t, r.group("billing").SourceGuard.Exclusive)
	require.Equal(t, 2*firstEntry, r.d.guards.at(onSourceSeat, theGroup).again.last, "the pauses go on")
	next, err := r.look(billing)
	require.NoError(t, err)
	require.Zero(t, next, "sealed: there is nothing more to do")

	// Somebody removed it, and a consumer is inside now: neither type gets in.
	evictGuard(t, r.source())
	r.fenced(onSourceSeat)
	forget(t, r.source())
	(&instance{r: r, incarnation: "i9"}).join(r.source(), group.Offer{Type: group.TypeConsumer, Protocols: []string{group.ProtocolRange}, Topics: []string{"orders"}, Identity: group.Identity{Kind: group.KindAgent, Incarnation: "i9"}})
	sealed := true
	for range 4 {
		p := r.d.guards.at(onSourceSeat, theGroup)
		p.again.until = time.Now().Add(-time.Second)
		look()
		if again := r.d.guards.at(onSourceSeat, theGroup); again != p {
			sealed = !sealed
		}
		refused(sealed)
	}
	require.Equal(t, mostEntry, r.d.guards.at(onSourceSeat, theGroup).again.last)
}

// forget lets a cluster forget an empty group.
func forget(t *testing.T, at *cluster.Client) {
	t.Helper()
	q := kmsg.NewPtrDeleteGroupsRequest()
	q.Groups = []string{"billing"}
	resp, err := cluster.Do[*kmsg.DeleteGroupsResponse](t.Context(), at, q, cluster.OnGroup("billing"))
	require.NoError(t, err)
	require.Zero(t, resp.Groups[0].ErrorCode)
}

// TestLaterMigration: once another migration has claimed a group, the one that
// is over leaves the guards to it.
func TestLaterMigration(t *testing.T) {
	r := over(t)
	r.finish()
	_, held := r.d.guards.held(onSourceSeat, theGroup)
	require.True(t, held, "the source stays closed when the migration is over")

	r.migration = "n"
	r.plan([]string{"billing"}, events.TopicPlanned{Partitions: 1, ReplicationFactor: 1}, "payments")
	r.migration = "m"
	r.d.guards.close()
	_, err := r.look(billing)
	require.NoError(t, err)
	require.Nil(t, r.d.guards.at(onSourceSeat, theGroup), "no seat of the former is taken any more")
	require.NoError(t, r.d.guards.join(r.source(), onSourceSeat, theGroup, false, nil))
	waitHeld(t, r.d.guards, onSourceSeat, theGroup)
	_, err = r.look(billing)
	require.NoError(t, err)
	_, held = r.d.guards.held(onSourceSeat, theGroup)
	require.True(t, held, "nor given up")

	r.migration = "n"
	_, err = r.look(billing)
	require.NoError(t, err)
	require.Nil(t, r.d.guards.at(onSourceSeat, theGroup), "the later one has no use for it before its switch")
	seen, err := group.Inspect(t.Context(), r.source(), "billing")
	require.NoError(t, err)
	require.Empty(t, seen.Members)
}

// finish takes the migration of orders to its end once the readers are over.
func (r *rig) finish() {
	r.t.Helper()
	r.say(events.Operator, orders, 1, events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
	r.say(events.Worker, orders, 1, events.CopyShared{})
	r.does(orders, "WritersRolling")
	r.awaits(orders, "quiet time")
	r.stoodStill(orders, quiet)
	r.does(orders, "SwitchCommitted")
	r.does(orders, "SwitchCompleted")
	r.awaits(orders, "quiet time")
	r.stoodStill(orders, quiet)
	r.does(orders, "SourceQuiet")
	r.say(events.Operator, events.MigrationStream, 0, events.CompleteRequested{})
	r.does(orders, "VerifyOrdered")
	r.verified()
	r.does(orders, "TopicFinished")
}
