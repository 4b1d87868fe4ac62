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
// not read back.
type publisher struct {
	cfg        Config
	directives *log.Directives
	wake       chan struct{}

	// done is the position up to which everything is published; only run uses it.
	done int64

	mu sync.Mutex
	// there is the highest position read back per address.
	there map[address]int64
	marks map[int32]int64
}

func newPublisher(cfg Config) *publisher {
	return &publisher{
		cfg: cfg, directives: log.NewDirectives(cfg.Control, log.Options{Logger: cfg.Logger}), wake: make(chan struct{}, 1),
		done: -1, there: make(map[address]int64), marks: make(map[int32]int64),
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

// markEvery bounds how far a mark lags behind the projection where no directive
// moves it: producers read the events between the mark and their registration.
const markEvery = 5 * time.Second

func (p *publisher) run(ctx context.Context) error {
	if err := p.load(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(markEvery)
	defer ticker.Stop()
	for {
		if err := p.once(ctx, false); err != nil && ctx.Err() == nil {
			p.cfg.Logger.Warn().Err(err).Msg("directives not published, trying again")
			time.AfterFunc(time.Second, p.poke)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-ticker.C:
			if err := p.once(ctx, true); err != nil && ctx.Err() == nil {
				p.cfg.Logger.Warn().Err(err).Msg("marks not published, trying again")
			}
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

// once publishes what is due and then the marks of the partitions concerned;
// of all partitions when asked.
func (p *publisher) once(ctx context.Context, allMarks bool) error {
	applied, wanted, err := p.wanted()
	if err != nil {
		return err
	}
	touched := make(map[int32]bool)
	p.mu.Lock()
	list := due(wanted, p.there)
	p.mu.Unlock()
	for _, d := range list {
		if err := p.directives.Publish(ctx, d); err != nil && !errors.Is(err, log.ErrStale) {
			return fmt.Errorf("publish the directive of %s: %w", d.Addressee, err)
		}
		p.mu.Lock()
		p.there[addressOf(d)] = d.Position
		p.mu.Unlock()
		touched[d.Key().Partition()] = true
		if p.cfg.Hooks.Published != nil {
			p.cfg.Hooks.Published(d)
		}
	}
	p.done = applied
	return p.mark(ctx, applied, touched, allMarks)
}

// wanted reads what the projection wants published, from where the publisher
// had come to.
func (p *publisher) wanted() (applied int64, list []*events.Directive, err error) {
	view := p.cfg.Store.View()
	defer func() { err = errors.Join(err, view.Close()) }()
	list, err = view.DirectivesAfter(p.done)
	return view.Applied(), list, err
}

func (p *publisher) mark(ctx context.Context, applied int64, touched map[int32]bool, all bool) error {
	for partition := range int32(events.ControlPartitions) {
		p.mu.Lock()
		stale := p.marks[partition] < applied && (all || touched[partition])
		p.mu.Unlock()
		if !stale {
			continue
		}
		if err := p.directives.PublishMark(ctx, partition, applied); err != nil {
			return fmt.Errorf("publish the mark of partition %d: %w", partition, err)
		}
		p.mu.Lock()
		p.marks[partition] = applied
		p.mu.Unlock()
	}
	return nil
}
