package replicator

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// owner is a worker that copies the partition: a core and what its shell has in
// hand. It does what partition.go and perform.go do.
type owner struct {
	w      *world
	core   *core
	number int
	life   int
	// dead owners do nothing; frozen ones neither, for a while; assigned ones get
	// their heartbeats answered; leaving ones hand over.
	dead, frozen, assigned, leaving bool
	wrapped                         bool
	// lease is until when batches may be sent, sent when the last answered
	// heartbeat was sent, fencedAt when a later owner was met.
	lease, beat, fencedAt time.Duration
	connection            int
	// leader is the leader epoch of the broker that it sends to, -1 before it has
	// looked that up.
	leader int32
	// late is a page that is on its way, beyond a fetch that was out of range.
	late   *latePage
	beyond *int64
	// bounds are being read; at is the next one to read.
	bounding *bounding
	pub      *publication
	sent     map[sequences]uint32
	// begin is the watermark that the owner found when nothing was published.
	begin int64
	// growth is a shell that looks for partitions of the source topic.
	growth *partition
	// order is what the owner was told: see truth.
	sourceID, targetID int
}

type latePage struct {
	from int64
	page page
	life int
}

// sequences names a batch of one life of an owner.
type sequences struct {
	pid   int64
	epoch int16
	first int32
	count int32
}

// leaseFor is how long a heartbeat's answer lets an owner send.
const leaseFor = 60 * time.Millisecond

var errConnection = errors.New("connection lost")

// appoint makes a new owner.
func (w *world) appoint() *owner {
	l := w.limits
	l.owner = fmt.Sprint("w", len(w.owners))
	o := &owner{w: w, number: len(w.owners), assigned: true, sent: map[sequences]uint32{}, sourceID: w.sourceID, targetID: w.targetID, begin: -1, leader: -1}
	o.core = newCore(l, w.shared)
	o.obey()
	o.growth = &partition{w: &Worker{keepers: newKeepers(1)}, job: &job{Directive: events.Directive{Copy: &events.CopyOrder{Partitions: 1}}}}
	w.owners = append(w.owners, o)
	o.heartbeat()
	w.tracef("owner %d is appointed", o.number)
	return o
}

// obey takes the order that is in force.
func (o *owner) obey() {
	o.core.recopies, o.core.losses = o.w.recopies, o.w.losses
	o.sourceID, o.targetID = o.w.sourceID, o.w.targetID
}

func (w *world) latest() *owner { return w.owners[len(w.owners)-1] }

// heartbeat renews the lease, if the group still counts the owner in.
func (o *owner) heartbeat() {
	if o.assigned {
		o.beat, o.lease = o.w.now, o.w.now+leaseFor
	}
}

// act lets an owner do one thing that it can.
func (o *owner) act() {
	if o.dead || o.frozen {
		return
	}
	copies := o.core.phase == copying
	if !copies {
		o.leader = -1
	}
	switch n := o.w.n(20); {
	case n < 2:
		o.heartbeat()
	case n < 6:
		o.publish()
	case n < 11 && copies:
		o.fetch()
	case n < 17 && copies:
		o.send()
	case n == 17 && copies && o.w.wraps:
		o.w.wrap(o)
	case n == 18 && copies:
		o.identify()
	default:
		o.answer()
	}
	o.watch()
}

// watch checks what must hold at any time.
func (o *owner) watch() {
	if at := o.core.watermark(); at > max(o.w.published, o.begin) && o.core.phase >= recording {
		o.w.fail("owner %d counts everything below %d as copied, but only %d is published", o.number, at, o.w.published)
	}
}

// fetch reads the next page, or gets one that was read before.
func (o *owner) fetch() {
	w, c := o.w, o.core
	switch {
	case o.beyond != nil:
		o.lookAround()
		return
	case o.late != nil:
		if l := o.late; w.one(5) || w.calm {
			o.late = nil
			if l.life == o.life {
				w.reached(lateFetch)
				c.fetched(l.from, l.page)
			}
		}
		return
	}
	from, ok := c.wants()
	if !ok {
		return
	}
	f := w.source.serve(from, w.fetchSize, true)
	w.noteFetch(from, f)
	switch {
	case f.code != 0:
		o.beyond = &from
	case w.chance(true, 30): // the broker had no room for us
		f.records, f.first = nil, false
		c.fetched(from, f.page)
	case f.stable <= from && f.records == nil:
	case w.chance(true, 12):
		o.late = &latePage{from, f.page, o.life}
	default:
		w.tracef("owner %d fetches from %d: %d bytes, stable %d", o.number, from, len(f.records), f.stable)
		c.fetched(from, f.page)
	}
}

// fetchLate reads a page that is to arrive later, if the owner could do that now.
func (o *owner) fetchLate() (from int64, ok bool) {
	from, ok = o.core.wants()
	if !ok || o.dead || o.frozen || o.late != nil || o.beyond != nil || o.w.source.created != o.sourceID {
		return 0, false
	}
	f := o.w.source.serve(from, o.w.fetchSize, true)
	if f.code != 0 || from >= f.high {
		return 0, false
	}
	o.late = &latePage{from, f.page, o.life}
	return from, true
}

// noteFetch counts what is special about a page.
func (w *world) noteFetch(from int64, f fetched) {
	if len(f.records) == 0 {
		return
	}
	rest := f.records
	last := int64(0)
	for b, next := batch.Split(rest); b != nil; b, next = batch.Split(next) {
		rest, last = next, b.NextOffset()
	}
	for r, holds := range map[reach]bool{
		fetchBelow: batch.Batch(f.records).BaseOffset() < from, fetchCut: len(rest) > 0, segmentEnd: last < f.stable && slices.Contains(w.source.rolled, last),
		openTransaction: f.stable < f.high, abortedTransaction: len(f.aborted) > 0,
	} {
		if holds {
			w.reached(r)
		}
	}
}

// lookAround finds out why a fetch was out of range, as the shell does.
func (o *owner) lookAround() {
	from := *o.beyond
	o.beyond = nil
	if !o.identify() {
		return
	}
	o.w.tracef("owner %d is told that %d is out of range: %d to %d", o.number, from, o.w.source.start, o.w.source.high())
	o.core.outOfRange(from, o.w.source.start, o.w.source.high())
}

// identify stops the core if one of the topics is another than the order's.
func (o *owner) identify() bool {
	w := o.w
	o.growth.noteAdded(w.partitions)
	if w.source.created == o.sourceID {
		o.core.led(w.source.epoch + 1)
	}
	if w.target.created == o.targetID {
		o.core.targetLed(w.target.epoch + 1)
	}
	reason := recreated("t", "source", hexID(o.sourceID), idOf(w.source.created))
	if reason == "" {
		reason = recreated("t", "target", hexID(o.targetID), idOf(w.target.created))
	}
	if reason == "" {
		return true
	}
	at := o.core.watermark()
	o.core.halt(CodeRecreated, at, at, "%s", reason)
	return false
}

// idOf is the id of a topic that was created so often.
func idOf(created int) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], uint64(created)+1)
	return id
}

func hexID(created int) string {
	id := idOf(created)
	return hex.EncodeToString(id[:])
}

// send takes a batch from the core, if it gives one.
func (o *owner) send() {
	w, lease := o.w, o.lease
	if o.leaving {
		lease = 0
	}
	it, ok := o.core.send(w.now, lease)
	if !ok {
		return
	}
	if w.now >= lease {
		w.fail("owner %d sends at %v, its lease has ended at %v", o.number, w.now, lease)
	}
	p := it.bytes.Producer()
	o.checkRepeats(p, it)
	if o.leader < 0 {
		o.leader = w.target.epoch
	}
	if w.point(beforeSend, o) {
		return
	}
	w.flights = append(w.flights, &flight{owner: o, life: o.life, it: it, bytes: slices.Clone(it.bytes), lease: lease, connection: o.connection, leader: o.leader})
	w.tracef("owner %d sends %d records of source offset %d as %d.%d %d", o.number, it.count, it.runs[0].source, p.ID, p.Epoch, p.Sequence)
}

// checkRepeats: a broker that knows a sequence range compares nothing else, so a
// range must carry the same bytes each time.
func (o *owner) checkRepeats(p batch.Producer, it *item) {
	k := sequences{p.ID, p.Epoch, p.Sequence, it.count}
	sum := crc32.Checksum(it.bytes, castagnoli)
	if before, known := o.sent[k]; known && before != sum && !o.wrapped {
		o.w.fail("owner %d sends other records under the same sequence numbers %d to %d of epoch %d", o.number, p.Sequence, p.Sequence+it.count-1, p.Epoch)
	}
	o.sent[k] = sum
}

// publish publishes the map, in two steps: the block is written, then the owner
// learns so.
func (o *owner) publish() {
	w := o.w
	if o.pub == nil {
		if p, ok := o.core.take(w.now, o.leaving || w.calm || w.one(6)); ok {
			o.pub = &p
		}
		return
	}
	p := *o.pub
	if p.claim != o.core.claims.mine.Nonce && o.core.phase < recording && !w.one(10) {
		return // it takes its time, and the core has begun anew
	}
	o.pub = nil
	if w.point(beforeMap, o) {
		return
	}
	if w.chance(true, 20) {
		w.reached(mapFailed)
		if w.one(2) {
			return
		}
	}
	w.offsets.publish(p.block)
	if p.block.Recopies == w.recopies {
		w.published = max(w.published, p.block.Watermark)
	}
	if w.followed(o) || p.claim != o.core.claims.mine.Nonce {
		w.lateMap = true
		w.reached(lateMap)
	}
	w.tracef("owner %d publishes block %d.%d up to %d", o.number, p.block.OwnerEpoch, p.block.Number, p.block.Watermark)
	if w.point(afterMap, o) || w.chance(true, 30) {
		return
	}
	o.core.published(p, w.now)
	o.checkPublished()
}

// checkPublished: where the core says that all is published, it is.
func (o *owner) checkPublished() {
	c, w := o.core, o.w
	if c.phase != copying || c.ledger.dirty() || w.blocksLost {
		return
	}
	want, k := c.ledger.block(), events.OffsetsKey{OwnerEpoch: c.claims.mine.OwnerEpoch, Number: c.ledger.number}
	if got, there := w.offsets.blocks[k.String()]; !there || got.Watermark != want.Watermark || got.TargetEnd != want.TargetEnd {
		w.fail("owner %d says that its map up to %d is published, but its last block there is %+v", o.number, want.Watermark, got)
	}
}

// answer does what the core asks for.
func (o *owner) answer() {
	w, c := o.w, o.core
	if c.phase == fenced {
		o.unfence()
		return
	}
	switch a := c.ask(); a.kind {
	case askLoad:
		c.loaded(w.offsets.load())
	case askProducer:
		if len(w.offsets.claims) > 0 {
			w.reached(epochsUsedUp)
		}
		w.pids++
		c.produced(w.pids, 0)
	case askClaim:
		o.claim(a.claim)
	case askBounds:
		o.readBounds()
	case askTarget:
		f := w.target.serve(a.from, w.readSize, false)
		if f.code != 0 {
			c.again()
			return
		}
		c.targetRead(f.records)
	case askSource:
		f := w.source.serve(a.from, w.readSize, true)
		if f.code != 0 {
			o.beyond = &a.from
			o.lookAround()
			return
		}
		c.sourceRead(f.page)
	case askEpoch:
		if !o.identify() {
			return
		}
		end := w.source.epochEnd(int32(a.from))
		w.tracef("owner %d: epoch %d of the source ended at %d", o.number, a.from, end)
		c.epochEnded(int32(a.from), end)
	case askPublish:
		o.publish()
	case askReport:
		w.stopped(o)
	}
}

// unfence begins anew once the group has confirmed the owner after it met a
// later one.
func (o *owner) unfence() {
	switch {
	case o.fencedAt == 0:
		o.fencedAt = o.w.now
		o.w.tracef("owner %d is fenced", o.number)
	case o.assigned && o.beat > o.fencedAt:
		o.restart()
	default:
		o.heartbeat()
	}
}

// restart begins a new life of the core.
func (o *owner) restart() {
	o.core.restart()
	o.life++
	o.beyond, o.bounding, o.fencedAt, o.wrapped = nil, nil, 0, false
	o.w.tracef("owner %d begins anew", o.number)
}

// claim publishes a claim, inside the lease.
func (o *owner) claim(c events.Claim) {
	w := o.w
	if w.now >= o.lease || o.leaving {
		o.heartbeat()
		return
	}
	if w.point(beforeClaim, o) {
		return
	}
	claimed, void := w.offsets.claim(c)
	if void {
		w.reached(voidClaim)
	}
	w.tracef("owner %d claims owner epoch %d as %d.%d, void: %v", o.number, c.OwnerEpoch, c.ProducerID, c.ProducerEpoch, void)
	if w.point(afterClaim, o) || w.chance(true, 40) { // the answer is lost: it will claim again
		return
	}
	o.core.claimed(claimed)
}

// bounding is a reading of the bounds, one at a time.
type bounding struct {
	next int
	bounds
	end    int64
	settle settling
}

// readBounds reads the next of the bounds, as the shell does one after another.
func (o *owner) readBounds() {
	w := o.w
	if o.bounding == nil {
		o.bounding = &bounding{}
	}
	b := o.bounding
	switch b.next {
	case 0:
		if !o.identify() {
			o.bounding = nil
			return
		}
		b.sourceStart, b.sourceEpochs, b.targetEpochs = w.source.start, w.source.epoch+1, w.target.epoch+1
	case 1:
		if b.maxBytes = w.target.maxBytes; w.one(3) {
			b.maxBytes = 0
		}
	case 2:
		b.end = w.target.end
	case 3:
		if settled := b.settle.settled(b.end, w.target.high()); !settled {
			w.reached(highAwaited)
			b.next = 2
			return
		}
		b.targetEnd = b.settle.end
	default:
		b.targetStart = w.target.start
		o.bounding = nil
		w.tracef("owner %d: bounds %+v", o.number, b.bounds)
		o.core.bounded(b.bounds)
		if len(o.core.claims.blocks) == 0 || o.core.resolve.gap >= 0 {
			o.begin = o.core.watermark()
		}
		return
	}
	b.next++
}
