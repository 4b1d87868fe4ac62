package replicator

import (
	"context"
	"sync"
	"time"

	"github.com/portage-kafka/portage/events"
)

// repeatProgress is how often a partition that does not move is reported.
const repeatProgress = time.Minute

// reporter publishes the partitions' progress: of those that have moved, and now
// and then of all.
type reporter struct {
	w *Worker

	mu    sync.Mutex
	moved map[*partition]struct{}
}

func newReporter(w *Worker) *reporter {
	return &reporter{w: w, moved: map[*partition]struct{}{}}
}

// mark says that there may be something to report about a partition.
func (r *reporter) mark(p *partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moved[p] = struct{}{}
}

func (r *reporter) take() map[*partition]struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.moved) == 0 {
		return nil
	}
	all := r.moved
	r.moved = map[*partition]struct{}{}
	return all
}

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context) error {
	tick := time.NewTicker(r.w.cfg.ProgressEvery)
	defer tick.Stop()
	repeat := time.NewTicker(repeatProgress)
	defer repeat.Stop()
	for {
		select {
		case <-tick.C:
		case <-repeat.C:
			for _, p := range r.w.partitions() {
				r.mark(p)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		r.report(ctx, r.take())
	}
}

func (r *reporter) report(ctx context.Context, parts map[*partition]struct{}) {
	reports := map[events.CopyKey]events.Progress{}
	for p := range parts {
		if x, ok := p.progress(); ok {
			reports[p.key] = x
		}
	}
	if len(reports) == 0 {
		return
	}
	if err := r.w.reports.PublishAll(ctx, reports); err != nil && ctx.Err() == nil {
		r.w.cfg.Log.Warn().Err(err).Msg("publishing progress failed; trying again")
		for p := range parts {
			p.unreported()
		}
	}
}

// unreported has the last report made once more.
func (p *partition) unreported() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reported = events.Progress{}
	p.w.progress.mark(p)
}

// progress is the partition's report, if there is something to report.
func (p *partition) progress() (events.Progress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.core
	if c.phase < recording || c.highWatermark < 0 || p.gone {
		return events.Progress{}, false
	}
	r := events.Progress{Worker: p.w.cfg.Name, Watermark: c.watermark(), HighWatermark: c.highWatermark, Records: c.records, Bytes: c.bytes}
	now := p.w.now()
	p.meter.measure(c.bytes, now)
	moved := r != p.reported
	if !moved && now-p.reportedAt < repeatProgress/2 {
		return events.Progress{}, false
	}
	p.reported, p.reportedAt = r, now
	r.AtMillis = time.Now().UnixMilli()
	if p.w.cfg.Hooks.Progress != nil {
		p.w.cfg.Hooks.Progress(p.key, r)
	}
	return r, true
}
