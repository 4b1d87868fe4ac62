package replicator

import (
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
)

// entry is a record of ours on the target whose origin is looked for.
type entry struct {
	at     int64
	digest batch.Digest
	key    batch.Digest // of a record that has its key and nothing else
	null   bool         // its value is null: the key is deleted
	owner  int32        // epoch of the one that wrote it, see lineage.ownerEpoch
	writer int64        // its producer id
}

// aligner finds the origins of entries by reading the source along. Both sides
// have the same order, so the next entry is the image of the next source
// record, except that compaction or retention may have removed origins since:
// then as many entries may be passed over as source offsets are missing, but
// none that equals a record that has its image already: that is a second copy.
type aligner struct {
	entries []entry
	done    int                       // entries with a known fate
	seen    map[batch.Digest]struct{} // of records that have an image
	before  map[batch.Digest]struct{} // the same of the former round
	known   int64                     // source offsets below have their images in the map
	images  int64                     // none is above
	read    int64                     // where reading the source goes on
	next    int64                     // source offset that is expected next
	missing int64                     // offsets since the last match that nothing accounts for
	left    int                       // entries that a former round has left
	// strict says that what has no origin may be something else than the image of
	// a record that is gone: a second copy of one that has its image already and
	// can be read no more, or somebody else's, if nobody has owned the partition
	// before.
	strict bool
	proof
	// beside says that an owner has written entries that copied what has its image
	// of another one.
	beside bool
}

// match finds the image of a source record among the next entries. over is
// true when no entry is left that could be it: the copy had not come so far.
func (a *aligner) match(d batch.Digest) (at int64, found, over bool) {
	for i, e := range a.entries[a.done:] {
		if e.digest == d {
			if !a.apart(a.done + i) {
				return 0, false, false
			}
			a.seen[d] = struct{}{}
			a.done++
			a.missing, a.expired = 0, 0
			return e.at, true, false
		}
		if int64(i) >= a.missing || a.copied(e) {
			return 0, false, false
		}
	}
	return 0, false, true
}

// apart takes the entries up to one as images of records that the source no
// longer has. It stops at one that equals another: that is a second copy.
func (a *aligner) apart(to int) bool {
	for ; a.done < to; a.done++ {
		e := a.entries[a.done]
		if a.copied(e) {
			return false
		}
		a.seen[e.digest] = struct{}{}
		a.orphaned(e)
	}
	return true
}

// copied says that an entry equals one that was matched.
func (a *aligner) copied(e entry) bool {
	_, known := a.seen[e.digest]
	_, before := a.before[e.digest]
	return known || before
}

// orphans says whether all entries that are left can be images of records that
// the source no longer has.
func (a *aligner) orphans() bool {
	left := a.entries[a.done:]
	return int64(len(left)) <= a.missing && !slices.ContainsFunc(left, a.copied)
}

// below notes a batch among those that have their images in the map: with gaps
// there not every second copy would show.
func (a *aligner) below(s step) {
	if a.beside && a.read < a.images && (s.from > a.read || !s.b.Dense()) {
		a.strict = true
	}
	a.read = s.next
}

// pass notes that reading goes on at an offset; what lies before it and was not
// seen counts as missing unless it is accounted for.
func (a *aligner) pass(to int64, accounted bool) {
	if to > a.next && !accounted && !a.strict {
		a.missing += to - a.next
	}
	a.next = max(a.next, to)
}

// beginAlign starts to read the source where the unpublished batches of the
// owners that wrote the entries may begin: an owner had published its map up to
// what it had sent before. Mostly that is the end of the map. Where it is not,
// what lies between has its images already, and an entry that equals one of
// them is a late second copy. The next entries, if these were not all, are
// looked for where the former ones ended.
func (c *core) beginAlign() {
	r := &c.resolve
	known, _ := c.ledger.end()
	from := known
	if r.align.seen == nil {
		for _, e := range r.align.entries {
			begun := c.publishedBy(e.owner, from)
			from, r.align.beside = min(from, begun), r.align.beside || begun < known && e.owner != r.tail.writer
		}
	}
	r.align.known, r.align.next, r.align.missing = known, known, 0
	r.align.strict = r.align.strict || c.claims.first()
	r.align.images, r.align.read = min(c.held, known), from
	r.align.before, r.align.seen = r.align.seen, make(map[batch.Digest]struct{}, len(r.align.entries))
	r.state, r.target, r.from = askSource, r.from, max(from, r.sourceStart)
}

// aligned ends the alignment of the entries in hand. Those that are left may
// find their origins once more of the target was read; if there is no more, they
// have none.
func (c *core) aligned() {
	r := &c.resolve
	if r.target < r.targetEnd {
		r.align.entries = slices.Clone(r.align.entries[r.align.done:])
		r.align.done, r.align.left = 0, len(r.align.entries)
		r.state, r.from = askTarget, r.target
		return
	}
	if !r.align.apart(len(r.align.entries)) {
		c.unlike("a record that stands there twice")
		return
	}
	c.lookBeyond()
}

// publishedBy is the watermark that an owner had published last, or otherwise
// if it had published none.
func (c *core) publishedBy(ownerEpoch int32, otherwise int64) int64 {
	at, found := int64(0), false
	for _, b := range c.claims.blocks {
		if b.OwnerEpoch == ownerEpoch {
			at, found = max(at, b.Watermark), true
		}
	}
	if !found {
		return otherwise
	}
	return at
}

// sourceRead takes source records from ask.from on, as fetched.
func (c *core) sourceRead(p page) {
	r := &c.resolve
	before := r.from
	for _, s := range p.steps(r.from, 0) {
		if !c.sameLeader(s) {
			return
		}
		c.alignBatch(s)
		if a := &c.resolve.align; a.beyond && a.settled() {
			c.resolved()
		}
		if c.phase != resolving || r.state != askSource {
			return
		}
		r.from = s.next
	}
	if r.from == before || r.from >= p.stable {
		c.exhausted(p)
	}
}

// unalignable takes the news that the source, which ends at an offset, does not
// have what was asked for: its log start has moved, or it has lost data.
func (c *core) unalignable(from, end int64) {
	if from > end && !c.resolve.align.beyond {
		c.endsBelow(end)
		return
	}
	c.again()
}

// alignBatch compares one source batch with the entries.
func (c *core) alignBatch(s step) {
	a := &c.resolve.align
	a.below(s)
	a.expire(c.resolve.sourceStart)
	a.pass(s.from, false)
	if c.pastLoss(s.from) >= s.next {
		a.pass(s.next, true)
		return
	}
	switch s.class {
	case batch.Skip:
		a.pass(s.next, s.b.Count() > 0) // markers and aborted data are accounted for, emptied batches are not
		return
	case batch.Refuse:
		c.unreadable(s, fmt.Errorf("offset %d: %s", s.from, s.reason))
		return
	}
	records, err := s.b.Records()
	if err != nil {
		c.unreadable(s, err)
		return
	}
	for _, rec := range records {
		if rec.Offset < s.from {
			continue
		}
		if rec.Offset < a.known {
			a.seen[c.digests.Record(rec)] = struct{}{}
			continue
		}
		a.pass(rec.Offset, false)
		if !c.lost(rec.Offset) && !c.alignRecord(rec) {
			return
		}
		a.pass(rec.Offset+1, true)
	}
	a.pass(s.next, false)
}

// unreadable stops at a source batch whose records cannot be had. Where the
// source is read for proofs only, it ends there.
func (c *core) unreadable(s step, err error) {
	if c.resolve.align.beyond {
		c.proven()
		return
	}
	c.halt(CodeRefusedBatch, s.from, s.next, "source: %v", err)
}

// alignRecord compares one source record and says whether to go on.
func (c *core) alignRecord(rec batch.Record) bool {
	a, digest := &c.resolve.align, c.digests.Record(rec)
	if a.beyond {
		c.supersede(rec)
		return true
	}
	at, found, over := a.match(digest)
	switch {
	case found:
		c.supersede(rec)
		if err := c.ledger.add([]stretch{{rec.Offset, 1}}, at, rec.Offset+1); err != nil {
			c.haltHere(CodeDiverged, "align the target with the source: %v; copy the topic anew", err)
			return false
		}
		c.held = max(c.held, rec.Offset+1)
		c.ledger.roll(c.blockRuns)
		if a.done < len(a.entries) {
			return true
		}
		c.aligned()
		return a.beyond
	case over:
		c.aligned()
		c.supersede(rec)
		return a.beyond
	}
	c.unlike("a record that source offset %d should be the origin of, but they differ", rec.Offset)
	return false
}

// unlike stops at the next entry: it is no image of a source record. Before the
// first owner's own batches it can only be somebody else's.
func (c *core) unlike(format string, args ...any) {
	c.unlikeAt(c.resolve.align.entries[c.resolve.align.done], format, args...)
}

func (c *core) unlikeAt(e entry, format string, args ...any) {
	code := CodeDiverged
	if c.claims.first() {
		code = CodeForeignWriter
	}
	c.haltHere(code, "target offset %d, written by producer id %d, holds %s; copy the topic anew", e.at, e.writer, fmt.Sprintf(format, args...))
}

// exhausted ends the alignment at the end of the source.
func (c *core) exhausted(p page) {
	a := &c.resolve.align
	if a.beyond {
		c.proven()
		return
	}
	a.strict = a.strict || a.beside && a.read < a.images
	a.expire(c.resolve.sourceStart)
	a.pass(p.stable, false)
	if !a.orphans() {
		c.unlike("the first of %d records that the source, read to %d, does not have, or has once", len(a.entries)-a.done, p.stable)
		return
	}
	if c.aligned(); a.beyond {
		c.proven()
	}
}
