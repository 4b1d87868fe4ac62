package verify

import (
	"sort"

	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// verdict says what to do with the next records of both sides.
type verdict uint8

const (
	paired      verdict = iota // they belong together
	sourceAlone                // the target should have the source's next record, and does not
	targetAlone                // the source should have the target's next record, and does not
	sourceSpare                // the source's next record needs no image
	targetSpare                // the target's next record needs no origin
	sourceHole                 // a cleaner may have taken the image: it needs a proof
)

// place is the next record of a side, as far as judging needs it, and the log
// start there.
type place struct {
	offset, timestamp int64
	more              bool // there is one
	nullKey           bool
	logStart          int64
}

// judge knows which records belong together: by the map if there is one, else
// by their order.
type judge struct {
	*Request
	images, origins images
}

func newJudge(q *Request) *judge {
	j := &judge{Request: q}
	if q.Map != nil {
		runs := q.Map.Runs()
		j.images.runs, j.origins.runs = runs, runs
	}
	return j
}

// next judges the next records of both sides; at least one has more.
func (j *judge) next(s, t place) (verdict, Reason) {
	if j.Map == nil {
		return inOrder(s, t), ""
	}
	image, has := int64(0), false
	if s.more {
		image, has = j.images.image(s.offset)
	}
	switch {
	case s.more && has && t.more && t.offset == image:
		return paired, ""
	case t.more && (!s.more || has && t.offset < image || !has && j.before(t, s.offset)):
		return j.spareTarget(t, s)
	}
	return j.spareSource(s, t, image, has)
}

func inOrder(s, t place) verdict {
	switch {
	case s.more && t.more:
		return paired
	case s.more:
		return sourceAlone
	}
	return targetAlone
}

// before says whether a target record comes before a source record without an
// image: its origin does, or it has none and the next image lies behind it.
func (j *judge) before(t place, source int64) bool {
	origin, has := j.origins.origin(t.offset)
	return !has || origin < source
}

// spareTarget says whether a target record may be without an origin. The source
// has none below s.
func (j *judge) spareTarget(t, s place) (verdict, Reason) {
	if why := j.excuseTarget(t.offset, s.logStart); why != "" {
		return targetSpare, why
	}
	return targetAlone, ""
}

// excuseTarget is why a target record needs no origin on the source, by the
// map; "" if it does.
func (j *judge) excuseTarget(offset, sourceStart int64) Reason {
	origin, has := j.origins.origin(offset)
	switch {
	case !has && j.Shared:
		return Native
	case has && origin < sourceStart:
		return SourceExpired
	case has && j.Compacted:
		return SourceCompacted
	}
	return ""
}

// orphan says whether a target record may be the image of a source record that
// the map does not name: a worker that took over found it at the target's end, and
// its origin taken by the source's cleaner meanwhile. The map passes over both
// there, and over no fewer source offsets than target offsets.
func (j *judge) orphan(target int64) bool {
	runs, from, to := j.origins.runs, j.Map.Begin(), offsetmap.Pair{Source: j.Map.Watermark(), Target: target + 1}
	i := sort.Search(len(runs), func(i int) bool { return runs[i].TargetEnd() > target })
	if i > 0 {
		from = offsetmap.Pair{Source: runs[i-1].SourceEnd(), Target: runs[i-1].TargetEnd()}
	}
	if i < len(runs) {
		to = offsetmap.Pair{Source: runs[i].Source, Target: runs[i].Target}
	}
	return from.Target <= target && target < to.Target && to.Target-from.Target <= to.Source-from.Source
}

// spareSource says whether a source record may be without an image.
func (j *judge) spareSource(s, t place, image int64, has bool) (verdict, Reason) {
	switch {
	case j.lost(s.offset):
		return sourceSpare, GivenUp
	case has && image < t.logStart && s.timestamp < j.TargetKeepsFrom:
		return sourceSpare, TargetExpired
	case has && image >= t.logStart && j.TargetCompacted && !s.nullKey:
		return sourceHole, TargetCompacted
	}
	return sourceAlone, ""
}

// finding describes a difference at a source record, a target record or both.
func (j *judge) finding(kind Kind, a, b *print) Finding {
	f := Finding{Kind: kind, Source: -1, Target: -1, Expected: -1, Records: 1}
	for _, p := range []*print{b, a} {
		if p != nil {
			f.Key, f.NullKey, f.whole, f.timestamp = p.sample, p.nullKey, p.whole, p.timestamp
		}
	}
	if b != nil {
		f.Target = b.offset
	}
	if a != nil {
		f.Source, f.Expected = a.offset, j.expected(a.offset)
	}
	return f
}

// expected is the image of a source offset, -1 for none.
func (j *judge) expected(source int64) int64 {
	if image, has := j.images.image(source); has {
		return image
	}
	return -1
}
