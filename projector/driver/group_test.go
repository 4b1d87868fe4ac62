package driver

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

var billing = events.GroupStream("billing")

// instance is a member of billing on both clusters; a test acknowledges for it.
type instance struct {
	r              *rig
	incarnation    string
	source, target *group.Member
}

// instance joins billing on the source as it stands before a migration.
func (r *rig) instance(incarnation string) *instance {
	r.t.Helper()
	i := &instance{r: r, incarnation: incarnation}
	i.source = i.join(r.source(), group.Open(i.who(), "orders"))
	return i
}

func (i *instance) who() group.Identity {
	return group.Identity{Kind: group.KindAgent, Incarnation: i.incarnation}
}

func (i *instance) join(at *cluster.Client, offer group.Offer) *group.Member {
	i.r.t.Helper()
	m, err := group.Join(at, group.Config{Group: "billing", Offer: offer, Heartbeat: 20 * time.Millisecond, Rebalance: 10 * time.Second, Prompt: true})
	require.NoError(i.r.t, err)
	go func() {
		for e := range m.Events() {
			_ = e
		}
	}()
	i.r.t.Cleanup(m.Close)
	require.Eventually(i.r.t, func() bool {
		i.r.d.guards.nudge(i.r.t.Context(), seat{at.Name(), "billing"}, item{"m", billing})
		return m.Status().Assigned
	}, patience, time.Millisecond)
	return m
}

// prepare closes both groups as the order to prepare wants it, and says so once
// both have settled with the driver's guards in them.
func (i *instance) prepare() {
	r := i.r
	r.t.Helper()
	require.NoError(r.t, i.source.Rejoin(group.Closed(i.who(), "orders")))
	i.target = i.join(r.target(), group.Closed(i.who(), "orders"))
	r.settled(i.source, r.source())
	r.settled(i.target, r.target())
	r.say(events.Agent, billing, 1, events.Prepared{Incarnation: i.incarnation, SourceMember: i.source.Status().MemberID, TargetMember: i.target.Status().MemberID})
}

// settled waits until a member and a guard are in one complete generation.
func (r *rig) settled(m *group.Member, at *cluster.Client) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.d.guards.nudge(r.t.Context(), seat{at.Name(), "billing"}, item{"m", billing})
		held, ok := r.d.guards.held(seat{at.Name(), "billing"}, item{"m", billing})
		st := m.Status()
		return ok && st.Assigned && st.Generation == held.Generation
	}, patience, time.Millisecond)
}

// drain commits on the source and says that nothing is in its hands any more.
func (i *instance) drain(committed, processed int64) {
	i.r.t.Helper()
	i.commit(committed)
	at := func(offset int64) []events.TopicOffset {
		return []events.TopicOffset{{Topic: "orders", Offset: offset}}
	}
	i.r.say(events.Agent, billing, 1, events.Drained{Incarnation: i.incarnation, Member: i.source.Status().MemberID, Committed: at(committed), Processed: at(processed)})
}

func (i *instance) commit(at int64) {
	i.r.t.Helper()
	done, err := i.source.Commit(i.r.t.Context(), i.source.Status().Generation, group.Offset{Partition: group.Partition{Topic: "orders"}, At: at, Metadata: "theirs"})
	require.NoError(i.r.t, err)
	require.NoError(i.r.t, done.Err("billing"))
}

// reaches looks at billing until an event of a type was appended that counts.
func (r *rig) reaches(kind events.Type) events.Event {
	r.t.Helper()
	before := len(r.appended)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		next, err := r.look(billing)
		require.NoError(r.t, err)
		if n := len(r.appended); n > before && r.appended[n-1].Type == kind && next == again {
			return r.appended[n-1]
		}
	}
	require.Fail(r.t, "not reached", "%s: waits for %q", kind, r.waits[billing])
	return events.Event{}
}

// preparing is a switch of billing that was asked for, with one instance on the
// source that has committed 2 of 4 records.
func preparing(t *testing.T) (*rig, *instance) {
	r := newRig(t)
	r.begin([]string{"billing"}, "orders")
	r.write(r.source(), "orders", "one", "two", "three", "four")
	i := r.instance("i1")
	i.commit(2)
	r.synced("orders")
	r.reaches("GuardHeld")
	r.say(events.Operator, billing, 1, events.SwitchRequested{To: events.RouteTarget})
	return r, i
}

// holding is one whose instance is to stop, and knows it.
func holding(t *testing.T) (*rig, *instance) {
	r, i := preparing(t)
	r.reaches("GuardHeld")
	i.prepare()
	r.reaches("HoldOrdered")
	r.published()
	return r, i
}

// drained is one whose offsets stand still at 2.
func drained(t *testing.T) (*rig, *instance) {
	r, i := holding(t)
	i.drain(2, 2)
	r.reaches("DrainProven")
	return r, i
}

// aborts looks once: the attempt must end for a reason.
func (r *rig) aborts(code, reason string) {
	r.t.Helper()
	r.does(billing, "AbortRequested")
	abort := r.group("billing").Abort
	require.Equal(r.t, code, abort.Code)
	require.Contains(r.t, abort.Reason, reason)
	require.Equal(r.t, events.PhaseOnSource, r.group("billing").Readers)
}

// TestSwitch takes a group from the source to the target, looking once for every
// step: each is waited for, proven and decided.
func TestSwitch(t *testing.T) {
	r, i := preparing(t)
	r.reaches("GuardHeld")
	i.prepare()
	e := r.reaches("HoldOrdered")
	require.JSONEq(t, marshal(t, events.HoldOrdered{Members: []string{i.source.Status().MemberID}}), string(e.Body))
	r.awaits(billing, "the hold is not published yet")
	r.published()
	r.awaits(billing, i.source.Status().MemberID)
	i.drain(3, 3)
	e = r.reaches("DrainProven")
	require.JSONEq(t, marshal(t, events.DrainProven{Offsets: []events.TopicOffset{{Topic: "orders", Offset: 3}}}), string(e.Body))
	at, err := r.source().Offsets(t.Context(), "billing", true, nil)
	require.NoError(t, err)
	require.Equal(t, "theirs", at["orders"][0].Metadata, "the guard commits what the client wrote, its metadata, too")
	e = r.does(billing, "CutTaken")
	require.JSONEq(t, marshal(t, events.CutTaken{Cut: []events.CutPoint{{Topic: "orders", Source: 3, Target: 3}}}), string(e.Body))
	r.awaits(billing, "staged 0 of 1 partitions")
	r.say(events.Agent, billing, 1, events.Staged{Incarnation: "i1", Member: i.target.Status().MemberID, Offsets: []events.TopicOffset{{Topic: "orders", Offset: 3}}})
	r.does(billing, "SwitchCommitted")
	r.does(billing, "GuardHeld")
	require.True(t, r.group("billing").LeaveSource)
	r.awaits(billing, "orders/0 is committed at 0, the cut, and has records up to 4")
	i.cross(3)
	r.awaits(billing, "orders/0 is committed at 3, the cut, and has records up to 4")
	i.cross(4)
	r.does(billing, "SwitchCompleted")
	r.reaches("GuardReleased")
	r.awaits(billing, "source: members "+i.source.Status().MemberID+" are still inside")
	require.NoError(t, i.source.Leave(t.Context()))
	require.Eventually(t, func() bool { // the embedded broker keeps the type of an emptied group
		_, err := r.look(billing)
		return errors.Is(err, group.ErrKeepsType)
	}, patience, time.Millisecond)
	require.Eventually(t, func() bool {
		next, err := r.look(billing)
		return err == nil && next > sealPause
	}, patience, time.Millisecond, "it would not do so the next time either")
}

// cross commits on the target.
func (i *instance) cross(at int64) {
	i.r.t.Helper()
	require.Eventually(i.r.t, func() bool {
		done, err := i.target.Commit(i.r.t.Context(), i.target.Status().Generation, group.Offset{Partition: group.Partition{Topic: "orders"}, At: at})
		return err == nil && done.Err("billing") == nil
	}, patience, time.Millisecond)
}

// TestRequest: the driver asks for a switch by itself only with every instance
// able to log in and the copy close behind.
func TestRequest(t *testing.T) {
	r := newRig(t)
	r.begin([]string{"billing"}, "orders")
	r.synced("orders")
	r.reaches("GuardHeld")
	next, err := r.look(billing)
	require.NoError(t, err)
	require.Zero(t, next, "a person approves first")
	r.say(events.Operator, events.MigrationStream, 0, events.Approved{Step: 1})
	r.say(events.Agent, billing, 0, events.AgentSeen{Instance: "one", Incarnation: "i1", Logins: map[string]string{"target": "no password"}})
	r.awaits(billing, "instance one cannot log in to target: no password")
	r.say(events.Agent, billing, 0, events.AgentSeen{Instance: "one", Incarnation: "i1"})
	mend := broken(r.pair.Source, kmsg.ListOffsets, "orders", kerr.TopicAuthorizationFailed)
	r.fails(billing, "TOPIC_AUTHORIZATION_FAILED")
	mend()
	r.write(r.source(), "orders", strings.Split("a b c d e f g h i j k", " ")...)
	r.awaits(billing, "the copy of orders lags by 11 records, the policy allows 10")
	r.copied("orders")
	e := r.does(billing, "SwitchRequested")
	require.EqualValues(t, 1, e.Epoch)
}

// TestPrepareEnds: without instances for too long, and at once where a client
// of the consumer protocol is inside.
func TestPrepareEnds(t *testing.T) {
	t.Run("too long", func(t *testing.T) {
		r, _ := preparing(t)
		r.reaches("GuardHeld")
		r.awaits(billing, "")
		r.longAgo(billing)
		r.aborts("prepare-expired", "")
	})
	t.Run("KIP-848", func(t *testing.T) {
		r, i := preparing(t)
		require.NoError(t, i.source.Leave(t.Context()))
		modern(t, r.source())
		r.look(billing) // the guard sets out for the source
		require.Eventually(t, func() bool {
			_, err := r.look(billing)
			require.NoError(t, err)
			return r.group("billing").Abort != nil
		}, patience, time.Millisecond)
		require.Equal(t, "stranger", r.group("billing").Abort.Code)
	})
	t.Run("the source cannot be asked", func(t *testing.T) {
		r, _ := preparing(t)
		r.reaches("GuardHeld")
		defer broken(r.pair.Source, kmsg.DescribeGroups, "", kerr.GroupAuthorizationFailed)()
		_, err := r.look(billing)
		require.ErrorIs(t, err, cluster.ErrUnauthorized)
		r.longAgo(billing)
		_, err = r.look(billing)
		require.Error(t, err, "nobody is held: no reason to give up")
		require.Nil(t, r.group("billing").Abort)
	})
}

// modern lets a client of the consumer protocol of KIP-848 into billing.
func modern(t *testing.T, at *cluster.Client) {
	t.Helper()
	q := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	q.Group, q.MemberID, q.RebalanceTimeoutMillis = "billing", "AAAAAAAAAAAAAAAAAAAAAA", 10_000
	q.SubscribedTopicNames, q.Topics = []string{"orders"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	resp, err := cluster.Do[*kmsg.ConsumerGroupHeartbeatResponse](t.Context(), at, q, cluster.OnGroup("billing"))
	require.NoError(t, err)
	require.Zero(t, resp.ErrorCode)
}

// TestDrain: what keeps a drain from being proven, and what ends the attempt.
func TestDrain(t *testing.T) {
	t.Run("who is silent is looked for", func(t *testing.T) {
		r, i := holding(t)
		r.d.cfg.Poll = time.Hour
		r.awaits(billing, "instance  (i1) has not drained yet")
		r.d.cfg.Poll = time.Nanosecond
		require.NoError(t, i.source.Leave(t.Context()))
		r.reaches("DrainProven") // it has gone: nobody but the guard is inside
	})
	t.Run("somebody set the group back", func(t *testing.T) {
		r, i := holding(t)
		i.drain(3, 3)
		i.commit(1)
		next, err := r.look(billing)
		require.NoError(t, err)
		require.Equal(t, r.d.cfg.Idle, next, "Step refuses offsets below what an instance has committed")
		require.Equal(t, events.PhaseHolding, r.group("billing").Readers)
	})
	t.Run("beyond what was processed", func(t *testing.T) {
		r, i := holding(t)
		i.commit(4)
		i.drain(4, 3)
		r.aborts("gate", "orders/0 is committed at 4, above what its instance has processed (3)")
	})
	t.Run("an unknown member", func(t *testing.T) {
		r, i := holding(t)
		i.drain(2, 2)
		other := &instance{r: r, incarnation: "i2"}
		other.source = other.join(r.source(), group.Closed(other.who(), "orders"))
		r.settled(other.source, r.source())
		r.settled(i.source, r.source())
		r.awaits(billing, other.source.Status().MemberID)
		r.longAgo(billing)
		r.aborts("hold-expired", other.source.Status().MemberID)
	})
	t.Run("no guard here", func(t *testing.T) {
		r, i := holding(t)
		i.drain(2, 2)
		r.d.guards.drop(seat{"source", "billing"}, r.d.guards.at(seat{"source", "billing"}, item{"m", billing}))
		mend := broken(r.pair.Source, kmsg.JoinGroup, "", kerr.CoordinatorLoadInProgress)
		r.awaits(billing, "the guard is not in the source group")
		mend()
		r.reaches("DrainProven") // the successor takes the place over
	})
	t.Run("offsets cannot be read", func(t *testing.T) {
		r, i := holding(t)
		i.drain(2, 2)
		mend := broken(r.pair.Source, kmsg.OffsetFetch, "", kerr.GroupAuthorizationFailed)
		_, err := r.look(billing)
		require.ErrorIs(t, err, cluster.ErrUnauthorized)
		r.longAgo(billing)
		_, err = r.look(billing)
		require.ErrorIs(t, err, cluster.ErrUnauthorized, "the cause is told, and nobody is held for ever")
		require.Equal(t, "hold-expired", r.group("billing").Abort.Code)
		mend()
	})
	t.Run("the second look fails", func(t *testing.T) {
		r, i := holding(t)
		i.drain(2, 2)
		looks := 0
		h := r.pair.Source.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Err: kerr.GroupAuthorizationFailed, Count: -1, When: func(kmsg.Request) bool {
			looks++
			return looks%2 == 0
		}})
		_, err := r.look(billing)
		require.ErrorIs(t, err, cluster.ErrUnauthorized)
		require.Equal(t, events.PhaseHolding, r.group("billing").Readers, "what was committed proves nothing by itself")
		h.Remove()
		r.reaches("DrainProven")
	})
	t.Run("the commit is refused", func(t *testing.T) {
		r, i := holding(t)
		i.drain(2, 2)
		for _, c := range []struct {
			err  *kerr.Error
			wait string
		}{{kerr.IllegalGeneration, "another generation"}, {kerr.RebalanceInProgress, "another generation"}, {kerr.GroupAuthorizationFailed, ""}} {
			r.settled(i.source, r.source())
			mend := broken(r.pair.Source, kmsg.OffsetCommit, "", c.err)
			if c.wait != "" {
				r.awaits(billing, c.wait)
			} else {
				r.fails(billing, c.err.Message)
			}
			mend()
		}
		r.reaches("DrainProven")
	})
}

// TestCut: what keeps a cut from being taken, and what ends the attempt.
func TestCut(t *testing.T) {
	t.Run("the copy is behind", func(t *testing.T) {
		r, i := holding(t)
		r.write(r.source(), "orders", "five")
		i.drain(5, 5)
		r.reaches("DrainProven")
		r.awaits(billing, "orders/0 is copied up to 4, the group is at 5")
		r.copied("orders")
		r.does(billing, "CutTaken")
	})
	t.Run("too long", func(t *testing.T) {
		r, i := holding(t)
		r.write(r.source(), "orders", "five")
		i.drain(5, 5)
		r.reaches("DrainProven")
		r.awaits(billing, "copied up to 4")
		r.longAgo(billing)
		r.aborts("hold-expired", "orders/0 is copied up to 4, the group is at 5")
	})
	t.Run("other records", func(t *testing.T) {
		r, _ := drained(t)
		recreate(r, "orders")
		r.write(r.target(), "orders", "one", "two", "not three", "four")
		r.aborts("gate", "orders/0: source record 2 and the target's at 2 are not the same record")
	})
	t.Run("deleted on the target", func(t *testing.T) {
		r, _ := drained(t)
		recreate(r, "orders")
		r.aborts("gate", "orders/0: the target has deleted its record 2 already")
	})
	t.Run("committed meanwhile", func(t *testing.T) {
		r, i := drained(t)
		i.commit(3)
		r.aborts("gate", "source: orders/0 was drained at 2 and is committed at 3")
	})
	t.Run("a member too many", func(t *testing.T) {
		r, i := drained(t)
		other := &instance{r: r, incarnation: "i2"}
		other.source = other.join(r.source(), group.Closed(other.who(), "orders"))
		r.settled(other.source, r.source())
		r.settled(i.source, r.source())
		r.awaits(billing, other.source.Status().MemberID)
	})
	t.Run("brokers that cannot be asked", func(t *testing.T) {
		r, _ := drained(t)
		for _, mend := range []func() func(){
			func() func() { return broken(r.pair.Source, kmsg.ListOffsets, "orders", kerr.TopicAuthorizationFailed) },
			func() func() { return broken(r.pair.Source, kmsg.Fetch, "orders", kerr.TopicAuthorizationFailed) },
			func() func() { return broken(r.pair.Target, kmsg.Fetch, "orders", kerr.TopicAuthorizationFailed) },
			func() func() { return broken(r.pair.Target, kmsg.OffsetFetch, "", kerr.GroupAuthorizationFailed) },
			func() func() { return broken(r.pair.Source, kmsg.DescribeGroups, "", kerr.GroupAuthorizationFailed) },
		} {
			mend := mend()
			_, err := r.look(billing)
			require.ErrorIs(t, err, cluster.ErrUnauthorized)
			mend()
		}
		r.does(billing, "CutTaken")
	})
	t.Run("a copy that has stopped", func(t *testing.T) {
		r, _ := drained(t)
		r.say(events.Worker, orders, 0, events.CopyStopped{Code: "diverged", Reason: "because"})
		r.aborts("gate", "the copy of orders is stopped")
	})
}

// TestCommitted: a decided switch goes on however long it takes, and completes
// on evidence alone.
func TestCommitted(t *testing.T) {
	r, i := drained(t)
	r.does(billing, "CutTaken")
	r.say(events.Agent, billing, 1, events.Staged{Incarnation: "i1", Member: i.target.Status().MemberID, Offsets: []events.TopicOffset{{Topic: "orders", Offset: 2}}})
	r.does(billing, "SwitchCommitted")
	mend := broken(r.pair.Source, kmsg.DescribeGroups, "", kerr.GroupAuthorizationFailed)
	_, err := r.look(billing)
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	r.longAgo(billing)
	_, err = r.look(billing)
	require.ErrorIs(t, err, cluster.ErrUnauthorized, "too late for an abort")
	mend()
	r.d.guards.drop(seat{"source", "billing"}, r.d.guards.at(seat{"source", "billing"}, item{"m", billing}))
	mend = broken(r.pair.Source, kmsg.JoinGroup, "", kerr.CoordinatorLoadInProgress)
	r.awaits(billing, "the guard is not proven to hold the source")
	mend()
	r.reaches("GuardHeld")
	for _, key := range []kmsg.Key{kmsg.OffsetFetch, kmsg.DescribeGroups} {
		mend := broken(r.pair.Target, key, "", kerr.GroupAuthorizationFailed)
		_, err = r.look(billing)
		require.ErrorIs(t, err, cluster.ErrUnauthorized)
		mend()
	}
	i.cross(4)
	r.reaches("SwitchCompleted")
	require.Nil(t, r.group("billing").Abort)
}

// TestReleaseGroup: a cancelled group is given up once its guards are out, also
// by an orchestrator that has to take their places over first.
func TestReleaseGroup(t *testing.T) {
	r := newRig(t)
	r.begin([]string{"billing"}, "orders")
	r.synced("orders")
	r.reaches("GuardHeld")
	r.d.guards.close() // as one that died: the place is kept
	r.say(events.Operator, events.MigrationStream, 0, events.CancelRequested{})
	r.awaits(billing, "the guard has not left the group yet")
	r.reaches("GuardReleased")
	require.Empty(t, r.group("billing").TargetGuard.MemberID)
	seen, err := group.Inspect(t.Context(), r.target(), "billing")
	require.NoError(t, err)
	require.Empty(t, seen.Members)
	r.does(billing, "GroupReleased")
}

// TestGuardCannotLeave: a guard that cannot say good-bye is not lost sight of:
// another one takes its place over and leaves.
func TestGuardCannotLeave(t *testing.T) {
	r := newRig(t)
	r.begin([]string{"billing"}, "orders")
	r.synced("orders")
	r.reaches("GuardHeld")
	r.say(events.Operator, events.MigrationStream, 0, events.CancelRequested{})
	mend := broken(r.pair.Target, kmsg.LeaveGroup, "", kerr.GroupAuthorizationFailed)
	r.fails(billing, "GROUP_AUTHORIZATION_FAILED")
	mend()
	r.reaches("GuardReleased")
	seen, err := group.Inspect(t.Context(), r.target(), "billing")
	require.NoError(t, err)
	require.Empty(t, seen.Members)
}
