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
		case found:
			return idText(t.ID), nil
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

// idText is a topic id in hex, "" for none.
func idText(id [16]byte) string {
	if id == ([16]byte{}) {
		return ""
	}
	return hex.EncodeToString(id[:])
}
