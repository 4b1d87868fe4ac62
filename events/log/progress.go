package log

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// Progress publishes and follows the workers' reports: telemetry, which never
// decides anything by itself.
type Progress struct {
	c *cluster.Client
	w *writer
}

// NewProgress returns the progress on the control cluster.
func NewProgress(c *cluster.Client, o Options) *Progress {
	return &Progress{c: c, w: &writer{c: c, o: o.withDefaults(), topic: events.TopicProgress}}
}

// Publish writes the report on one partition.
func (g *Progress) Publish(ctx context.Context, k events.CopyKey, p events.Progress) error {
	return g.PublishAll(ctx, map[events.CopyKey]events.Progress{k: p})
}

// PublishAll writes the reports on many partitions, in one request to each
// leader.
func (g *Progress) PublishAll(ctx context.Context, reports map[events.CopyKey]events.Progress) error {
	records := make(map[int32][]batch.Record)
	now := time.Now().UnixMilli()
	for _, k := range sortedKeys(reports) {
		value, err := events.EncodeProgress(reports[k])
		if err != nil {
			return fmt.Errorf("progress of %s: %w", k, err)
		}
		p := k.ControlPartition()
		records[p] = append(records[p], batch.Record{Timestamp: now, Key: []byte(k.String()), Value: value})
	}
	return g.w.write(ctx, records)
}

// ProgressRecord is a record of portage.progress, or one that was refused.
type ProgressRecord struct {
	Partition int32
	Offset    int64
	Key       events.CopyKey
	Progress  events.Progress
	Refusal   error
}

// ProgressTail follows reports.
type ProgressTail = Follower[ProgressRecord]

// Tail follows one, some or all partitions (nil) of portage.progress.
func (g *Progress) Tail(partitions []int32) *ProgressTail {
	return follow(g.c, events.TopicProgress, orAll(partitions), func(partition int32, r cluster.Record) (ProgressRecord, bool) {
		out := ProgressRecord{Partition: partition, Offset: r.Offset}
		out.Key, out.Progress, out.Refusal = events.DecodeProgress(r.Key, r.Value)
		return out, r.Value != nil
	})
}
