package group_test

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
)

// A member of a group of one: it is assigned everything, commits under that generation, and leaves.
func Example() {
	k, _ := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"))
	defer k.Close()
	ctx := context.Background()
	c, _ := cluster.Open(ctx, "source", cluster.Config{Bootstrap: k.ListenAddrs()})
	defer c.Close()

	who := group.Identity{Kind: group.KindAgent, Incarnation: "billing-1"}
	m, err := group.Join(c, group.Config{Group: "billing", Offer: group.Open(who, "orders")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	for e := range m.Events() {
		a, ok := e.(group.Assigned)
		if !ok {
			continue
		}
		fmt.Println("assigned", a.Assignment.Partitions)
		done, err := m.Commit(ctx, a.Generation, group.Offset{Partition: group.Partition{Topic: "orders", ID: 2}, At: 42})
		fmt.Println("committed", done.Err("billing"), err)
		fmt.Println("left", m.Leave(ctx))
		break
	}
	// Output:
	// assigned orders[0-3]
	// committed <nil> <nil>
	// left <nil>
}

// A guard closes the group to every consumer that does not offer the name portage.
func ExampleGuard() {
	k, _ := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"))
	defer k.Close()
	ctx := context.Background()
	c, _ := cluster.Open(ctx, "target", cluster.Config{Bootstrap: k.ListenAddrs()})
	defer c.Close()

	g, err := group.NewGuard(c, group.GuardConfig{Group: "billing", Topics: []string{"orders"}, Session: 5 * time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	held, err := g.Wait(ctx)
	fmt.Println("held in generation", held.Generation, err)
	s, err := group.Inspect(ctx, c, "billing")
	_, guarded := s.Guard()
	fmt.Println(s.Kind, s.Protocol, guarded, err)
	fmt.Println("left", g.Leave(ctx))
	// Output:
	// held in generation 1 <nil>
	// classic portage true <nil>
	// left <nil>
}

// The mirror: members get on this cluster what they hold on the other one.
func ExampleAssignPortage() {
	member := func(id string, wants ...int32) group.Peer {
		return group.Peer{ID: id, Topics: []string{"orders"}, Identity: group.Identity{Kind: group.KindAgent, Wants: group.Partitions{"orders": wants}, WantsGeneration: 7}}
	}
	guard := group.Peer{ID: "guard", Topics: []string{"orders"}, Identity: group.Identity{Kind: group.KindGuard}}
	got := group.AssignPortage(group.Inventory{Counts: map[string]int32{"orders": 4}}, []group.Peer{guard, member("a", 0, 1, 3), member("b", 2)})
	fmt.Println(got["a"].Partitions, got["b"].Partitions, got["guard"].Len())
	// Output:
	// orders[0-1,3] orders[2] 0
}
