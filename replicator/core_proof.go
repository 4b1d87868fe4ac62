package replicator

import (
	"cmp"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
)

// proof is what has to be known of entries without an origin before they count
// as images of records that the source no longer has. Compaction leaves a later
// record of the key, so each of them needs one. An unclean election, which may be
// unknown yet, leaves anything; but what a later record supersedes does no harm.
type proof struct {
	// elected says that the source had an election since the map was made. Else a
	// record with a null value, which the cleaner removes in time, needs no proof.
	elected bool
	// intact is where the log of the leader that the map was made of has ended.
	intact int64
	// expired counts the missing offsets below the log start: of as many entries
	// without an origin retention has taken it.
	expired int64
	// lone are the entries that have none yet, by key.
	lone map[batch.Digest]entry
	// beyond says that the source is read for proofs only, from until on.
	beyond bool
	until  int64
}

// orphaned notes an entry without an origin. A later one of the same key, itself
// without an origin, is a proof for the former.
func (p *proof) orphaned(e entry) {
	if p.expired > 0 {
		p.expired--
		return
	}
	if p.lone == nil {
		p.lone = map[batch.Digest]entry{}
	}
	p.lone[e.key] = e
}

// settled says that nothing is left to be proven.
func (p *proof) settled() bool { return len(p.unproven()) == 0 }

// unproven are the entries that need a proof and have none, in no order.
func (p *proof) unproven() (all []entry) {
	for _, e := range p.lone { //rules:ordered one is as good as another
		if p.elected || !e.null {
			all = append(all, e)
		}
	}
	return all
}

// expire counts the offsets that the source's retention has removed, but those
// from which on it was another log.
func (a *aligner) expire(sourceStart int64) {
	if a.next >= sourceStart || a.strict {
		return
	}
	a.next = sourceStart
	a.expired = max(0, min(sourceStart, a.intact)-a.known)
	a.missing += a.expired
}

// sawElection notes an election of the source, since which its log is another
// one from an offset on, -1 for all of it.
func (a *aligner) sawElection(from int64) {
	a.elected, a.intact = true, min(a.intact, max(from, 0))
	if over := a.expired - max(0, a.intact-a.known); over > 0 {
		a.missing, a.expired = a.missing-over, a.expired-over
	}
}

// keyOf stands for a record's key.
func (c *core) keyOf(rec batch.Record) batch.Digest {
	return c.digests.Record(batch.Record{Key: rec.Key})
}

// supersede takes a source record that is copied, or will be: entries of its key
// that stand before its image are proven.
func (c *core) supersede(rec batch.Record) {
	if lone := c.resolve.align.lone; len(lone) > 0 && rec.Key != nil {
		delete(lone, c.keyOf(rec))
	}
}

// lookBeyond reads the source on, past where the copy has ended, until what has
// no origin is proven to need none.
func (c *core) lookBeyond() {
	a := &c.resolve.align
	if a.settled() {
		c.resolved()
		return
	}
	a.beyond, a.until = true, c.resolve.from
}

// proven ends the search for proofs where the source ends.
func (c *core) proven() {
	if left := c.resolve.align.unproven(); len(left) > 0 {
		first := slices.MinFunc(left, func(x, y entry) int { return cmp.Compare(x.at, y.at) })
		c.unlikeAt(first, "a record that the source does not have, nor a later one of its key: an election or the cleaner has removed it")
		return
	}
	c.resolved()
}
