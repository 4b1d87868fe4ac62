package replicator

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// This file and sim_producers_test.go, sim_cleaner_test.go hold the model of one
// partition on a broker. What it answers is held against the table of
// testdata/broker (TestModelAnswersAsBrokersDo), and Apache Kafka against the
// same table (TestRealModel): a rule comes into the model through that table.

// partitionLog is one partition as its leader keeps it. The zero value is an
// empty partition; tests may change start, end and batches by hand.
type partitionLog struct {
	batches    []batch.Batch
	start, end int64

	// maxBytes (0: no limit), compacted, appendTime and segmentMS (0: one
	// segment) are the topic's max.message.bytes, cleanup.policy=compact,
	// message.timestamp.type=LogAppendTime and segment.ms.
	maxBytes              int
	compacted, appendTime bool
	segmentMS             int64
	// rolled are the base offsets of all segments but the first; rolling is the
	// largest timestamp in the first batch of the active segment.
	rolled  []int64
	rolling int64

	// lagging says that the followers have stopped at replicated, the high
	// watermark; otherwise they have everything at once.
	lagging    bool
	replicated int64

	// epoch is the leader's, epochs where each one began. created counts how
	// often the topic was created: its id.
	epoch   int32
	epochs  []epochStart
	created int

	known        map[int64]*producerState
	transactions []transaction // by first offset
	// clock is the broker's time in ms.
	clock int64
	// dedups and fenced count answers, for reports.
	dedups, fenced int
}

// sourceLog and targetLog are the two roles of a partition.
type (
	sourceLog = partitionLog
	targetLog = partitionLog
)

func newTarget() *targetLog { return &targetLog{known: map[int64]*producerState{}} }

type epochStart struct {
	epoch int32
	start int64
}

// transaction is one of a producer; last is the offset of its marker, -1 while
// it is open.
type transaction struct {
	pid, first, last int64
	committed        bool
}

// high is the high watermark.
func (l *partitionLog) high() int64 {
	if l.lagging {
		return l.replicated
	}
	return l.end
}

// stable is the last stable offset: where the first transaction begins that is
// open, or whose marker is not replicated, or else the high watermark.
func (l *partitionLog) stable() int64 {
	high := l.high()
	for _, t := range l.transactions {
		if t.last < 0 || t.last >= high {
			return min(high, t.first)
		}
	}
	return high
}

// put appends a batch that has its offsets and its leader epoch. It may lie
// above the end: compaction has taken what was between.
func (l *partitionLog) put(b batch.Batch) {
	if l.segmentMS > 0 {
		l.roll(b)
	}
	if n := len(l.epochs); n == 0 || l.epochs[n-1].epoch < b.LeaderEpoch() {
		l.epochs = append(l.epochs, epochStart{b.LeaderEpoch(), b.BaseOffset()})
	}
	l.batches = append(l.batches, b)
	l.end = b.NextOffset()
}

// roll begins a segment where the batch is that much later than the first one of
// the active segment (LogSegment.shouldRoll).
func (l *partitionLog) roll(b batch.Batch) {
	first := l.activeStart() == l.end || len(l.batches) == 0
	if !first && b.MaxTimestamp()-l.rolling > l.segmentMS {
		l.rolled, first = append(l.rolled, b.BaseOffset()), true
	}
	if first {
		l.rolling = b.MaxTimestamp()
	}
}

// activeStart is where the active segment begins.
func (l *partitionLog) activeStart() int64 {
	if n := len(l.rolled); n > 0 {
		return l.rolled[n-1]
	}
	return 0
}

// segmentEnd is where the segment that holds an offset ends.
func (l *partitionLog) segmentEnd(at int64) int64 {
	for _, s := range l.rolled {
		if s > at {
			return s
		}
	}
	return l.end
}

// add stamps the batch with the next offset and the leader's epoch, and appends
// it.
func (l *partitionLog) add(b batch.Batch) (base int64) {
	base = l.end
	binary.BigEndian.PutUint64(b, uint64(base))
	binary.BigEndian.PutUint32(b[12:], uint32(l.epoch)) // like the offset not covered by the checksum
	l.put(b)
	return base
}

// fetched is what a fetch returns; code is Kafka's.
type fetched struct {
	code int16
	page
}

// find is the index of the first batch that ends above an offset.
func (l *partitionLog) find(at int64) int {
	low, high := 0, len(l.batches)
	for low < high {
		if mid := (low + high) / 2; l.batches[mid].NextOffset() <= at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// serve is a fetch of at most size bytes from an offset: it begins with the
// batch that holds the offset, which is returned whole whatever its size, stays
// within one segment and may end in a part of a batch.
func (l *partitionLog) serve(from int64, size int, committed bool) fetched {
	if from < l.start || from > l.end {
		return fetched{code: 1, page: page{high: -1, stable: -1, start: -1, first: true}}
	}
	f := fetched{page: page{high: l.high(), stable: l.stable(), start: l.start, first: true}}
	limit := f.high
	if committed {
		limit = f.stable
	}
	i := l.find(from)
	if i == len(l.batches) || l.batches[i].BaseOffset() >= limit {
		return f
	}
	segment := l.segmentEnd(l.batches[i].BaseOffset())
	f.records = l.slice(i, min(limit, segment), size)
	if committed {
		f.aborted = l.abortedIn(from, segment)
	}
	return f
}

// slice is the bytes of the log from a batch up to an offset, at most size.
func (l *partitionLog) slice(i int, limit int64, size int) []byte {
	total := 0
	for j := i; j < len(l.batches) && l.batches[j].BaseOffset() < limit && total < size; j++ {
		total += len(l.batches[j])
	}
	out := make([]byte, 0, total)
	for j := i; len(out) < total; j++ {
		out = append(out, l.batches[j]...)
	}
	return out[:max(min(total, size), len(l.batches[i]))]
}

// abortedIn lists the aborted transactions that overlap [from, to).
func (l *partitionLog) abortedIn(from, to int64) (all []batch.Aborted) {
	for _, t := range l.transactions {
		if !t.committed && t.last >= from && t.first < to {
			all = append(all, batch.Aborted{ProducerID: t.pid, First: t.first})
		}
	}
	return all
}

// fetch is a read-committed fetch of whole batches, read an uncommitted one.
func (l *partitionLog) fetch(from int64, size int) page { return l.serve(from, size, true).page }

func (l *partitionLog) read(from int64, size int) []byte { return l.serve(from, size, false).records }

// produce handles a request whose batch everybody in sync has at once.
func (l *partitionLog) produce(sent batch.Batch) answer {
	a, _ := l.accept(sent)
	return a
}

// accept handles a produce request up to where it waits for the followers: the
// answer holds once the high watermark has reached until. Of a request that is
// given up waiting the answer is error 7 with the same base offset.
func (l *partitionLog) accept(sent batch.Batch) (a answer, until int64) {
	if a := l.refusal(sent); a.code != 0 {
		return a, 0
	}
	p, count := sent.Producer(), sent.Count()
	if p.ID >= 0 {
		if base, known := l.duplicate(p, count); known {
			l.dedups++
			return answer{base: base}, base + int64(count)
		}
		if code := l.outOfOrder(p); code != 0 {
			return answer{code: code, base: -1}, 0
		}
	}
	b := slices.Clone(sent)
	l.stampTimes(b)
	base := l.add(b)
	if p.ID >= 0 {
		l.remember(b)
	}
	return answer{base: base}, l.end
}

// refusal is the answer to a batch that never gets into the log.
func (l *partitionLog) refusal(b batch.Batch) answer {
	no := func(code int16, why string) answer { return answer{code: code, base: -1, message: why} }
	switch {
	case b.Check() != nil:
		return no(2, "damaged")
	case b.BaseOffset() != 0:
		return no(87, "base offset")
	case b.Transactional():
		return no(53, "no transaction")
	case l.maxBytes > 0 && len(b) > l.maxBytes:
		return no(10, "too large")
	case b.Control() || !b.Dense() || b.Producer().ID >= 0 && b.Producer().Sequence < 0:
		return no(87, "control flag, holes or sequence")
	case b.Codec() > batch.Zstd:
		return no(-1, "unknown codec")
	case l.clock > 0 && b.MaxTimestamp() > l.clock+3_600_000:
		return no(32, "more than an hour ahead")
	case l.compacted && hasNullKey(b):
		return no(87, "null key")
	}
	return answer{}
}

func hasNullKey(b batch.Batch) bool {
	records, err := b.Records()
	return err != nil || slices.ContainsFunc(records, func(r batch.Record) bool { return r.Key == nil })
}

// stampTimes does to the timestamps what the topic's type demands: a flag that
// does not fit is dropped, and then the records have the times that they had.
func (l *partitionLog) stampTimes(b batch.Batch) {
	switch {
	case l.appendTime:
		binary.BigEndian.PutUint16(b[21:], uint16(b.Attributes()|0x08))
		binary.BigEndian.PutUint64(b[35:], uint64(l.clock))
	case b.LogAppendTime():
		binary.BigEndian.PutUint16(b[21:], uint16(b.Attributes()&^0x08))
	default:
		return
	}
	seal(b)
}

// seal sets the checksum.
func seal(b batch.Batch) { binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli)) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// trim moves the log start, as retention and DeleteRecords do. Producers are
// not forgotten by that.
func (l *partitionLog) trim(to int64) {
	l.start = max(l.start, to)
	l.batches = l.batches[l.find(l.start):]
	l.transactions = slices.DeleteFunc(l.transactions, func(t transaction) bool { return t.last >= 0 && t.last < l.start })
}

// elect makes a replica the leader whose log ends at an offset: what is above it
// is gone. Below the high watermark that is an unclean election.
func (l *partitionLog) elect(end int64) {
	i := l.find(end)
	if i < len(l.batches) && l.batches[i].BaseOffset() < end { // a replica has whole batches
		end = l.batches[i].BaseOffset()
	}
	l.batches, l.end = l.batches[:i], max(end, l.start)
	l.lagging = false
	l.rolled = slices.DeleteFunc(l.rolled, func(s int64) bool { return s >= l.end })
	if i := l.find(l.activeStart()); i < len(l.batches) {
		l.rolling = l.batches[i].MaxTimestamp()
	}
	l.truncateTransactions()
	l.epoch++
	l.epochs = slices.DeleteFunc(l.epochs, func(e epochStart) bool { return e.start >= l.end })
	l.epochs = append(l.epochs, epochStart{l.epoch, l.end})
	l.relearn()
}

// truncateTransactions opens those again whose markers are gone.
func (l *partitionLog) truncateTransactions() {
	l.transactions = slices.DeleteFunc(l.transactions, func(t transaction) bool { return t.first >= l.end })
	for i := range l.transactions {
		if t := &l.transactions[i]; t.last >= l.end {
			t.last, t.committed = -1, false
		}
	}
}

// lag stops the followers, catchUp lets them go on.
func (l *partitionLog) lag() {
	if !l.lagging {
		l.lagging, l.replicated = true, l.end
	}
}

func (l *partitionLog) catchUp() { l.lagging = false }

// recreate deletes the topic and creates it again: nothing is left but its name.
func (l *partitionLog) recreate() {
	*l = partitionLog{
		maxBytes: l.maxBytes, compacted: l.compacted, appendTime: l.appendTime, segmentMS: l.segmentMS,
		created: l.created + 1, clock: l.clock, known: map[int64]*producerState{}, dedups: l.dedups, fenced: l.fenced,
	}
}

// epochEnd answers OffsetForLeaderEpoch: where an epoch ended, of the current
// one the log's end, -1 for a later one.
func (l *partitionLog) epochEnd(epoch int32) int64 {
	switch {
	case epoch == l.epoch:
		return l.end
	case epoch > l.epoch:
		return -1
	}
	for _, e := range l.epochs {
		if e.epoch > epoch {
			return e.start
		}
	}
	return -1
}

// written are the records of the batches that the given producers have written.
func (l *partitionLog) written(ours map[int64]bool) (all []batch.Record) {
	for _, b := range l.batches {
		if ours[b.Producer().ID] {
			all = append(all, mustRecords(b)...)
		}
	}
	return all
}

// committed are the records that a copy must have, in order.
func (l *partitionLog) committed() (all []batch.Record) {
	filter, stable := batch.NewFilter(l.abortedIn(0, math.MaxInt64)), l.stable()
	for _, b := range l.batches {
		if !filter.Aborted(b) && !b.Control() && b.BaseOffset() < stable {
			all = append(all, mustRecords(b)...)
		}
	}
	return all
}

func mustRecords(b batch.Batch) []batch.Record {
	records, err := b.Records()
	if err != nil {
		panic(err)
	}
	return records
}

// offsetsLog is a model of a partition's records in portage.offsets.
type offsetsLog struct {
	claims []events.Claim
	blocks map[string]events.Block
	order  []string
	nonces int
}

func newOffsets() *offsetsLog { return &offsetsLog{blocks: map[string]events.Block{}} }

func (o *offsetsLog) claim(c events.Claim) (events.Claim, bool) {
	void := slices.ContainsFunc(o.claims, func(x events.Claim) bool { return x.OwnerEpoch == c.OwnerEpoch })
	o.nonces++
	c.Nonce = fmt.Sprint(o.nonces)
	o.claims = append(o.claims, c)
	return c, void
}

func (o *offsetsLog) publish(b events.Block) {
	k := events.OffsetsKey{OwnerEpoch: b.OwnerEpoch, Number: b.Number}.String()
	if _, known := o.blocks[k]; !known {
		o.order = append(o.order, k)
	}
	o.blocks[k] = b
}

func (o *offsetsLog) load() ([]events.Claim, []events.Block) {
	blocks := make([]events.Block, 0, len(o.order))
	for _, k := range o.order {
		blocks = append(blocks, o.blocks[k])
	}
	return slices.Clone(o.claims), blocks
}
