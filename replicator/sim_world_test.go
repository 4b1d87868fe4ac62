package replicator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// world is one schedule of the simulator: a source partition, a target
// partition, the partition's part of portage.offsets, and the owners that copy.
// Everything in it follows from the seed.
type world struct {
	plan
	rnd            *rand.Rand
	now            time.Duration
	at             int // step of the schedule
	source, target *partitionLog
	offsets        *offsetsLog
	owners         []*owner
	flights        []*flight
	pids           int64
	truth

	tally *tally
	trace func(string) // nil: nobody looks
	err   error        // the first promise that was broken
	over  string       // the code of a stop that nobody cures: nothing goes on
	calm  bool         // no more faults
}

// truth is what the simulator knows and no owner does.
type truth struct {
	births  []birth
	archive []origin
	// partitions is how many the source topic has.
	partitions int32
	// recopies and losses are what was ordered after stops; targetID and sourceID
	// what topics the order is about.
	recopies           int32
	losses             []events.Interval
	sourceID, targetID int
	stopCount          int
	// starts are the log starts that the source had, bad the source offsets that
	// cannot be copied.
	starts []int64
	bad    []events.Interval
	// cuts are the unclean elections.
	sourceCuts, targetCuts []cut
	foreign                []cut // batches of a foreign writer
	// late: a batch landed after a later owner had looked, or a ghost after its
	// owner had; lateMap: a block did after a later owner had loaded the map; compacted: records
	// went for good; forgot: the target forgot producers; blocksLost: so did the
	// offsets topic.
	late, lateMap, compacted, forgot, blocksLost bool
	// unfenced: a superseded owner wrote although the fence was to keep it out:
	// the target had forgotten it, or the successor has another producer id.
	unfenced bool
	// published is the highest watermark in the offsets topic.
	published int64
}

// cut is a stretch of offsets [from, to) that an election removed.
type cut struct{ from, to int64 }

// origin is a record on the source.
type origin struct {
	offset int64
	birth  int32
	index  int32
	pid    int64 // of its transaction, -1 without
	status status
}

type status uint8

const (
	committed status = iota
	open
	aborted
)

// brokerTime is the brokers' clock in ms; old records were written three days
// before, others just now.
const (
	brokerTime = 1_800_000_000_000
	oldTime    = brokerTime - 3*24*3600*1000
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// n is a random number below n, one is true once in n times.
func (w *world) n(n int) int                   { return int(w.rnd.Uint64N(uint64(n))) }
func (w *world) one(in int) bool               { return w.rnd.Uint64N(uint64(in)) == 0 }
func (w *world) reached(r reach)               { w.tally[r]++ }
func (w *world) chance(flag bool, in int) bool { return flag && !w.calm && w.one(in) }

func (w *world) tracef(format string, args ...any) {
	if w.trace != nil {
		w.trace(fmt.Sprintf("%4d %6v  ", w.at, w.now) + fmt.Sprintf(format, args...))
	}
}

// fail notes the first broken promise.
func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
		w.tracef("BROKEN: %v", w.err)
	}
}

func newWorld(seed uint64, t *tally, trace func(string)) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 20)), source: newTarget(), target: newTarget(), offsets: newOffsets(), pids: 1000, tally: t, trace: trace}
	w.drawPlan()
	w.partitions = 1
	for _, l := range []*partitionLog{w.source, w.target} {
		l.clock, l.segmentMS = brokerTime, w.segmentMS
	}
	w.source.compacted = w.compaction
	if w.splits {
		w.target.maxBytes = smallLimit
	}
	if w.one(4) {
		w.source.start = int64(w.n(100))
		w.source.end = w.source.start
	}
	w.starts = append(w.starts, w.source.start)
	if w.lastEpochs {
		w.offsets.claims = []events.Claim{{OwnerEpoch: 6, ProducerID: 999, ProducerEpoch: maxEpoch - int16(w.n(3)), Nonce: "former"}}
	}
	for range w.batches {
		w.write()
	}
	return w
}

// ours says that a producer id is of the lineage.
func ours(pid int64) bool { return pid >= 999 && pid < 3000 }

// play plays the schedule and judges its end.
func (w *world) play() (outcome string) {
	w.appoint()
	for w.at = 0; w.at < w.steps && w.err == nil && w.over == ""; w.at++ {
		w.step()
	}
	if w.err == nil && w.over == "" {
		w.finish()
	}
	if w.err != nil {
		return "broken"
	}
	return w.judge()
}

// step does one thing of many that may happen next.
func (w *world) step() {
	w.now += ms(w.n(3))
	w.accident()
	switch n := w.n(100); {
	case n < 56:
		w.acting().act()
	case n < 84:
		w.advance()
	case n < 91:
		w.write()
	case n < 96:
		w.disturbBrokers()
	default:
		w.disturbOwners()
	}
	w.govern()
}

// acting is an owner that does something: mostly the latest.
func (w *world) acting() *owner {
	last := len(w.owners) - 1
	if last > 0 && w.one(4) {
		last = max(0, last-1-w.n(2))
	}
	return w.owners[last]
}

// write lets the source's writers append something.
func (w *world) write() {
	x := w.beget()
	b := x.bytes()
	switch n := w.n(20); {
	case n < 10 && w.transactions:
		w.transact(x, b)
	case n == 19:
		width := int64(1 + w.n(5))
		w.source.add(stored(0, width-1, 0, -1, nil)) // emptied by the cleaner long ago
	case n == 18:
		w.source.end += int64(w.n(4)) // so was this, and nothing is left of it
	default:
		w.append(x, identify(b, batch.Producer{ID: -1, Epoch: -1, Sequence: -1}, 0), -1, committed)
	}
}

// beget draws a batch's contents.
func (w *world) beget() birth {
	lib := templates()
	if n := len(w.births); n > 0 && w.twins && w.one(2) {
		return w.births[n-1]
	}
	x := birth{template: lib.plain[w.n(len(lib.plain))], time: brokerTime - 3_600_000, appendTime: w.one(12)}
	if w.packed && w.one(2) {
		x.template = lib.packed[w.n(len(lib.packed))]
	}
	return w.newborn(x)
}

// newborn gives a birth its time.
func (w *world) newborn(x birth) birth {
	if w.old {
		x.time = oldTime
	}
	x.time += int64(len(w.births)) * birthStep
	return x
}

// append appends a batch to the source and remembers its records.
func (w *world) append(x birth, b batch.Batch, pid int64, s status) (base int64) {
	w.births = append(w.births, x)
	if pid >= 0 {
		base = w.source.addTransactional(b)
	} else {
		base = w.source.add(b)
	}
	for i := range x.records {
		w.archive = append(w.archive, origin{offset: base + int64(i), birth: int32(len(w.births) - 1), index: int32(i), pid: pid, status: s})
	}
	if w.trace != nil {
		w.tracef("source: %d records at %d, attributes %#x, producer %d", b.Count(), base, b.Attributes(), pid)
	}
	return base
}

// transact goes on with a transaction, or ends it.
func (w *world) transact(x birth, b batch.Batch) {
	pid := int64(500 + w.n(3))
	if w.source.inTransaction(pid) && w.one(2) {
		w.endTransaction(pid, w.one(2))
		return
	}
	w.append(x, identify(b, batch.Producer{ID: pid, Sequence: 0}, 0x10), pid, open)
}

func (w *world) endTransaction(pid int64, commit bool) {
	w.source.endTransaction(pid, commit)
	ended := aborted
	if commit {
		ended = committed
	}
	for i := range w.archive {
		if o := &w.archive[i]; o.pid == pid && o.status == open {
			o.status = ended
		}
	}
	w.tracef("source: transaction of %d ends at %d, committed: %v", pid, w.source.end-1, commit)
}

// boundary is the base of a random batch in [from, to], or to.
func (w *world) boundary(l *partitionLog, from, to int64) int64 {
	i, j := l.find(from), l.find(to)
	if k := i + w.n(j-i+1); k < len(l.batches) {
		return min(max(from, l.batches[k].BaseOffset()), to)
	}
	return to
}

// sourceLoses is an election on the source; what the new leader does not have
// never was. (Where it loses the marker of a transaction that it has records of,
// readers before and after see that transaction end differently. That is left
// out: the copy is not told, and no consumer is.)
func (w *world) sourceLoses(end int64) {
	for _, t := range w.source.transactions {
		if t.first < end && t.last >= end {
			end = t.last + 1
		}
	}
	high, before := w.source.high(), w.source.end
	w.source.elect(end)
	if end = w.source.end; end < high {
		w.sourceCuts = append(w.sourceCuts, cut{end, high})
		w.reached(sourceUnclean)
	} else {
		w.reached(sourceElection)
	}
	w.archive = slices.DeleteFunc(w.archive, func(o origin) bool { return o.offset >= end })
	w.tracef("source: election, the log ends at %d (%d), high watermark %d", end, before, high)
}

// targetLoses is an election on the target.
func (w *world) targetLoses(end int64) {
	high, before := w.target.high(), w.target.end
	w.target.elect(end)
	if end = w.target.end; end < high {
		w.targetCuts = append(w.targetCuts, cut{end, high})
		w.reached(targetUnclean)
	} else {
		w.reached(targetElection)
	}
	w.tracef("target: election, the log ends at %d (%d), high watermark %d", end, before, high)
	w.cutTarget()
}
