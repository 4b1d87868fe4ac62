package driver

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// Driver acts on the projection. Create one with New, run it once.
type Driver struct {
	cfg    Config
	queue  *queue
	maps   *mapStore
	guards *guards
	pub    *publisher

	// watchers follow the guards until stopped is closed.
	watchers sync.WaitGroup
	stopped  chan struct{}

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
	d := &Driver{cfg: cfg, queue: newQueue(), maps: newMapStore(), memory: make(map[item]*memory), stopped: make(chan struct{})}
	d.guards = newGuards(cfg)
	d.pub = newPublisher(cfg)
	return d, nil
}

// Run drives until ctx is done. The guards stay members of their groups: their
// static memberships outlive the process, and a successor takes them over.
func (d *Driver) Run(ctx context.Context) error {
	defer func() {
		close(d.stopped)
		d.watchers.Wait()
		d.guards.close()
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.tailOffsets(ctx) })
	g.Go(func() error { return d.pub.run(ctx) })
	g.Go(func() error { return d.watch(ctx) })
	g.Go(func() error { d.queue.run(ctx, d.cfg.Workers, d.look); return nil })
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// watch queues every stream of every open migration when the driver starts, and
// then the streams that events name.
func (d *Driver) watch(ctx context.Context) error {
	after := int64(-1)
	for ctx.Err() == nil {
		view := d.cfg.Store.View()
		err := d.queueChanges(view, after)
		after = view.Applied()
		if err := errors.Join(err, view.Close()); err != nil {
			return err
		}
		d.pub.poke()
		select {
		case <-ctx.Done():
		case <-d.cfg.Store.Changed(after):
			if err := d.cfg.Store.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Driver) queueChanges(view *projector.View, after int64) error {
	if after >= 0 {
		return d.queueSince(view, after)
	}
	all, err := view.Migrations()
	for _, m := range all {
		err = errors.Join(err, d.queueMigration(view, m))
	}
	return err
}

// queueMigration makes the migration and all its topics and groups due.
func (d *Driver) queueMigration(view *projector.View, m *fsm.Migration) error {
	now := time.Now()
	d.queue.add(item{m.Name, events.MigrationStream}, now)
	topics, err1 := view.Topics(m.Name)
	for _, t := range topics {
		d.queue.add(item{m.Name, events.TopicStream(t.Topic)}, now)
	}
	groups, err2 := view.Groups(m.Name)
	for _, g := range groups {
		d.queue.add(item{m.Name, events.GroupStream(g.Group)}, now)
	}
	return errors.Join(err1, err2)
}

// queueSince makes due what the events after a position name. An event of the
// migration's own stream, or one that ends a step, concerns all its streams.
func (d *Driver) queueSince(view *projector.View, after int64) error {
	notes, err := view.Notes("", after+1, view.Applied(), projector.All)
	if err != nil {
		return err
	}
	for _, n := range notes {
		if n.Verdict != fsm.Accepted {
			continue
		}
		m, ok := view.Migration(n.Migration)
		if !ok {
			continue
		}
		if n.Stream == events.MigrationStream || ends(n.Type) {
			if err := d.queueMigration(view, m); err != nil {
				return err
			}
			continue
		}
		d.queue.add(item{n.Migration, n.Stream}, time.Now())
	}
	return nil
}

// ends reports whether an event may let another stream's step begin.
func ends(t events.Type) bool {
	switch t {
	case "CopySynced", "SwitchCompleted", "SourceQuiet", "TargetCreated":
		return true
	}
	return false
}

// look works on one stream once and says when to look again.
func (d *Driver) look(ctx context.Context, it item) time.Time {
	next, err := d.lookOnce(ctx, it)
	if ctx.Err() != nil {
		return time.Time{}
	}
	if err != nil {
		return d.failed(it, err)
	}
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
	return w.do(ctx)
}

// failed logs a failed attempt and says when the next one is: pauses double
// from 50 ms up to 5 s.
func (d *Driver) failed(it item, err error) time.Time {
	d.mu.Lock()
	mem := d.memory[it]
	if mem == nil {
		mem = &memory{}
		d.memory[it] = mem
	}
	mem.tries++
	pause := min(50*time.Millisecond<<min(mem.tries, 7), 5*time.Second)
	d.mu.Unlock()
	d.log(it).Warn().Err(err).Int("tries", mem.tries).Dur("pause", pause).Msg("attempt failed")
	if d.cfg.Hooks.Failed != nil {
		d.cfg.Hooks.Failed(it.migration, it.stream, err)
	}
	return time.Now().Add(pause)
}

// recall is the memory of a stream's phase; it is fresh when phase or epoch
// changed. Only the worker that has the item uses it.
func (d *Driver) recall(it item, p events.Phase, epoch uint32) *memory {
	d.mu.Lock()
	defer d.mu.Unlock()
	mem := d.memory[it]
	if mem == nil || mem.phase != p || mem.epoch != epoch {
		mem = &memory{phase: p, epoch: epoch, since: time.Now()}
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
