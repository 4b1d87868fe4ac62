package log

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
)

// poll asks one broker once for records of the partitions that it leads.
func (f *Follower[R]) poll(ctx context.Context, leader int32, parts []*followed) error {
	ask := wire.FetchTopic{Topic: f.topic.topic}
	byID := make(map[int32]*followed, len(parts))
	for _, p := range parts {
		byID[p.id] = p
		ask.Partitions = append(ask.Partitions, wire.FetchPartition{Partition: p.id, Offset: p.next, MaxBytes: fetchBytes})
	}
	res, err := f.c.Fetch(ctx, leader, &wire.Fetch{MaxWait: longPoll, MinBytes: 1, MaxBytes: fetchBytes, Topics: []wire.FetchTopic{ask}})
	if err != nil {
		return err
	}
	if res.Code != 0 {
		return fmt.Errorf("fetch from broker %d: %s", leader, cluster.CodeName(res.Code))
	}
	for _, got := range res.Partitions {
		p := byID[got.Partition]
		if p == nil {
			return fmt.Errorf("broker %d answered for partition %d, which was not asked for", leader, got.Partition)
		}
		if err := f.arrived(ctx, leader, p, got); err != nil {
			return err
		}
	}
	return nil
}

// arrived hands one partition's answer on.
func (f *Follower[R]) arrived(ctx context.Context, leader int32, p *followed, got wire.FetchedPartition) error {
	if err := f.c.FetchError(leader, got); err != nil {
		start, lost := f.rescue(ctx, p, err)
		if lost == nil {
			p.next = start
		}
		return lost
	}
	records, next, err := decodeBatches(got.Records, p.next)
	if err != nil {
		return fmt.Errorf("partition %d from offset %d: %w", p.id, p.next, err)
	}
	page := followedPage{part: p, records: records, ended: next >= got.HighWatermark && next >= p.goal}
	news := len(records) > 0 || page.ended && !p.told
	if news && !f.hand(ctx, page) {
		return ctx.Err()
	}
	p.next, p.told = next, p.told || page.ended
	return nil
}

// rescue moves a position that compaction has left below the log's start.
func (f *Follower[R]) rescue(ctx context.Context, p *followed, cause error) (start int64, err error) {
	// A copy: the identity belongs to the rounds, and polls run side by side.
	topic := identity{topic: f.topic.topic, partition: p.id, id: f.topic.id}
	start, err = topic.lost(ctx, f.c, p.id, p.next, cause)
	if errors.Is(err, ErrTruncated) && p.next < start {
		return start, nil
	}
	return 0, err
}

// decodeBatches reads the records of a fetch from offset on, and the offset to
// fetch from next.
func decodeBatches(raw []byte, offset int64) (records []cluster.Record, next int64, err error) {
	next = offset
	for b, rest := batch.Split(raw); b != nil; b, rest = batch.Split(rest) {
		if b.Control() {
			if err := b.Check(); err != nil {
				return nil, offset, err
			}
		} else {
			in, err := b.Records()
			if err != nil {
				return nil, offset, err
			}
			for _, r := range in {
				if r.Offset >= offset {
					records = append(records, r)
				}
			}
		}
		next = max(next, b.NextOffset())
	}
	if next == offset && len(raw) > 0 {
		return nil, offset, fmt.Errorf("%w: %d bytes hold no whole batch", batch.ErrCorrupt, len(raw))
	}
	return records, next, nil
}
