package group_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
)

func guard(t *testing.T, s site, name string, sealed bool) *group.Guard {
	t.Helper()
	g, err := group.NewGuard(s.c, group.GuardConfig{
		Group: name, Topics: []string{"orders"}, Sealed: sealed, Heartbeat: 50 * time.Millisecond, Session: time.Minute, Rebalance: 10 * time.Second,
		Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel),
	})
	require.NoError(t, err)
	t.Cleanup(g.Stop)
	return g
}

// heldWith waits until the guard is held in the same generation as the one other member, which then holds everything.
func heldWith(g *group.Guard, a *actor) group.Status {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		st, _ := g.State()
		mine := a.Status()
		return st.Held && mine.Assigned && st.Generation == mine.Generation && a.Lease().Holds(time.Now())
	}, 30*time.Second, 5*time.Millisecond)
	return a.assigned(8)
}

// evict removes a member as an administrator would.
func evict(ctx context.Context, s site, name, id string) error {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group = name
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = id
	r.Members = append(r.Members, m)
	resp, err := cluster.Do[*kmsg.LeaveGroupResponse](ctx, s.c, r, cluster.OnGroup(name), cluster.AtVersion(3))
	if err == nil && resp.Members[0].ErrorCode != 0 {
		err = fmt.Errorf("code %d", resp.Members[0].ErrorCode)
	}
	return err
}

func testGuardTakeOver(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Closed(agent("a"), "orders")))
	a.assigned(8)
	first := guard(t, s, name, false)
	before := heldWith(first, a)
	second := guard(t, s, name, false)
	held, err := second.Wait(ctx(t))
	require.NoError(t, err)
	require.Equal(t, before.Generation, held.Generation, "no rebalance")
	require.Eventually(t, func() bool { st, _ := first.State(); return !st.Held && st.Err != nil }, 10*time.Second, 5*time.Millisecond)
	_, err = first.Wait(ctx(t))
	require.ErrorIs(t, err, group.ErrFenced)
	require.ErrorIs(t, first.Retry(), group.ErrFenced)
	require.ErrorIs(t, first.Commit(ctx(t), held.Generation, at(0, 1, "")), group.ErrFenced)
	require.NoError(t, first.Leave(ctx(t)), "there is nothing to leave")
	require.NoError(t, second.Commit(ctx(t), held.Generation, at(0, 1, "")))
	require.Equal(t, before.Generation, a.Status().Generation)
	b := join(t, s, quick(name, group.Closed(agent("b"), "orders"))) // the successor answers rebalances
	b.assigned(4)
	require.NoError(t, second.Leave(ctx(t)))
	a.assigned(4)
}

// testNudge: a guard with a slow heartbeat is told of a rebalance.
func testNudge(t *testing.T, s site) {
	name := fresh()
	g, err := group.NewGuard(s.c, group.GuardConfig{Group: name, Topics: []string{"orders"}, Heartbeat: 10 * time.Second, Session: time.Minute, Rebalance: time.Minute})
	require.NoError(t, err)
	defer g.Stop()
	_, err = g.Wait(ctx(t))
	require.NoError(t, err)
	start := time.Now()
	a := join(t, s, quick(name, group.Closed(agent("a"), "orders")))
	for !a.Status().Assigned {
		err := g.Nudge(ctx(t))
		require.True(t, err == nil || errors.Is(err, group.ErrRebalance), "%v", err)
	}
	require.Less(t, time.Since(start), 5*time.Second)
}

// testGuardThatLeads: a successor of a guard that leads the group keeps the assignment, and leads the next generation.
func testGuardThatLeads(t *testing.T, s site) {
	name := fresh()
	first := guard(t, s, name, false)
	_, err := first.Wait(ctx(t))
	require.NoError(t, err)
	a := join(t, s, quick(name, group.Closed(agent("a"), "orders")))
	before := a.assigned(8)
	require.False(t, before.Leader)
	first.Stop() // its place is kept
	second := guard(t, s, name, false)
	_, err = second.Wait(ctx(t))
	require.NoError(t, err)
	require.Equal(t, before.Generation, a.assigned(8).Generation)
	b := join(t, s, quick(name, group.Closed(agent("b"), "orders")))
	b.assigned(4)
	a.assigned(4)
}

func testGuardCommits(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Closed(agent("a"), "orders")))
	g := guard(t, s, name, false)
	held := heldWith(g, a)
	done, err := a.Commit(ctx(t), held.Generation, at(0, 10, "m"), at(1, 20, ""))
	require.NoError(t, err)
	require.NoError(t, done.Err(name))
	got, err := g.Offsets(ctx(t), map[string][]int32{"orders": {0, 1}})
	require.NoError(t, err)
	require.NoError(t, g.Commit(ctx(t), held.Generation, at(0, got["orders"][0].At, got["orders"][0].Metadata), at(1, got["orders"][1].At, "")))
	require.ErrorIs(t, g.Commit(ctx(t), held.Generation-1, at(0, 1, "")), group.ErrGeneration)
	after, err := a.Offsets(ctx(t), map[string][]int32{"orders": {0, 1}})
	require.NoError(t, err)
	require.Equal(t, got, after)
}

func testSeal(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	g := guard(t, s, name, false)
	mine := heldWith(g, a)
	done, err := a.Commit(ctx(t), mine.Generation, at(0, 10, "m"))
	require.NoError(t, err)
	require.NoError(t, done.Err(name))
	require.NoError(t, a.Leave(ctx(t)))
	if s.version == "" {
		require.ErrorIs(t, g.Seal(ctx(t)), group.ErrKeepsType)
		held, err := g.Wait(ctx(t))
		require.NoError(t, err)
		require.False(t, held.Sealed, "but back at the door")
		return
	}
	require.NoError(t, g.Seal(ctx(t)))
	held, err := g.Wait(ctx(t))
	require.NoError(t, err)
	require.True(t, held.Sealed)
	require.NoError(t, g.Seal(ctx(t)), "sealing twice changes nothing")
	require.NoError(t, a.Rejoin(group.Open(agent("a"), "orders")))
	_, next := await[group.Refused](a, 0, nil)
	snap, err := group.Inspect(ctx(t), s.c, name)
	require.NoError(t, err)
	require.Equal(t, "portage-guard", snap.ProtocolType)
	require.NoError(t, g.Commit(ctx(t), held.Generation, at(0, 10, "m")))

	successor := guard(t, s, name, true)
	again, err := successor.Wait(ctx(t))
	require.NoError(t, err)
	require.True(t, again.Sealed)
	require.Equal(t, held.Generation, again.Generation)
	require.NoError(t, successor.Leave(ctx(t)))
	require.NoError(t, a.Rejoin(group.Open(agent("a"), "orders")))
	await[group.Assigned](a, next, nil)
	got, err := a.Offsets(ctx(t), nil)
	require.NoError(t, err)
	require.EqualValues(t, 10, got["orders"][0].At)
}

func testSealNotAlone(t *testing.T, s site) {
	name := fresh()
	g := guard(t, s, name, false)
	_, err := g.Wait(ctx(t))
	require.NoError(t, err)
	a := join(t, s, quick(name, group.Closed(agent("a"), "orders")))
	a.assigned(8)
	err = g.Seal(ctx(t))
	require.ErrorIs(t, err, group.ErrNotAlone)
	require.ErrorContains(t, err, a.Status().MemberID)
	sealed := guard(t, s, name, true) // the other guard would have to be in an empty group
	_, err = sealed.Wait(ctx(t))
	require.ErrorIs(t, err, group.ErrStranger)
	st, _ := g.State()
	require.True(t, st.Held, "the refused guard has not replaced the other one")
}

func testInspect(t *testing.T, s site) {
	name := fresh()
	snap, err := group.Inspect(ctx(t), s.c, name)
	require.NoError(t, err)
	require.Equal(t, group.GroupAbsent, snap.Kind)
	x := join(t, s, quick(name, group.Offer{Type: "consumer", Protocols: []string{"range"}, Topics: []string{"orders"}, Identity: agent("x")}))
	x.assigned(8)
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	a.assigned(4)
	x.assigned(4)
	snap, err = group.Inspect(ctx(t), s.c, name)
	require.NoError(t, err)
	require.Equal(t, group.GroupClassic, snap.Kind)
	require.Equal(t, "Stable", snap.State)
	require.Len(t, snap.Members, 2)
	for _, m := range snap.Members {
		require.True(t, m.Known && !m.Foreign)
		require.Equal(t, 4, m.Assigned.Len())
		require.True(t, strings.Contains("a x", m.Incarnation) && m.Identity.Host == "test", "%+v", m)
	}
	_, guarded := snap.Guard()
	require.False(t, guarded)
	require.NoError(t, a.Leave(ctx(t)))
	require.NoError(t, x.Leave(ctx(t)))
	require.Eventually(t, func() bool {
		snap, err = group.Inspect(ctx(t), s.c, name)
		return err == nil && snap.Kind != group.GroupClassic
	}, 10*time.Second, 10*time.Millisecond)
	require.Contains(t, []group.GroupKind{group.GroupEmpty, group.GroupAbsent}, snap.Kind)
	g := guard(t, s, name, false)
	_, err = g.Wait(ctx(t))
	require.NoError(t, err)
	snap, err = group.Inspect(ctx(t), s.c, name)
	require.NoError(t, err)
	m, guarded := snap.Guard()
	require.True(t, guarded)
	require.Equal(t, group.KindGuard, m.Kind)
}

// testNewerProtocol: a KIP-848 consumer gets into a closed classic group on Kafka 4, and Inspect shows it.
func testNewerProtocol(t *testing.T, s site) {
	name := fresh()
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Group, r.MemberID, r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = name, "AAAAAAAAAAAAAAAAAAAAAA", 10000, []string{"orders"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	resp, err := cluster.Do[*kmsg.ConsumerGroupHeartbeatResponse](ctx(t), s.c, r, cluster.OnGroup(name))
	if err != nil || resp.ErrorCode == 35 {
		require.True(t, strings.HasPrefix(s.version, "2.") || strings.HasPrefix(s.version, "3."), "offered by everything newer: %v", err)
		return
	}
	require.Zero(t, resp.ErrorCode)
	snap, err := group.Inspect(ctx(t), s.c, name)
	require.NoError(t, err)
	require.Equal(t, group.GroupKIP848, snap.Kind)
	require.Len(t, snap.Members, 1)
	require.True(t, snap.Members[0].Known && snap.Members[0].Foreign)
	if s.version == "" { // the embedded broker lets the guard in
		return
	}
	g := guard(t, s, name, true)
	_, err = g.Wait(ctx(t))
	require.ErrorIs(t, err, group.ErrStranger)
	r.MemberEpoch = -1
	_, err = cluster.Do[*kmsg.ConsumerGroupHeartbeatResponse](ctx(t), s.c, r, cluster.OnGroup(name))
	require.NoError(t, err)
	require.NoError(t, g.Retry())
	_, err = g.Wait(ctx(t)) // an emptied one it takes over
	require.NoError(t, err)
}
