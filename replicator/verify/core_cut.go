package verify

import "math"

// Windows grow by this factor, from the first size on.
const (
	firstWindow  = 512
	windowGrowth = 4
)

// inStep is how many records in a row must stand on both sides for the sides to
// be taken for aligned again.
const inStep = 64

// cut is how much of a window is settled: what lies behind is looked at again
// together with what follows. ok is false where more has to be seen.
func (x *alignment) cut() (at pair, ok bool) {
	if x.endB && x.Live && x.Map == nil { // what follows is not there yet
		at, _ = x.lastAligned()
		return pair{at.a, x.inB}, true
	}
	if x.endA && x.endB {
		return pair{x.inA, x.inB}, true
	}
	// Where one side has nothing more, the other's records are alone.
	if x.endB && len(x.b) == 0 || x.endA && len(x.a) == 0 {
		return pair{len(x.a), len(x.b)}, true
	}
	return x.lastInStep()
}

// lastInStep is the end of the last stretch of records that stand on both sides
// with nothing unexplained between them.
func (x *alignment) lastInStep() (at pair, ok bool) {
	run := 0
	a0, b0 := 0, 0
	for i, e := range x.ra {
		if e.role != same && e.role != changed {
			continue
		}
		if !x.quiet(x.ra[a0:i]) || !x.quiet(x.rb[b0:e.mate]) {
			run = 0
		}
		run++
		a0, b0 = i+1, e.mate+1
		if run >= inStep {
			at, ok = pair{a0, b0}, true
		}
	}
	return at, ok
}

// quiet says whether all records of a stretch may be alone.
func (x *alignment) quiet(roles []element) bool {
	for _, e := range roles {
		if e.role != spare && e.role != hole {
			return false
		}
	}
	return true
}

// cutAnyway is the cut of a window that must not grow further. ok is false where
// the sides have nothing in common.
func (x *alignment) cutAnyway() (at pair, ok bool) {
	if at, ok = x.lastAligned(); ok || x.Map == nil {
		return at, ok
	}
	return x.cutByMap(), true
}

// lastAligned is where the last record ends that stands on both sides in order.
func (x *alignment) lastAligned() (at pair, ok bool) {
	for i, e := range x.ra {
		if e.role == same || e.role == changed {
			at, ok = pair{i + 1, e.mate + 1}, true
		}
	}
	return at, ok
}

// cutByMap takes both sides up to the same target offset, by the map, and as far
// as both were read: a side that ran ahead would leave its mates behind.
func (x *alignment) cutByMap() (at pair) {
	until := int64(math.MaxInt64)
	if !x.endA {
		until = x.images.next(x.a[len(x.a)-1].offset + 1)
	}
	if !x.endB {
		until = min(until, x.b[len(x.b)-1].offset+1)
	}
	for at.a < len(x.a) && x.images.end(x.Map.Begin().Target, x.a[at.a].offset+1) <= until {
		at.a++
	}
	for at.b < len(x.b) && x.b[at.b].offset < until {
		at.b++
	}
	return at
}

// behind are the offsets from which to go on after a cut.
func (x *alignment) behind(at pair, bounds [2]int64) (source, target int64) {
	source, target = x.from.Source, x.from.Target
	if at.a > 0 {
		source = x.a[at.a-1].offset + 1
	}
	if at.b > 0 {
		target = x.b[at.b-1].offset + 1
	}
	if x.endA && at.a == x.inA {
		source = bounds[onSource]
	}
	if x.endB && at.b == x.inB {
		target = bounds[onTarget]
	}
	return source, target
}

// puzzled says whether there is a target record before the cut of which nothing
// is known: it may repeat one that came before the window.
func (x *alignment) puzzled(at pair) bool {
	for k, e := range x.rb[:at.b] {
		if e.role == unclear && !(x.Map != nil && x.gone(x.b[k].offset)) {
			return true
		}
	}
	return false
}
