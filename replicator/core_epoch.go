package replicator

import (
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// lineup keeps sight of the leaders of the source: an unclean election may
// remove records that were read, and put others in their place.
type lineup struct {
	// sourceEpoch is the epoch of the leader that the source was read from, by this
	// owner or a former one, -1 if that is not known; pastEpoch is set while a later
	// one has to be looked at.
	sourceEpoch int32
	pastEpoch   *epochChange
	// stale says that a page may be on its way that was read before the leader was
	// known to be another one.
	stale bool
	// held is the source offset after the last record that is copied or will be.
	held int64
	// reread is from where the source is read once more, -1 for not at all: up to
	// passed there was no record to copy. Until then trusted is the epoch that a
	// later owner has to look at. Reading goes on at resume, up to which the map
	// tells.
	reread, passed, resume int64
	trusted                int32
}

// epochChange is a step of the source's leader epoch, seen in the batches, or
// suspected.
type epochChange struct {
	from, to int32
	// end is where the source ends if that is below what was read from it; else -1.
	end int64
}

// formerEpochs is what the block that reaches furthest says of the source's
// leader: blocks of a late zombie may be about records that an election has
// removed since.
func formerEpochs(blocks []events.Block) (epochs int32) {
	furthest := int64(-1)
	for _, b := range blocks {
		if b.Watermark > furthest || b.Watermark == furthest && b.SourceEpochs < epochs {
			furthest, epochs = b.Watermark, b.SourceEpochs
		}
	}
	return epochs
}

// sameLeader says whether a batch may be taken without asking. The first batch
// of a later leader epoch may not.
func (c *core) sameLeader(s step) bool {
	epoch := s.b.LeaderEpoch()
	switch {
	case epoch <= c.sourceEpoch:
		return true
	case c.sourceEpoch < 0:
		c.sourceEpoch = epoch
		return true
	}
	c.pastEpoch = &epochChange{from: c.sourceEpoch, to: epoch, end: -1}
	return false
}

// led takes how many leader epochs the source has had, 0 if it does not say, and
// says whether that is to be looked at: with a later leader there may be other
// records where some were read, and no later batch to tell.
func (c *core) led(epochs int32) bool {
	mapped := c.phase == copying || c.phase == resolving && c.resolve.state > askBounds
	switch {
	case !mapped, c.pastEpoch != nil, epochs-1 <= c.sourceEpoch:
		return false
	case c.sourceEpoch < 0:
		c.sourceEpoch = epochs - 1
		return false
	}
	c.pastEpoch, c.stale = &epochChange{from: c.sourceEpoch, to: epochs - 1, end: -1}, c.phase == copying
	return true
}

// endsBelow takes the news that the source ends below what was read from it. Its
// leader's epochs tell since where it is another log: there may be new records
// below its end.
func (c *core) endsBelow(end int64) {
	if c.sourceEpoch < 0 {
		c.haltShort(end)
		return
	}
	c.pastEpoch = &epochChange{from: c.sourceEpoch, to: c.sourceEpoch, end: end}
}

func (c *core) haltShort(end int64) {
	read := c.readTo()
	c.halt(CodeDiverged, end, read, "the source ends at %d, but records up to %d were read from it: it has lost data, or the topic is another one", end, read)
}

func (c *core) askPastEpoch() ask { return ask{kind: askEpoch, from: int64(c.pastEpoch.from)} }

// readTo is the source offset up to which it was read, by this owner or by those
// who published the map.
func (c *core) readTo() int64 {
	if c.phase != resolving {
		return max(c.queue.position, c.resume)
	}
	at, _ := c.ledger.end()
	switch r := &c.resolve; {
	case r.align.beyond:
		at = max(at, r.align.until)
	case r.state == askSource:
		at = max(at, r.from)
	}
	return at
}

// epochEnded takes the offset at which a leader epoch ended as the source's
// present leader says; -1 if it does not know.
func (c *core) epochEnded(epoch int32, end int64) {
	change := c.pastEpoch
	if change == nil || change.from != epoch {
		return
	}
	c.pastEpoch = nil
	if c.phase == resolving {
		c.resolve.align.sawElection(end)
		if c.resolve.align.beyond && end >= 0 && end < c.resolve.from { // what was read for proofs may be gone
			c.again()
			return
		}
	}
	switch read := c.readTo(); {
	case end >= 0 && end < c.held:
		c.halt(CodeDiverged, end, c.held, "the source's leader epoch %d ended at %d, but records up to %d were read from it: an unclean leader election has removed them; copy the topic anew",
			epoch, end, c.held)
	case end >= 0 && end < read:
		c.lookBack(end)
		c.sourceEpoch = change.to
		if change.end >= 0 && c.phase == resolving { // what is looked for is not there
			c.exhausted(page{stable: change.end})
		}
	case change.end >= 0:
		c.haltShort(change.end)
	default:
		c.sourceEpoch = change.to
	}
}

// sourceEpochs is what blocks say about the source's leader, see
// [events.Block].
func (c *core) sourceEpochs() int32 {
	if c.reread >= 0 {
		return c.trusted + 1
	}
	return c.sourceEpoch + 1
}

// withheld says that nothing may be published before the source was read once
// more: the map tells of records of the present leader beyond a stretch that a
// later owner has to look at under a former one's epoch.
func (c *core) withheld() bool { return c.reread >= 0 && c.resume > c.passed }

// lookBack reads the source once more from an offset on: nothing of it is copied,
// but the leader is another one, and there may be records now.
func (c *core) lookBack(from int64) {
	if c.reread < 0 {
		c.trusted = c.sourceEpoch
	}
	c.passed, c.reread = c.readTo(), from
	c.resume = c.passed
	if c.phase != resolving {
		c.queue.position = from
	}
}

// lookedBack says whether the source was read once more up to a batch, or to
// where reading stands: then it goes on where it had come to.
func (c *core) lookedBack(to int64) bool {
	if c.reread < 0 || to < c.passed {
		return false
	}
	c.reread, c.queue.position = -1, max(c.queue.position, c.resume)
	return true
}

// unexpected stops at records that stand where there was none to copy.
func (c *core) unexpected(s step) bool {
	if s.from >= c.passed || s.class == batch.Skip {
		return false
	}
	c.halt(CodeDiverged, s.from, min(s.next, c.passed), "the source holds records from offset %d on, where there were none when it was read up to %d: an unclean leader election has put them there; copy the topic anew",
		s.from, c.passed)
	return true
}
