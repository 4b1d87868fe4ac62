package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
)

// publisher brings portage.directives up to the projection. What is published
// was folded from accepted events, so no agent ever obeys an intent that was
// not read back. Each partition goes its own way: one that cannot be written
// keeps its mark and holds up no other.
type publisher struct {
	cfg        Config
	directives *log.Directives
	wake       chan struct{}
	// told is called for every directive that was read back.
	told func(events.Directive)
	// rest is the pause of a partition that could not be written.
	rest time.Duration

	// done is a position up to which everything is published; only rounds use it.
	done int64
	// under is the work on partitions that is under way.
	under sync.WaitGroup

	mu   sync.Mutex
	busy map[int32]bool
	// there is the highest position read back per address.
	there map[address]int64
	marks map[int32]int64
}

func newPublisher(cfg Config, told func(events.Directive)) *publisher {
	return &publisher{
		cfg: cfg, directives: log.NewDirectives(cfg.Control, log.Options{Logger: cfg.Logger}), wake: make(chan struct{}, 1), told: told,
		rest: retryPublish, done: -1, busy: make(map[int32]bool), there: make(map[address]int64), marks: make(map[int32]int64),
	}
}

func (p *publisher) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// published reports whether the addressee's directive of a position or a later
// one was read back from the topic.
func (p *publisher) published(cluster string, to events.Addressee, position int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.there[address{cluster, to}]
	return ok && at >= position
}

// markEvery bounds how far the marks lag behind the projection: producers read
// the events between the mark and their registration. Directives do not wait for
// marks, because groups that stand still wait for directives.
const markEvery = 5 * time.Second

// retryPublish is the pause after a partition could not be written.
const retryPublish = time.Second

func (p *publisher) run(ctx context.Context) error {
	if err := p.load(ctx); err != nil {
		return err
	}
	defer p.under.Wait()
	ticker := time.NewTicker(markEvery)
	defer ticker.Stop()
	for marks := false; ; {
		if err := p.round(ctx, marks); err != nil {
			return err
		}
		marks = false
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-ticker.C:
			marks = true
		}
	}
}

// load learns what the topic has already.
func (p *publisher) load(ctx context.Context) (err error) {
	tail := p.directives.Watch(nil)
	defer func() { err = errors.Join(err, tail.Close()) }()
	for {
		records, caughtUp, err := tail.Next(ctx, 100*time.Millisecond)
		if lasting(err) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if err != nil {
			p.cfg.Logger.Warn().Err(err).Msg("directives cannot be read, trying again")
		}
		p.mu.Lock()
		for _, r := range records {
			if r.Directive != nil {
				p.there[addressOf(*r.Directive)] = r.Directive.Position
			} else if r.Mark != nil {
				p.marks[r.Partition] = r.Mark.Position
			}
		}
		p.mu.Unlock()
		if caughtUp {
			return nil
		}
	}
}

// round begins to publish what is due, and the marks when asked, on every
// partition that is not at work. One that is pokes when it has ended. An error
// is the store's.
func (p *publisher) round(ctx context.Context, marks bool) error {
	applied, wanted, err := p.wanted()
	if err != nil {
		return err
	}
	p.mu.Lock()
	list := due(wanted, p.there)
	if len(list) == 0 && len(p.busy) == 0 {
		p.done = applied
	}
	p.mu.Unlock()
	for i, part := range byPartition(list) {
		partition := int32(i)
		if (len(part) > 0 || marks) && p.begin(partition) {
			p.under.Go(func() {
				defer p.end(partition)
				p.partition(ctx, partition, part, marks, applied)
			})
		}
	}
	return nil
}

// begin takes a partition for work; false when it is at work already.
func (p *publisher) begin(partition int32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[partition] {
		return false
	}
	p.busy[partition] = true
	return true
}

func (p *publisher) end(partition int32) {
	p.mu.Lock()
	delete(p.busy, partition)
	p.mu.Unlock()
	p.poke()
}

// partition publishes directives of one partition and then its mark, when asked:
// it covers all that was applied, because what failed before is due again. After
// a failure it rests.
func (p *publisher) partition(ctx context.Context, partition int32, list []events.Directive, marks bool, applied int64) {
	err := p.publish(ctx, list)
	if err == nil && marks {
		err = p.mark(ctx, partition, applied)
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	p.cfg.Logger.Warn().Err(err).Msg("not all directives and marks are published, trying again")
	select {
	case <-time.After(p.rest):
	case <-ctx.Done():
	}
}

// wanted reads what the projection wants published, from where the publisher
// had come to.
func (p *publisher) wanted() (applied int64, list []*events.Directive, err error) {
	view := p.cfg.Store.View()
	defer func() { err = errors.Join(err, view.Close()) }()
	list, err = view.DirectivesAfter(p.done)
	return view.Applied(), list, err
}

// publish publishes the directives of one partition, in order.
func (p *publisher) publish(ctx context.Context, list []events.Directive) error {
	for _, d := range list {
		// A later directive than ours is as good: another orchestrator is ahead.
		if err := p.directives.Publish(ctx, d); err != nil && !errors.Is(err, log.ErrStale) {
			return fmt.Errorf("publish the directive of %s: %w", d.Addressee, err)
		}
		p.mu.Lock()
		p.there[addressOf(d)] = d.Position
		p.mu.Unlock()
		p.told(d)
		if p.cfg.Hooks.Published != nil {
			p.cfg.Hooks.Published(d)
		}
	}
	return nil
}

// mark says that a partition is complete up to a position.
func (p *publisher) mark(ctx context.Context, partition int32, applied int64) error {
	p.mu.Lock()
	stale := p.marks[partition] < applied
	p.mu.Unlock()
	if !stale {
		return nil
	}
	if err := p.directives.PublishMark(ctx, partition, applied); err != nil {
		return fmt.Errorf("publish the mark of partition %d: %w", partition, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks[partition] = applied
	return nil
}
