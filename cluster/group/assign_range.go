package group

import (
	"cmp"
	"maps"
	"slices"
)

// AssignRange is Kafka's RangeAssignor: topic by topic, the members that subscribe to it in order (static members first, by
// instance id, the others by member id) get consecutive partitions, the first ones one more where it does not divide.
// It is used when foreign members are still in the group and one of ours leads it, so it must do exactly what their own
// leader would do (org.apache.kafka.clients.consumer.RangeAssignor, without racks).
func AssignRange(inv Inventory, peers []Peer) map[string]Assignment {
	members := slices.DeleteFunc(slices.Clone(peers), func(p Peer) bool { return p.Kind == KindGuard })
	slices.SortFunc(members, compareMembers)
	out, subscribed := map[string]Assignment{}, subscribers(members)
	for _, topic := range slices.Sorted(maps.Keys(inv.Counts)) {
		bins := subscribed[topic]
		next := int32(0)
		for i, bin := range bins {
			each, extra := inv.Counts[topic]/int32(len(bins)), inv.Counts[topic]%int32(len(bins))
			if int32(i) < extra {
				each++
			}
			for range each {
				addPartition(out, members[bin].ID, Partition{Topic: topic, ID: next})
				next++
			}
		}
	}
	return out
}

// compareMembers orders as AbstractPartitionAssignor.MemberInfo does.
func compareMembers(a, b Peer) int {
	switch {
	case a.InstanceID != "" && b.InstanceID != "":
		return cmp.Compare(a.InstanceID, b.InstanceID)
	case a.InstanceID != "":
		return -1
	case b.InstanceID != "":
		return 1
	}
	return cmp.Compare(a.ID, b.ID)
}
