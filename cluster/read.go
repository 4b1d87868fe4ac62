package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
)

// Fetch asks a broker for records of partitions that it leads, as raw bytes. Error codes are in the result.
func (c *Client) Fetch(ctx context.Context, broker int32, f *wire.Fetch) (*wire.FetchResult, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout+f.MaxWait)
	defer cancel()
	start := time.Now()
	res, err := c.wire.Fetch(ctx, broker, f)
	c.report("Fetch", broker, start, err)
	if err != nil {
		for _, t := range f.Topics {
			c.Forget(t.Topic)
		}
		return nil, c.wrap(err, failure{api: "Fetch", broker: broker})
	}
	for _, p := range res.Partitions {
		c.forgetMoved(p.Topic, p.Code)
	}
	return res, nil
}

// FetchError returns the typed error of a partition's result, nil if it has none.
func (c *Client) FetchError(broker int32, p wire.FetchedPartition) error {
	if p.Code == 0 {
		return nil
	}
	f := failure{api: "Fetch", broker: broker, kind: topicResource, name: p.Topic, partition: p.Partition, hasPart: true}
	return c.refused(p.Code, f)
}

// ReadOptions say how Read reads.
type ReadOptions struct {
	// MaxBytes bounds the answer; at least one batch is returned whatever its size. Default 1 MiB.
	MaxBytes int32
	// Wait is how long to wait for the first record when there is none; 0 answers at once.
	Wait time.Duration
	// Committed leaves out open and aborted transactions.
	Committed bool
}

// Page is what Read returns.
type Page struct {
	Records []Record
	// Next is the offset to read from next. It moves on over markers, aborted and compacted records even when there are
	// no Records; with nothing to read it is the offset asked for.
	Next int64
	// HighWatermark, LastStable and LogStart are the partition's, as of this answer.
	HighWatermark, LastStable, LogStart int64
}

// Record is a record of a partition.
type Record = batch.Record

// Read returns records of one partition from offset on. An offset outside the log is an ErrOffsetOutOfRange and never
// reset. It is made for following one or a few partitions, such as logs of events: a copier uses Fetch.
func (c *Client) Read(ctx context.Context, topic string, partition int32, offset int64, o ReadOptions) (Page, error) {
	var page Page
	err := c.settle(ctx, func() (err error) {
		page, err = c.readOnce(ctx, topic, partition, offset, o)
		return err
	})
	return page, err
}

func (c *Client) readOnce(ctx context.Context, topic string, partition int32, offset int64, o ReadOptions) (Page, error) {
	leader, err := c.leader(ctx, topic, partition)
	if err != nil {
		return Page{}, err
	}
	res, err := c.Fetch(ctx, leader, o.fetch(topic, partition, offset))
	if err != nil {
		return Page{}, err
	}
	about := failure{api: "Fetch", broker: leader, kind: topicResource, name: topic, partition: partition, hasPart: true}
	switch {
	case res.Code != 0:
		return Page{}, c.refused(res.Code, about)
	case len(res.Partitions) != 1:
		return Page{}, c.wrap(orMissing(nil, "Fetch"), about)
	}
	p := res.Partitions[0]
	if p.Code == codeOutOfRange {
		about.detail = c.logRange(ctx, topic, partition, offset)
	}
	if p.Code != 0 {
		return Page{}, c.refused(p.Code, about)
	}
	page, err := decodePage(p, offset, o.Committed)
	return page, c.wrap(err, about)
}

func (o ReadOptions) fetch(topic string, partition int32, offset int64) *wire.Fetch {
	limit := o.MaxBytes
	if limit <= 0 {
		limit = 1 << 20
	}
	return &wire.Fetch{
		MaxWait: o.Wait, MinBytes: 1, MaxBytes: limit, Committed: o.Committed,
		Topics: []wire.FetchTopic{{Topic: topic, Partitions: []wire.FetchPartition{{Partition: partition, Offset: offset, MaxBytes: limit}}}},
	}
}

const codeOutOfRange = 1

// logRange says where the log is: the broker's answer does not.
func (c *Client) logRange(ctx context.Context, topic string, partition int32, offset int64) string {
	starts, err := c.ListOffsets(ctx, topic, []int32{partition}, Earliest)
	if err != nil {
		return ""
	}
	ends, err := c.ListOffsets(ctx, topic, []int32{partition}, Latest)
	if err != nil {
		return ""
	}
	start, end := starts[partition], ends[partition]
	switch {
	case offset < start:
		return fmt.Sprintf("asked for %d, but the log starts at %d: retention or DeleteRecords removed it", offset, start)
	case offset > end:
		return fmt.Sprintf("asked for %d, but the log ends at %d: it was truncated, or the topic was created anew", offset, end)
	}
	return fmt.Sprintf("asked for %d; the log has %d to %d by now", offset, start, end)
}

// decodePage decodes the batches of one partition. The first may begin below offset.
func decodePage(p wire.FetchedPartition, offset int64, committed bool) (Page, error) {
	page := Page{Next: offset, HighWatermark: p.HighWatermark, LastStable: p.LastStable, LogStart: p.LogStart}
	filter := batch.NewFilter(p.Aborted)
	first := true
	for b, rest := batch.Split(p.Records); b != nil; b, rest = batch.Split(rest) {
		first = false
		if committed && filter.Aborted(b) || b.Control() {
			if err := b.Check(); err != nil { // before its offsets are believed
				return page, err
			}
		} else {
			records, err := b.Records()
			if err != nil {
				return page, err
			}
			page.Records = append(page.Records, from(records, offset)...)
		}
		page.Next = max(page.Next, b.NextOffset())
	}
	if first && len(p.Records) > 0 {
		return page, fmt.Errorf("%w: %d bytes hold no whole batch", batch.ErrCorrupt, len(p.Records))
	}
	return page, nil
}

// from drops the records below offset.
func from(records []Record, offset int64) []Record {
	for len(records) > 0 && records[0].Offset < offset {
		records = records[1:]
	}
	return records
}
