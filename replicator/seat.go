package replicator

import (
	"bytes"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/wire"
)

// seat is a partition's place in a reader: a new one each time that it joins,
// so that answers to an earlier one are known.
type seat struct {
	p    *partition
	r    *reader
	lane lane
}

// seatWish is what the holder of a seat wants.
type seatWish uint8

const (
	seatLeft  seatWish = iota // nothing any more
	seatFull                  // nothing now: it has too much to send
	seatReady                 // to fetch
)

// sit joins a reader. The lock is held.
func (p *partition) sit(r *reader) {
	p.seat = &seat{p: p, r: r, lane: lane{migration: p.key.Migration, target: p.target}}
	r.touch(p.seat)
}

// rise leaves the reader. The lock is held.
func (p *partition) rise() {
	if s := p.seat; s != nil {
		p.seat, p.full = nil, false
		s.r.touch(s)
	}
}

// wish is what the partition wants now, and from which offset.
func (s *seat) wish() (from int64, wish seatWish) {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seat != s {
		return 0, seatLeft
	}
	from, wants := p.core.wants()
	if p.full = !wants; p.full {
		return from, seatFull
	}
	return from, seatReady
}

// fetched takes the partition's part of an answer.
func (s *seat) fetched(x wire.Served[*seat]) {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seat != s {
		return
	}
	if x.Code != 0 {
		p.refetch(x.Code, x.From)
		return
	}
	p.refusals = 0
	delete(p.denied, sourceSide)
	page := pageOf(x.FetchedPartition, x.First)
	page.records = bytes.Clone(page.records) // the buffer is used again, and the batches may wait
	p.core.fetched(x.From, page)
	p.follow()
	if p.core.pastEpoch != nil {
		p.poke()
	}
}

// refetch takes an error of a partition, which leaves its seat and comes back
// after a pause. The lock is held.
func (p *partition) refetch(code int16, from int64) {
	p.rise()
	switch code {
	case 1: // OFFSET_OUT_OF_RANGE
		p.beyond = &from
	case 29: // TOPIC_AUTHORIZATION_FAILED
		p.deny(sourceSide, fmt.Sprintf("the source refuses our reads (%s); grant READ on the topic", cluster.CodeName(code)))
	}
	p.log().Debug().Int16("code", code).Int64("from", from).Msg("a fetch was refused")
	p.follow()
	p.retryLater()
}

// release sends the partition back to its keeper, which looks for the leader.
func (s *seat) release() {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seat == s {
		p.rise()
		p.retryLater()
	}
}
