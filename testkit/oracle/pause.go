package oracle

import (
	"math"
	"slices"
	"time"
)

// Pause is how long a group stood still around one switch; the package documentation defines it.
type Pause struct {
	Switch
	Partitions    int // partitions that had work during the switch
	P50, P99, Max time.Duration
	Normal        time.Duration // the maximum over the interval of equal length before the switch
	Silence       time.Duration // of the whole group
}

// gap is a time without progress although there was work.
type gap struct{ from, to int64 }

// over reports whether the gap has a moment in common with an interval.
func (g gap) over(from, to int64) bool { return g.from < to && g.to > from }

// pause measures one switch.
func (f *facts) pause(s Switch) Pause {
	parts := map[partitionOf][]handling{}
	for _, h := range f.handled[s.Group] {
		p := partitionOf{f.topicOf(&f.list[h.fact]), h.Partition}
		parts[p] = append(parts[p], h)
	}
	var during []time.Duration
	out := Pause{Switch: s}
	for _, handled := range parts {
		gaps := f.gaps(handled)
		if d, ok := longest(gaps, s.From, s.To); ok {
			during = append(during, d)
		}
		before := slices.DeleteFunc(gaps, func(g gap) bool { return g.to > s.From })
		if d, ok := longest(before, s.From-(s.To-s.From), s.From); ok {
			out.Normal = max(out.Normal, d)
		}
	}
	slices.Sort(during)
	out.Partitions = len(during)
	out.P50, out.P99, out.Max = percentile(during, 0.50), percentile(during, 0.99), percentile(during, 1)
	out.Silence, _ = longest(f.gaps(f.handled[s.Group]), s.From, s.To)
	return out
}

// gaps returns the gap before each record but the first. The handlings are in order of their beginning.
func (f *facts) gaps(handled []handling) []gap {
	var out []gap
	busyUntil := int64(math.MinInt64)
	for n, h := range handled {
		if free := max(busyUntil, f.list[h.fact].acked); n > 0 && free < h.At {
			out = append(out, gap{free, h.At})
		}
		busyUntil = max(busyUntil, h.End)
	}
	return out
}

// longest is the longest gap that overlaps an interval.
func longest(gaps []gap, from, to int64) (time.Duration, bool) {
	best, found := time.Duration(0), false
	for _, g := range gaps {
		if g.over(from, to) {
			best, found = max(best, time.Duration(g.to-g.from)), true
		}
	}
	return best, found
}

// percentile is the nearest rank in a sorted list; 0 of nothing.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(p*float64(len(sorted)))), 1)-1]
}
