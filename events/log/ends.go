package log

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// End is the high watermark of portage.events: the position after the last
// record that anybody may read.
func End(ctx context.Context, c *cluster.Client) (int64, error) {
	return endOf(ctx, c, events.TopicEvents, 0)
}

// TopicID is the id of portage.events in hex: another one means another log.
// It is "" where the brokers give topics no ids (before Kafka 2.8).
func TopicID(ctx context.Context, c *cluster.Client) (string, error) {
	return topicID(ctx, c, events.TopicEvents)
}

// settle is how long a topic may be missing before that is believed: a broker
// that has just started answers before it knows all topics.
const settle = time.Second

func topicID(ctx context.Context, c *cluster.Client, topic string) (string, error) {
	begin := time.Now()
	for attempt := 0; ; attempt++ {
		topics, err := c.Topics(ctx, topic)
		if err != nil {
			return "", fmt.Errorf("read the id of %s: %w", topic, missing(topic, err))
		}
		t, found := topics[topic]
		switch {
		case found && t.ID == [16]byte{}:
			return "", nil
		case found:
			return hex.EncodeToString(t.ID[:]), nil
		case time.Since(begin) > settle || !pause(ctx, attempt):
			return "", fmt.Errorf("%s on cluster %q: %w", topic, c.Name(), ErrMissing)
		}
	}
}

func endOf(ctx context.Context, c *cluster.Client, topic string, partition int32) (int64, error) {
	ends, err := c.ListOffsets(ctx, topic, []int32{partition}, cluster.Latest)
	if err != nil {
		return 0, fmt.Errorf("read the end of %s/%d: %w", topic, partition, missing(topic, err))
	}
	return ends[partition], nil
}

func startOf(ctx context.Context, c *cluster.Client, topic string, partition int32) (int64, error) {
	starts, err := c.ListOffsets(ctx, topic, []int32{partition}, cluster.Earliest)
	if err != nil {
		return 0, fmt.Errorf("read the start of %s/%d: %w", topic, partition, missing(topic, err))
	}
	return starts[partition], nil
}

// logEnd is the end of the leader's log, replicated or not. What is not below
// it was not appended when it was read. (ListOffsets answers the high
// watermark; OffsetForLeaderEpoch, asked for the current epoch, the log's end.)
func logEnd(ctx context.Context, c *cluster.Client, topic string, partition int32) (int64, error) {
	topics, err := c.Topics(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("find the leader of %s/%d: %w", topic, partition, missing(topic, err))
	}
	for _, p := range topics[topic].Partitions {
		if p.ID != partition || p.Leader < 0 {
			continue
		}
		end, err := leaderEnd(ctx, c, topic, p)
		if err != nil {
			return 0, fmt.Errorf("read the log end of %s/%d on its leader %d: %w", topic, partition, p.Leader, err)
		}
		return end, nil
	}
	return 0, fmt.Errorf("%s/%d has no leader now: %w", topic, partition, kerr.LeaderNotAvailable)
}

func leaderEnd(ctx context.Context, c *cluster.Client, topic string, p cluster.Partition) (int64, error) {
	part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	part.Partition, part.LeaderEpoch, part.CurrentLeaderEpoch = p.ID, p.LeaderEpoch, p.LeaderEpoch
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, part)
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID, req.Topics = -1, append(req.Topics, t)
	resp, err := cluster.Do[*kmsg.OffsetForLeaderEpochResponse](ctx, c, req, cluster.OnBroker(p.Leader))
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errors.New("OffsetForLeaderEpoch: the partition is not in the response")
	}
	switch got := resp.Topics[0].Partitions[0]; {
	case got.ErrorCode != 0:
		return 0, fmt.Errorf("OffsetForLeaderEpoch: %w", kerr.ErrorForCode(got.ErrorCode))
	case got.EndOffset < 0:
		return 0, fmt.Errorf("OffsetForLeaderEpoch: no end for epoch %d: the control cluster needs Kafka 2.1 or later", p.LeaderEpoch)
	default:
		return got.EndOffset, nil
	}
}

// identity notices that a topic was deleted and created again.
type identity struct {
	topic   string
	id      string // as first seen or as asked for; "" before that
	checked time.Time
}

// identityEvery bounds how long a recreated topic goes unnoticed where nothing
// is read from it.
const identityEvery = 250 * time.Millisecond

// check compares the topic's id, unless it did so a moment ago and nothing
// looks odd.
func (i *identity) check(ctx context.Context, c *cluster.Client, odd bool) error {
	if !odd && time.Since(i.checked) < identityEvery {
		return nil
	}
	id, err := topicID(ctx, c, i.topic)
	if err != nil {
		return err
	}
	if i.id == "" {
		i.id = id
	}
	if id != i.id {
		return &TopicError{Err: ErrRecreated, Topic: i.topic, Want: i.id, Have: id}
	}
	i.checked = time.Now()
	return nil
}

// lost turns "offset out of range" into what it means for a reader at a
// position; start is the log's, for a caller that may go on from there.
func (i *identity) lost(ctx context.Context, c *cluster.Client, partition int32, position int64, cause error) (start int64, err error) {
	if !errors.Is(cause, cluster.ErrOffsetOutOfRange) {
		return 0, missing(i.topic, cause)
	}
	if err := i.check(ctx, c, true); err != nil {
		return 0, err
	}
	start, err = startOf(ctx, c, i.topic, partition)
	if err != nil {
		return 0, err
	}
	end, err := endOf(ctx, c, i.topic, partition)
	if err != nil {
		return 0, err
	}
	return start, &TopicError{Err: ErrTruncated, Topic: i.topic, Partition: partition, Position: position, Start: start, End: end}
}
