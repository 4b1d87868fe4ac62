package batch

import (
	"cmp"
	"slices"
)

// Aborted is one aborted transaction as a read-committed fetch reports it: the records of ProducerID from First on,
// up to that producer's next abort marker, must not be delivered.
type Aborted struct{ ProducerID, First int64 }

// Filter tells the batches of aborted transactions from others. It belongs to one fetch response of one partition and
// wants the batches in order. (The rule is the Java consumer's, CompletedFetch.)
type Filter struct {
	ahead []Aborted          // not reached yet, by First
	open  map[int64]struct{} // nil until one is reached: most pages have none
}

// NewFilter returns the filter for a fetch response. Transactions begun before the offset asked for count at once.
func NewFilter(aborted []Aborted) *Filter {
	ahead := slices.Clone(aborted)
	slices.SortStableFunc(ahead, func(a, b Aborted) int { return cmp.Compare(a.First, b.First) })
	return &Filter{ahead: ahead}
}

// Aborted says whether b belongs to an aborted transaction. Call it for every batch, in order.
func (f *Filter) Aborted(b Batch) bool {
	for len(f.ahead) > 0 && f.ahead[0].First <= b.LastOffset() {
		if f.open == nil {
			f.open = map[int64]struct{}{}
		}
		f.open[f.ahead[0].ProducerID] = struct{}{}
		f.ahead = f.ahead[1:]
	}
	id := b.Producer().ID
	_, aborted := f.open[id]
	if !aborted || !b.Transactional() {
		return false
	}
	if b.Control() { // the producer's abort marker: its transaction ends here
		delete(f.open, id)
		return false
	}
	return true
}
