package replicator

import (
	"github.com/portage-kafka/portage/cluster/batch"
)

// item is a batch between the source and the target's acknowledgement.
type item struct {
	// As fetched: source is nil once bytes are made.
	source batch.Batch
	class  batch.Class
	// from is the first source offset to copy, next where reading goes on.
	from, next int64
	// As sent: the same bytes every time, for a broker that knows a sequence
	// range compares nothing else.
	bytes    batch.Batch
	producer batch.Producer
	count    int32
	runs     []stretch
	// weight is the share of the buffer that the item occupies.
	weight int
	// flying: no answer yet. sent: it may be on the target. acked: the target
	// said so, at base.
	flying, sent, acked bool
	resent              bool // sent more than once
	base                int64
}

// end is the source offset after the item's own; next may lie above it by what
// was passed over behind it.
func (it *item) end() int64 {
	if it.source != nil {
		return it.source.NextOffset()
	}
	last := it.runs[len(it.runs)-1]
	return last.source + last.count
}

// queue holds items in source order: first those with bytes, then those
// without.
type queue struct {
	items    []*item
	made     int   // items with bytes
	flying   bool  // one is without an answer
	position int64 // where to fetch next
	weight   int
	sequence int32
	// doubt says why a recheck is due; reorder that the broker's idea of the
	// sequence differs from ours.
	doubt   string
	reorder bool
}

func (q *queue) push(it *item) {
	q.items = append(q.items, it)
	q.weight += it.weight
}

// pop removes the first item, which has bytes.
func (q *queue) pop() {
	q.weight -= q.items[0].weight
	q.items[0] = nil
	q.items = q.items[1:]
	q.made--
}

// replace puts made items in the place of n raw ones. They inherit the weight,
// and the last one where reading goes on.
func (q *queue) replace(n int, with []*item) {
	raw := q.items[q.made : q.made+n]
	for _, it := range raw {
		with[len(with)-1].weight += it.weight
	}
	with[len(with)-1].next = raw[n-1].next
	rest := append(with, q.items[q.made+n:]...)
	q.items = append(q.items[:q.made], rest...)
	q.made += len(with)
}

// drop removes the first raw item, which turned out to hold no records.
func (q *queue) drop() *item {
	it := q.items[q.made]
	q.weight -= it.weight
	q.items = append(q.items[:q.made], q.items[q.made+1:]...)
	return it
}

// waiting is the first item with bytes that is not on its way.
func (q *queue) waiting() *item {
	for _, it := range q.items[:q.made] {
		if !it.flying && !it.acked {
			return it
		}
	}
	return nil
}

// mergeable counts the raw items from the first on that are small enough to
// travel as one batch.
func (q *queue) mergeable(l limits) int {
	n, size := 0, 0
	for _, it := range q.items[q.made:] {
		size += len(it.source)
		if len(it.source) > l.mergeBelow || it.class == batch.Cut || (n > 0 && size > l.mergeUpTo) {
			break
		}
		n++
	}
	return max(n, 1)
}
