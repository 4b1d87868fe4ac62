package events

import "fmt"

// Lists of offsets are evidence and orders: an entry that cannot be, or a
// partition that is named twice, makes the whole list worthless.

func validOffsets(field string, list []PartitionOffset) error {
	seen := make(map[int32]struct{}, len(list))
	for i, o := range list {
		if err := inRange(field, i, o.Partition, o.Offset); err != nil {
			return err
		}
		if _, twice := seen[o.Partition]; twice {
			return fmt.Errorf("%s[%d]: partition %d stands in the list twice", field, i, o.Partition)
		}
		seen[o.Partition] = struct{}{}
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
	seen := make(map[topicPartition]struct{}, len(list))
	for i, o := range list {
		if err := inRange(field, i, o.Partition, o.Offset); err != nil {
			return err
		}
		if err := listed(field, i, o.Topic, o.Partition, seen); err != nil && differ {
			return err
		}
	}
	return nil
}

func validCut(field string, list []CutPoint) error {
	seen := make(map[topicPartition]struct{}, len(list))
	for i, c := range list {
		if err := inRange(field, i, c.Partition, min(c.Source, c.Target)); err != nil {
			return err
		}
		if err := listed(field, i, c.Topic, c.Partition, seen); err != nil {
			return err
		}
	}
	return nil
}

func inRange(field string, i int, partition int32, offset int64) error {
	if partition < 0 || offset < 0 {
		return fmt.Errorf("%s[%d]: want a partition and an offset from 0, have %d and %d", field, i, partition, offset)
	}
	return nil
}

func listed(field string, i int, topic string, partition int32, seen map[topicPartition]struct{}) error {
	if !ValidTopic(topic) {
		return fmt.Errorf("%s[%d]: want the name of a topic, have %s", field, i, quote(topic))
	}
	tp := topicPartition{topic, partition}
	if _, twice := seen[tp]; twice {
		return fmt.Errorf("%s[%d]: partition %d of %s stands in the list twice", field, i, partition, topic)
	}
	seen[tp] = struct{}{}
	return nil
}
