package verify

import (
	"cmp"
	"maps"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
)

// holes are records that only one side has, and that the other's cleaner may have
// taken: each waits for a later record of its key. A cleaner keeps the last record
// of every key, unless that is a tombstone, and cleans a log from its start; so
// the side that still has the earlier record has the later one, too, and what is
// waited for stands on both sides.
type holes struct {
	waiting map[batch.Digest]Finding // by digest of the key
	most    int
	dropped int64 // those for which there was no room
}

func newHoles(most int) *holes {
	return &holes{waiting: make(map[batch.Digest]Finding), most: most}
}

// add lets a record wait and returns how many are explained by it: an earlier
// one of its key is superseded, and a tombstone needs no successor.
func (h *holes) add(key batch.Digest, f Finding, tombstone bool) (explained int64) {
	explained = h.seen(key)
	switch {
	case tombstone:
		explained++
	case len(h.waiting) >= h.most:
		h.dropped++
	default:
		h.waiting[key] = f
	}
	return explained
}

// seen takes note of a record on the side that lacks others, and returns how
// many are explained by it.
func (h *holes) seen(key batch.Digest) int64 {
	if _, ok := h.waiting[key]; !ok {
		return 0
	}
	delete(h.waiting, key)
	return 1
}

// settle judges the keys of which both sides have a record that the other lacks:
// one of the two is at fault, and excuses the other. It is the later one, for a
// cleaner takes the earlier one where the later one stands. It returns how many
// of each are explained.
func (h *holes) settle(other *holes) (here, there int64) {
	for key, f := range h.waiting { //rules:ordered every key by itself
		g, both := other.waiting[key]
		switch {
		case !both:
		case f.timestamp < g.timestamp:
			here += h.seen(key)
		default:
			there += other.seen(key)
		}
	}
	return here, there
}

// any says whether a record waits.
func (h *holes) any() bool { return len(h.waiting) > 0 }

// left are those that waited in vain, in order.
func (h *holes) left() []Finding {
	return slices.SortedFunc(maps.Values(h.waiting), func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
}
