package group

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func agent(id string, topics ...string) Peer {
	return Peer{ID: id, Topics: topics, Identity: Identity{Kind: KindAgent, Incarnation: id}, OwnedGeneration: -1}
}

func counts(n int32, topics ...string) Inventory {
	inv := Inventory{Counts: map[string]int32{}}
	for _, topic := range topics {
		inv.Counts[topic] = n
	}
	return inv
}

// TestPortageMirrorsWants: who holds a partition on the other cluster gets it here.
func TestPortageMirrorsWants(t *testing.T) {
	a, b, c := agent("a", "orders"), agent("b", "orders"), agent("c", "orders")
	a.Wants = Partitions{"orders": {0, 1, 2, 3, 4}}
	b.Wants = Partitions{"orders": {5}, "elsewhere": {0}}
	got := AssignPortage(counts(8, "orders"), []Peer{c, a, b})
	require.Equal(t, Partitions{"orders": {0, 1, 2, 3, 4}}, got["a"].Partitions)
	require.Equal(t, Partitions{"orders": {5, 7}}, got["b"].Partitions, "what is not subscribed to is not given")
	require.Equal(t, Partitions{"orders": {6}}, got["c"].Partitions, "the rest goes to those who have least")

	b.Wants = Partitions{"orders": {4, 5}}
	require.True(t, AssignPortage(counts(8, "orders"), []Peer{a, b, c})["a"].Partitions.Has("orders", 4), "of equal claims the first incarnation's counts")
	b.WantsGeneration = 1
	require.True(t, AssignPortage(counts(8, "orders"), []Peer{a, b, c})["b"].Partitions.Has("orders", 4), "the later generation's claim counts")
}

// TestPortageGivesGuardsNothing: not even what they claim.
func TestPortageGivesGuardsNothing(t *testing.T) {
	g := agent("g", "orders")
	g.Kind = KindGuard
	g.Wants, g.Owned, g.OwnedGeneration = Partitions{"orders": {0}}, Assignment{Partitions: Partitions{"orders": {1}}}, 7
	require.Empty(t, AssignPortage(counts(4, "orders"), []Peer{g}))
	require.Empty(t, AssignRange(counts(4, "orders"), []Peer{g}))
	g.Kind = KindWorker
	require.Len(t, AssignPortage(counts(4, "orders"), []Peer{g}), 1)
}

// TestPortageKeepsOwners: as far as balance allows.
func TestPortageKeepsOwners(t *testing.T) {
	a, b := agent("a", "orders"), agent("b", "orders")
	a.Owned, a.OwnedGeneration = Assignment{Partitions: Partitions{"orders": {1, 3}}}, 4
	b.Owned, b.OwnedGeneration = Assignment{Partitions: Partitions{"orders": {0, 2, 3}}}, 3
	got := AssignPortage(counts(4, "orders"), []Peer{a, b})
	require.Equal(t, Partitions{"orders": {1, 3}}, got["a"].Partitions, "a zombie's older claim does not count")
	require.Equal(t, Partitions{"orders": {0, 2}}, got["b"].Partitions)
}

// TestPortageAssignsEachPartitionOnce, whoever is in the group, in whatever order the broker lists them.
func TestPortageAssignsEachPartitionOnce(t *testing.T) {
	topics := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		inv := Inventory{Counts: map[string]int32{}}
		for _, topic := range topics {
			if n := rapid.Int32Range(0, 9).Draw(t, "count"); n > 0 {
				inv.Counts[topic] = n
			}
		}
		var peers []Peer
		for i := range rapid.IntRange(0, 6).Draw(t, "members") {
			peers = append(peers, drawPeer(t, fmt.Sprintf("m%d", i), topics))
		}
		got := AssignPortage(inv, peers)
		shuffled := slices.Clone(peers)
		rng := rand.New(rand.NewPCG(uint64(rapid.Uint32().Draw(t, "shuffle")), 0))
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		require.Equal(t, got, AssignPortage(inv, shuffled))
		checkOnce(t, inv, peers, got)
		checkWants(t, inv, peers, got)
	})
}

func drawPeer(t *rapid.T, id string, topics []string) Peer {
	p := agent(id, slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.SampledFrom(topics), 0, 3, rapid.ID).Draw(t, "topics")))...)
	p.Kind = rapid.SampledFrom([]Kind{KindAgent, KindAgent, KindGuard, ""}).Draw(t, "kind")
	set := func(name string) Partitions {
		return Partitions(rapid.MapOf(rapid.SampledFrom(topics), rapid.SliceOfN(rapid.Int32Range(0, 11), 0, 5)).Draw(t, name)).normal()
	}
	p.Wants, p.WantsGeneration = set("wants"), rapid.Int32Range(-1, 2).Draw(t, "wants generation")
	p.Owned.Partitions, p.OwnedGeneration = set("owned"), rapid.Int32Range(-1, 2).Draw(t, "owned generation")
	return p
}

func checkOnce(t require.TestingT, inv Inventory, peers []Peer, got map[string]Assignment) {
	owner := map[Partition]string{}
	for id, a := range got {
		p := peers[slices.IndexFunc(peers, func(p Peer) bool { return p.ID == id })]
		require.NotEqual(t, KindGuard, p.Kind)
		for topic, list := range a.Partitions {
			require.Contains(t, p.Topics, topic)
			for _, n := range list {
				require.Less(t, n, inv.Counts[topic])
				require.Empty(t, owner[Partition{Topic: topic, ID: n}])
				owner[Partition{Topic: topic, ID: n}] = id
			}
		}
	}
	for topic, count := range inv.Counts {
		if slices.ContainsFunc(peers, func(p Peer) bool { return p.Kind != KindGuard && p.Subscribes(topic) }) {
			for n := range count {
				require.NotEmpty(t, owner[Partition{Topic: topic, ID: n}], "%s/%d belongs to nobody", topic, n)
			}
		}
	}
}

// checkWants: a partition that exactly one subscriber wants is that one's.
func checkWants(t require.TestingT, inv Inventory, peers []Peer, got map[string]Assignment) {
	for topic, count := range inv.Counts {
		for n := range count {
			var who []string
			for _, p := range peers {
				if p.Kind != KindGuard && p.Subscribes(topic) && p.Wants.Has(topic, n) {
					who = append(who, p.ID)
				}
			}
			if len(who) == 1 {
				require.True(t, got[who[0]].Partitions.Has(topic, n), "%s wants %s/%d", who[0], topic, n)
			}
		}
	}
}

// TestRangeIsKafkas: what org.apache.kafka.clients.consumer.RangeAssignor gives in the same situations (its own test's cases).
func TestRangeIsKafkas(t *testing.T) {
	for _, c := range []struct {
		name  string
		inv   Inventory
		peers []Peer
		want  map[string]string
	}{
		{"one consumer, one topic", counts(3, "t"), []Peer{agent("c", "t")}, map[string]string{"c": "t[0-2]"}},
		{"two consumers, one partition", counts(1, "t"), []Peer{agent("c2", "t"), agent("c1", "t")}, map[string]string{"c1": "t[0]"}},
		{"two consumers, two topics of three", counts(3, "t1", "t2"), []Peer{agent("c1", "t1", "t2"), agent("c2", "t1", "t2")}, map[string]string{"c1": "t1[0-1] t2[0-1]", "c2": "t1[2] t2[2]"}},
		{
			"mixed subscriptions", Inventory{Counts: map[string]int32{"t1": 3, "t2": 2}},
			[]Peer{agent("c1", "t1"), agent("c2", "t1", "t2"), agent("c3", "t1")},
			map[string]string{"c1": "t1[0]", "c2": "t1[1] t2[0-1]", "c3": "t1[2]"},
		},
		{"static members come first, by instance", counts(3, "t"), []Peer{agent("a", "t"), static("z", "i2"), static("y", "i1")}, map[string]string{"y": "t[0]", "z": "t[1]", "a": "t[2]"}},
		{"no such topic", Inventory{}, []Peer{agent("c1", "t1")}, map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[string]string{}
			for id, a := range AssignRange(c.inv, c.peers) {
				got[id] = a.Partitions.String()
			}
			require.Equal(t, c.want, got)
		})
	}
}

func static(id, instance string) Peer {
	p := agent(id, "t")
	p.InstanceID = instance
	return p
}

// TestUnitsAreSharedEvenlyAndStay: units move only as far as balance asks for.
func TestUnitsAreSharedEvenlyAndStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv := Inventory{Units: rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,3}`), 0, 20).Draw(t, "units")}
		var peers []Peer
		for i := range rapid.IntRange(1, 5).Draw(t, "members") {
			peers = append(peers, Peer{ID: fmt.Sprintf("w%d", i), Identity: Identity{Kind: KindWorker}})
		}
		first := AssignUnits(inv, peers)
		seen := map[string]bool{}
		for _, p := range peers {
			a := first[p.ID]
			require.LessOrEqual(t, len(a.Units)-len(first[peers[0].ID].Units), 1)
			for _, u := range a.Units {
				require.False(t, seen[u])
				seen[u] = true
			}
		}
		for _, u := range inv.Units {
			require.True(t, seen[u])
		}
		for i := range peers {
			peers[i].Owned, peers[i].OwnedGeneration = first[peers[i].ID], 1
		}
		require.Equal(t, first, AssignUnits(inv, peers))
	})
}

// TestAssignorsScale: ten thousand topics among many members in the time of one heartbeat, so that a leader never delays a
// rebalance noticeably.
func TestAssignorsScale(t *testing.T) {
	inv := Inventory{Counts: map[string]int32{}}
	var peers []Peer
	for i := range 2000 {
		inv.Counts[fmt.Sprintf("topic-%d", i)] = 10
		for n := range 10 {
			inv.Units = append(inv.Units, fmt.Sprintf("topic-%d/%d", i, n))
		}
	}
	for i := range 20 {
		peers = append(peers, agent(fmt.Sprintf("m%02d", i), sortedKeys(inv.Counts)...))
	}
	start := time.Now()
	for id, a := range AssignPortage(inv, peers) {
		i := slices.IndexFunc(peers, func(p Peer) bool { return p.ID == id })
		peers[i].Owned, peers[i].OwnedGeneration = a, 1
	}
	peers = append(peers, agent("newcomer", sortedKeys(inv.Counts)...))
	got := AssignPortage(inv, peers)
	require.InDelta(t, 20000/21, got["newcomer"].Len(), 1)
	require.InDelta(t, 20000/21, len(AssignUnits(inv, peers)["newcomer"].Units), 1)
	t.Logf("%v", time.Since(start))
	require.Less(t, time.Since(start), 10*time.Second)
}
