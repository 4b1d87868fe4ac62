package consume

import (
	"github.com/portage-kafka/portage/cluster/group"
)

// ownPosition is how far we had come in a partition when its lane was shut, and in which generation that lane was opened.
type ownPosition struct {
	next       int64
	generation int32
}

// kept says that nobody else can have had the partition since the position was ours: we own it without interruption. Then it
// counts although its commit was refused, as it is when a handler outlasts a rebalance.
func (s *side) kept(p Partition, own ownPosition) bool {
	since, ours := s.since[p]
	return ours && own.generation >= since
}

// positions decides where partitions begin, from what the group has committed there.
func (c *Core) positions(s *side, l *loading, stored map[string]map[int32]group.Stored) {
	l.from, l.committed = map[Partition]int64{}, map[Partition]int64{}
	unknown := map[Partition]StartAt{}
	for _, p := range l.list {
		at := int64(-1)
		if o, there := stored[c.nameOn(s.id, p.Topic)][p.ID]; there {
			at = o.At
		}
		l.committed[p] = at
		switch own, known := c.own[s.id][p]; {
		case at >= 0 && c.belowCut(s, p, at):
			c.refusePosition(s, p, "committed offset %d of %s on %s lies below the cut %d: was the group reset? The partition stands still", at)
		case at >= 0 && known && s.kept(p, own):
			l.from[p] = max(at, own.next)
		case at >= 0:
			l.from[p] = at
		case known:
			l.from[p] = own.next // never auto.offset.reset
		default:
			c.startOf(s, p, unknown)
		}
	}
	c.openOrFind(s, l, unknown)
}

// belowCut says that a committed offset cannot be where the group crosses. After the switch is complete an operator may reset
// the group to wherever they like.
func (c *Core) belowCut(s *side, p Partition, at int64) bool {
	cut, known := c.order.cut[p]
	return s.id == Target && known && !c.order.group.Open && at < cut.Target
}

// startOf decides about a partition without a commit and without a position of our own. On the home cluster the service's
// own Start counts, unless the partition was added while we ran: nothing in it is older than the group. On a target only a partition that the cut did not know (it was added later) begins, at its start.
func (c *Core) startOf(s *side, p Partition, unknown map[Partition]StartAt) {
	switch _, crosses := c.order.cut[p]; {
	case s.id == Source && !c.added(s, p):
		unknown[p] = c.cfg.Start
	case s.id == Source || !crosses:
		unknown[p] = StartEarliest
	default:
		c.refusePosition(s, p, "nothing (offset %d) is committed for %s on %s, where the cut %d should be: the partition stands still", -1)
	}
}

func (c *Core) refusePosition(s *side, p Partition, format string, at int64) {
	s.stuck[p] = trouble{retry: c.now.Add(c.cfg.Retry)}
	c.alarm(s.id, &p, format, at, p, s.cluster, c.order.cut[p].Target)
}

func (c *Core) openOrFind(s *side, l *loading, unknown map[Partition]StartAt) {
	if len(unknown) == 0 {
		s.loading = nil
		c.open(s, l.from, l.committed)
		return
	}
	l.request = c.next()
	names := map[string]string{}
	for p := range unknown { //rules:ordered a map again
		names[p.Topic] = c.nameOn(s.id, p.Topic)
	}
	c.emit(FindStarts{Seq: l.request, Cluster: s.cluster, At: unknown, Topics: names})
}

func (c *Core) onStarts(in StartsFound) {
	for _, s := range c.sides {
		if l := s.loading; l != nil && l.request == in.Seq {
			for p, at := range in.Offsets { //rules:ordered a map again
				l.from[p] = at
			}
			s.loading = nil
			c.open(s, l.from, l.committed)
		}
	}
}

// committing is an OffsetCommit in flight.
type committing struct {
	id    uint64
	lanes map[Partition]*lane
	at    map[Partition]int64
	all   bool // it commits every assigned position of the source, for Prepared
}

// commit commits what is handled: of shut lanes at once, of open ones when it is time, and everything once to prepare.
func (c *Core) commit(s *side) {
	if s.request != nil || s.lanes == 0 {
		return
	}
	due := !c.now.Before(s.commitAt)
	all := c.mustCommitAll(s)
	r := &committing{lanes: map[Partition]*lane{}, at: map[Partition]int64{}}
	var offsets []group.Offset
	generation := int32(-1)
	for _, l := range c.lanesOf(s) {
		shut := l.state == laneShut && !l.settled()
		open := (l.state == laneOpen || l.state == laneShutting) && (all || due && l.dirty())
		if !(shut || open) || (generation >= 0 && l.Generation != generation) {
			continue
		}
		generation = l.Generation
		r.lanes[l.Partition], r.at[l.Partition] = l, l.next
		offsets = append(offsets, group.Offset{Partition: Partition{Topic: l.Topic, ID: l.Partition.ID}, At: l.next})
	}
	if due {
		s.commitAt = c.now.Add(c.cfg.Commit)
	}
	if len(offsets) == 0 {
		return
	}
	r.id, r.all = c.next(), all && generation == s.generation
	s.request = r
	c.emit(Tell{Side: s.id, Input: group.Commit{ID: r.id, Generation: generation, Offsets: offsets}})
}

func (c *Core) onCommitted(s *side, e group.Committed) {
	if c.stage != nil && c.stage.request == e.ID {
		c.onStageCommitted(e)
		return
	}
	r := s.request
	if r == nil || r.id != e.ID {
		return
	}
	s.request = nil
	codes := map[Partition]int16{}
	for _, res := range e.Results {
		codes[res.Partition] = res.Code
	}
	good := true
	for _, p := range c.partitions() {
		if l := r.lanes[p]; l != nil && c.lanes[p] == l {
			code, answered := codes[Partition{Topic: l.Topic, ID: p.ID}]
			good = c.noteCommit(l, r.at[p], answered && code == 0, code) && good
		}
	}
	if r.all && good {
		c.prep.committed = true
	}
}

// noteCommit keeps what the broker said to one offset. Of a lane that is shut nothing better is to come.
func (c *Core) noteCommit(l *lane, at int64, ok bool, code int16) bool {
	if ok {
		l.committed = max(l.committed, at)
		return true
	}
	l.refused = l.state == laneShut && at == l.next
	c.notice(Member, l.Side, "commit of %s at %d was refused with error %d", l.Partition, at, code)
	return false
}
