package group

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Protocol names and types that portage's groups use.
const (
	ProtocolPortage = "portage" // the name that only portage's members offer: a group where all offer it alone is closed
	ProtocolRange   = "range"   // Kafka's default assignor, offered beside it so that rolling out agents works among others
	ProtocolHold    = "hold"    // the name in the guard's own protocol type; nobody gets anything
	ProtocolUnits   = "units"   // shares opaque units among workers

	TypeConsumer = "consumer"       // protocol type of all classic consumers
	TypeGuard    = "portage-guard"  // a guard's last stand: no consumer can join
	TypeWorker   = "portage-worker" // groups of workers
)

// assignors are the built-in ones by protocol name.
func assignors() map[string]Assign {
	return map[string]Assign{
		ProtocolPortage: AssignPortage,
		ProtocolRange:   AssignRange,
		ProtocolUnits:   AssignUnits,
		ProtocolHold:    func(Inventory, []Peer) map[string]Assignment { return nil },
	}
}

// AssignPortage shares the partitions of the subscribed topics, each to exactly one member that subscribes to its topic:
//
//  1. guards get nothing;
//  2. a partition in a member's Wants goes to that member (mirroring the other cluster), whatever the balance; of several
//     claims the one with the latest WantsGeneration wins, then the lowest incarnation and member id;
//  3. a partition that somebody owned stays there (of several claims the latest generation wins), unless
//  4. the counts would differ needlessly: they are as even as 2 allows.
//
// Partitions outside the inventory do not exist and are not assigned.
func AssignPortage(inv Inventory, peers []Peer) map[string]Assignment {
	members := assignable(peers)
	var keys []Partition
	p := problem{bins: len(members)}
	classOf := map[string]int{}
	claims, subscribed := claimsOf(members), subscribers(members)
	for _, topic := range slices.Sorted(maps.Keys(inv.Counts)) {
		class := subscribed[topic]
		name := fmt.Sprint(class)
		if _, known := classOf[name]; !known {
			classOf[name] = len(p.classes)
			p.classes = append(p.classes, class)
		}
		for n := range inv.Counts[topic] {
			k := Partition{Topic: topic, ID: n}
			keys = append(keys, k)
			p.items = append(p.items, item{class: classOf[name], pin: claims.wants(k, class), owner: claims.owns(k, class)})
		}
	}
	out := map[string]Assignment{}
	for i, bin := range p.solve() {
		if bin != none {
			addPartition(out, members[bin].ID, keys[i])
		}
	}
	return out
}

// AssignUnits shares units among all members but guards: a unit stays with its owner, counts differ by one at most.
func AssignUnits(inv Inventory, peers []Peer) map[string]Assignment {
	members := assignable(peers)
	units := slices.Compact(slices.Sorted(slices.Values(inv.Units)))
	all := make([]int, len(members))
	owner, since := map[string]int{}, map[string]int32{}
	for b, m := range members {
		all[b] = b
		for _, u := range m.Owned.Units {
			if at, claimed := since[u]; !claimed || m.OwnedGeneration > at {
				owner[u], since[u] = b, m.OwnedGeneration
			}
		}
	}
	p := problem{bins: len(members), classes: [][]int{all}}
	for _, u := range units {
		it := item{pin: none, owner: none}
		if b, owned := owner[u]; owned {
			it.owner = b
		}
		p.items = append(p.items, it)
	}
	out := map[string]Assignment{}
	for i, bin := range p.solve() {
		if bin != none {
			a := out[members[bin].ID]
			a.Units = append(a.Units, units[i])
			out[members[bin].ID] = a
		}
	}
	return out
}

// Partition names one partition.
type Partition struct {
	Topic string
	ID    int32
}

// String is the usual "orders/3".
func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.ID) }

// assignable returns the members that may get something, in an order that is the same on both clusters: by incarnation.
func assignable(peers []Peer) []Peer {
	members := slices.DeleteFunc(slices.Clone(peers), func(p Peer) bool { return p.Kind == KindGuard })
	slices.SortFunc(members, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Incarnation, b.Incarnation), cmp.Compare(a.ID, b.ID))
	})
	return members
}

// subscribers lists, by topic, who subscribes to it, ascending.
func subscribers(members []Peer) map[string][]int {
	out := map[string][]int{}
	for b, m := range members {
		for _, topic := range slices.Compact(slices.Sorted(slices.Values(m.Topics))) {
			out[topic] = append(out[topic], b)
		}
	}
	return out
}

func addPartition(out map[string]Assignment, id string, k Partition) {
	a := out[id]
	if a.Partitions == nil {
		a.Partitions = Partitions{}
	}
	a.Partitions[k.Topic] = append(a.Partitions[k.Topic], k.ID)
	out[id] = a
}

// claim says that a bin wants or owned a partition, and since which generation.
type claim struct {
	bin        int
	generation int32
}

type claimSet struct{ wanted, owned map[Partition][]claim }

func claimsOf(members []Peer) claimSet {
	c := claimSet{wanted: map[Partition][]claim{}, owned: map[Partition][]claim{}}
	for b, m := range members {
		collect(c.wanted, m.Wants, claim{b, m.WantsGeneration})
		collect(c.owned, m.Owned.Partitions, claim{b, m.OwnedGeneration})
	}
	return c
}

func collect(into map[Partition][]claim, set Partitions, c claim) {
	for topic, list := range set {
		for _, n := range list {
			k := Partition{Topic: topic, ID: n}
			into[k] = append(into[k], c)
		}
	}
}

func (c claimSet) wants(k Partition, class []int) int { return best(c.wanted[k], class) }
func (c claimSet) owns(k Partition, class []int) int  { return best(c.owned[k], class) }

// best picks the claim of the latest generation among the bins of a class; claims come in the order of the members.
func best(claims []claim, class []int) int {
	winner, at := none, int32(0)
	for _, c := range claims {
		if slices.Contains(class, c.bin) && (winner == none || c.generation > at) {
			winner, at = c.bin, c.generation
		}
	}
	return winner
}
