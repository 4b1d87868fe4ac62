package replicator

// epochChange is a step of the source's leader epoch, seen in the batches.
type epochChange struct{ from, to int32 }

// sameLeader says whether a batch may be taken without asking. The first batch
// of a later leader epoch may not: an unclean election may have cut off records
// that were read before, and other ones may stand in their place.
func (c *core) sameLeader(s step) bool {
	epoch := s.b.LeaderEpoch()
	switch {
	case epoch <= c.sourceEpoch:
		return true
	case c.sourceEpoch < 0:
		c.sourceEpoch = epoch
		return true
	}
	c.pastEpoch = &epochChange{from: c.sourceEpoch, to: epoch}
	return false
}

// epochEnded takes the offset at which a leader epoch ended as the source's
// present leader says; -1 if it does not know.
func (c *core) epochEnded(epoch int32, end int64) {
	change := c.pastEpoch
	if change == nil || change.from != epoch {
		return
	}
	c.pastEpoch, c.sourceEpoch = nil, change.to
	if position := c.queue.position; end >= 0 && end < position {
		c.halt(CodeDiverged, end, position, "the source's leader epoch %d ended at %d, but records up to %d were read from it: an unclean leader election has removed them; copy the topic anew",
			epoch, end, position)
	}
}
