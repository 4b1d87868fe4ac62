package verify

import (
	"math"
	"sort"

	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// images looks offsets up in the runs of a map. Lookups that go on where the
// last one was are quick.
type images struct {
	runs []offsetmap.Run
	at   int
}

// image is the target offset of a source offset, if it has one.
func (m *images) image(source int64) (int64, bool) {
	r, ok := m.find(func(r offsetmap.Run) bool { return r.SourceEnd() > source })
	if !ok || r.Source > source {
		return 0, false
	}
	return r.Target + source - r.Source, true
}

// origin is the source offset of a target offset, if it has one.
func (m *images) origin(target int64) (int64, bool) {
	r, ok := m.find(func(r offsetmap.Run) bool { return r.TargetEnd() > target })
	if !ok || r.Target > target {
		return 0, false
	}
	return r.Source + target - r.Target, true
}

// whole says whether n source offsets from source on have n target offsets from
// target on for their images.
func (m *images) whole(source, target, n int64) bool {
	r, ok := m.find(func(r offsetmap.Run) bool { return r.SourceEnd() > source })
	return ok && r.Source <= source && source+n <= r.SourceEnd() && r.Target+source-r.Source == target
}

// find returns the first run that holds or follows an offset.
func (m *images) find(reaches func(offsetmap.Run) bool) (offsetmap.Run, bool) {
	for _, i := range []int{m.at, m.at + 1} {
		if i < len(m.runs) && reaches(m.runs[i]) && (i == 0 || !reaches(m.runs[i-1])) {
			m.at = i
			return m.runs[i], true
		}
	}
	m.at = sort.Search(len(m.runs), func(i int) bool { return reaches(m.runs[i]) })
	if m.at == len(m.runs) {
		return offsetmap.Run{}, false
	}
	return m.runs[m.at], true
}

// next is the target offset of the first image of a source offset from source on,
// the largest number if there is none.
func (m *images) next(source int64) int64 {
	r, ok := m.find(func(r offsetmap.Run) bool { return r.SourceEnd() > source })
	if !ok {
		return math.MaxInt64
	}
	return r.Target + max(0, source-r.Source)
}

// end is the target offset after the image of the last source offset below
// upTo; begin is where the map begins there.
func (m *images) end(begin, upTo int64) int64 {
	i := sort.Search(len(m.runs), func(i int) bool { return m.runs[i].Source >= upTo })
	if i == 0 {
		return begin
	}
	r := m.runs[i-1]
	return r.Target + min(r.Count, upTo-r.Source)
}
