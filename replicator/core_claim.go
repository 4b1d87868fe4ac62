package replicator

import (
	"math"
	"slices"

	"github.com/portage-kafka/portage/events"
)

// maxEpoch is the last producer epoch that an owner takes. Brokers keep the
// very last one to themselves (ProducerIdAndEpoch exhaustion in
// TransactionMetadata), so a lineage goes on under a fresh producer id before.
const maxEpoch = math.MaxInt16 - 1

// lineage is what the claims of a partition, in the order of their log, amount
// to: the producer ids that count, one after the other, and the latest claim.
type lineage struct {
	pids []int64
	last events.Claim
	ours map[int64]struct{} // every id ever claimed, also in void claims
}

// readLineage judges claims. The first one counts. Then a claim counts if it
// raises the epoch of the current producer id, or brings a fresh id once the
// current one's epochs are used up; every other one is void, for its owner did
// not know of those before it.
func readLineage(claims []events.Claim) lineage {
	l := lineage{ours: map[int64]struct{}{}}
	for _, c := range claims {
		l.ours[c.ProducerID] = struct{}{}
		switch {
		case len(l.pids) == 0, c.ProducerID != l.last.ProducerID && l.last.Epoch >= maxEpoch:
			l.pids = append(l.pids, c.ProducerID)
			l.last = c
		case c.ProducerID == l.last.ProducerID && c.Epoch > l.last.Epoch:
			l.last = c
		}
	}
	return l
}

// order numbers the owners of a lineage, later ones higher: epochs, with 1<<16
// added for every change of the producer id.
func (l lineage) order(pid int64, epoch int16) int64 {
	return int64(max(slices.Index(l.pids, pid), 0))<<16 + int64(epoch)
}

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

func (c *claimer) ask() ask {
	if c.state == askNothing {
		c.state = askLoad
	}
	return ask{kind: c.state, claim: c.next}
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
	k.lineage, k.blocks = readLineage(claims), blocks
	if k.mine.Nonce != "" && k.last.Nonce == k.mine.Nonce {
		c.own()
		return
	}
	switch {
	case len(k.pids) == 0 || k.last.Epoch >= maxEpoch:
		k.state = askProducer
	default:
		k.choose(k.last.ProducerID, k.last.Epoch+1)
	}
}

func (k *claimer) choose(pid int64, epoch int16) {
	k.next = events.Claim{ProducerID: pid, Epoch: epoch, Owner: k.owner}
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
