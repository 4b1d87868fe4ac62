package workload

import (
	"context"
	"time"
)

// pace spaces records evenly. A sender that fell behind catches up without waiting.
type pace struct {
	rate  float64 // per second; 0: never waits
	start time.Time
	n     int64
}

func newPace(rate float64) *pace { return &pace{rate: rate, start: time.Now()} }

// wait returns when the next record is due, or the context's error.
func (p *pace) wait(ctx context.Context) error {
	if p.rate == 0 {
		return ctx.Err()
	}
	due := p.start.Add(time.Duration(float64(p.n) / p.rate * float64(time.Second)))
	p.n++
	return pause(ctx, time.Until(due))
}
