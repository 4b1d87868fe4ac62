package fsm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// has reports whether the sorted list contains v.
func has[T string | int | int32](list []T, v T) bool {
	_, found := slices.BinarySearch(list, v)
	return found
}

// inserted is the sorted list with v in it; the list itself is not changed.
func inserted[T string | int | int32](list []T, v T) []T {
	i, found := slices.BinarySearch(list, v)
	if found {
		return list
	}
	return slices.Insert(slices.Clone(list), i, v)
}

// without is the sorted list without v; the list itself is not changed.
func without[T string | int | int32](list []T, v T) []T {
	i, found := slices.BinarySearch(list, v)
	if !found {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}

// place is a partition of a topic, by the topic's name on the source.
type place struct {
	topic     string
	partition int32
}

// every looks offsets up by partition. The reason says what is missing or too
// much in a list that must have one entry for every partition of every topic of
// the group, "" if nothing.
func (g *Group) every(list []events.TopicOffset) (at map[place]int64, reason string) {
	want := int64(0)
	for _, t := range g.Topics {
		want += int64(t.Partitions)
	}
	if int64(len(list)) != want {
		return nil, fmt.Sprintf("%d entries, the group's topics have %d partitions", len(list), want)
	}
	at = make(map[place]int64, len(list))
	for _, o := range list {
		at[place{o.Topic, o.Partition}] = o.Offset
	}
	for _, t := range g.Topics {
		for p := range t.Partitions {
			if _, ok := at[place{t.Topic, p}]; !ok {
				return nil, fmt.Sprintf("%s/%d is not among the entries", t.Topic, p)
			}
		}
	}
	return at, ""
}

// byPlace orders offsets by topic and partition.
func byPlace(a, b events.TopicOffset) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}

// raised is the sorted list with each of the offsets where it is new or
// higher; the list itself is not changed.
func raised(list, more []events.TopicOffset) []events.TopicOffset {
	list = slices.Clone(list)
	for _, o := range more {
		i, found := slices.BinarySearchFunc(list, o, byPlace)
		if !found {
			list = slices.Insert(list, i, o)
		}
		list[i].Offset = max(list[i].Offset, o.Offset)
	}
	return list
}

// partitionwise says what is missing or too much in a list that must have one
// entry for every partition of the topic, "" if nothing.
func (t *Topic) partitionwise(list []events.PartitionOffset) string {
	if len(list) != int(t.Plan.Partitions) {
		return fmt.Sprintf("offsets of %d partitions, the topic has %d", len(list), t.Plan.Partitions)
	}
	seen := make(map[int32]bool, len(list))
	for _, o := range list {
		if o.Partition < 0 || o.Partition >= t.Plan.Partitions || seen[o.Partition] {
			return fmt.Sprintf("partition %d is unknown or named twice, the topic has %d", o.Partition, t.Plan.Partitions)
		}
		seen[o.Partition] = true
	}
	return ""
}

// offsetOf finds a partition in a list.
func offsetOf(list []events.PartitionOffset, partition int32) (offset int64, ok bool) {
	i := slices.IndexFunc(list, func(o events.PartitionOffset) bool { return o.Partition == partition })
	if i < 0 {
		return 0, false
	}
	return list[i].Offset, true
}

// below says which partition of a list lies below what another one has for
// it, "" if none does.
func below(list, least []events.PartitionOffset) string {
	for _, o := range least {
		if at, ok := offsetOf(list, o.Partition); !ok || at < o.Offset {
			return fmt.Sprintf("partition %d is at %d, known is %d", o.Partition, at, o.Offset)
		}
	}
	return ""
}
