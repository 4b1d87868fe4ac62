package replicator

import (
	"math"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// maxEpoch is the last producer epoch that an owner takes. Brokers keep the
// very last one to themselves (ProducerIdAndEpoch exhaustion in
// TransactionMetadata), so a lineage goes on under a fresh producer id before.
const maxEpoch = math.MaxInt16 - 1

// lineage is what the claims of a partition, in the order of their log, amount
// to.
type lineage struct {
	owners []events.Claim     // those that count, the latest last
	ours   map[int64]struct{} // every producer id ever claimed, also in void claims
}

// readLineage judges claims: one counts if it raises the owner epoch and brings
// a higher epoch of the last producer id, or a fresh id. Every other one is
// void, for its owner did not know of those before it.
func readLineage(claims []events.Claim) lineage {
	l := lineage{ours: map[int64]struct{}{}}
	for _, c := range claims {
		last, any := l.last()
		_, known := l.ours[c.ProducerID]
		raised := known && c.ProducerID == last.ProducerID && c.ProducerEpoch > last.ProducerEpoch
		if !any || c.OwnerEpoch > last.OwnerEpoch && (raised || !known) {
			l.owners = append(l.owners, c)
		}
		l.ours[c.ProducerID] = struct{}{}
	}
	return l
}

// last is the claim of the present owner.
func (l lineage) last() (events.Claim, bool) {
	if len(l.owners) == 0 {
		return events.Claim{}, false
	}
	return l.owners[len(l.owners)-1], true
}

// ownerEpoch finds the owner that wrote a batch; -1 if it is no owner's that
// counts.
func (l lineage) ownerEpoch(p batch.Producer) int32 {
	for _, c := range slices.Backward(l.owners) {
		if c.ProducerID == p.ID && c.ProducerEpoch == p.Epoch {
			return c.OwnerEpoch
		}
	}
	return -1
}

// first says that nobody has owned the partition before: what stands on its
// target is of an owner whose claim is lost, or somebody else's.
func (l lineage) first() bool { return len(l.owners) == 1 }

// mine says that an id belongs to the lineage of this partition.
func (l lineage) mine(pid int64) bool {
	_, ok := l.ours[pid]
	return ok
}

// claimer takes the right to write one target partition.
type claimer struct {
	owner string
	// state is the ask in hand.
	state askKind
	next  events.Claim // chosen, not published yet
	mine  events.Claim // published
	lineage
	blocks []events.Block
}

func (k *claimer) ask() ask {
	if k.state == askNothing {
		k.state = askLoad
	}
	return ask{kind: k.state, claim: k.next}
}

// loaded takes the claims and blocks of the partition, in the order of the log.
// If the last claim that counts is ours, the partition is; else there is one to
// publish.
func (c *core) loaded(claims []events.Claim, blocks []events.Block) {
	if c.phase != claiming {
		c.reinformed(claims)
		return
	}
	k := &c.claims
	k.lineage, k.blocks = readLineage(claims), present(blocks, c.recopies)
	last, any := k.last()
	switch {
	case any && last.Recopies > c.recopies: // our order is an old one
		c.phase = fenced
	case k.mine.Nonce != "" && last.Nonce == k.mine.Nonce:
		c.own()
	case !any || last.ProducerEpoch >= maxEpoch:
		k.state = askProducer
	default:
		k.choose(last.ProducerID, last.ProducerEpoch+1)
	}
}

func (k *claimer) choose(pid int64, epoch int16) {
	k.next = events.Claim{ProducerID: pid, ProducerEpoch: epoch, Owner: k.owner}
	if last, any := k.last(); any {
		k.next.OwnerEpoch = last.OwnerEpoch + 1
	}
	k.state = askClaim
}

// produced takes a fresh producer id.
func (c *core) produced(pid int64, epoch int16) { c.claims.choose(pid, epoch) }

// claimed takes the claim as published. Everything is loaded once more: another
// owner may have claimed before, and the former one may have published since.
func (c *core) claimed(published events.Claim) {
	c.claims.mine, c.claims.state = published, askLoad
}

// own goes on with the lineage claimed.
func (c *core) own() {
	c.claims.state = askNothing
	c.phase = resolving
	c.beginResolve()
}
