package verify

import (
	"cmp"
	"maps"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
)

// holes are records that only one side has although the other's cleaner should
// have left them alone or has their successor: each waits for a later record of
// its key on the side that lacks it. (The cleaner keeps the last record of every
// key; of keys whose last record is a tombstone it keeps none in the end.)
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

// any says whether a record waits.
func (h *holes) any() bool { return len(h.waiting) > 0 }

// left are those that waited in vain, in order.
func (h *holes) left() []Finding {
	return slices.SortedFunc(maps.Values(h.waiting), func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
}
