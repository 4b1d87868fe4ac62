package replicator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"golang.org/x/sync/errgroup"
)

// Worker copies the partitions that the workers' group gives it. It keeps no
// state on disk: the claims and the map in portage.offsets, and what stands on
// the targets, are all there is. Make one with New, run it once with Run.
type Worker struct {
	cfg    Config
	origin time.Time // what the cores' clock counts from

	appender   *log.Appender
	offsets    *log.Offsets
	reports    *log.Progress
	directives *log.Directives

	links     *links
	buffer    buffer // of all targets
	limits    *limiter
	keepers   *keepers
	loads     *loader
	claims    *sharded[claimRequest]
	publisher *publisher
	progress  *reporter
	verifying chan struct{}

	// changed is signalled when orders has changed, stopping is closed by Stop.
	changed  chan struct{}
	stopping chan struct{}
	stopOnce sync.Once

	mu       sync.Mutex
	orders   *orders
	caughtUp bool
	supplied []string // units given to the group last, as its leader
	owned    map[events.CopyKey]*partition
	member   *group.Member
	surveys  map[string]*bulk[surveyRequest] // by pair of clusters

	// What follows is the conductor's: when to look again whether there is
	// something else to share, when a rebalance last began or ended, what the group
	// has assigned last, which bytes per second of that the group was told, whether
	// the membership was lost since, and whether a static member has settled in.
	later    *time.Timer
	rejoined time.Duration
	assigned []string
	told     float64
	lost     bool
	settled  bool

	holding atomic.Bool // the group rebalances: nothing is sent
}

// New checks the configuration and returns a worker that does nothing yet.
func New(cfg Config) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := log.Options{Logger: cfg.Log}
	w := &Worker{
		cfg: cfg, origin: time.Now(),
		appender: log.NewAppender(cfg.Control, log.AppenderOptions{Logger: cfg.Log}),
		offsets:  log.NewOffsets(cfg.Control, o), reports: log.NewProgress(cfg.Control, o), directives: log.NewDirectives(cfg.Control, o),
		surveys: map[string]*bulk[surveyRequest]{}, verifying: make(chan struct{}, cfg.Verifying),
		changed: make(chan struct{}, 1), stopping: make(chan struct{}),
		orders: newOrders(), owned: map[events.CopyKey]*partition{},
	}
	w.holding.Store(true)
	w.links = newLinks(w)
	w.buffer = buffer{limit: cfg.Buffer, opened: w.links.nudge}
	w.limits = newLimiter(w.links.nudge)
	w.keepers = newKeepers(cfg.Starting)
	w.loads = newLoader(w.offsets.LoadAll)
	w.claims = newSharded(w.publishClaims)
	w.publisher = newPublisher(w)
	w.progress = newReporter(w)
	return w, nil
}

// Run works until Stop, which makes it return nil, or until ctx ends: then it
// returns at once, as if the process had died. It also returns when the control
// topics are lost or the group refuses the worker, with the cause.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return w.watch(ctx) })
	all.Go(func() error { return w.keepers.run(ctx) })
	all.Go(func() error { return w.loads.run(ctx) })
	all.Go(func() error { return w.claims.run(ctx) })
	all.Go(func() error { return w.publisher.run(ctx) })
	all.Go(func() error { return w.progress.run(ctx) })
	all.Go(func() error { return w.compareIdentities(ctx) })
	all.Go(func() error {
		err := w.work(ctx)
		if err == nil {
			cancel()
		}
		return err
	})
	err := all.Wait()
	w.links.wait()
	w.keepers.wait()
	if w.stopped() && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// Stop makes Run finish what is under way, publish the map, leave the group (a
// static member stays in for its session) and return. It returns at once and may be
// called more than once.
func (w *Worker) Stop() { w.stopOnce.Do(func() { close(w.stopping) }) }

func (w *Worker) stopped() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

// now is the cores' clock: monotonic time since the worker was made.
func (w *Worker) now() time.Duration { return time.Since(w.origin) }

// lease is the time until which batches may be sent; 0 for not at all. It
// counts from when the last answered heartbeat was sent, on the monotonic clock.
func (w *Worker) lease() time.Duration {
	w.mu.Lock()
	m := w.member
	w.mu.Unlock()
	if m == nil || w.holding.Load() {
		return 0
	}
	l := m.Lease()
	if !l.Holds(time.Now()) {
		return 0
	}
	return l.Sent.Add(l.For).Sub(w.origin)
}

// confirmedSince says whether a heartbeat sent after a time was answered, in a
// generation that still holds.
func (w *Worker) confirmedSince(t time.Duration) bool {
	w.mu.Lock()
	m := w.member
	w.mu.Unlock()
	if m == nil || w.lease() <= w.now() {
		return false
	}
	return m.Lease().Sent.Sub(w.origin) > t
}

// surveyOf is who surveys partitions between a pair of clusters.
func (w *Worker) surveyOf(ctx context.Context, pair string) *bulk[surveyRequest] {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.surveys[pair]
	if b == nil {
		b = newBulk(w.survey)
		w.surveys[pair] = b
		w.links.work.Go(func() { _ = b.run(ctx) }) // it ends with ctx
	}
	return b
}

// watch follows the directives.
func (w *Worker) watch(ctx context.Context) error {
	tail := w.directives.Watch(nil)
	defer func() { _ = tail.Close() }() // it ends goroutines and has nothing to report
	for ctx.Err() == nil {
		records, caughtUp, err := tail.Next(ctx, time.Second)
		if err != nil {
			if fatal(err) {
				return fmt.Errorf("follow the directives: %w", err)
			}
			if ctx.Err() == nil {
				w.cfg.Log.Warn().Err(err).Msg("following the directives failed; trying again")
			}
		}
		w.learn(records, caughtUp)
	}
	return ctx.Err()
}

func fatal(err error) bool {
	return errors.Is(err, log.ErrTruncated) || errors.Is(err, log.ErrRecreated) || errors.Is(err, log.ErrMissing)
}

// learn folds directives in and wakes the conductor when that changed anything.
func (w *Worker) learn(records []log.DirectiveRecord, caughtUp bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	news := caughtUp && !w.caughtUp
	w.caughtUp = w.caughtUp || caughtUp
	for _, r := range records {
		if r.Refusal != nil {
			w.cfg.Log.Warn().Err(r.Refusal).Int32("partition", r.Partition).Int64("offset", r.Offset).Msg("refused a directive")
		}
		if r.Directive != nil {
			w.orders.apply(*r.Directive)
			news = true
		}
	}
	if news {
		signal(w.changed)
	}
}

// signal wakes whoever waits on a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// PartitionStatus is where the copy of one partition stands.
type PartitionStatus struct {
	Key   events.CopyKey
	Phase string
	// Watermark is the next source offset that does not count as copied yet.
	Watermark int64
	// Code and Reason say why the partition is stopped, empty otherwise.
	Code, Reason string
}

// Status lists the worker's partitions, sorted by key.
func (w *Worker) Status() []PartitionStatus {
	var out []PartitionStatus
	for _, p := range w.partitions() {
		out = append(out, p.status())
	}
	slices.SortFunc(out, func(a, b PartitionStatus) int { return compareKeys(a.Key, b.Key) })
	return out
}

func (w *Worker) partitions() []*partition {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]*partition, 0, len(w.owned))
	for _, p := range w.owned {
		out = append(out, p)
	}
	return out
}
