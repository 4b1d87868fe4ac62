package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
)

// perSecond is the number of records sent per second for the latency. Those of
// the first warmUp seconds do not count: the brokers were started a moment ago and
// still compile what this load needs.
const (
	perSecond = 1000
	warmUp    = 15
)

// delays are how long records took from the source's acknowledgement to a
// consumer of the target, sorted.
type delays struct {
	mover string
	took  []time.Duration
}

// at is the delay that a share of the records did not exceed.
func (d delays) at(share float64) time.Duration {
	if len(d.took) == 0 {
		return 0
	}
	return d.took[min(int(share*float64(len(d.took))), len(d.took)-1)]
}

// clocks are when each record was acknowledged and when it arrived.
type clocks struct {
	mu             sync.Mutex
	acked, arrived map[uint64]time.Time
}

// latency measures a mover that is in step with its source.
func (b *bench) latency(ctx context.Context, m mover) (err error) {
	if m.name() == "limit" {
		return nil
	}
	l := &loaded{dataset: dataset{"latency", batch.None, 0}, topic: "bench-latency-" + m.name()}
	if err := create(ctx, b.source, l.topic); err != nil {
		return err
	}
	run, err := m.start(ctx, l, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.stop(ctx), b.source.DeleteTopic(ctx, l.topic)) }()
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.bootstrap(0)...), kgo.ProducerLinger(0), kgo.DefaultProduceTopic(l.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer producer.Close()
	c := &clocks{acked: map[uint64]time.Time{}, arrived: map[uint64]time.Time{}}
	if err := b.inStep(ctx, run, producer); err != nil {
		return err
	}
	d, err := b.tick(ctx, run, producer, c)
	if err != nil {
		return err
	}
	d.mover = m.name()
	b.latencies = append(b.latencies, d)
	fmt.Fprintf(os.Stderr, "%s  latency %-12s p50 %v, p99 %v\n", time.Now().Format(time.TimeOnly), m.name(), d.at(0.5).Round(100*time.Microsecond), d.at(0.99).Round(100*time.Microsecond))
	return nil
}

// inStep sends records until one has come through.
func (b *bench) inStep(ctx context.Context, run moving, producer *kgo.Client) error {
	for {
		for p := range int32(partitions) {
			if err := producer.ProduceSync(ctx, &kgo.Record{Partition: p, Value: []byte("first")}).FirstErr(); err != nil {
				return err
			}
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := b.await(short, run, func(records int64) bool { return records >= partitions })
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// tick sends records at an even pace and waits until all have arrived.
func (b *bench) tick(ctx context.Context, run moving, producer *kgo.Client, c *clocks) (d delays, err error) {
	consumer, err := b.consume(ctx, run.topic)
	if err != nil {
		return d, err
	}
	inner, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.receive(inner, consumer) })
	defer func() {
		cancel()
		wg.Wait()
		consumer.Close()
	}()
	total := (warmUp + b.opts.seconds) * perSecond
	begin := time.Now()
	for i := range total {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / perSecond))) //rules:sleep the pace is what is measured
		producer.Produce(ctx, &kgo.Record{Partition: int32(i % partitions), Value: binary.BigEndian.AppendUint64(make([]byte, 0, 200), uint64(i))[:200]}, func(r *kgo.Record, err error) {
			if err == nil {
				c.note(c.acked, binary.BigEndian.Uint64(r.Value))
			}
		})
	}
	if err := producer.Flush(ctx); err != nil {
		return d, err
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { //rules:sleep records arrive on another goroutine; their times are noted there
		if d.took = c.delays(warmUp * perSecond); len(d.took) == total-warmUp*perSecond {
			return d, nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return d, errors.Join(ctx.Err(), fmt.Errorf("%d of %d records arrived", len(d.took), total-warmUp*perSecond))
		}
	}
}

// consume reads the target from its present end on.
func (b *bench) consume(ctx context.Context, topic string) (*kgo.Client, error) {
	ends, err := b.target.ListOffsets(ctx, topic, all(), cluster.Latest)
	if err != nil {
		return nil, err
	}
	from := map[string]map[int32]kgo.Offset{topic: {}}
	for p, end := range ends {
		from[topic][p] = kgo.NewOffset().At(end)
	}
	return kgo.NewClient(kgo.SeedBrokers(b.bootstrap(1)...), kgo.ConsumePartitions(from), kgo.FetchMinBytes(1), kgo.FetchMaxWait(500*time.Millisecond))
}

func (c *clocks) note(in map[uint64]time.Time, number uint64) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := in[number]; !known {
		in[number] = now
	}
}

func (c *clocks) receive(ctx context.Context, consumer *kgo.Client) {
	for ctx.Err() == nil {
		consumer.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if len(r.Value) == 200 {
				c.note(c.arrived, binary.BigEndian.Uint64(r.Value))
			}
		})
	}
}

// delays are those of the records from a number on that were acknowledged and
// have arrived. One that arrived before its acknowledgement did took no time.
func (c *clocks) delays(from uint64) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []time.Duration
	for number, acked := range c.acked {
		if arrived, ok := c.arrived[number]; ok && number >= from {
			out = append(out, max(0, arrived.Sub(acked)))
		}
	}
	slices.Sort(out)
	return out
}
