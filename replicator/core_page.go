package replicator

import "github.com/portage-kafka/portage/cluster/batch"

// page is what a read-committed fetch of the source partition returned.
type page struct {
	// high is the high watermark, stable the last stable offset, start the log
	// start (-1: the broker does not say).
	high, stable, start int64
	aborted             []batch.Aborted
	records             []byte
	// first is true if the broker was bound to return at least one batch of
	// this partition, however large: nothing then means that there is none.
	first bool
}

// step is one batch of a page and what to do with it.
type step struct {
	b      batch.Batch
	class  batch.Class
	reason string
	// from is the first offset that counts: the batch's base, or where reading
	// began inside of it. next is where reading goes on.
	from, next int64
}

// steps judges the batches of a page that was read from an offset. Batches that
// end below it are left out; a batch that cannot be copied ends the list.
func (p page) steps(from int64, maxBytes int) []step {
	var out []step
	filter := batch.NewFilter(p.aborted)
	for b, rest := batch.Split(p.records); b != nil; b, rest = batch.Split(rest) {
		class, reason := batch.Classify(b, batch.Case{Aborted: filter.Aborted(b), Limit: maxBytes})
		if err := checkSkipped(b, class); err != nil { // a flipped bit must not make data a marker
			class, reason = batch.Refuse, err.Error()
		}
		if class == batch.Refuse {
			return append(out, p.refusal(b, from, reason))
		}
		if b.NextOffset() <= from {
			continue
		}
		s := step{b: b, class: class, reason: reason, from: max(from, b.BaseOffset()), next: b.NextOffset()}
		if class == batch.Pass && s.from > b.BaseOffset() {
			s.class = batch.Reencode
		}
		out = append(out, s)
		from = s.next
	}
	return out
}

// checkSkipped checks a batch that nobody else will look at.
func checkSkipped(b batch.Batch, class batch.Class) error {
	if class != batch.Skip {
		return nil
	}
	return b.Check()
}

// refusal is the step that ends a page. It names offsets that may be given up
// to go on, so it believes the batch's own only where they are proven: with a
// right checksum, or of an older message, whose offset is that of its last
// record, as far as the log is stable.
func (p page) refusal(b batch.Batch, from int64, reason string) step {
	s := step{b: b, class: batch.Refuse, reason: reason, from: from, next: from + 1}
	old := b.Magic() >= 0 && b.Magic() < batch.Magic
	switch {
	case b.Check() == nil:
		s.from, s.next = max(from, b.BaseOffset()), b.NextOffset()
	case old && b.BaseOffset() > from && b.BaseOffset() < p.stable:
		s.next = b.BaseOffset() + 1
	}
	return s
}
