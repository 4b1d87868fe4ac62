package events

import "fmt"

// Lists of offsets are evidence and orders: an entry that cannot be, or a
// partition that is named twice, makes the whole list worthless.

func validOffsets(field string, list []PartitionOffset) error {
	for i, o := range list {
		if err := inRange(field, i, o.Partition, o.Offset); err != nil {
			return err
		}
	}
	if i := repeated(len(list), func(i int) int32 { return list[i].Partition }); i >= 0 {
		return fmt.Errorf("%s[%d]: partition %d stands in the list twice", field, i, list[i].Partition)
	}
	return nil
}

// topicPartition is a key of the lists that name topics.
type topicPartition struct {
	topic     string
	partition int32
}

// validTopicOffsets checks a list whose partitions must differ, or (records of
// one partition, for instance) need not.
func validTopicOffsets(field string, list []TopicOffset, differ bool) error {
	for i, o := range list {
		if err := inRange(field, i, o.Partition, o.Offset); err != nil {
			return err
		}
	}
	return validList(field, len(list), differ, func(i int) topicPartition { return topicPartition{list[i].Topic, list[i].Partition} })
}

func validCut(field string, list []CutPoint) error {
	for i, c := range list {
		if err := inRange(field, i, c.Partition, min(c.Source, c.Target)); err != nil {
			return err
		}
	}
	return validList(field, len(list), true, func(i int) topicPartition { return topicPartition{list[i].Topic, list[i].Partition} })
}

func inRange(field string, i int, partition int32, offset int64) error {
	if partition < 0 || offset < 0 {
		return fmt.Errorf("%s[%d]: want a partition and an offset from 0, have %d and %d", field, i, partition, offset)
	}
	return nil
}

func validList(field string, n int, differ bool, at func(int) topicPartition) error {
	for i := range n {
		if topic := at(i).topic; !ValidTopic(topic) {
			return fmt.Errorf("%s[%d]: want the name of a topic, have %s", field, i, quote(topic))
		}
	}
	if i := repeated(n, at); differ && i >= 0 {
		return fmt.Errorf("%s[%d]: partition %d of %s stands in the list twice", field, i, at(i).partition, at(i).topic)
	}
	return nil
}

// repeated is the index of the first of n keys that stands before already, −1
// if all differ. Short lists are compared each with each: that allocates
// nothing.
func repeated[K comparable](n int, key func(int) K) int {
	if n <= fewNames {
		for i := range n {
			for j := range i {
				if key(i) == key(j) {
					return i
				}
			}
		}
		return -1
	}
	seen := make(map[K]struct{}, n)
	for i := range n {
		if _, twice := seen[key(i)]; twice {
			return i
		}
		seen[key(i)] = struct{}{}
	}
	return -1
}
