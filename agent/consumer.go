package agent

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
)

// Errors of a consumer's life.
var (
	// ErrStopTimeout: handlers were still running when Config.StopTimeout had passed after a stop. Their records are not
	// committed and will be handled again.
	ErrStopTimeout = errors.New("handlers did not finish within StopTimeout")
	// ErrUsed: Run was called before, or the consumer or producer was closed.
	ErrUsed = errors.New("was run or closed before: make a new one")
)

// Consumer is one instance of a consumer group that obeys the directives of migrations. See the package documentation.
type Consumer struct {
	cfg   ConsumerConfig
	opts  consumerOptions
	used  atomic.Bool
	state atomic.Pointer[consume.State]
	open  context.Context // until Close
	close context.CancelFunc
	done  chan struct{} // closed when Run has returned
}

// NewConsumer makes a consumer. Nothing is connected before Run.
func NewConsumer(cfg ConsumerConfig, opts ...ConsumerOption) (*Consumer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("agent: consumer of group %q: %w", cfg.Group, err)
	}
	c := &Consumer{cfg: cfg, done: make(chan struct{})}
	c.open, c.close = context.WithCancel(context.Background())
	for _, o := range opts {
		o.forConsumer(&c.opts)
	}
	c.state.Store(&consume.State{Position: -1})
	return c, nil
}

// Run consumes until the context ends or Close is called. Then no record is started any more, handlers finish, offsets are
// committed, OnRevoked is called and the group is left; Run returns nil once all that is done. It may be called once.
//
// While a cluster cannot be reached Run goes on trying: what it waits for is in the log, and State says how far it is.
func (c *Consumer) Run(ctx context.Context) error {
	if !c.used.CompareAndSwap(false, true) {
		return fmt.Errorf("agent: consumer of group %q: %w", c.cfg.Group, ErrUsed)
	}
	defer close(c.done)
	core, err := consume.New(c.cfg.core(newIncarnation(c.cfg.Instance)))
	if err != nil {
		return err
	}
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.open, cancel)()
	return newLoop(c, core).run(stop)
}

// Close stops the consumer as the end of Run's context does, and waits for Run to return. A consumer that was never run cannot
// be run afterwards.
func (c *Consumer) Close() {
	c.close()
	if c.used.CompareAndSwap(false, true) {
		close(c.done) // it was never run
	}
	<-c.done
}

// State is an instance as people want to see it.
type State struct {
	// Order is the word of the order in force: source, prepare, hold, stage or target; empty before the first is known.
	Order string
	// Position is the event position of its directive, −1 without a migration. Migration and Epoch are the directive's.
	Position  int64
	Migration string
	Epoch     uint32
	// SourceMember and TargetMember are the member ids on the two sides, empty outside.
	SourceMember, TargetMember string
	// Reading are the partitions that are being read, with the cluster of each.
	Reading map[TopicPartition]string
	// HeldSince is when moving partitions stopped, zero while they flow.
	HeldSince time.Time
}

// State returns how the consumer stands.
func (c *Consumer) State() State {
	s := c.state.Load()
	out := State{
		Order: s.Order, Position: s.Position, Migration: s.Migration, Epoch: s.Epoch,
		SourceMember: s.Members[consume.Source], TargetMember: s.Members[consume.Target],
		Reading: map[TopicPartition]string{}, HeldSince: s.Held,
	}
	for _, l := range s.Lanes {
		out.Reading[TopicPartition{Topic: l.Partition.Topic, Partition: l.Partition.ID}] = l.Cluster
	}
	return out
}
