package driver

import "time"

// The pauses between failed attempts: they double from the first to the most,
// and jitter keeps many streams of one broken cluster from coming at once.
const (
	firstPause = 50 * time.Millisecond
	mostPause  = 5 * time.Second
)

// pauseAfter is the pause after so many failures in a row; jitter is in [0,1).
func pauseAfter(tries int, jitter float64) time.Duration {
	full := min(firstPause<<min(tries, 10), mostPause)
	return full/2 + time.Duration(jitter*float64(full/2))
}

// pauses are growing pauses between attempts; the clock is the caller's.
type pauses struct {
	first, most, last time.Duration
	// until is when the next attempt may be made.
	until time.Time
}

// next says when the next attempt may be made: each pause is twice the former.
func (p *pauses) next(now time.Time) time.Time {
	p.last = min(max(2*p.last, p.first), p.most)
	p.until = now.Add(p.last)
	return p.until
}

// perStream is how many streams may be looked at with the shortest pause.
const perStream = 200

// idleFor stretches the pause between two looks that no event calls for, so
// that many streams cost the clusters no more calls than perStream of them.
func idleFor(idle time.Duration, streams int) time.Duration {
	return idle * time.Duration(max(1, streams/perStream))
}
