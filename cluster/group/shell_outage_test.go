package group_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/realkafka"
)

// TestOutage cuts the network: for less than the session nothing changes, for longer the membership is lost and found again.
func TestOutage(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Topics: []embedded.Topic{{Name: "orders", Partitions: 8}}, Extra: []kfake.Opt{kfake.GroupMinSessionTimeout(100 * time.Millisecond)}}})
	s := site{c: open(t, "embedded", pair.Source.Bootstrap()), kfake: pair.Source}
	cfg := quick(fresh(), group.Open(agent("a"), "orders"))
	cfg.Session = 2 * time.Second
	a := join(t, s, cfg)
	first := a.assigned(8)
	s.kfake.Cut()
	await[group.Retrying](a, 0, func(r group.Retrying) bool { return r.Op == "heartbeat" })
	s.kfake.Heal()
	l, err := a.Confirm(ctx(t))
	require.NoError(t, err)
	require.Equal(t, first.Generation, l.Generation, "shorter than the session: still in")

	s.kfake.Cut()
	require.Eventually(t, func() bool { return !a.Lease().Holds(time.Now()) }, time.Minute, 5*time.Millisecond)
	require.True(t, a.Status().Assigned, "nobody has said anything; only the lease has run out")
	time.Sleep(time.Until(a.Lease().Sent.Add(cfg.Session + time.Second))) // the broker's session ends unseen: there is nothing to wait on
	s.kfake.Heal()
	await[group.Lost](a, 0, func(e group.Lost) bool { return errors.Is(e.Why, group.ErrUnknownMember) })
	require.NotEqual(t, first.MemberID, a.assigned(8).MemberID)
}

// TestRealBrokerRestart kills the only broker: members and guard go on in their generation once it is back.
func TestRealBrokerRestart(t *testing.T) {
	for _, version := range realkafka.Versions() {
		t.Run(version, func(t *testing.T) {
			k := realkafka.ForTest(t, realkafka.Options{Version: version})
			s := site{c: open(t, version, k.Bootstrap(realkafka.Internal)), version: version}
			require.NoError(t, s.c.CreateTopic(t.Context(), cluster.TopicSpec{Name: "orders", Partitions: 8, ReplicationFactor: 1}))
			name := fresh()
			cfg := quick(name, group.Closed(agent("a"), "orders"))
			cfg.Session = 20 * time.Second
			a := join(t, s, cfg)
			g := guard(t, s, name, false)
			first := heldWith(g, a)
			require.NoError(t, k.Kill(1, syscall.SIGKILL))
			await[group.Retrying](a, 0, func(r group.Retrying) bool { return r.Op == "heartbeat" })
			require.NoError(t, k.Restart(t.Context(), 1))
			l, err := a.Confirm(ctx(t))
			require.NoError(t, err)
			require.Equal(t, first.Generation, l.Generation)
			require.NoError(t, g.Commit(ctx(t), first.Generation, at(0, 7, "m")))
			require.Equal(t, first.MemberID, a.Status().MemberID)
		})
	}
}

// TestRealIntruder: on Kafka 4 a KIP-848 consumer gets into a closed group beside live members; they lose it, and Inspect says
// what happened. That is why membership is checked again after every cut.
func TestRealIntruder(t *testing.T) {
	k := realkafka.ForTest(t, realkafka.Options{Version: realkafka.Target, Properties: map[string]string{sessionsFrom: "100"}})
	s := site{c: open(t, "target", k.Bootstrap(realkafka.Internal)), version: realkafka.Target}
	require.NoError(t, s.c.CreateTopic(t.Context(), cluster.TopicSpec{Name: "orders", Partitions: 8, ReplicationFactor: 1}))
	name := fresh()
	a := join(t, s, quick(name, group.Closed(agent("a"), "orders")))
	a.assigned(8)
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Group, r.MemberID, r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = name, "AAAAAAAAAAAAAAAAAAAAAA", 10000, []string{"orders"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	resp, err := cluster.Do[*kmsg.ConsumerGroupHeartbeatResponse](ctx(t), s.c, r, cluster.OnGroup(name))
	require.NoError(t, err)
	require.Zero(t, resp.ErrorCode, "it is let in")
	await[group.RebalanceNeeded](a, 0, nil)
	snap, err := group.Inspect(ctx(t), s.c, name)
	require.NoError(t, err)
	require.Equal(t, group.GroupKIP848, snap.Kind)
	require.Len(t, snap.Members, 2)
}

// TestRealPause measures closing a group of eight members beside its guard: from the order to rejoin until all are assigned.
func TestRealPause(t *testing.T) {
	k := realkafka.ForTest(t, realkafka.Options{Version: realkafka.Target, RebalanceDelay: 3 * time.Second, Properties: map[string]string{sessionsFrom: "100"}})
	s := site{c: open(t, "target", k.Bootstrap(realkafka.Internal)), version: realkafka.Target}
	require.NoError(t, s.c.CreateTopic(t.Context(), cluster.TopicSpec{Name: "orders", Partitions: 64, ReplicationFactor: 1}))
	name := fresh()
	var members []*actor
	start := time.Now()
	for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		members = append(members, join(t, s, quick(name, group.Open(agent(n), "orders"))))
	}
	for _, m := range members {
		m.assigned(8)
	}
	t.Logf("eight members join an empty group: %v", time.Since(start))
	g := guard(t, s, name, false)
	_, err := g.Wait(ctx(t))
	require.NoError(t, err)
	for _, m := range members {
		m.assigned(8)
	}
	before := members[0].Status().Generation
	start = time.Now()
	for i, m := range members {
		require.NoError(t, m.Rejoin(group.Closed(agent(string(rune('a'+i))), "orders")))
	}
	for _, m := range members {
		require.Greater(t, m.assigned(8).Generation, before)
	}
	t.Logf("eight members and a guard (heartbeat 50 ms) close the group: %v", time.Since(start))
	require.Less(t, time.Since(start), 5*time.Second)
}
