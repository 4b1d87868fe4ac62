package replicator

import (
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// phase is where the copy of one partition stands.
type phase uint8

const (
	// claiming: no right to write yet.
	claiming phase = iota
	// resolving: a new owner learns what former owners left on the target.
	resolving
	// recording: what was resolved is being published; nothing is sent before.
	recording
	// copying: batches are fetched, sent and acknowledged.
	copying
	// rechecking: the owner learns what became of its own batches after a doubt.
	rechecking
	// halted: nothing goes on until a newer directive.
	halted
	// fenced: another owner has a later epoch; this one has no right any more.
	fenced
)

// String names the phase.
func (p phase) String() string {
	switch p {
	case claiming:
		return "claiming"
	case resolving:
		return "resolving"
	case recording:
		return "recording"
	case copying:
		return "copying"
	case rechecking:
		return "rechecking"
	case halted:
		return "halted"
	}
	return "fenced"
}

// limits bound what a core holds and does.
type limits struct {
	// owner is written into claims.
	owner string
	// buffer is how many fetched bytes may wait; one fetch may go over it.
	buffer int
	// Batches of at most mergeBelow bytes are merged into batches of about
	// mergeUpTo bytes when several wait.
	mergeBelow, mergeUpTo int
	// alignAtOnce is about how many records of unknown origin on the target are
	// held while the source is read for them. Beside gaps of the source second
	// copies are recognized up to about that far behind the first ones.
	alignAtOnce int
	// blockRuns is the number of runs after which a map block is full.
	blockRuns int
	// publishEvery is the least time between two publications of the map.
	publishEvery time.Duration
}

// core copies one partition. It is pure: fetched pages, acknowledgements,
// answers and the clock go in; what to ask, send, publish and report come out.
// One goroutine at a time may use it. See doc.go for its loop.
type core struct {
	limits
	digests *batch.Digester

	phase phase
	// stop says why the core is halted, or will be once the queue is empty.
	stop *stopping
	// shared is true once others may write to the target partition.
	shared bool
	// paused keeps everything from being fetched and sent.
	paused bool
	// awaited says that somebody stands still until the map reaches far enough.
	awaited bool
	// recopies is how often the copy was begun anew: what was published under
	// another number is about a target topic that is gone.
	recopies int32
	// losses are the source records that a person has given up, by offset.
	losses []events.Interval
	// attempt counts rechecks and refusals since the last progress.
	attempt int

	claims  claimer
	resolve resolver
	ledger  ledger
	queue   queue
	lineup

	// maxBytes is the target's max.message.bytes.
	maxBytes int
	// targetEpochs is one above the epoch of the leader that the target was last
	// read from, 0 if that is not known.
	targetEpochs int32
	// highWatermark, lastStable are the source's, as last fetched; -1: never.
	highWatermark, lastStable int64
	// records and bytes were copied since the core exists.
	records, bytes int64
}

func newCore(l limits, shared bool) *core {
	c := &core{limits: l, digests: batch.NewDigester(nil), shared: shared, highWatermark: -1, lastStable: -1}
	c.restart()
	return c
}

// restart gives up what is not published and begins with a claim again.
func (c *core) restart() {
	c.phase, c.stop = claiming, nil
	c.claims = claimer{owner: c.owner}
	c.resolve, c.ledger, c.queue = resolver{}, ledger{}, queue{}
	c.lineup = lineup{sourceEpoch: -1, reread: -1}
}

// askKind is what a core wants to know or to have done.
type askKind uint8

const (
	askNothing  askKind = iota
	askLoad             // claims and blocks of the partition: loaded
	askProducer         // a producer id from the target: produced
	askClaim            // publish ask.claim: claimed
	askBounds           // ends, log starts and the size limit: bounded
	askTarget           // read the target from ask.from, uncommitted: targetRead
	askSource           // read the source from ask.from, committed: sourceRead
	askEpoch            // where the source leader's epoch ask.from has ended: epochEnded
	askPublish          // publish what take returns, until nothing is due: published
	askReport           // append the stop to the log: reported
)

// ask is one request of a core to its shell. The same ask is repeated until it
// is answered or the phase changes; failed ones are retried by the shell.
type ask struct {
	kind  askKind
	from  int64
	claim events.Claim
}

// ask says what the core waits for.
func (c *core) ask() ask {
	switch c.phase {
	case claiming:
		a := c.claims.ask()
		a.claim.Recopies = c.recopies
		return a
	case resolving, rechecking:
		if c.phase == resolving && c.pastEpoch != nil {
			return c.askPastEpoch()
		}
		return c.resolve.ask()
	case recording:
		if c.ledger.dirty() {
			return ask{kind: askPublish}
		}
	case copying:
		if c.pastEpoch != nil {
			return c.askPastEpoch()
		}
	case halted:
		return c.askHalted()
	}
	return ask{kind: askNothing}
}

// askHalted publishes what was acknowledged, then reports.
func (c *core) askHalted() ask {
	switch {
	case c.ledger.dirty() && !c.withheld():
		return ask{kind: askPublish}
	case !c.queue.flying && !c.stop.reported:
		return ask{kind: askReport}
	}
	return ask{kind: askNothing}
}

// reported says that the stop stands in the log. What was not sent is dropped.
func (c *core) reported() {
	c.stop.reported = true
	c.queue = queue{position: c.queue.position}
}

// publication is a map block on its way to the offsets topic.
type publication struct {
	block   events.Block
	version uint64
	claim   string // the nonce of the owner's claim
}

// take returns the next map block to publish, if one is due; it is given back
// to published. force does not wait for the publication interval. One
// publication at a time.
func (c *core) take(now time.Duration, force bool) (publication, bool) {
	if c.phase < recording || c.withheld() || !c.ledger.dirty() || (!force && now < c.mapDueAt()) {
		return publication{}, false
	}
	b, version := c.ledger.take()
	mine := c.claims.mine
	b.OwnerEpoch, b.ProducerID, b.ProducerEpoch = mine.OwnerEpoch, mine.ProducerID, mine.ProducerEpoch
	b.Recopies, b.SourceEpochs = c.recopies, c.sourceEpochs()
	return publication{block: b, version: version, claim: mine.Nonce}, true
}

// awaitedEvery is the least time between two publications of a map that is
// awaited: not every batch of a busy partition has a publication of its own.
const awaitedEvery = 5 * time.Millisecond

// mapDueAt is the earliest time of the next publication.
func (c *core) mapDueAt() time.Duration {
	if c.awaited {
		return c.ledger.dueAt(min(c.publishEvery, awaitedEvery))
	}
	return c.ledger.dueAt(c.publishEvery)
}

// published says that a block which take returned is in the offsets topic.
func (c *core) published(p publication, now time.Duration) {
	if p.claim != c.claims.mine.Nonce { // the owner epoch may be that of no claim at all
		return // the core has begun anew since
	}
	c.ledger.done(p.block, p.version, now)
	if c.phase == recording && !c.ledger.dirty() {
		c.phase = copying
	}
}

// watermark is the next source offset that does not count as copied yet.
func (c *core) watermark() int64 { return c.ledger.counts }

// idle says that nothing is on its way to the target.
func (c *core) idle() bool { return !c.queue.flying }
