package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
)

// mover is what copies topics.
type mover interface {
	name() string
	// start begins to copy a topic; what it says about the data is for those that
	// need no source. number tells copies of one topic apart.
	start(ctx context.Context, l *loaded, number int) (moving, error)
}

// moving is a copy under way.
type moving struct {
	// topic is the copy's name on the target.
	topic string
	// cpu is the processor time of the mover so far.
	cpu func() (time.Duration, error)
	// failed is closed or sent to when the mover ends by itself; may be nil.
	failed <-chan error
	stop   func(context.Context) error
}

// sample is one copy of one topic.
type sample struct {
	data, mover string
	bytes       float64
	took        time.Duration
	// cpu of the mover and of the brokers.
	cpu, brokers time.Duration
}

func (s sample) rate() float64         { return s.bytes / 1e6 / s.took.Seconds() }
func (s sample) moverPerGB() float64   { return s.cpu.Seconds() / (s.bytes / 1e9) }
func (s sample) brokersPerGB() float64 { return s.brokers.Seconds() / (s.bytes / 1e9) }

// reading is the state of a copy at a moment.
type reading struct {
	at           time.Time
	records      int64
	cpu, brokers time.Duration
}

// measure lets a mover copy a topic, from its first to its last record.
func (b *bench) measure(ctx context.Context, m mover, l *loaded, number int) (s sample, err error) {
	run, err := m.start(ctx, l, number)
	if err != nil {
		return s, err
	}
	defer func() {
		err = errors.Join(err, run.stop(ctx))
		if gone := b.target.DeleteTopic(ctx, run.topic); !errors.Is(gone, cluster.ErrUnknownTopic) {
			err = errors.Join(err, gone)
		}
	}()
	first, err := b.await(ctx, run, func(records int64) bool { return records > 0 })
	if err != nil {
		return s, err
	}
	last, err := b.await(ctx, run, func(records int64) bool { return records >= l.records })
	if err != nil {
		return s, err
	}
	share := float64(last.records-first.records) / float64(l.records)
	return sample{
		data: l.name, mover: m.name(), bytes: share * float64(l.bytes), took: last.at.Sub(first.at),
		cpu: last.cpu - first.cpu, brokers: last.brokers - first.brokers,
	}, nil
}

// patience is how long a copy may stand still.
const patience = 2 * time.Minute

// await looks at the target until the number of its records is as wanted.
func (b *bench) await(ctx context.Context, run moving, wanted func(int64) bool) (reading, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	best, moved := int64(0), time.Now()
	for {
		r, err := b.read(ctx, run)
		if err != nil {
			return r, err
		}
		if wanted(r.records) {
			return r, nil
		}
		if r.records > best {
			best, moved = r.records, time.Now()
		}
		if time.Since(moved) > patience {
			return r, fmt.Errorf("%s stands at %d records for %v", run.topic, best, patience)
		}
		select {
		case <-tick.C:
		case err := <-run.failed:
			return r, fmt.Errorf("it has ended: %w", err)
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

func (b *bench) read(ctx context.Context, run moving) (r reading, err error) {
	if r.cpu, err = run.cpu(); err != nil {
		return r, err
	}
	if r.brokers, err = b.brokersCPU(); err != nil {
		return r, err
	}
	topics, err := b.target.Topics(ctx, run.topic)
	if err != nil || len(topics[run.topic].Partitions) < partitions {
		return r, err
	}
	ends, err := b.target.ListOffsets(ctx, run.topic, all(), cluster.Latest)
	r.at = time.Now()
	if err != nil {
		return r, nil //nolint:nilerr // a topic that was just created has no leaders yet
	}
	for _, end := range ends {
		r.records += end
	}
	return r, nil
}
