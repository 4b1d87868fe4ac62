package consume

import (
	"maps"
	"slices"

	"github.com/portage-kafka/portage/cluster/group"
)

// laneState is the life of a lane.
type laneState uint8

const (
	laneCalling   laneState = iota // the service is being told that it has the partition
	laneOpen                       // records are handled
	laneShutting                   // Shut was said; a record may be in hand
	laneShut                       // nothing is in hand; what is handled may not be committed yet
	laneReturning                  // the service is being told that it loses the partition
)

// lane is a Lane with what became of it.
type lane struct {
	Lane
	state     laneState
	next      int64 // below it everything is handled
	committed int64 // what the broker has accepted; −1 nothing yet
	refused   bool  // the broker refused the last commit for good
	lost      bool
	abandoned bool
	call      uint64
}

func (l *lane) dirty() bool { return l.next != l.committed }

// settled says that no commit would help any more.
func (l *lane) settled() bool { return !l.dirty() || l.refused }

// partitions returns those with lanes, in order.
func (c *Core) partitions() []Partition {
	return sorted(slices.Collect(maps.Keys(c.lanes)))
}

func (c *Core) lanesOf(s *side) (list []*lane) {
	for _, p := range c.partitions() {
		if l := c.lanes[p]; l.Side == s.id {
			list = append(list, l)
		}
	}
	return list
}

// eligible is the fetch rule but for the lease: a partition may be consumed from a side only if it is assigned there, routed
// there, not held, and the directive was read after joining.
func (c *Core) eligible(s *side, p Partition) bool {
	return !c.closing && s.state == assigned && !s.reoffer && s.fresh() && s.assigned[p] &&
		c.order.route(p.Topic) == s.id && !(c.order.held() && c.order.moves(p.Topic))
}

// closeLanes shuts what may not be consumed any more.
func (c *Core) closeLanes() {
	for _, s := range c.sides {
		want, o := c.wants(s)
		s.reoffer = s.state == assigned && (!want || o != s.has)
	}
	for _, p := range c.partitions() {
		l := c.lanes[p]
		s := c.sides[l.Side]
		if l.Generation == s.generation && c.eligible(s, p) {
			continue
		}
		switch l.state {
		case laneCalling:
			l.state = laneShut
		case laneOpen:
			l.state = laneShutting
			c.emit(Shut{Lane: l.ID, Cancel: l.lost})
		}
	}
}

func (c *Core) laneByID(id uint64) *lane {
	for _, l := range c.lanes { //rules:ordered ids are unique
		if l.ID == id {
			return l
		}
	}
	return nil
}

func (c *Core) progress(id uint64, next int64) {
	if l := c.laneByID(id); l != nil && (l.state == laneOpen || l.state == laneShutting) && next > l.next {
		l.next = next
	}
}

func (c *Core) onLaneClosed(in LaneClosed) {
	l := c.laneByID(in.Lane)
	if l == nil || l.state != laneShutting {
		return
	}
	l.state, l.abandoned = laneShut, in.Abandoned
	l.next = max(l.next, in.Next)
}

// flush tells the service about lanes that are shut and committed, all of a side at once, and then forgets them.
func (c *Core) flush(s *side) {
	var list []*lane
	for _, l := range c.lanesOf(s) {
		switch {
		case l.state == laneShutting, l.state == laneShut && !l.settled():
			return // one call for all of them
		case l.state == laneShut:
			list = append(list, l)
		}
	}
	if len(list) == 0 {
		return
	}
	call := Call{Seq: c.next(), Cluster: s.cluster}
	for _, l := range list {
		l.state, l.call = laneReturning, call.Seq
		call.Partitions, call.Lost = append(call.Partitions, l.Partition), call.Lost || l.lost
		c.remember(l)
	}
	c.emit(call)
}

// remember keeps what a shut lane leaves behind: our own position on that cluster, and what an acknowledgement must say.
func (c *Core) remember(l *lane) {
	c.own[l.Side][l.Partition] = ownPosition{next: l.next, generation: l.Generation}
	if l.Side == Source && c.order.held() && c.order.moves(l.Partition.Topic) {
		c.hold.results[l.Partition] = *l
	}
}

// onReturned goes on after a hook: lanes open, or are gone.
func (c *Core) onReturned(seq uint64) {
	for _, p := range c.partitions() {
		l := c.lanes[p]
		switch {
		case l.call != seq:
		case l.state == laneReturning:
			delete(c.lanes, p)
		case l.state == laneCalling:
			l.state = laneOpen
			c.emit(Open{Lane: l.Lane})
			if l.dirty() { // where we begin is committed at once: nobody else should have to choose
				c.sides[l.Side].commitAt = c.now
			}
		}
	}
	c.countLanes()
	c.noticeOpened()
}

func (c *Core) countLanes() {
	c.sides[Source].lanes, c.sides[Target].lanes = 0, 0
	for _, l := range c.lanes { //rules:ordered counted
		c.sides[l.Side].lanes++
	}
}

// open makes lanes at the positions found and tells the service.
func (c *Core) open(s *side, from map[Partition]int64, committed map[Partition]int64) {
	var list []Partition
	for _, p := range sorted(slices.Collect(maps.Keys(from))) {
		if c.lanes[p] == nil && c.eligible(s, p) {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return
	}
	call := Call{Seq: c.next(), Assigned: true, Cluster: s.cluster, Partitions: list}
	for _, p := range list {
		c.lanes[p] = &lane{
			Lane: Lane{
				ID: c.next(), Side: s.id, Cluster: s.cluster, Partition: p, Topic: c.nameOn(s.id, p.Topic),
				Generation: s.generation, From: from[p],
			},
			next: from[p], committed: committed[p], call: call.Seq,
		}
	}
	s.lanes += len(list)
	c.emit(call)
}

// loading is the search for the positions of partitions that are about to be opened.
type loading struct {
	generation int32
	list       []Partition
	request    uint64 // Fetch or FindStarts in flight
	confirm    uint64 // Confirm in flight, else 0
	stored     map[string]map[int32]group.Stored
	from       map[Partition]int64
	committed  map[Partition]int64
}

func (c *Core) dropLoading(s *side) {
	if l := s.loading; l != nil {
		c.emit(Tell{Side: s.id, Input: group.Cancel{ID: l.request}})
		if l.confirm != 0 {
			c.emit(Tell{Side: s.id, Input: group.Cancel{ID: l.confirm}})
		}
	}
	s.loading = nil
}

// load begins to open what may be consumed and has no lane: it reads the committed offsets. On the target a heartbeat goes with
// it: both are sent after the route was read, and so prove that the offsets are those of the cut or later, and ours.
func (c *Core) load(s *side) {
	if s.loading != nil && s.loading.generation != s.generation {
		c.dropLoading(s)
	}
	if s.loading != nil || s.state != assigned {
		return
	}
	var list []Partition
	for p := range s.assigned { //rules:ordered sorted below
		if t, waits := s.stuck[p]; c.lanes[p] == nil && c.eligible(s, p) && !(waits && c.now.Before(t.retry)) {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return
	}
	s.loading = &loading{generation: s.generation, list: sorted(list), request: c.next()}
	if s.id == Target {
		s.loading.confirm = c.next()
		c.emit(Tell{Side: s.id, Input: group.Confirm{ID: s.loading.confirm}})
	}
	c.emit(Tell{Side: s.id, Input: group.Fetch{ID: s.loading.request, Topics: c.byTopic(s, s.loading.list)}})
}

func (c *Core) onConfirmed(s *side, e group.Confirmed) {
	l := s.loading
	if l == nil || l.confirm != e.ID {
		return
	}
	l.confirm = 0
	if e.Err != nil || e.Lease.Generation != l.generation {
		c.dropLoading(s) // another assignment comes
		return
	}
	if l.stored != nil {
		c.positions(s, l, l.stored)
	}
}

func (c *Core) onFetched(s *side, e group.Fetched) {
	if c.stage != nil && c.stage.request == e.ID {
		c.onStageFetched(e)
		return
	}
	l := s.loading
	if l == nil || l.request != e.ID {
		return
	}
	if e.Err != nil || e.Generation != l.generation {
		c.dropLoading(s)
		c.retryLater(s, l.list, e.Err)
		return
	}
	if l.stored = e.Offsets; l.confirm == 0 {
		c.positions(s, l, e.Offsets)
	}
}

// retryLater keeps partitions from being loaded at once again.
func (c *Core) retryLater(s *side, list []Partition, err error) {
	for _, p := range list {
		s.stuck[p] = trouble{retry: c.now.Add(c.cfg.Retry)}
	}
	if err != nil {
		c.notice(Member, s.id, "offsets of %d partitions are not known yet: %v", len(list), err)
	}
}
