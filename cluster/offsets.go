package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Positions for ListOffsets. A value of zero or more is a timestamp in ms: the first offset whose record is at least as
// late.
const (
	// Latest is the high watermark: the end of what consumers may read.
	Latest int64 = -1
	// Earliest is the first offset that still exists.
	Earliest int64 = -2
	// Stable is the last stable offset: the end of what read-committed consumers may read.
	Stable int64 = -1000
)

// ListOffsets returns the offset at a position of each partition. Errors of partitions are joined, and the map holds the
// others; it never holds −1. A timestamp later than every record leaves the partition out.
func (c *Client) ListOffsets(ctx context.Context, topic string, partitions []int32, at int64) (map[int32]int64, error) {
	found := make(map[int32]int64, len(partitions))
	failed := map[int32]error{}
	end := time.Now().Add(c.cfg.Settle)
	pending := partitions
	for attempt := 0; len(pending) > 0; attempt++ {
		if attempt > 0 && (time.Now().After(end) || !pause(ctx, attempt)) {
			break
		}
		round := c.listOnce(ctx, topic, pending, at, found)
		pending = nil
		for _, p := range slices.Sorted(maps.Keys(round)) {
			failed[p] = round[p]
			if passing(round[p]) {
				pending = append(pending, p)
			}
		}
		if len(pending) > 0 {
			c.Forget(topic)
		}
		for p := range found {
			delete(failed, p)
		}
	}
	return found, joinByPartition(failed)
}

// listOnce asks every leader once, fills found and returns the partitions that failed.
func (c *Client) listOnce(ctx context.Context, topic string, partitions []int32, at int64, found map[int32]int64) map[int32]error {
	failed := map[int32]error{}
	byLeader := map[int32][]int32{}
	t, err := c.known(ctx, topic)
	for _, p := range partitions {
		if err != nil {
			failed[p] = err
			continue
		}
		if leader, err := c.leaderIn(t, topic, p); err != nil {
			failed[p] = err
		} else {
			byLeader[leader] = append(byLeader[leader], p)
		}
	}
	for _, broker := range slices.Sorted(maps.Keys(byLeader)) {
		resp, err := Do[*kmsg.ListOffsetsResponse](ctx, c, listRequest(topic, byLeader[broker], at), OnBroker(broker))
		if err != nil {
			for _, p := range byLeader[broker] {
				failed[p] = err
			}
			continue
		}
		c.readListed(resp, broker, found, failed)
		c.unanswered(topic, byLeader[broker], broker, at, found, failed)
	}
	return failed
}

// unanswered adds the partitions that a response leaves out. Every log has a start and an end; a timestamp may have no offset.
func (c *Client) unanswered(topic string, asked []int32, broker int32, at int64, found map[int32]int64, failed map[int32]error) {
	for _, p := range asked {
		if _, ok := found[p]; !ok && failed[p] == nil && at < 0 {
			failed[p] = c.refused(-1, failure{api: "ListOffsets", broker: broker, kind: topicResource, name: topic, partition: p, hasPart: true, detail: "the response holds no offset"})
		}
	}
}

func listRequest(topic string, partitions []int32, at int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if at == Stable {
		req.IsolationLevel, at = 1, Latest
	}
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for _, p := range partitions {
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp, part.CurrentLeaderEpoch = p, at, -1
		t.Partitions = append(t.Partitions, part)
	}
	req.Topics = append(req.Topics, t)
	return req
}

func (c *Client) readListed(resp *kmsg.ListOffsetsResponse, broker int32, found map[int32]int64, failed map[int32]error) {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			switch {
			case p.ErrorCode != 0:
				failed[p.Partition] = c.refused(p.ErrorCode, failure{api: "ListOffsets", broker: broker, kind: topicResource, name: t.Topic, partition: p.Partition, hasPart: true})
			case p.Offset >= 0:
				found[p.Partition] = p.Offset
			}
		}
	}
}

func joinByPartition(failed map[int32]error) error {
	errs := make([]error, 0, len(failed))
	for _, p := range slices.Sorted(maps.Keys(failed)) {
		errs = append(errs, failed[p])
	}
	return errors.Join(errs...)
}
