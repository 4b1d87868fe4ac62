package replicator

import (
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
)

// tail is what stands at the end of the map on the target. It must be there
// still: an unclean election may have removed it, and what was written since may
// reach as far as it did.
type tail struct {
	end int64 // the target offset after it, 0 if there is none
	// next is the identity of what follows it, if its owner, or that owner's
	// successor with this owner epoch, knew it: a sequence of 0 says that the owner
	// had not written yet.
	next  batch.Producer
	owner int32
	// writer is the owner epoch of the one that wrote it, -1 if that is no owner or
	// not known.
	writer int32
}

// lastTail is the tail as the blocks tell, and in a recheck the owner itself: of
// those who reach furthest the one who has written it, or else the last who
// found it there.
func (c *core) lastTail() (t tail) {
	known := c.claims.blocks
	if c.phase == rechecking {
		own := c.ledger.block()
		own.OwnerEpoch, own.ProducerID, own.ProducerEpoch = c.claims.mine.OwnerEpoch, c.claims.mine.ProducerID, c.claims.mine.ProducerEpoch
		known = append(slices.Clone(known), own)
	}
	for _, b := range known {
		better := b.TargetEnd > t.end
		if b.TargetEnd == t.end && t.end > 0 {
			better = b.Sequence != 0 && t.next.Sequence == 0 || (b.Sequence == 0) == (t.next.Sequence == 0) && b.OwnerEpoch > t.owner
		}
		if better {
			next := batch.Producer{ID: b.ProducerID, Epoch: b.ProducerEpoch, Sequence: b.Sequence}
			t = tail{end: b.TargetEnd, next: next, owner: b.OwnerEpoch}
		}
	}
	return t
}

// beginTarget starts to read the target: at the end of the map, if that is still
// to be there, else above it.
func (c *core) beginTarget() {
	r := &c.resolve
	r.from = max(c.ledger.expected, r.targetStart)
	if r.tail = c.lastTail(); r.gap < 0 && r.tail.end > r.targetStart {
		r.from = r.tail.end - 1
	} else {
		r.tail.end = 0
	}
	r.tail.writer = -1
	c.scanned()
}

// isTail says whether a batch that holds the end of the map is the one that was
// there.
func (c *core) isTail(b batch.Batch) bool {
	t, p := &c.resolve.tail, b.Producer()
	t.writer = c.claims.ownerEpoch(p)
	switch {
	case b.NextOffset() == t.end && p.After(b.LastOffsetDelta()+1) == t.next:
		return true
	case t.next.Sequence == 0 && t.writer < t.owner && (!c.shared || c.claims.lineage.mine(p.ID)):
		return true
	}
	c.ledger.disown()
	c.haltHere(CodeDiverged, "target offset %d holds another batch (producer id %d, epoch %d, sequence %d) than was there: the target has lost data; copy the topic anew",
		b.BaseOffset(), p.ID, p.Epoch, p.Sequence)
	return false
}
