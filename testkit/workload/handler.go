package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// HandlerConfig says how a consumer handles records.
type HandlerConfig struct {
	// Group and Instance are journalled with every record. Required.
	Group, Instance string
	// Latency is how long a record takes, and Jitter how much longer it may take, drawn evenly.
	Latency, Jitter time.Duration
	// Seed draws the jitter.
	Seed uint64
	// Journal receives every record. Required.
	Journal *Journal
	// Plant is the fault to commit and PlantAt the record at which it happens, counted from 1; default 10.
	Plant   Plant
	PlantAt int64
}

// Validate says what is wrong with the config.
func (c HandlerConfig) Validate() error {
	switch {
	case c.Group == "" || c.Instance == "":
		return fmt.Errorf("%w: Group is %q and Instance %q: both need a name", ErrConfig, c.Group, c.Instance)
	case c.Journal == nil:
		return fmt.Errorf("%w: Journal is nil: open one", ErrConfig)
	case c.Latency < 0 || c.Jitter < 0 || c.PlantAt < 0:
		return fmt.Errorf("%w: Latency, Jitter and PlantAt are never negative", ErrConfig)
	case c.Plant != PlantNone && c.Plant != PlantReprocess && c.Plant != PlantUnprocessed:
		return fmt.Errorf("%w: Plant is %v, which a generator commits, not a handler", ErrConfig, c.Plant)
	}
	return nil
}

// Handler stands for a service's business logic. It may be used from several goroutines.
type Handler struct {
	cfg HandlerConfig

	mu      sync.Mutex
	rng     *rand.Rand // guarded by mu
	taken   int64      // guarded by mu
	handled int64      // guarded by mu
}

// NewHandler returns a handler.
func NewHandler(cfg HandlerConfig) (*Handler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.PlantAt == 0 {
		cfg.PlantAt = 10
	}
	return &Handler{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 2))}, nil
}

// Delivery is a record as a consumer received it.
type Delivery struct {
	Place
	Key, Value []byte // nil: null
	Headers    []Header
}

// Handled is the number of records finished so far.
func (h *Handler) Handled() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.handled
}

// Handle takes its time and journals the record, before (begun) and after (handled). It fails for records that are no
// workload's or were altered (see Identify), when the journal fails, and when ctx ends: the record then counts as begun
// and not as handled.
func (h *Handler) Handle(ctx context.Context, d Delivery) error {
	id, err := Identify(d.Key, d.Value, d.Headers)
	if err != nil {
		return fmt.Errorf("handle %v: %w", d.Place, err)
	}
	wait, planted := h.take()
	if planted == PlantUnprocessed {
		return nil
	}
	e := Entry{Kind: KindBegun, ID: id, Place: d.Place, Group: h.cfg.Group, Instance: h.cfg.Instance, At: h.cfg.Journal.Now()}
	if err := h.cfg.Journal.Append(e); err != nil {
		return err
	}
	if err := pause(ctx, wait); err != nil {
		return fmt.Errorf("handle %v: %w", d.Place, err)
	}
	e.Kind, e.End = KindHandled, h.cfg.Journal.Now()
	done := []Entry{e}
	if planted == PlantReprocess {
		done = append(done, e)
	}
	if err := h.cfg.Journal.Append(done...); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handled++
	return nil
}

// take counts a record and says how long it takes and whether the plant is due.
func (h *Handler) take() (time.Duration, Plant) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken++
	wait := h.cfg.Latency
	if h.cfg.Jitter > 0 {
		wait += time.Duration(h.rng.Int64N(int64(h.cfg.Jitter) + 1))
	}
	if h.taken == h.cfg.PlantAt {
		return wait, h.cfg.Plant
	}
	return wait, PlantNone
}

// pause waits for a while or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
