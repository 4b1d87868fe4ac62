package replicator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// offsetOf is one offset of one partition.
func offsetOf(ctx context.Context, l *link, topic string, partition int32, at int64) (int64, error) {
	found, err := l.ListOffsets(ctx, topic, []int32{partition}, at)
	if err != nil {
		return 0, err
	}
	return found[partition], nil
}

// settledEnd is the end of the leader's log, once the high watermark has
// reached it (see settling). ListOffsets answers the high watermark;
// OffsetForLeaderEpoch, asked for the current epoch, the log's end.
func settledEnd(ctx context.Context, l *link, topic string, partition int32) (int64, error) {
	var s settling
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		end, err := leaderEnd(ctx, l, topic, partition)
		if err != nil {
			return 0, err
		}
		high, err := offsetOf(ctx, l, topic, partition, cluster.Latest)
		if err != nil || s.settled(end, high) {
			return s.end, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// leaderEnd asks the leader for the end of its log.
func leaderEnd(ctx context.Context, l *link, topic string, partition int32) (int64, error) {
	topics, err := l.Topics(ctx, topic)
	if err != nil {
		return 0, err
	}
	part, err := led(topics[topic], topic, partition)
	if err != nil {
		return 0, err
	}
	end, err := epochEnd(ctx, l, topic, part, part.LeaderEpoch)
	if err == nil && end < 0 {
		return 0, fmt.Errorf("OffsetForLeaderEpoch of %s/%d: no end for epoch %d: a target needs Kafka 2.1 or later", topic, partition, part.LeaderEpoch)
	}
	return end, err
}

// leaderEpochs is one above the epoch of a partition's leader, 0 if that is not
// known.
func leaderEpochs(t cluster.Topic, partition int32) int32 {
	for _, part := range t.Partitions {
		if part.ID == partition {
			return part.LeaderEpoch + 1
		}
	}
	return 0
}

// led is a partition that has a leader.
func led(t cluster.Topic, topic string, partition int32) (cluster.Partition, error) {
	for _, part := range t.Partitions {
		if part.ID == partition && part.Leader >= 0 {
			return part, nil
		}
	}
	return cluster.Partition{}, fmt.Errorf("%s/%d has no leader now: %w", topic, partition, kerr.LeaderNotAvailable)
}

// epochEnd is where an epoch ended as the leader says, -1 if it does not know;
// of the current epoch it is the log's end.
func epochEnd(ctx context.Context, l *link, topic string, part cluster.Partition, epoch int32) (int64, error) {
	q := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	q.Partition, q.LeaderEpoch, q.CurrentLeaderEpoch = part.ID, epoch, part.LeaderEpoch
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, q)
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID, req.Topics = -1, append(req.Topics, t)
	resp, err := cluster.Do[*kmsg.OffsetForLeaderEpochResponse](ctx, l.Client, req, cluster.OnBroker(part.Leader))
	if err != nil {
		return 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errors.New("OffsetForLeaderEpoch: the partition is not in the response")
	}
	got := resp.Topics[0].Partitions[0]
	if got.ErrorCode != 0 {
		return 0, fmt.Errorf("OffsetForLeaderEpoch of %s/%d: %w", topic, part.ID, kerr.ErrorForCode(got.ErrorCode))
	}
	return got.EndOffset, nil
}
