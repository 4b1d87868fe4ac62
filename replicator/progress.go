package replicator

import (
	"context"
	"time"

	"github.com/portage-kafka/portage/events"
)

// repeatProgress is how often a partition that does not move is reported.
const repeatProgress = 10 * time.Second

// report publishes the partitions' progress until ctx ends.
func (w *Worker) report(ctx context.Context) error {
	tick := time.NewTicker(w.cfg.ProgressEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		reports := map[events.CopyKey]events.Progress{}
		for _, p := range w.partitions() {
			if r, ok := p.progress(); ok {
				reports[p.key] = r
			}
		}
		if len(reports) == 0 {
			continue
		}
		if err := w.reports.PublishAll(ctx, reports); err != nil && ctx.Err() == nil {
			w.cfg.Log.Warn().Err(err).Msg("publishing progress failed; trying again")
		}
	}
}

// progress is the partition's report, if there is something to report.
func (p *partition) progress() (events.Progress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.core
	if c.phase < recording || c.highWatermark < 0 {
		return events.Progress{}, false
	}
	r := events.Progress{Worker: p.w.cfg.Name, Watermark: c.watermark(), HighWatermark: c.highWatermark, Records: c.records, Bytes: c.bytes}
	now := p.w.now()
	moved := r != p.reported
	if !moved && now-p.reportedAt < repeatProgress {
		return events.Progress{}, false
	}
	p.reported, p.reportedAt = r, now
	r.AtMillis = time.Now().UnixMilli()
	if p.w.cfg.Hooks.Progress != nil {
		p.w.cfg.Hooks.Progress(p.key, r)
	}
	return r, true
}
