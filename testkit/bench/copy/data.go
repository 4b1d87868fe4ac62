package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
)

// dataset is a kind of data: batches of about a size, as a producer sends them.
type dataset struct {
	name  string
	codec batch.Codec
	// size is that of a batch on the wire; 0 for one record a batch.
	size int
}

func datasetNamed(name string) (dataset, error) {
	for _, d := range []dataset{{"none", batch.None, 100_000}, {"lz4", batch.LZ4, 100_000}, {"zstd", batch.Zstd, 100_000}, {"single", batch.None, 0}} {
		if d.name == name {
			return d, nil
		}
	}
	return dataset{}, fmt.Errorf("data %q: there are none, lz4, zstd (batches of 100 KB) and single (batches of one record)", name)
}

// pool is how many different batches there are; they are sent again and again.
const pool = 64

// loaded is a topic of a dataset.
type loaded struct {
	dataset
	topic   string
	batches []batch.Batch
	records int64
	bytes   int64
}

// make builds so many batches of a dataset, of records of about 1 KB that compress
// as JSON does.
func (d dataset) make(n int) ([]batch.Batch, error) {
	r := rand.New(rand.NewPCG(1, 2))
	var out []batch.Batch
	for range n {
		b, err := d.batch(r)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func (d dataset) batch(r *rand.Rand) (batch.Batch, error) {
	spec := batch.Spec{Codec: d.codec}
	records := []batch.Record{record(r)}
	b, err := batch.Build(spec, records)
	for err == nil && len(b) < d.size {
		more := max(1, len(records)*(d.size-len(b))/max(len(b), 1)) // as many as are missing at this ratio
		for range more {
			records = append(records, record(r))
		}
		b, err = batch.Build(spec, records)
	}
	return b, err
}

func record(r *rand.Rand) batch.Record {
	var v strings.Builder
	v.WriteString(`{"order":` + fmt.Sprint(r.Uint64()) + `,"items":[`)
	for v.Len() < 1000 {
		fmt.Fprintf(&v, `{"sku":"%08x","quantity":%d,"price":%d.%02d},`, r.Uint32(), r.IntN(9)+1, r.IntN(500), r.IntN(100))
	}
	return batch.Record{Timestamp: time.Now().UnixMilli(), Key: fmt.Appendf(nil, "customer-%d", r.IntN(100_000)), Value: []byte(v.String() + "{}]}")}
}

// load creates a topic on the source and fills it.
func (b *bench) load(ctx context.Context, d dataset) (*loaded, error) {
	batches, err := d.make(pool)
	if err != nil {
		return nil, err
	}
	l := &loaded{dataset: d, topic: "bench-" + d.name, batches: batches}
	for n := int64(0); l.bytes < b.opts.bytes; n++ { // whole rounds of one batch per partition
		for p := range int64(partitions) {
			sent := batches[(n*partitions+p)%pool]
			l.bytes, l.records = l.bytes+int64(len(sent)), l.records+int64(sent.Count())
		}
	}
	if err := create(ctx, b.source, l.topic); err != nil {
		return nil, err
	}
	return l, l.send(ctx, b.source, l.topic)
}

func create(ctx context.Context, c *cluster.Client, topic string) error {
	return c.CreateTopic(ctx, cluster.TopicSpec{Name: topic, Partitions: partitions, ReplicationFactor: 1, Configs: map[string]string{"retention.ms": "-1"}})
}

// streams is how many connections send at a time.
const streams = 4

// send writes all batches of the dataset to a topic, as fast as it takes them.
func (l *loaded) send(ctx context.Context, c *cluster.Client, topic string) error {
	leader, err := c.Leader(ctx, topic, 0)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for s := range int64(streams) {
		g.Go(func() error { return l.stream(ctx, c, leader, topic, s) })
	}
	return g.Wait()
}

// stream sends the batches of every streams-th partition, one request of one
// batch per partition after the other: brokers take no more of one.
func (l *loaded) stream(ctx context.Context, c *cluster.Client, leader int32, topic string, s int64) error {
	bytes := int64(0)
	for n := int64(0); bytes < l.bytes; n++ {
		var parts []wire.ProducePartition
		for p := range int64(partitions) {
			sent := l.batches[(n*partitions+p)%pool]
			bytes += int64(len(sent))
			if p%streams == s {
				parts = append(parts, wire.ProducePartition{Partition: int32(p), Records: sent})
			}
		}
		res, err := c.Produce(ctx, leader, &wire.Produce{Acks: -1, Timeout: 30 * time.Second, Topics: []wire.ProduceTopic{{Topic: topic, Partitions: parts}}})
		if err != nil {
			return err
		}
		for _, p := range res.Partitions {
			if err := c.Refused(leader, p); err != nil {
				return err
			}
		}
	}
	return nil
}
