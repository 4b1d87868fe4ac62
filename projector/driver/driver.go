package driver

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/events"
)

// Driver acts on the projection. Create one with New, run it once.
type Driver struct {
	cfg    Config
	queue  *queue
	maps   *mapStore
	guards *guards
	pub    *publisher

	mu sync.Mutex
	// memory is what was seen of a stream in its present phase: it is lost with
	// the process and proven again.
	memory map[item]*memory
}

// memory belongs to one phase of one stream; a change of phase or epoch clears it.
type memory struct {
	phase events.Phase
	epoch uint32
	since time.Time
	// asked is when the brokers were asked last whether the group stands still.
	asked time.Time
	// goal are the source ends that the copy is to reach.
	goal map[int32]int64
	// still watches the source ends.
	still stillness
	// sealAfter is when sealing the source group is tried again.
	sealAfter time.Time
	// tries counts failures in a row, why is what was waited for last.
	tries int
	why   string
}

// New checks the config and builds a driver.
func New(cfg Config) (*Driver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Driver{cfg: cfg, queue: newQueue(), maps: newMapStore(), memory: make(map[item]*memory)}
	d.guards = newGuards(cfg, d.queue)
	d.pub = newPublisher(cfg, func(o events.Directive) { d.queue.addNow(item{o.Migration, o.Stream}) })
	return d, nil
}

// Run drives until ctx is done. The guards stay members of their groups: their
// static memberships outlive the process, and a successor takes them over. An
// error says what no waiting mends: the store failed, or a control topic was
// truncated or recreated.
func (d *Driver) Run(ctx context.Context) error {
	defer d.guards.close()
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return d.tailOffsets(inner) })
	g.Go(func() error { return d.pub.run(inner) })
	g.Go(func() error { return d.watch(inner) })
	g.Go(func() error { d.queue.run(inner, d.cfg.Workers, d.look); return nil })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// lookFor bounds one look at a stream: a cluster that does not answer must not
// keep a worker for ever.
const lookFor = time.Minute

// look works on one stream once and says when to look again.
func (d *Driver) look(ctx context.Context, it item) time.Time {
	inner, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	next, err := d.lookOnce(inner, it)
	if ctx.Err() != nil {
		return time.Time{}
	}
	if err != nil {
		return d.failed(it, err)
	}
	d.succeeded(it)
	if next <= 0 {
		return time.Time{}
	}
	return time.Now().Add(next)
}

func (d *Driver) lookOnce(ctx context.Context, it item) (next time.Duration, err error) {
	view := d.cfg.Store.View()
	defer func() { err = errors.Join(err, view.Close()) }()
	m, ok := view.Migration(it.migration)
	if !ok {
		return 0, view.Err()
	}
	w := &work{d: d, view: view, it: it, mig: m}
	if next, err = w.do(ctx); err == nil {
		err = view.Err()
	}
	return next, err
}

// failed logs a failed attempt and says when the next one is.
func (d *Driver) failed(it item, err error) time.Time {
	d.mu.Lock()
	mem := d.memory[it]
	if mem == nil {
		mem = &memory{}
		d.memory[it] = mem
	}
	mem.tries++
	d.queue.mark(it, true)
	pause := pauseAfter(mem.tries, rand.Float64())
	d.mu.Unlock()
	d.log(it).Warn().Err(err).Int("tries", mem.tries).Dur("pause", pause).Msg("attempt failed")
	if d.cfg.Hooks.Failed != nil {
		d.cfg.Hooks.Failed(it.migration, it.stream, err)
	}
	return time.Now().Add(pause)
}

// succeeded ends a row of failures.
func (d *Driver) succeeded(it item) {
	d.queue.mark(it, false)
	d.mu.Lock()
	defer d.mu.Unlock()
	if mem := d.memory[it]; mem != nil {
		mem.tries = 0
	}
}

// recall is the memory of a stream's phase; it is fresh when phase or epoch
// changed. Only the worker that has the item uses it.
func (d *Driver) recall(it item, p events.Phase, epoch uint32) *memory {
	d.mu.Lock()
	defer d.mu.Unlock()
	mem := d.memory[it]
	if mem == nil || mem.phase != p || mem.epoch != epoch {
		now := time.Now()
		mem = &memory{phase: p, epoch: epoch, since: now, asked: now}
		d.memory[it] = mem
	}
	return mem
}

func (d *Driver) log(it item) *zerolog.Logger {
	l := d.cfg.Logger.With().Str("migration", it.migration).Str("stream", string(it.stream)).Logger()
	return &l
}

// waiting tells what a stream waits for, once per reason.
func (d *Driver) waiting(it item, mem *memory, why string) {
	if mem.why == why {
		return
	}
	mem.why = why
	d.log(it).Debug().Str("waiting", why).Msg("waiting")
	if d.cfg.Hooks.Waiting != nil {
		d.cfg.Hooks.Waiting(it.migration, it.stream, why)
	}
}
