package replicator

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// finish ends all faults and lets one last owner do the rest.
func (w *world) finish() {
	w.calm = true
	w.tracef("calm")
	for _, o := range w.owners {
		o.frozen = false
		w.kill(o)
	}
	w.source.catchUp()
	w.target.catchUp()
	for i := 0; len(w.flights) > 0 && i < 1000; i++ {
		w.advance()
	}
	w.now += leaseFor
	w.appoint()
	for range 20_000 {
		w.at++
		w.now += ms(1)
		o := w.latest()
		o.heartbeat()
		o.act()
		w.advance()
		if w.err != nil || w.over != "" || w.done(o) {
			return
		}
	}
	o := w.latest()
	w.fail("the last owner does not finish: %v, at %d of %d, asks for %+v", o.core.phase, o.core.watermark(), w.source.stable(), o.core.ask())
}

// done says that everything is copied and published. The map may reach beyond the
// end of a source that has lost what nobody needed.
func (w *world) done(o *owner) bool {
	c, end := o.core, w.source.stable()
	copied := c.phase == copying && c.watermark() >= end && c.queue.position >= end && c.idle() && !c.ledger.dirty() && o.pub == nil
	return copied && o.identify() && c.pastEpoch == nil
}

// judge compares the two sides and the map.
func (w *world) judge() (outcome string) {
	if w.over != "" {
		return "stopped: " + w.over
	}
	exact, err := w.compare(w.source.stable())
	switch {
	case err != nil && w.shared && w.unfenced && w.doubled():
		return "beyond the promise: doubled by an owner without a lease beside other writers"
	case err != nil && w.late && w.doubledUnseen():
		return "beyond the promise: doubled by a late batch when the cleaner had taken the original"
	case err != nil:
		w.fail("%w", err)
		return "broken"
	case w.latest().growth.added != w.partitions && w.partitions > 1:
		w.fail("%d partitions were added and not noticed", w.partitions-1)
	case w.unnoticed():
		w.fail("a foreign writer's batch is on the target, and nobody has stopped: %v", w.foreign)
	case !exact:
		return "exact, but for records that compaction took"
	}
	if w.err != nil {
		return "broken"
	}
	return "exact"
}

// unnoticed says that a batch of a foreign writer is on the target.
func (w *world) unnoticed() bool {
	return !w.shared && slices.ContainsFunc(w.target.batches, func(b batch.Batch) bool { return b.Producer().ID >= strangers })
}

// image is a record of ours on the target: who it is, and of which source offset.
type image struct {
	at     int64
	birth  int32
	index  int32
	source int64
}

// identity is the birth by which twins are one, and the index in it.
type identity struct{ birth, index int32 }

func (w *world) identityOf(birth, index int32) identity {
	return identity{int32((w.births[birth].time - w.firstTime()) / birthStep), index}
}

// firstTime is the time of the first birth.
func (w *world) firstTime() int64 {
	if w.old {
		return oldTime
	}
	return brokerTime - 3_600_000
}

// images reads what the lineage has written to the target.
func (w *world) images() ([]image, error) {
	var all []image
	for _, b := range w.target.batches {
		if !ours(b.Producer().ID) {
			continue
		}
		if b.Attributes()&^0x07 != 0 {
			return nil, fmt.Errorf("the batch at target offset %d has the attributes %#x", b.BaseOffset(), b.Attributes())
		}
		for _, r := range mustRecords(b) {
			x := image{at: r.Offset, birth: int32((r.Timestamp - w.firstTime()) / birthStep), source: -1}
			if x.birth < 0 || int(x.birth) >= len(w.births) {
				return nil, fmt.Errorf("target offset %d holds a record with the time %d, which no source record has", r.Offset, r.Timestamp)
			}
			y := w.births[x.birth]
			if x.index = int32(slices.IndexFunc(indexes[:len(y.records)], func(i int) bool { return y.is(i, r) })); x.index < 0 {
				return nil, fmt.Errorf("target offset %d holds a record that differs from the source's: %+v", r.Offset, r)
			}
			if r.Offset >= w.target.start {
				all = append(all, x)
			}
		}
	}
	return all, nil
}

var indexes = []int{0, 1, 2, 3, 4, 5, 6, 7}

// doubled says whether a record is on the target more often than it ever was on
// the source. Twins cannot be counted: there it tells what landed late.
func (w *world) doubled() bool {
	if w.twins && w.late {
		return true
	}
	all, err := w.images()
	if err != nil {
		return false
	}
	count := map[identity]int{}
	for _, o := range w.archive {
		count[w.identityOf(o.birth, o.index)]++
	}
	for _, x := range all {
		id := identity{x.birth, x.index}
		if count[id]--; count[id] < 0 {
			return true
		}
	}
	return false
}

// doubledUnseen says that records are on the target twice, all of which the
// cleaner has taken from the source: nobody can tell a second copy then from the
// image of another record that is gone.
func (w *world) doubledUnseen() bool {
	all, err := w.images()
	if err != nil || !w.compacted || w.twins {
		return false
	}
	here, count := w.present(), map[identity]int{}
	for _, o := range w.archive {
		if id := w.identityOf(o.birth, o.index); here[o.offset] {
			count[id] = len(all) // that one would be seen
		}
	}
	unseen := false
	for _, x := range all {
		id := identity{x.birth, x.index}
		count[id]++
		if count[id] > len(all)+1 {
			return false
		}
		unseen = unseen || count[id] == 2
	}
	return unseen
}

// present are the offsets of the records that the source has now.
func (w *world) present() map[int64]bool {
	all := make(map[int64]bool, len(w.archive))
	for _, b := range w.source.batches {
		if b.Dense() {
			for at := b.BaseOffset(); at < b.NextOffset(); at++ {
				all[at] = at >= w.source.start
			}
			continue
		}
		for _, r := range mustRecords(b) {
			all[r.Offset] = r.Offset >= w.source.start
		}
	}
	return all
}

// compare says whether every committed source record below an offset is on the
// target exactly once, in order, where the map says, and nothing else of ours
// is. exact is false if records are there that the source has lost since.
func (w *world) compare(upTo int64) (exact bool, err error) {
	_, blocks := w.offsets.load()
	m, err := Map(blocks, w.recopies)
	if err != nil || m.Watermark() < upTo {
		return false, fmt.Errorf("the map ends at %d, below %d: %w", m.Watermark(), upTo, err)
	}
	all, err := w.images()
	if err != nil {
		return false, err
	}
	here := w.present()
	if err := w.compareSource(&m, all, here, upTo); err != nil {
		return false, err
	}
	if err := w.compareRemoved(&m, all, upTo); err != nil {
		return false, err
	}
	exact, err = w.compareTarget(&m, all, here, upTo)
	if err == nil {
		err = w.compareTranslations(&m, all)
	}
	return exact, err
}

// compareSource: each record that is to be copied has its image.
func (w *world) compareSource(m *offsetmap.Map, all []image, here map[int64]bool, upTo int64) error {
	for _, o := range w.archive {
		if o.status != committed || !here[o.offset] || o.offset >= upTo || w.givenUp(o.offset) {
			continue
		}
		p, err := m.Translate(o.offset, w.source.start)
		if err != nil || p.Kind != offsetmap.Image {
			return fmt.Errorf("source offset %d is not copied: the map says %+v, %v", o.offset, p, err)
		}
		if p.Offset < w.target.start {
			continue
		}
		i, found := slices.BinarySearchFunc(all, p.Offset, func(x image, at int64) int { return int(x.at - at) })
		if !found || (identity{all[i].birth, all[i].index}) != w.identityOf(o.birth, o.index) {
			return fmt.Errorf("the map says that source offset %d is at target offset %d, but it is not", o.offset, p.Offset)
		}
	}
	return nil
}

// compareRemoved: what the source's retention has removed was copied before, or
// given up, but for what nobody had looked at. Its image need not be in the map:
// the next owner may have found it when the record was gone.
func (w *world) compareRemoved(m *offsetmap.Map, all []image, upTo int64) error {
	if w.compaction || w.target.start > 0 || m.Len() == 0 {
		return nil
	}
	there := map[identity]bool{}
	for _, x := range all {
		there[identity{x.birth, x.index}] = true
	}
	first := m.Runs()[0].Source
	for _, o := range w.archive {
		if o.status != committed || o.offset < first || o.offset >= min(upTo, w.source.start) || w.givenUp(o.offset) {
			continue
		}
		if !there[w.identityOf(o.birth, o.index)] {
			return fmt.Errorf("source offset %d was not copied before it was removed, and nobody was told", o.offset)
		}
	}
	return nil
}

func (w *world) givenUp(at int64) bool {
	for _, l := range w.losses {
		if l.From <= at && at < l.To {
			return true
		}
	}
	return false
}

// compareTarget: each image has its origin, and they are in the origins' order.
func (w *world) compareTarget(m *offsetmap.Map, all []image, here map[int64]bool, upTo int64) (exact bool, err error) {
	exact = true
	before := int64(-1)
	for i := range all {
		x := &all[i]
		p, err := m.Inverse(x.at, w.target.start)
		if err == nil && p.Kind == offsetmap.Image {
			x.source = p.Offset
			if o := w.originAt(p.Offset); o == nil || w.identityOf(o.birth, o.index) != (identity{x.birth, x.index}) {
				return false, fmt.Errorf("target offset %d holds what source offset %d never was, or is no more", x.at, p.Offset)
			} else if o.status != committed {
				return false, fmt.Errorf("target offset %d holds source offset %d, which is not committed", x.at, p.Offset)
			}
		} else if x.source, err = w.orphan(x, here, before, upTo); err != nil {
			if w.outlived(x, before) {
				exact = false
				continue
			}
			return false, err
		}
		exact = exact && here[x.source]
		if x.source <= before {
			return false, fmt.Errorf("target offset %d holds source offset %d, after offset %d", x.at, x.source, before)
		}
		before = x.source
	}
	return exact, nil
}

// orphan finds the origin of an image that is not in the map: a record that the
// source had no more when a new owner looked. Above what was compared anything
// that is still to be entered may stand.
func (w *world) orphan(x *image, here map[int64]bool, before, upTo int64) (int64, error) {
	for _, o := range w.archive {
		if o.offset > before && w.identityOf(o.birth, o.index) == (identity{x.birth, x.index}) && o.status == committed && (!here[o.offset] || o.offset >= upTo) {
			return o.offset, nil
		}
	}
	return 0, fmt.Errorf("target offset %d holds a record of birth %d, index %d that is not in the map: it stands there twice, or is not to be there", x.at, x.birth, x.index)
}

// outlived says that an image without an origin does no harm: an election has
// removed its origin, and a later record has its key. (Where the source has gaps
// it is compacted; where it has none, the core stops.)
func (w *world) outlived(x *image, before int64) bool {
	id := identity{x.birth, x.index}
	if len(w.sourceCuts) == 0 || slices.ContainsFunc(w.archive, func(o origin) bool { return w.identityOf(o.birth, o.index) == id }) {
		return false
	}
	key := w.births[x.birth].records[x.index].Key
	return slices.ContainsFunc(w.archive, func(o origin) bool {
		return o.offset > before && o.status == committed && bytes.Equal(w.births[o.birth].records[o.index].Key, key)
	})
}

func (w *world) originAt(at int64) *origin {
	i, found := slices.BinarySearchFunc(w.archive, at, func(o origin, at int64) int { return int(o.offset - at) })
	if !found {
		return nil
	}
	return &w.archive[i]
}

// compareTranslations compares every position that the map translates, both
// ways, with a plain list of pairs.
func (w *world) compareTranslations(m *offsetmap.Map, all []image) error {
	if w.target.start > 0 { // images are gone: the list would be short
		return nil
	}
	var pairs []offsetmap.Pair
	for _, x := range all {
		if p, err := m.Inverse(x.at, 0); err == nil && p.Kind == offsetmap.Image {
			pairs = append(pairs, offsetmap.Pair{Source: x.source, Target: x.at})
		}
	}
	next := 0
	for at := m.Begin().Source; at <= m.Watermark(); at++ {
		for next < len(pairs) && pairs[next].Source < at {
			next++
		}
		want := m.TargetEnd()
		if next < len(pairs) {
			want = pairs[next].Target
		}
		if p, err := m.Translate(at, w.source.start); err != nil || p.Offset != want {
			return fmt.Errorf("source position %d is translated to %+v (%v), a list of the records says %d", at, p, err, want)
		}
	}
	next = 0
	for at := m.Begin().Target; at <= m.TargetEnd(); at++ {
		for next < len(pairs) && pairs[next].Target < at {
			next++
		}
		want := m.Watermark()
		if next < len(pairs) {
			want = pairs[next].Source
		}
		if p, err := m.Inverse(at, 0); err != nil || p.Offset != want {
			return fmt.Errorf("target position %d is translated to %+v (%v), a list of the records says %d", at, p, err, want)
		}
	}
	return nil
}
