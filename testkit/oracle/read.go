package oracle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/testkit/workload"
)

// ErrOpenTransaction says that a log cannot be judged because it ends in a transaction that is still open.
var ErrOpenTransaction = errors.New("oracle: open transaction")

// errNothing is an answer without records, as a broker gives that throttles.
var errNothing = errors.New("the broker answers without records")

// Limits of reading.
const (
	readers     = 4       // partitions read at a time
	fetchBytes  = 4 << 20 // per fetch
	fetchWait   = 500     // milliseconds
	retryAfter  = 50 * time.Millisecond
	retryAtMost = 40 // times in a row without an answer, per partition
)

// logReader reads whole topics of one cluster.
type logReader struct {
	client *kgo.Client
	admin  *kadm.Client
}

func openReader(c workload.ClusterConfig) (*logReader, error) {
	opts := append([]kgo.Opt{kgo.SeedBrokers(c.Bootstrap...), kgo.ClientID("oracle"), kgo.MetadataMinAge(retryAfter)}, c.Options...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("oracle: open %s: %w", c.Name, err)
	}
	return &logReader{client: client, admin: kadm.NewClient(client)}, nil
}

func (r *logReader) close() { r.client.Close() }

// ReadTopic reads all committed records of a topic, from the log start to the end as it is at the call, and hands them
// over in the order of each partition's offsets; each is called from one goroutine at a time. A transaction that is open
// at the end is ErrOpenTransaction, for what follows it cannot be read.
func ReadTopic(ctx context.Context, cluster workload.ClusterConfig, topic string, each func(*kgo.Record)) error {
	r, err := openReader(cluster)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.read(ctx, topic, each); err != nil {
		return fmt.Errorf("oracle: read topic %s of %s: %w", topic, cluster.Name, err)
	}
	return nil
}

func (r *logReader) read(ctx context.Context, topic string, each func(*kgo.Record)) error {
	parts, err := r.bounds(ctx, topic)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, p := range parts {
		group.Go(func() error {
			err := r.partition(ctx, p, func(records []*kgo.Record) {
				mu.Lock()
				defer mu.Unlock()
				for _, rec := range records {
					each(rec)
				}
			})
			if err != nil {
				return fmt.Errorf("partition %d: %w", p.id, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// stretch is what is to be read of a partition, and from whom.
type stretch struct {
	topic      string
	id         int32
	start, end int64
	topicID    [16]byte
	leader     int
}

// bounds asks where each partition starts and ends.
func (r *logReader) bounds(ctx context.Context, topic string) ([]stretch, error) {
	starts, err1 := r.admin.ListStartOffsets(ctx, topic)
	ends, err2 := r.admin.ListEndOffsets(ctx, topic)
	stable, err3 := r.admin.ListCommittedOffsets(ctx, topic)
	if err := errors.Join(err1, err2, err3, starts.Error(), ends.Error(), stable.Error()); err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	if len(ends[topic]) == 0 {
		return nil, fmt.Errorf("list offsets: %w", kerr.UnknownTopicOrPartition)
	}
	var parts []stretch
	for id, end := range ends[topic] {
		if s := stable[topic][id].Offset; s < end.Offset {
			return nil, fmt.Errorf("%w: partition %d is stable up to %d and ends at %d: end the transaction first", ErrOpenTransaction, id, s, end.Offset)
		}
		parts = append(parts, stretch{topic: topic, id: id, start: starts[topic][id].Offset, end: end.Offset})
	}
	return parts, nil
}

// partition reads one partition. Fetching by hand, instead of consuming, tells the position after each fetch, control
// batches and compaction holes at the end included.
func (r *logReader) partition(ctx context.Context, p stretch, each func([]*kgo.Record)) error {
	failures := 0 // answers in a row that brought nothing
	err := r.locate(ctx, &p)
	for at := p.start; at < p.end || err != nil; {
		var got []*kgo.Record
		next := at
		if err == nil {
			got, next, err = r.fetch(ctx, p, at)
		}
		if next > at {
			each(got)
			at, failures = next, 0
			continue
		}
		if err == nil {
			err = errNothing
		}
		failures++
		if !kerr.IsRetriable(err) && !errors.Is(err, errNothing) || failures > retryAtMost {
			return fmt.Errorf("fetch from offset %d of %d: %w", at, p.end, err)
		}
		if err := sleep(ctx, retryAfter); err != nil {
			return err
		}
		err = r.locate(ctx, &p)
	}
	return nil
}

// locate asks who leads the partition.
func (r *logReader) locate(ctx context.Context, p *stretch) error {
	topics, err := r.admin.ListTopics(ctx, p.topic)
	if err != nil {
		return err
	}
	topic := topics[p.topic]
	part := topic.Partitions[p.id]
	p.topicID, p.leader = topic.ID, int(part.Leader)
	return errors.Join(topic.Err, part.Err)
}

// fetch reads from an offset and returns the records and the position behind them.
func (r *logReader) fetch(ctx context.Context, p stretch, at int64) ([]*kgo.Record, int64, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = fetchWait, 1, fetchBytes, 1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = p.topic, p.topicID
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = p.id, at, fetchBytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := r.client.Broker(p.leader).RetriableRequest(ctx, req)
	if err != nil {
		return nil, at, err
	}
	return decode(resp.(*kmsg.FetchResponse), p, at)
}

// decode reads the answer to a fetch of one partition.
func decode(resp *kmsg.FetchResponse, p stretch, at int64) ([]*kgo.Record, int64, error) {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, at, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, at, fmt.Errorf("the broker answered for %d topics instead of one partition", len(resp.Topics))
	}
	fetched, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: at, IsolationLevel: kgo.ReadCommitted(), Topic: p.topic, Partition: p.id,
	}, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return fetched.Records, next, fetched.Err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
