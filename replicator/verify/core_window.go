package verify

import (
	"sort"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// window is a stretch of both sides that begins where they are equal up to.
type window struct {
	a, b []print // of the source and of the target, in order
	// from are the offsets at which the window begins.
	from offsetmap.Pair
	// inA and inB are how many of them lie within the bounds of the comparison;
	// those behind are known so that what was moved past the bound is found.
	inA, inB int
	// nativesBehind are the records of others behind the last of b.
	nativesBehind int64
	// endA and endB say that nothing follows within the bounds.
	endA, endB bool
	// first says that nothing was compared before, displaced that the sides do not
	// stand as mapped where the window begins.
	first, displaced         bool
	sourceStart, targetStart int64 // log starts
	// earlier knows where records stand that came shortly before, by digest: a
	// duplicate may repeat them.
	earlier map[batch.Digest]int64
}

// role is what a record of a window turned out to be.
type role uint8

const (
	unclear  role = iota
	same          // it stands on both sides
	changed       // it stands on both sides, and they differ
	moved         // it stands on both sides, out of order
	spare         // it needs no mate
	hole          // it needs no mate if a later record of its key turns up
	repeated      // it is there already
)

// element is the role of one record.
type element struct {
	role
	mate int    // index on the other side: same, changed, moved
	why  Reason // spare, hole
	of   int64  // repeated: the target offset of the other copy
}

// alignment explains a window: the role of every record.
type alignment struct {
	*judge
	window
	ra, rb []element
}

// explain finds out how the records of a window belong together: first what is
// equal and in order, then what is equal and out of order, what may be alone,
// what is there twice, and last what was changed.
func explain(j *judge, w window) *alignment {
	x := &alignment{judge: j, window: w, ra: make([]element, len(w.a)), rb: make([]element, len(w.b))}
	x.match(exact(), same)
	x.moves()
	x.excuse()
	x.repetitions()
	for _, s := range weaker(j.Compacted || j.TargetCompacted) {
		x.match(s, changed)
	}
	if j.Map != nil {
		x.gaps(x.byMap)
	}
	x.holes()
	return x
}

// gaps visits the stretches between what is aligned, as indexes [a0,a1) and
// [b0,b1).
func (x *alignment) gaps(visit func(a0, a1, b0, b1 int)) {
	a0, b0 := 0, 0
	for i := range x.ra {
		if e := x.ra[i]; e.role == same || e.role == changed {
			visit(a0, i, b0, e.mate)
			a0, b0 = i+1, e.mate+1
		}
	}
	visit(a0, len(x.a), b0, len(x.b))
}

// match aligns what is still unclear in every gap. The gaps are those before:
// what is found in one makes no difference to another.
func (x *alignment) match(s strength, as role) {
	x.gaps(func(a0, a1, b0, b1 int) {
		if as == changed { // what lies behind the bounds is never judged
			a1, b1 = min(a1, x.inA), min(b1, x.inB)
		}
		ids, at := idents(s, x.a, x.ra, a0, a1)
		others, where := idents(s, x.b, x.rb, b0, b1)
		for i, k := range align(ids, others) {
			if k >= 0 {
				x.pairUp(at[i], where[k], as)
			}
		}
	})
}

func (x *alignment) pairUp(i, k int, as role) {
	x.ra[i] = element{role: as, mate: k}
	x.rb[k] = element{role: as, mate: i}
}

// idents are the identities of the unclear records in [from,to), with their
// indexes.
func idents(s strength, all []print, roles []element, from, to int) (ids []ident, at []int) {
	for i := from; i < to; i++ {
		if roles[i].role == unclear && s.proves(all[i]) {
			ids, at = append(ids, s.of(all[i])), append(at, i)
		}
	}
	return ids, at
}

// moves pairs equal records that stand in another order.
func (x *alignment) moves() {
	at := make(map[batch.Digest][]int)
	for k, e := range x.rb {
		if e.role == unclear {
			at[x.b[k].whole] = append(at[x.b[k].whole], k)
		}
	}
	for i, e := range x.ra {
		if ks := at[x.a[i].whole]; e.role == unclear && len(ks) > 0 {
			x.pairUp(i, ks[0], moved)
			at[x.a[i].whole] = ks[1:]
		}
	}
}

// excuse finds the records that may be alone whatever stands around them.
func (x *alignment) excuse() {
	aligned := x.firstAligned()
	for i, p := range x.a {
		if x.ra[i].role == unclear {
			x.ra[i] = spareElement(x.excuseSource(p, i < aligned.a))
		}
	}
	for k, p := range x.b {
		if x.rb[k].role == unclear {
			x.rb[k] = spareElement(x.excuseAlone(p, k < aligned.b))
		}
	}
}

func spareElement(why Reason) element {
	if why == "" {
		return element{}
	}
	return element{role: spare, why: why}
}

// firstAligned is where the sides first are equal: what lies before leads up to
// it. Where they never are, nothing does, unless a side is empty.
func (x *alignment) firstAligned() pair {
	for i, e := range x.ra {
		if e.role == same {
			return pair{i, e.mate}
		}
	}
	if len(x.a) == 0 && x.endA || len(x.b) == 0 && x.endB {
		return pair{len(x.a), len(x.b)}
	}
	return pair{}
}

// excuseSource is why a source record may be without an image; leading says
// that the sides have not met yet.
func (x *alignment) excuseSource(p print, leading bool) Reason {
	below := x.Map == nil && leading && x.first && x.targetStart > 0
	if x.Map != nil {
		image, has := x.images.image(p.offset)
		below = has && image < x.targetStart
	}
	if below && p.timestamp < x.TargetKeepsFrom {
		return TargetExpired
	}
	return ""
}

// excuseAlone is why a target record may be without an origin.
func (x *alignment) excuseAlone(p print, leading bool) Reason {
	if x.Map == nil {
		if leading && x.first && x.sourceStart > 0 {
			return SourceExpired
		}
		return ""
	}
	if x.gone(p.offset) {
		return x.excuseTarget(p.offset, x.sourceStart)
	}
	return ""
}

// gone says that the map names an origin for a target offset, and that the
// source has no such record.
func (x *alignment) gone(target int64) bool {
	origin, has := x.origins.origin(target)
	if !has || x.displaced && origin < x.from.Source {
		return false
	}
	i := sort.Search(len(x.a), func(i int) bool { return x.a[i].offset >= origin })
	if i == len(x.a) {
		return x.endA
	}
	return x.a[i].offset != origin
}

// repetitions finds the target records that stand there already.
func (x *alignment) repetitions() {
	at := make(map[batch.Digest]int64)
	for k, e := range x.rb {
		if e.role != unclear {
			if _, known := at[x.b[k].whole]; !known {
				at[x.b[k].whole] = x.b[k].offset
			}
		}
	}
	for k, e := range x.rb {
		if e.role != unclear || x.Map != nil && x.gone(x.b[k].offset) {
			continue
		}
		of, known := at[x.b[k].whole]
		if !known {
			of, known = x.earlier[x.b[k].whole]
		}
		if known {
			x.rb[k] = element{role: repeated, of: of}
		}
	}
}

// byMap takes a record for its image, whatever it holds, where nothing else
// explains either.
func (x *alignment) byMap(a0, a1, b0, b1 int) {
	k := b0
	for i := a0; i < min(a1, x.inA); i++ {
		image, has := x.images.image(x.a[i].offset)
		for k < b1 && x.b[k].offset < image {
			k++
		}
		if has && k < b1 && x.b[k].offset == image && x.ra[i].role == unclear && x.rb[k].role == unclear {
			x.pairUp(i, k, changed)
		}
	}
}

// holes marks what was given up, and what a cleaner may have taken from the
// other side.
func (x *alignment) holes() {
	for i, p := range x.a {
		switch {
		case x.ra[i].role != unclear:
		case x.lost(p.offset):
			x.ra[i] = element{role: spare, why: GivenUp}
		case x.TargetCompacted && !p.nullKey:
			x.ra[i] = element{role: hole, why: TargetCompacted}
		}
	}
	for k, p := range x.b {
		if x.rb[k].role == unclear && x.Compacted && !p.nullKey && (x.Map == nil || x.orphan(p.offset)) {
			x.rb[k] = element{role: hole, why: SourceCompacted}
		}
	}
}
