package service_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
)

var billing = events.GroupStream("billing")

// readers is a plan of orders and the group billing whose readers wait for a
// person.
func readers(policy string) string {
	return manual("topics: [{name: orders}]\ngroups: [billing]\npolicy: {" + policy + "}\n")
}

// newReaders is a bench with a topic of two partitions and 40 records, of which
// an instance of billing has handled all. Its stop is returned.
func newReaders(t *testing.T) (b *bench, stop func()) {
	b = newBench(t)
	b.topics(b.pair.Source, 2, "orders")
	b.write(b.source(), "orders", 0, numbered(0, 20)...)
	b.write(b.source(), "orders", 1, numbered(20, 40)...)
	stop = b.consume("billing", "one", "orders")
	b.once("billing", numbered(0, 40))
	return b, stop
}

// ready waits until a switch of billing can be asked for.
func (b *bench) ready() {
	b.t.Helper()
	b.group("billing", func(g *fsm.Group) bool {
		return len(g.Synced) == len(g.Topics) && g.TargetGuard.MemberID != "" && g.Readers == events.PhaseOnSource
	})
}

// switchReaders asks for a switch of billing in the name of a person.
func (b *bench) switchReaders() { b.send(billing, events.SwitchRequested{To: events.RouteTarget}) }

// aborted waits for the abort of an epoch.
func (b *bench) aborted(epoch uint32) *fsm.Abort {
	b.t.Helper()
	return b.group("billing", func(g *fsm.Group) bool {
		return g.Readers == events.PhaseOnSource && g.Abort != nil && g.Abort.Epoch == epoch
	}).Abort
}

// onTarget waits for the end of the switch and proves that billing goes on
// there: every record is handled once.
func (b *bench) onTarget() {
	b.t.Helper()
	b.group("billing", isOnTarget)
	b.write(b.source(), "orders", 0, numbered(1000, 1010)...)
	b.once("billing", append(numbered(0, 40), numbered(1000, 1010)...))
}

func isOnTarget(g *fsm.Group) bool { return g.Readers == events.PhaseOnTarget }

// TestStranger: a client without the SDK in the source group aborts the switch,
// and everybody goes on there. Once it is gone the switch succeeds.
func TestStranger(t *testing.T) {
	b, _ := newReaders(t)
	stranger, err := kgo.NewClient(kgo.SeedBrokers(b.pair.Source.Bootstrap()...), kgo.ConsumerGroup("billing"),
		kgo.ConsumeTopics("orders"), kgo.Balancers(kgo.RangeBalancer()), kgo.HeartbeatInterval(100*time.Millisecond))
	require.NoError(t, err)
	leave := sync.OnceFunc(stranger.Close)
	t.Cleanup(leave)
	go func() {
		for !stranger.PollFetches(context.Background()).IsClientClosed() {
			continue
		}
	}()
	b.members(b.source().Name(), 2)
	b.serve()
	b.create(readers("prepare: 20s, hold: 3s"))
	b.ready()
	b.switchReaders()
	require.Equal(t, "stranger", b.aborted(1).Code)
	b.group("billing", func(g *fsm.Group) bool { return g.SourceGuard.MemberID == "" })
	leave()
	b.members(b.source().Name(), 1)
	b.write(b.source(), "orders", 0, "after the abort")
	b.once("billing", []string{"after the abort"})
	b.switchReaders()
	b.onTarget()
}

// members waits until billing has a number of members that are not the guard.
func (b *bench) members(cluster string, n int) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		s, err := group.Inspect(b.t.Context(), b.clusters[cluster], "billing")
		others := len(s.Members)
		if _, guarded := s.Guard(); guarded {
			others--
		}
		return err == nil && s.State == "Stable" && others == n
	}, patience, 20*time.Millisecond)
}

// TestNobodyPrepares: a group without instances is not switched.
func TestNobodyPrepares(t *testing.T) {
	b, stop := newReaders(t)
	stop()
	b.serve()
	b.create(readers("prepare: 1s, hold: 1s"))
	b.ready()
	b.switchReaders()
	abort := b.aborted(1)
	require.Equal(t, "prepare-expired", abort.Code)
	require.Contains(t, abort.Reason, "no instance")
	b.calm()
}

// TestHoldOfTheVanished: instances that prepared and were never heard of again
// do not keep a switch open: the driver ends it.
func TestHoldOfTheVanished(t *testing.T) {
	b, stop := newReaders(t)
	stop()
	vanished, err := group.Join(b.source(), group.Config{
		Group: "billing", Offer: group.Open(group.Identity{Kind: group.KindAgent, Incarnation: "i1"}, "orders"), Heartbeat: 50 * time.Millisecond, Prompt: true,
	})
	require.NoError(t, err)
	defer vanished.Close()
	go func() {
		for e := range vanished.Events() {
			_ = e
		}
	}()
	b.serve()
	b.create(readers("prepare: 30s, hold: 1s"))
	b.ready()
	b.members("source", 1)
	b.switchReaders()
	b.group("billing", func(g *fsm.Group) bool { return g.SourceGuard.MemberID != "" })
	b.members("source", 1)
	b.say(billing, 1, events.Prepared{Incarnation: "i1", SourceMember: vanished.Status().MemberID, TargetMember: "gone"})
	abort := b.aborted(1)
	require.Equal(t, "hold-expired", abort.Code)
	require.Contains(t, abort.By, string(events.Orchestrator))
}

// TestOffsetsAboveTheCut: offsets that somebody committed on the target beyond
// the cut would skip records; the switch is aborted by name.
func TestOffsetsAboveTheCut(t *testing.T) {
	b, _ := newReaders(t)
	b.topics(b.pair.Target, 2, "orders")
	client, err := kgo.NewClient(kgo.SeedBrokers(b.pair.Target.Bootstrap()...))
	require.NoError(t, err)
	defer client.Close()
	var offsets kadm.Offsets
	offsets.AddOffset("orders", 1, 1000, -1)
	require.NoError(t, kadm.NewClient(client).CommitAllOffsets(t.Context(), "billing", offsets))
	b.serve()
	b.create(readers("prepare: 30s, hold: 3s"))
	b.ready()
	b.switchReaders()
	abort := b.aborted(1)
	require.Equal(t, "gate", abort.Code)
	require.Contains(t, abort.Reason, "orders/1 is committed at 1000 already, above the cut 20")
}

// TestServeBetweenPhases: the orchestrator is stopped and started after every
// phase of a switch, and the switch comes to its end.
func TestServeBetweenPhases(t *testing.T) {
	b, _ := newReaders(t)
	stop := b.serve()
	again := func() {
		stop()
		stop = b.serve()
	}
	b.create(readers("prepare: 60s, hold: 30s"))
	b.ready()
	again()
	b.ready()
	b.switchReaders()
	rank := map[events.Phase]int{
		events.PhasePreparing: 1, events.PhaseHolding: 2, events.PhaseDrained: 3, events.PhaseCut: 4,
		events.PhaseStaged: 5, events.PhaseCommitted: 6, events.PhaseOnTarget: 7,
	}
	for at := 1; at < 7; {
		again()
		g := b.group("billing", func(g *fsm.Group) bool { return rank[g.Readers] >= at && g.Standing.Epoch == 1 })
		at = max(at, rank[g.Readers]) + 1
	}
	b.onTarget()
	again()
	b.write(b.source(), "orders", 1, numbered(2000, 2010)...)
	b.once("billing", numbered(2000, 2010))
	require.Equal(t, 1, b.counts(billing, "SwitchCommitted"))
	b.calm()
}

// TestTwoOrchestrators: two at once decide everything exactly once, and neither
// takes the guards from the other for ever.
func TestTwoOrchestrators(t *testing.T) {
	b, _ := newReaders(t)
	b.serveAs("east")
	b.serveAs("west")
	b.create(readers("prepare: 60s, hold: 5s, quiet: 300ms, silent: 1s"))
	b.ready()
	b.switchReaders()
	b.onTarget()
	b.send(events.MigrationStream, events.Approved{Step: 2})
	b.until("the source is quiet", func(m *fsm.Migration) bool { return m.Count.Quiet == 1 })
	b.send(events.MigrationStream, events.Approved{Step: 3})
	b.until("the end", func(m *fsm.Migration) bool { return m.Phase == events.PhaseFinished })
	b.calm()
	for stream, kinds := range map[events.Stream][]events.Type{
		billing:                      {"SwitchRequested", "HoldOrdered", "DrainProven", "CutTaken", "SwitchCommitted", "SwitchCompleted"},
		events.TopicStream("orders"): {"CopyStarted", "TargetCreated", "CopySynced", "SwitchRequested", "SwitchCommitted", "TopicFinished"},
		events.MigrationStream:       {"CompleteRequested"},
	} {
		for _, kind := range kinds {
			require.Equal(t, 1, b.counts(stream, kind), "%s of %s", kind, stream)
		}
	}
}

// TestDirectivesFollowTheLog: what agents read is what the projection wants.
func TestDirectivesFollowTheLog(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders", "payments")
	b.serve()
	b.create(manual("topics: [{name: orders}, {name: payments}]\n"))
	b.until("all synced", func(m *fsm.Migration) bool { return m.Count.Synced == 2 })
	b.view("directives", func(v *projector.View) bool {
		all, err := v.Directives()
		require.NoError(t, err)
		for _, d := range all {
			if b.published(d.Addressee) < d.Position {
				return false
			}
		}
		return len(all) >= 4
	})
	for _, name := range []string{"orders", "payments"} {
		require.Positive(t, b.published(events.ToProducers(name)), fmt.Sprint(name))
	}
}

// TestGuardRemoved: a guard that somebody removed from the group comes back and
// is recorded under its new member id.
func TestGuardRemoved(t *testing.T) {
	b, _ := newReaders(t)
	b.serve()
	b.create(readers("prepare: 60s, hold: 5s"))
	b.ready()
	first := b.group("billing", func(*fsm.Group) bool { return true }).TargetGuard
	client, err := kgo.NewClient(kgo.SeedBrokers(b.pair.Target.Bootstrap()...))
	require.NoError(t, err)
	defer client.Close()
	left, err := kadm.NewClient(client).LeaveGroup(t.Context(), kadm.LeaveGroup("billing").InstanceIDs(group.GuardInstance))
	require.NoError(t, err)
	require.NoError(t, left.Error())
	b.group("billing", func(g *fsm.Group) bool {
		return g.TargetGuard.MemberID != "" && g.TargetGuard.MemberID != first.MemberID
	})
	b.switchReaders()
	b.onTarget()
}

// TestStoppedCopyAborts: nobody is moved towards a copy that has stopped.
func TestStoppedCopyAborts(t *testing.T) {
	b, stop := newReaders(t)
	stop()
	b.serve()
	b.create(readers("prepare: 5m, hold: 5s"))
	b.ready()
	b.switchReaders()
	require.NoError(t, b.target().DeleteTopic(t.Context(), "orders"))
	b.topics(b.pair.Target, 2, "orders")
	b.write(b.source(), "orders", 0, "for nobody")
	abort := b.aborted(1)
	require.Equal(t, "gate", abort.Code)
	require.Contains(t, abort.Reason, "the copy of orders is stopped")
	b.group("billing", func(g *fsm.Group) bool { return g.SourceGuard.MemberID == "" })
	b.calm()
}

// TestOutage: clusters that cannot be reached for a while end nothing; copy and
// switch go on when they are back.
func TestOutage(t *testing.T) {
	b, _ := newReaders(t)
	b.serve()
	b.create(readers("prepare: 60s, hold: 30s"))
	b.ready()
	for _, c := range []*embedded.Cluster{b.pair.Source, b.pair.Target} {
		c.Cut()
		time.Sleep(300 * time.Millisecond) // long enough for everybody to notice
		c.Heal()
	}
	b.write(b.source(), "orders", 0, numbered(500, 510)...)
	b.once("billing", numbered(500, 510))
	b.switchReaders()
	b.onTarget()
}
