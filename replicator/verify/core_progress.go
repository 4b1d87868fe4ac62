package verify

import "time"

// Progress is how far a comparison has come, all partitions together.
type Progress struct {
	// Done of Partitions are finished.
	Done, Partitions int
	// Offsets of Total source offsets are accounted for; those of an earlier
	// comparison that is gone on with do not count.
	Offsets, Total int64
	// Records stand on both sides, Differences were found.
	Records, Differences int64
}

// Share is the part that is done, from 0 to 1.
func (p Progress) Share() float64 {
	if p.Total <= 0 {
		return 1
	}
	return min(1, float64(p.Offsets)/float64(p.Total))
}

// Left estimates how long the rest takes at the rate of the time that has passed;
// ok is false while nothing can be said.
func (p Progress) Left(passed time.Duration) (left time.Duration, ok bool) {
	if p.Offsets <= 0 || passed <= 0 {
		return 0, false
	}
	rest := max(0, p.Total-p.Offsets)
	return time.Duration(float64(passed) * float64(rest) / float64(p.Offsets)), true
}
