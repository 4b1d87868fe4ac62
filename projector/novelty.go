package projector

import "hash/maphash"

// mostIDs is how many ids a novelty keeps before it is given up: some 60 MB.
const mostIDs = 4 << 20

// novelty knows of an event id that it has not been seen yet, without a look
// into the store: nearly every event is new, and a fold of a long log would
// spend a third of its time with asking. It is complete only for a fold that
// began with an empty store; others do without (nil).
type novelty struct {
	seed maphash.Seed
	// ids are hashes: two ids that share one only cost a look into the store.
	ids map[uint64]struct{}
}

func newNovelty() *novelty {
	return &novelty{seed: maphash.MakeSeed(), ids: make(map[uint64]struct{})}
}

func (n *novelty) hash(id named) uint64 { return maphash.Comparable(n.seed, id) }

// isNew reports that an id has certainly not been added.
func (n *novelty) isNew(id named) bool {
	if n == nil || n.ids == nil {
		return false
	}
	_, known := n.ids[n.hash(id)]
	return !known
}

func (n *novelty) add(id named) {
	if n == nil || n.ids == nil {
		return
	}
	if n.ids[n.hash(id)] = struct{}{}; len(n.ids) > mostIDs {
		n.ids = nil
	}
}
