package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ConsumerConfig says how a Consumer reads.
type ConsumerConfig struct {
	Cluster ClusterConfig
	// Topics are read by the handler's group. Required.
	Topics []string
	// Handler names group and instance and handles the records. Required.
	Handler *Handler
	// Session is how long the group waits for a silent member; 0 means 10 s.
	Session time.Duration
}

// Validate says what is wrong with the config.
func (c ConsumerConfig) Validate() error {
	if err := c.Cluster.Validate(); err != nil {
		return err
	}
	if len(c.Topics) == 0 || c.Handler == nil || c.Session < 0 {
		return fmt.Errorf("%w: a consumer needs Topics (%v), a Handler and a Session of 0 or more (%v)", ErrConfig, c.Topics, c.Session)
	}
	return nil
}

// Consumer is a plain member of a consumer group, without the SDK: it reads committed records from the group's offsets or
// the start of the log, hands each partition's records over in order, several partitions at a time, and commits after
// each round.
type Consumer struct {
	cfg    ConsumerConfig
	client *kgo.Client
}

// NewConsumer opens a client. The caller calls Close.
func NewConsumer(cfg ConsumerConfig) (*Consumer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Session == 0 {
		cfg.Session = 10 * time.Second
	}
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(cfg.Cluster.Bootstrap...),
		kgo.ClientID("workload-" + cfg.Handler.cfg.Instance),
		kgo.ConsumerGroup(cfg.Handler.cfg.Group),
		kgo.ConsumeTopics(cfg.Topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.SessionTimeout(cfg.Session),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxWait(100 * time.Millisecond),
	}, cfg.Cluster.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("workload: open consumer %s: %w", cfg.Handler.cfg.Instance, err)
	}
	return &Consumer{cfg: cfg, client: client}, nil
}

// Close leaves the group and closes the client.
func (c *Consumer) Close() { c.client.CloseAllowingRebalance() }

// Run handles records until ctx ends, which is no failure: what is in hand is finished and committed first.
func (c *Consumer) Run(ctx context.Context) error {
	life := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		if err := c.round(ctx, life); err != nil {
			return fmt.Errorf("workload: consumer %s: %w", c.cfg.Handler.cfg.Instance, err)
		}
	}
	return nil
}

// maxRound bounds how many records a round takes, so that a rebalance never waits long.
const maxRound = 200

func (c *Consumer) round(ctx, life context.Context) error {
	defer c.client.AllowRebalance()
	fetches := c.client.PollRecords(ctx, maxRound)
	for _, e := range fetches.Errors() {
		if !passing(e.Err) {
			return fmt.Errorf("poll: %w", e.Err)
		}
	}
	if fetches.NumRecords() == 0 {
		return nil
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		wg.Go(func() {
			if err := c.handle(life, p.Records); err != nil {
				mu.Lock()
				defer mu.Unlock()
				first = errors.Join(first, err)
			}
		})
	})
	wg.Wait()
	if first != nil {
		return first
	}
	if err := c.client.CommitUncommittedOffsets(life); err != nil && !passing(err) {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// passing reports whether an error goes by itself: the end of the context, or a group that is closed to us or goes on
// without us for now. The client rejoins by itself, and the records come again.
func passing(err error) bool {
	var session *kgo.ErrGroupSession
	if errors.As(err, &session) {
		return true
	}
	for _, e := range []error{context.Canceled, context.DeadlineExceeded, kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// handle hands a partition's records over in order.
func (c *Consumer) handle(ctx context.Context, records []*kgo.Record) error {
	for _, r := range records {
		d := Delivery{Place: Place{Cluster: c.cfg.Cluster.Name, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			d.Headers = append(d.Headers, Header{Key: h.Key, Value: h.Value})
		}
		if err := c.cfg.Handler.Handle(ctx, d); err != nil {
			return err
		}
	}
	return nil
}
