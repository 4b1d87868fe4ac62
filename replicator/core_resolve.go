package replicator

import (
	"errors"
	"math"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// bounds are the edges of both logs at the begin of a resolve.
type bounds struct {
	// sourceStart is the source's log start.
	sourceStart int64
	// sourceEpochs, targetEpochs are one above the leaders' epochs, 0 if they do not
	// say.
	sourceEpochs, targetEpochs int32
	// targetStart is the target's log start, targetEnd its log end, which its
	// high watermark has reached: only then does "not there" mean absent, for a
	// batch may be in the log above the high watermark.
	targetStart, targetEnd int64
	// maxBytes is the target's max.message.bytes.
	maxBytes int
}

// resolver finds out what stands on the target above the map.
type resolver struct {
	state askKind
	bounds
	from int64 // the next offset to read, on the target or on the source
	// target is where reading the target goes on after the source.
	target int64
	tail   tail
	// gap is the source offset from which on the published map was unusable and
	// is made anew from what stands on the target; -1 if it was whole.
	gap   int64
	align aligner
	// informed is true once the claims were read again to judge a stranger.
	informed bool
	// found counts batches of our own lineage and epoch, stale those of former
	// epochs that a recheck met; doubled is where the first stale one stands.
	found, stale int
	doubled      int64
}

func (r *resolver) ask() ask { return ask{kind: r.state, from: r.from} }

// beginResolve starts from the edges of both logs.
func (c *core) beginResolve() {
	c.resolve = resolver{state: askBounds, gap: -1, align: aligner{proof: proof{intact: math.MaxInt64}}}
}

// again starts a resolve anew after an answer that made no sense any more (a
// log start has moved).
func (c *core) again() {
	if c.phase == resolving || c.phase == rechecking {
		c.attempt++
		c.beginResolve()
	}
}

// bounded takes the edges of both logs.
func (c *core) bounded(b bounds) {
	r := &c.resolve
	r.bounds, c.maxBytes, c.targetEpochs = b, b.maxBytes, b.targetEpochs
	if c.phase == resolving && !c.continueMap() {
		return
	}
	r.state = askTarget
	c.led(b.sourceEpochs)
	if source, _ := c.ledger.end(); c.ledger.expected > b.targetEnd {
		c.ledger.disown()
		c.halt(CodeDiverged, source, source, "the target ends at %d, but records up to %d were acknowledged there: it has lost data; copy the topic anew",
			b.targetEnd, c.ledger.expected)
		return
	}
	c.beginTarget()
}

// continueMap begins the owner's first block where the published map ends.
func (c *core) continueMap() bool {
	k, r := &c.claims, &c.resolve
	source, target := r.sourceStart, r.targetStart
	if len(k.blocks) > 0 {
		m, err := mergeBlocks(k.blocks)
		if errors.Is(err, offsetmap.ErrHole) {
			r.gap, err = m.Watermark(), nil
		}
		if err != nil {
			c.halt(CodeDiverged, m.Watermark(), m.Watermark(), "the published offset map is unusable: %v; copy the topic anew", err)
			return false
		}
		source, target = m.Watermark(), m.TargetEnd()
		c.held = lastImage(m)
		if begin := m.Begin(); begin.Target > 0 && r.targetStart == 0 { // copies begin in empty topics
			r.gap, source, target = r.sourceStart, r.sourceStart, 0
		}
	}
	if err := c.ledger.begin(source, target); err != nil {
		c.halt(CodeFailed, source, source, "%v", err)
		return false
	}
	c.sourceEpoch = formerEpochs(k.blocks) - 1
	for _, b := range k.blocks {
		if r.gap < 0 {
			c.ledger.expected = max(c.ledger.expected, b.TargetEnd)
		}
	}
	return true
}

// lastImage is the source offset after the last record that has an image.
func lastImage(m offsetmap.Map) int64 {
	runs := m.Runs()
	if len(runs) == 0 {
		return m.Begin().Source
	}
	return runs[len(runs)-1].SourceEnd()
}

// targetRead takes what stands on the target from ask.from on.
func (c *core) targetRead(records []byte) {
	r := &c.resolve
	before := r.from
	for b, rest := batch.Split(records); b != nil && r.from < r.targetEnd; b, rest = batch.Split(rest) {
		if err := b.Check(); err != nil {
			c.haltHere(CodeDiverged, "the target holds a batch that cannot be read: %v; copy the topic anew", err)
			return
		}
		if b.NextOffset() <= r.from {
			continue
		}
		if !c.judgeRead(b) {
			return
		}
		r.from = b.NextOffset()
		if len(r.align.entries)-r.align.left >= c.alignAtOnce {
			c.beginAlign()
			return
		}
	}
	if r.from == before { // a read returns a batch while there are any: the log has lost its end since
		c.again()
		return
	}
	c.scanned()
}

// judgeRead looks at one batch on the target and says whether to read on. Of
// what the map tells only its end is looked at.
func (c *core) judgeRead(b batch.Batch) bool {
	r := &c.resolve
	if b.BaseOffset() < r.tail.end && !c.isTail(b) {
		return false
	}
	if b.NextOffset() <= c.ledger.expected {
		return true
	}
	r.from = max(r.from, c.ledger.expected)
	return c.judge(b)
}

// haltHere halts at the end of the map.
func (c *core) haltHere(code, format string, args ...any) {
	source, _ := c.ledger.end()
	c.halt(code, source, source, format, args...)
}

// judge looks at one batch on the target and says whether to read on.
func (c *core) judge(b batch.Batch) bool {
	p := b.Producer()
	switch {
	case b.Count() == 0:
		return true
	case !c.claims.lineage.mine(p.ID) && c.phase == resolving && c.claims.first() && !c.shared:
		return c.collect(b)
	case !c.claims.lineage.mine(p.ID):
		return c.judgeForeign(b)
	case c.newer(p):
		c.phase = fenced
		return false
	case c.phase == rechecking:
		return c.judgeOwn(b)
	default:
		return c.collect(b)
	}
}

// newer says that a batch was written by a later owner, perhaps one whose claim
// we have not read.
func (c *core) newer(p batch.Producer) bool {
	mine := c.claims.mine
	return c.claims.ownerEpoch(p) > mine.OwnerEpoch || p.ID == mine.ProducerID && p.Epoch > mine.ProducerEpoch
}

// judgeForeign looks at a batch of an unknown producer. It may be a successor's,
// who has claimed since: the claims are read again before anybody is accused.
func (c *core) judgeForeign(b batch.Batch) bool {
	if c.shared {
		return true
	}
	if !c.resolve.informed {
		c.resolve.state = askLoad
		return false
	}
	c.haltHere(CodeForeignWriter, "producer id %d has written to the target at offsets %d to %d; stop that writer and copy the topic anew",
		b.Producer().ID, b.BaseOffset(), b.LastOffset())
	return false
}

// reinformed takes the claims once more.
func (c *core) reinformed(claims []events.Claim) {
	l := readLineage(claims)
	if last, _ := l.last(); last.Nonce != c.claims.mine.Nonce {
		c.phase = fenced
		return
	}
	c.claims.lineage = l
	c.resolve.informed, c.resolve.state = true, askTarget
}

// collect takes the records of a former owner's batch in, to be aligned.
func (c *core) collect(b batch.Batch) bool {
	records, err := b.Records()
	if err != nil {
		c.haltHere(CodeDiverged, "the target holds a batch that cannot be read: %v; copy the topic anew", err)
		return false
	}
	owner := c.claims.ownerEpoch(b.Producer())
	for _, rec := range records {
		if rec.Offset >= c.resolve.from {
			e := entry{at: rec.Offset, digest: c.digests.Record(rec), key: c.keyOf(rec), null: rec.Value == nil, owner: owner, writer: b.Producer().ID}
			c.resolve.align.entries = append(c.resolve.align.entries, e)
		}
	}
	return true
}

// scanned goes on once the target was read to its end.
func (c *core) scanned() {
	r := &c.resolve
	switch {
	case r.from < r.targetEnd:
		return
	case c.phase == rechecking:
		c.rechecked()
	case len(r.align.entries) == r.align.left:
		c.resolved()
	default:
		c.beginAlign()
	}
}

// resolved publishes what is known before anything is sent.
func (c *core) resolved() {
	r := &c.resolve
	for _, e := range r.align.entries {
		c.ledger.expected = max(c.ledger.expected, e.at+1)
	}
	if !c.shared {
		c.ledger.expected = max(c.ledger.expected, r.targetEnd)
	}
	source, _ := c.ledger.end()
	c.queue = queue{position: source}
	if c.reread >= 0 {
		c.queue.position, c.resume = min(c.reread, source), source
	}
	c.resolve = resolver{}
	if c.phase = recording; c.withheld() {
		c.phase = copying // but for sending
	}
}
