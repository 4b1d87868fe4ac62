package main

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
)

// lag is how far the copy of a topic is behind, by the last reports of workers.
type lag struct {
	// Offsets of the source were not copied yet, of the Partitions that were
	// reported on.
	Offsets    int64 `json:"offsets"`
	Partitions int   `json:"partitions"`
	// Oldest is when the oldest of the reports was made.
	Oldest time.Time `json:"oldest"`
}

// lags reads the workers' reports on a migration, by topic.
func (a *app) lags(ctx context.Context, migration string) (map[string]*lag, error) {
	control, err := a.control(ctx)
	if err != nil {
		return nil, err
	}
	tail := log.NewProgress(control, log.Options{Logger: a.log}).Tail(nil)
	defer func() { _ = tail.Close() }() // it ends goroutines and has nothing to report
	last := map[events.CopyKey]events.Progress{}
	for caughtUp := false; !caughtUp; {
		var records []log.ProgressRecord
		if records, caughtUp, err = tail.Next(ctx, time.Second); err != nil {
			return nil, fmt.Errorf("read the workers' reports: %w", err)
		}
		for _, r := range records {
			if r.Refusal == nil && r.Key.Migration == migration {
				last[r.Key] = r.Progress
			}
		}
	}
	return lagsOf(last), nil
}

func lagsOf(last map[events.CopyKey]events.Progress) map[string]*lag {
	by := map[string]*lag{}
	for k, p := range last {
		at := time.UnixMilli(p.AtMillis)
		l := by[k.Topic]
		if l == nil {
			l = &lag{Oldest: at}
			by[k.Topic] = l
		}
		l.Partitions++
		l.Offsets += max(0, p.HighWatermark-p.Watermark)
		if at.Before(l.Oldest) {
			l.Oldest = at
		}
	}
	return by
}

// of shows the lag of a topic, with how many of its partitions were reported on if
// that is not all of them.
func (l *lag) of(t *fsm.Topic) string {
	switch {
	case l == nil:
		return "unknown"
	case l.Partitions < int(t.Plan.Partitions):
		return fmt.Sprintf("%d (of %d/%d partitions)", l.Offsets, l.Partitions, t.Plan.Partitions)
	}
	return fmt.Sprint(l.Offsets)
}
