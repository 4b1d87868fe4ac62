package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/replicator"
)

// figures are the result.
type figures struct {
	partitions int
	// ordered is until all orders were published, copied until the target held a
	// record of every partition, published until the map did: all from before the
	// first order.
	ordered, copied, published time.Duration
	// succeeded is how long another worker took from its start to the second
	// record of every partition.
	succeeded time.Duration
	// starting is the worker's processor time up to published.
	starting time.Duration
	// heap is the bytes that a partition has added to the worker's memory.
	heap int64
	// busy is the processor time per second of the idle worker.
	busy float64
	// open and peak are the most connections to one broker, when idle and ever.
	open, peak int
}

// patience is how long the whole start may take.
const patience = 10 * time.Minute

// measure has the worker copy everything, and watches it idle.
func (b *bench) measure(ctx context.Context, w *hired) (f figures, err error) {
	f.partitions = b.opts.partitions
	if err := b.begin(ctx, &f); err != nil {
		return f, err
	}
	settled, err := w.look()
	if err != nil {
		return f, err
	}
	f.starting = settled.Before - w.first.After
	pause(ctx, b.opts.calm)
	before, err := w.look()
	if err != nil {
		return f, err
	}
	from := time.Now()
	pause(ctx, b.opts.idle)
	watched := time.Since(from)
	after, err := w.look()
	if err != nil {
		return f, err
	}
	f.busy = (after.Before - before.After).Seconds() / watched.Seconds()
	f.heap = (int64(after.Heap) - int64(w.first.Heap)) / int64(f.partitions)
	f.open, f.peak = most(after.Connections), most(after.Peak)
	return f, ctx.Err()
}

// begin publishes the orders and waits until every partition is copied.
func (b *bench) begin(ctx context.Context, f *figures) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	all, ctx := errgroup.WithContext(ctx)
	for _, part := range []struct {
		what string
		do   func(context.Context) error
		took *time.Duration
	}{{"orders published", b.order, &f.ordered}, {"first records copied", func(ctx context.Context) error { return b.copied(ctx, 1) }, &f.copied}, {"map published", b.published, &f.published}} {
		all.Go(func() error {
			if err := part.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", part.what, err)
			}
			*part.took = time.Since(start)
			fmt.Fprintf(os.Stderr, "%s  %s after %v\n", time.Now().Format(time.TimeOnly), part.what, part.took.Round(time.Millisecond))
			return nil
		})
	}
	return all.Wait()
}

// order publishes the orders, as the driver does: one topic after the other.
func (b *bench) order(ctx context.Context) error {
	to := log.NewDirectives(b.target, log.Options{})
	for i, t := range b.topics {
		d := events.Directive{
			SourceCluster: b.source.ID(), Addressee: events.ToCopy(t.name), Position: int64(i), Migration: migration,
			Stream: events.TopicStream(t.name), Phase: events.PhaseCopying, AtLeast: replicator.Version, Copy: &t.order,
		}
		if err := to.Publish(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// succeed measures how long another worker takes to go on where the former one
// has ended, from its start.
func (b *bench) succeed(ctx context.Context) (took time.Duration, err error) {
	if err := b.fill(ctx); err != nil {
		return 0, fmt.Errorf("write the second records: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	w, err := b.hire(ctx)
	if err != nil {
		return 0, fmt.Errorf("start another worker: %w", err)
	}
	defer func() { err = errors.Join(err, w.dismiss()) }()
	if err := b.copied(ctx, 2); err != nil {
		return 0, fmt.Errorf("second records copied: %w", err)
	}
	return time.Since(start), nil
}

// copied waits until the target has so many records of every partition.
func (b *bench) copied(ctx context.Context, records int64) error {
	for _, t := range b.topics {
		for left := t.all(); len(left) > 0; {
			ends, err := b.target.ListOffsets(ctx, t.name, left, cluster.Latest)
			if err != nil {
				return err
			}
			left = slices.DeleteFunc(left, func(p int32) bool { return ends[p] >= records })
			if len(left) > 0 && !pause(ctx, 100*time.Millisecond) {
				return fmt.Errorf("%d partitions of %s have less than %d records: %w", len(left), t.name, records, ctx.Err())
			}
		}
	}
	return nil
}

// published waits until the map of every partition counts its record.
func (b *bench) published(ctx context.Context) error {
	tail := log.NewOffsets(b.target, log.Options{}).Tail(nil)
	defer func() { _ = tail.Close() }() // it ends goroutines and has nothing to report
	counted := map[events.CopyKey]bool{}
	for len(counted) < b.opts.partitions {
		records, _, err := tail.Next(ctx, time.Second)
		if err != nil {
			return fmt.Errorf("%d of %d partitions: %w", len(counted), b.opts.partitions, err)
		}
		for _, r := range records {
			if r.Block != nil && r.Block.Watermark > 0 {
				counted[r.Key.Copy] = true
			}
		}
	}
	return nil
}

// pause waits; it returns false when ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// most is the largest of some counts.
func most(counts map[string]int) (n int) {
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}
