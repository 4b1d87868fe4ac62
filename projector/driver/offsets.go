package driver

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// committed are a group's offsets as read from a cluster.
type committed struct {
	at  map[string]map[int32]int64
	raw map[string]map[int32]cluster.Offset
}

// commit is an offset to be committed once more, with its metadata.
type commit struct {
	topic     string
	partition int32
	offset    int64
	metadata  string
}

func (s *readers) committed(ctx context.Context, c *cluster.Client, topics map[string][]int32) (committed, error) {
	raw, err := c.Offsets(ctx, s.g.Group, true, topics)
	if err != nil {
		return committed{}, err
	}
	out := committed{at: make(map[string]map[int32]int64), raw: raw}
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

// commits are the offsets as they stand, each with the metadata that its
// client wrote.
func (c committed) commits(list []events.TopicOffset) []commit {
	out := make([]commit, len(list))
	for i, o := range list {
		out[i] = commit{topic: o.Topic, partition: o.Partition, offset: o.Offset, metadata: c.raw[o.Topic][o.Partition].Metadata}
	}
	return out
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

// compareAtOnce is how many partitions are compared at a time.
const compareAtOnce = 8

// compareRecords reads the first record from each cut point on the source, and
// its image on the target: they must be the same record. Where the source has
// none there is nothing to compare.
func (s *readers) compareRecords(ctx context.Context, cut []events.CutPoint, starts map[string]map[int32]int64) (string, error) {
	found := make([]string, len(cut))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(compareAtOnce)
	for i, c := range cut {
		g.Go(func() (err error) {
			found[i], err = s.compareRecord(ctx, c, max(c.Source, starts[c.Topic][c.Partition]))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return "", err
	}
	for _, why := range found {
		if why != "" {
			return why, nil
		}
	}
	return "", nil
}

// compareRecord compares one partition, on the source from an offset that is
// not deleted. Compaction may have taken the record at the cut from the source
// since it was copied: what counts is the image of the first one that is left.
func (s *readers) compareRecord(ctx context.Context, c events.CutPoint, start int64) (string, error) {
	from, ok, err := firstFrom(ctx, s.source, c.Topic, c.Partition, start)
	if err != nil || !ok {
		return "", err
	}
	m, ok := s.d.maps.of(s.g.Migration)(c.Topic, c.Partition)
	if !ok || m.Watermark() <= from.Offset {
		return "", nil
	}
	image, ok := imageOf(m, from.Offset, start)
	if !ok || image < c.Target {
		return fmt.Sprintf("%s/%d: source record %d is not among the copied records from %d on", c.Topic, c.Partition, from.Offset, c.Target), nil
	}
	to, ok, err := firstFrom(ctx, s.target, s.targetName(c.Topic), c.Partition, image)
	if code, is := cluster.Code(err); is && code == codeOutOfRange {
		return fmt.Sprintf("%s/%d: the target has deleted its record %d already", c.Topic, c.Partition, image), nil
	}
	if err != nil {
		return "", err
	}
	if !ok || to.Offset != image || !sameRecord(from, to) {
		return fmt.Sprintf("%s/%d: source record %d and the target's at %d are not the same record", c.Topic, c.Partition, from.Offset, image), nil
	}
	return "", nil
}

// imageOf is where a source record was copied to; false for one that was not.
func imageOf(m copied, offset, sourceLogStart int64) (int64, bool) {
	at, err := m.Translate(offset, sourceLogStart)
	return at.Offset, err == nil && at.Kind == offsetmap.Image
}

// codeOutOfRange is Kafka's OFFSET_OUT_OF_RANGE.
const codeOutOfRange = 1

// firstFrom is the first committed record at or above an offset.
func firstFrom(ctx context.Context, c *cluster.Client, topic string, partition int32, offset int64) (cluster.Record, bool, error) {
	for {
		page, err := c.Read(ctx, topic, partition, offset, cluster.ReadOptions{Committed: true, MaxBytes: 1 << 20})
		if err != nil {
			return cluster.Record{}, false, err
		}
		if len(page.Records) > 0 {
			return page.Records[0], true, nil
		}
		if page.Next <= offset {
			return cluster.Record{}, false, nil
		}
		offset = page.Next
	}
}

// sameRecord compares key, value and headers; times may differ where a source
// writes its own.
func sameRecord(a, b cluster.Record) bool {
	if !bytes.Equal(a.Key, b.Key) || !bytes.Equal(a.Value, b.Value) || (a.Key == nil) != (b.Key == nil) || (a.Value == nil) != (b.Value == nil) || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i := range a.Headers {
		if a.Headers[i].Key != b.Headers[i].Key || !bytes.Equal(a.Headers[i].Value, b.Headers[i].Value) {
			return false
		}
	}
	return true
}
