package replicator

// reach is something that a schedule may meet; `make sim` counts each.
type reach uint8

// Crash points: a worker dies, or the target's leader, just before or after a
// step of a batch's way. The order of the first twelve is that of the way.
const (
	beforeClaim reach = iota
	afterClaim
	beforeSend
	afterSend
	beforeAppend
	afterAppend
	beforeReplication
	afterReplication
	beforeAck
	afterAck
	beforeMap
	afterMap

	leaderBeforeAppend
	leaderAfterAppend
	leaderBeforeReplication
	leaderAfterReplication

	twoOwners
	voidClaim
	lateZombie
	zombieFenced
	lateMap
	stoppedNoticed
	stoppedSentLate
	gracefulHandover

	connectionLost
	ackLost
	ghostLanded
	timedOut
	refusedForNow
	dedupRetry
	sequenceWrapped
	epochsUsedUp
	batchSplit

	replicationLag
	highAwaited
	restarted
	producersForgotten
	targetElection
	targetUnclean
	targetRecreated
	targetTrimmed

	sourceElection
	sourceUnclean
	sourceRecreated
	sourceTrimmed
	retentionOverrun
	compactedMeanwhile
	openTransaction
	abortedTransaction
	fetchBelow
	fetchCut
	segmentEnd
	lateFetch
	partitionsAdded

	foreignWriter
	nativeWriter
	damagedBatch
	largeRecord
	mapFailed
	blockLost
	lossAccepted
	copiedAnew
	triedAgain

	reaches
)

var reachNames = [reaches]string{
	"worker dies before the claim", "worker dies after the claim", "worker dies before a send", "worker dies after a send",
	"worker dies before an append", "worker dies after an append", "worker dies before replication", "worker dies after replication",
	"worker dies before an acknowledgement", "worker dies after an acknowledgement", "worker dies before a map publication", "worker dies after a map publication",
	"leader dies before an append", "leader dies after an append", "leader dies before replication", "leader dies after replication",
	"two owners at once", "a claim is void", "a late zombie's batch lands", "a zombie is fenced", "a late zombie's map lands",
	"stopped between lease and send, noticed", "stopped between lease and send, sent late", "graceful handover",
	"connection lost before an append", "acknowledgement lost", "a batch lands after its connection is gone", "error 7", "error 3, 6, 19 or 20",
	"a retry is deduplicated", "sequences wrap", "producer epochs used up", "the target asks for smaller batches",
	"replication lags", "the high watermark is awaited", "the target's broker restarts", "old producers are forgotten",
	"target election", "unclean target election", "target recreated", "the target's log start moves",
	"source election", "unclean source election", "source recreated", "the source's log start moves", "retention overtakes the copy",
	"compacted between two owners", "open transactions", "aborted transactions", "a fetch begins below its offset", "a fetch ends in a part of a batch",
	"a fetch stops at a segment's end", "a fetch is answered late", "partitions are added",
	"a foreign writer", "native writers", "a damaged source batch", "a record that is too large", "a map publication fails", "blocks of the map are lost",
	"a loss is accepted", "copied anew", "tried again after a stop",
}

// replication says that it is about the followers of the target.
func (r reach) replication() bool {
	return r == beforeReplication || r == afterReplication || r == leaderBeforeReplication || r == leaderAfterReplication
}

// String names it.
func (r reach) String() string { return reachNames[r] }

// tally counts what was reached.
type tally [reaches]uint64

// plan is what one schedule may meet: drawn first, so that every schedule has a
// character of its own.
type plan struct {
	steps   int
	batches int // on the source at the begin
	limits  limits

	shared, twins, old, packed, compaction, transactions bool
	splits, merges, wraps, lastEpochs, trims             bool
	segmentMS                                            int64
	fetchSize, readSize                                  int
	lag, restarts, elections, breaks, overlaps, stops    bool

	// accidents happen at most once; each has the step at which it may.
	accidents []accident
	crashes   []crash
	// after says what is done about a stop: see world.afterStop.
	after uint8
}

// accident is something that happens once, at a step of the schedule.
type accident struct {
	at   int
	what reach
}

// crash is a death planned at the n-th time that its point is passed.
type crash struct {
	at reach
	in int
}

// accidentKinds are those that end most schedules in a stop, or change them much.
var accidentKinds = []reach{
	targetUnclean, sourceUnclean, targetRecreated, sourceRecreated, retentionOverrun, foreignWriter, damagedBatch, largeRecord, blockLost,
	partitionsAdded, sourceElection, targetElection, targetTrimmed, sourceTrimmed, producersForgotten, compactedMeanwhile,
}

func (w *world) drawPlan() {
	p := &w.plan
	p.steps, p.batches = 60+w.n(200), w.n(14)
	p.shared, p.twins, p.old, p.packed = w.one(7), w.one(10), w.one(2), w.one(16)
	p.compaction, p.transactions, p.splits, p.merges = w.one(6), w.one(3), w.one(6), w.one(3)
	p.wraps, p.lastEpochs, p.trims = w.one(12), w.one(12), w.one(6)
	p.lag, p.restarts, p.elections, p.breaks, p.overlaps, p.stops = w.one(3), w.one(5), w.one(5), w.one(2), w.one(6), w.one(4)
	if p.compaction || w.one(3) {
		p.segmentMS = birthStep * int64(2+w.n(6))
	}
	p.fetchSize, p.readSize = 60+w.n(900), 60+w.n(900)
	p.limits = limits{buffer: 200 + w.n(3000), mergeBelow: 1, mergeUpTo: 1, alignAtOnce: 30 + w.n(20), blockRuns: 1 + w.n(6), publishEvery: ms(w.n(30))}
	if p.merges {
		p.limits.mergeBelow = 80 + w.n(150)
		p.limits.mergeUpTo = p.limits.mergeBelow + w.n(400)
	}
	if w.one(3) {
		p.accidents = append(p.accidents, accident{w.n(p.steps), accidentKinds[w.n(len(accidentKinds))]})
	}
	for w.one(2) && len(p.crashes) < 4 {
		c := crash{reach(w.n(int(leaderAfterReplication) + 1)), 1 + w.n(6)}
		if c.at.replication() { // rarely passed: batches are mostly replicated at once
			p.lag, c.in = true, 1+w.n(2)
		}
		p.crashes = append(p.crashes, c)
	}
	p.after = uint8(w.n(4))
}
