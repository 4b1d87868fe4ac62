package driver

import (
	"context"
	"sync"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// committed are a group's offsets as read from a cluster.
type committed struct {
	// at has what was ever committed.
	at  offsets
	raw map[string]map[int32]cluster.Offset
}

func (s *readers) committed(ctx context.Context, c *cluster.Client, topics map[string][]int32) (committed, error) {
	raw, err := c.Offsets(ctx, s.g.Group, true, topics)
	if err != nil {
		return committed{}, err
	}
	out := committed{at: make(offsets), raw: raw}
	for topic, parts := range raw {
		out.at[topic] = make(map[int32]int64)
		for p, o := range parts {
			if o.At >= 0 {
				out.at[topic][p] = o.At
			}
		}
	}
	return out, nil
}

// again are offsets to be committed once more, each with the metadata that its
// client wrote.
func (c committed) again(list []events.TopicOffset) []group.Offset {
	out := make([]group.Offset, len(list))
	for i, o := range list {
		out[i] = group.Offset{
			Partition: group.Partition{Topic: o.Topic, ID: o.Partition}, At: o.Offset, Metadata: c.raw[o.Topic][o.Partition].Metadata,
		}
	}
	return out
}

// listed lists the offset at a position of every partition, of all topics at
// the same time.
func listed(ctx context.Context, c *cluster.Client, topics map[string][]int32, position int64) (offsets, error) {
	out := make(offsets, len(topics))
	var mu sync.Mutex
	var calls []func(context.Context) error
	for topic, parts := range topics {
		calls = append(calls, func(ctx context.Context) error {
			at, err := c.ListOffsets(ctx, topic, parts, position)
			mu.Lock()
			defer mu.Unlock()
			out[topic] = at
			return err
		})
	}
	return out, atOnce(ctx, calls...)
}

func sourceTopics(g *fsm.Group) map[string][]int32 {
	out := make(map[string][]int32)
	for _, t := range g.Topics {
		out[t.Topic] = partitions(t.Partitions)
	}
	return out
}

func targetTopics(g *fsm.Group) map[string][]int32 {
	out := make(map[string][]int32)
	for _, t := range g.Topics {
		out[t.TargetTopic] = partitions(t.Partitions)
	}
	return out
}

// lagOf is how many source offsets below the ends are not copied yet.
func lagOf(topic string, ends map[int32]int64, maps copies) (lag int64) {
	for p, end := range ends {
		var at int64
		if m, ok := maps(topic, p); ok {
			at = m.Watermark()
		}
		lag += max(0, end-at)
	}
	return lag
}
