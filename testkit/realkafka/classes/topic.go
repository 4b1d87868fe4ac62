package classes

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is a topic of one partition on a real cluster.
type Topic struct {
	Name      string
	Version   string // of the cluster
	Bootstrap []string
	Client    *cluster.Client
}

// Make creates the scene's topic and writes it, and returns when the source shows what the scene is about.
func (s Scene) Make(ctx context.Context, t Topic) error {
	configs := map[string]string{"retention.ms": "-1"} // the records are old
	maps.Copy(configs, s.Source)
	spec := cluster.TopicSpec{Name: t.Name, Partitions: 1, ReplicationFactor: 1, Configs: configs}
	if err := t.Client.CreateTopic(ctx, spec); err != nil {
		return err
	}
	if err := s.write(ctx, t); err != nil {
		return fmt.Errorf("write %s: %w", s.Name, err)
	}
	return nil
}

// Pages fetches the pages of the scene that are kept.
func (s Scene) Pages(ctx context.Context, t Topic) ([]Page, error) {
	var all []Page
	for _, a := range s.asks() {
		p, err := t.Fetch(ctx, a.from, a.maxBytes)
		if err != nil {
			return nil, err
		}
		p.Limits = s.Limits
		all = append(all, p)
	}
	return all, nil
}

// Fetch reads one page, committed, from an offset on: at most about so many bytes.
func (t Topic) Fetch(ctx context.Context, from int64, maxBytes int32) (Page, error) {
	leader, err := t.Client.Leader(ctx, t.Name, 0)
	if err != nil {
		return Page{}, err
	}
	res, err := t.Client.Fetch(ctx, leader, &wire.Fetch{
		MaxBytes: maxBytes, MinBytes: 1, Committed: true,
		Topics: []wire.FetchTopic{{Topic: t.Name, Partitions: []wire.FetchPartition{{Offset: from, MaxBytes: maxBytes}}}},
	})
	if err != nil {
		return Page{}, err
	}
	if len(res.Partitions) != 1 {
		return Page{}, fmt.Errorf("fetch %s: %d partitions in the answer, wanted is 1", t.Name, len(res.Partitions))
	}
	p := res.Partitions[0]
	if err := t.Client.FetchError(leader, p); err != nil {
		return Page{}, err
	}
	return Page{
		From: from, LogStart: p.LogStart, HighWatermark: p.HighWatermark, LastStable: p.LastStable,
		Aborted: p.Aborted, Records: bytes.Clone(p.Records),
	}, nil
}

// pollEvery is how often a topic is asked for a state.
const pollEvery = 50 * time.Millisecond

// wait waits until the batches of the partition look as wanted.
func (t Topic) wait(ctx context.Context, what string, wanted func([]batch.Batch) bool) error {
	return t.until(ctx, what, func() (bool, error) {
		p, err := t.Fetch(ctx, 0, 1<<20)
		var all []batch.Batch
		for b, rest := batch.Split(p.Records); b != nil; b, rest = batch.Split(rest) {
			all = append(all, b)
		}
		return wanted(all), err
	})
}

// until waits until something is so.
func (t Topic) until(ctx context.Context, what string, is func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if yes, err := is(); yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("in vain: %s of %s: %w", what, t.Name, ctx.Err())
		}
	}
}

// writer opens a client that writes to the partition.
func (t Topic) writer(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(t.Bootstrap...), kgo.DefaultProduceTopic(t.Name), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(time.Minute), // flush says when
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, opts...)...)
}

// put writes records as one batch.
func put(ctx context.Context, w *kgo.Client, records ...*kgo.Record) error {
	failed := make(chan error, len(records))
	for _, r := range records {
		w.Produce(ctx, r, func(_ *kgo.Record, err error) { failed <- err })
	}
	if err := w.Flush(ctx); err != nil {
		return err
	}
	for range records {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}

// put writes records as one batch of a producer of their own.
func (t Topic) put(ctx context.Context, records []*kgo.Record, opts ...kgo.Opt) error {
	w, err := t.writer(opts...)
	if err != nil {
		return err
	}
	defer w.Close()
	return put(ctx, w, records...)
}
