package projector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
)

// Projector folds a log into a store.
type Projector struct {
	c Config
	// busy is held by CatchUp and Run.
	busy sync.Mutex
	// fold keeps its cache from one call to the next; nil after an error. known
	// is true once the call under way has made sure of the log.
	fold  *fold
	known bool

	mu   sync.Mutex
	end  int64
	last error
}

// New makes a projector; it does nothing before CatchUp or Run is called.
func New(c Config) (*Projector, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Projector{c: c.withDefaults()}, nil
}

// Status is how far a projector is.
type Status struct {
	// Applied is the position up to which the log is folded, End the position
	// behind its last record when it was read last; -1 and 0 for nothing yet.
	Applied, End int64
	// Err is the error that the projector stopped for or tries to get over,
	// nil when the last fetch went well.
	Err error
}

// Status tells how far the projector is.
func (p *Projector) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Status{Applied: p.c.Store.Applied(), End: p.end, Err: p.last}
}

// CatchUp folds up to the end that the log has when it is called, and returns
// the position that the store has come to. An error ends it at once: what was
// committed stays, and the next call goes on from there.
func (p *Projector) CatchUp(ctx context.Context) (applied int64, err error) {
	if !p.busy.TryLock() {
		return p.c.Store.Applied(), ErrBusy
	}
	defer p.busy.Unlock()
	p.begin()
	end, err := p.c.Log.End(ctx)
	if err == nil {
		err = p.follow(ctx, func(next int64) bool { return next >= end })
	}
	p.note(end, err)
	if err != nil {
		return p.c.Store.Applied(), fmt.Errorf("catch up with the log: %w", p.located(err))
	}
	return p.c.Store.Applied(), nil
}

// Run folds to the end of the log and follows it. It gets over errors of the
// log that may pass, and ends with nil when ctx is done, else with the cause:
// the store failed, the log is not the one folded before, a checkpoint differs.
func (p *Projector) Run(ctx context.Context) error {
	if !p.busy.TryLock() {
		return ErrBusy
	}
	defer p.busy.Unlock()
	p.begin()
	pause := p.c.Retry
	for {
		before := p.c.Store.Applied()
		err := p.follow(ctx, func(int64) bool { return false })
		if ctx.Err() != nil {
			return nil
		}
		p.note(0, err)
		if !p.c.Log.retriable(err) {
			err = p.located(err)
			p.c.Store.stop(err)
			p.c.Logger.Error().Err(err).Int64("applied", p.c.Store.Applied()).Msg("the projector stopped")
			return fmt.Errorf("fold the log: %w", err)
		}
		if p.c.Store.Applied() > before {
			pause = p.c.Retry
		}
		p.c.Hooks.Failed(err)
		p.c.Logger.Warn().Err(err).Dur("pause", pause).Msg("the log cannot be read, trying again")
		if !rest(ctx, pause) {
			return nil
		}
		pause = min(2*pause, p.c.RetryMost)
	}
}

// located adds where the store is to an error after which an empty one may be
// wanted.
func (p *Projector) located(err error) error {
	dir := p.c.Store.o.Dir
	another := errors.Is(err, ErrForeignLog) || errors.Is(err, log.ErrRecreated) || errors.Is(err, log.ErrTruncated)
	if p.c.Store.memory || !another {
		return err
	}
	return fmt.Errorf("%w (the store is the folder %s)", err, dir)
}

// begin forgets how the call before ended.
func (p *Projector) begin() {
	p.known = false
	p.c.Store.stop(nil)
}

// rest waits for half to all of a pause; false when ctx is done first.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// note remembers how the last fetch went.
func (p *Projector) note(end int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end, p.last = max(p.end, end), err
}

// follow makes sure of the log and folds page by page until there is enough.
func (p *Projector) follow(ctx context.Context, enough func(next int64) bool) error {
	if err := p.ready(ctx); err != nil {
		return err
	}
	m := p.fold.meta
	if enough(m.Applied + 1) {
		return nil
	}
	reader := p.c.Log.Reader(m.Applied+1, m.Log.TopicID)
	return pages(ctx, reader, p.c.Limit, p.c.Wait, func(page log.Page) (bool, error) {
		return enough(page.Next), p.take(page)
	})
}

// ready makes a fold of a log that is the right one.
func (p *Projector) ready(ctx context.Context) error {
	if p.fold == nil {
		f, err := newFold(p.c.Store, fsm.New(), p.c.Tolerate)
		if err != nil {
			return err
		}
		p.fold = f
	}
	if p.known {
		return nil
	}
	id, err := p.c.Log.identify(ctx, p.fold.meta)
	if err != nil {
		return err
	}
	p.fold.meta.Log, p.known = id, true
	return nil
}

// take folds and commits one page.
func (p *Projector) take(page log.Page) error {
	p.note(page.End, nil)
	if page.Next == p.fold.meta.Applied+1 && len(page.Records) == 0 {
		return nil
	}
	start := time.Now()
	if err := p.fold.page(page.Records, page.Next); err != nil {
		p.fold, p.known = nil, false
		return err
	}
	p.c.Hooks.Committed(Commit{Applied: page.Next - 1, End: page.End, Records: len(page.Records), Took: time.Since(start)})
	return nil
}
