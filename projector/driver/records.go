package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
)

// compareRecords reads the first record from each cut point on the source, and
// its image on the target: they must be the same record. Where the source has
// none there is nothing to compare. The reason says which are not the same.
func (s *readers) compareRecords(ctx context.Context, cut []events.CutPoint, starts offsets) (why string, err error) {
	from := make(map[place]int64, len(cut))
	for _, c := range cut {
		from[place{c.Topic, c.Partition}] = max(c.Source, starts[c.Topic][c.Partition])
	}
	sources := peek(ctx, s.source, from, sourceBatch)
	for _, found := range sources {
		err = errors.Join(err, found.err)
	}
	if err != nil {
		return "", err
	}
	at, why := images(cut, sources, s.copies(), starts)
	if why != "" {
		return why, nil
	}
	return s.compareImages(ctx, sources, at)
}

// compareImages reads the images of source records and compares them.
func (s *readers) compareImages(ctx context.Context, sources map[place]peeked, at map[place]int64) (why string, err error) {
	from := make(map[place]int64, len(at))
	for p, offset := range at {
		from[place{targetName(s.g, p.topic), p.partition}] = offset
	}
	targets := peek(ctx, s.target, from, targetBatch)
	for p, offset := range at {
		source, target := sources[p].record, targets[place{targetName(s.g, p.topic), p.partition}]
		switch {
		case errors.Is(target.err, cluster.ErrOffsetOutOfRange):
			why = fmt.Sprintf("%s/%d: the target has deleted its record %d already", p.topic, p.partition, offset)
		case target.err != nil:
			err = errors.Join(err, target.err)
		case !target.there || target.record.Offset != offset || !sameRecord(source, target.record):
			why = fmt.Sprintf("%s/%d: source record %d and the target's at %d are not the same record", p.topic, p.partition, source.Offset, offset)
		}
	}
	return why, err
}

const (
	// sourceBatch and targetBatch are what is read at once of each of many
	// partitions: a batch as producers make them (batch.size is 16 KiB), and one
	// into which workers have merged small ones.
	sourceBatch, targetBatch = 17 << 10, 72 << 10
	// peekAtOnce is how many partitions are read one by one at a time.
	peekAtOnce = 8
)

// peek reads the first committed record at or above an offset of each partition.
// One request to each broker brings nearly all of them. What it does not bring
// (a larger batch, nothing but markers, an error) is asked for again, alone.
func peek(ctx context.Context, c *cluster.Client, from map[place]int64, size int32) map[place]peeked {
	out := fetchAll(ctx, c, from, size)
	rest := maps.Clone(from)
	for at := range out {
		delete(rest, at)
	}
	maps.Copy(out, peekEach(ctx, c, rest))
	return out
}

// fetchAll asks each leader once, all at the same time, and returns what is sure.
func fetchAll(ctx context.Context, c *cluster.Client, from map[place]int64, size int32) map[place]peeked {
	out := make(map[place]peeked, len(from))
	var wg sync.WaitGroup
	var mu sync.Mutex
	for leader, f := range byLeader(ctx, c, from, size) {
		wg.Go(func() {
			for at, first := range fetchFirst(ctx, c, leader, f, from) {
				mu.Lock()
				out[at] = first
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return out
}

// byLeader makes one request for each broker; a partition without a leader is
// in none.
func byLeader(ctx context.Context, c *cluster.Client, from map[place]int64, size int32) map[int32]*wire.Fetch {
	out := make(map[int32]*wire.Fetch)
	for at, offset := range from {
		leader, err := c.Leader(ctx, at.topic, at.partition)
		if err != nil {
			continue
		}
		f := out[leader]
		if f == nil {
			f = &wire.Fetch{MinBytes: 1, Committed: true}
			out[leader] = f
		}
		f.MaxBytes += size
		f.Topics = append(f.Topics, wire.FetchTopic{Topic: at.topic, Partitions: []wire.FetchPartition{{Partition: at.partition, Offset: offset, MaxBytes: size}}})
	}
	return out
}

// fetchFirst asks a leader and returns what its answer tells for sure.
func fetchFirst(ctx context.Context, c *cluster.Client, leader int32, f *wire.Fetch, from map[place]int64) map[place]peeked {
	out := make(map[place]peeked)
	res, err := c.Fetch(ctx, leader, f)
	if err != nil {
		return out
	}
	for _, p := range res.Partitions {
		at := place{p.Topic, p.Partition}
		if first, sure := firstOf(p, from[at]); sure {
			out[at] = first
		}
	}
	return out
}

// peekEach reads partitions one by one.
func peekEach(ctx context.Context, c *cluster.Client, from map[place]int64) map[place]peeked {
	out := make(map[place]peeked, len(from))
	var g errgroup.Group
	var mu sync.Mutex
	g.SetLimit(peekAtOnce)
	for at, offset := range from {
		g.Go(func() error {
			record, there, err := firstFrom(ctx, c, at, offset)
			mu.Lock()
			defer mu.Unlock()
			out[at] = peeked{record, there, err}
			return nil
		})
	}
	_ = g.Wait() // errors are in the answers
	return out
}

// firstFrom is the first committed record at or above an offset.
func firstFrom(ctx context.Context, c *cluster.Client, at place, offset int64) (cluster.Record, bool, error) {
	for {
		page, err := c.Read(ctx, at.topic, at.partition, offset, cluster.ReadOptions{Committed: true, MaxBytes: 1 << 20})
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
