package consume

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

// standing is where an instance stands in the group of one side.
type standing uint8

const (
	outside  standing = iota // not a member, and not trying
	entering                 // joining or rejoining
	assigned                 // a member of a complete generation
	yielding                 // a rebalance waits for the lanes to drain
	leaving                  // LeaveGroup is under way
)

// side is the membership on one cluster.
type side struct {
	id      Side
	cluster string
	joined  bool // a member exists in the shell

	state      standing
	member     string
	generation int32
	assigned   map[Partition]bool  // by names at home
	since      map[Partition]int32 // the generation from which on each is ours without interruption
	ever       bool                // something was assigned at least once
	rebalance  int32               // the generation that Ready names
	wish       offer               // what was offered last
	has        offer               // what the broker has accepted
	reoffer    bool                // lanes drain for a rejoin or a leave of our own
	retry      time.Time

	reading    uint64 // ReadDirective in flight
	readingFor string
	readFor    string // the member id after whose joining the directive was read

	lanes    int
	loading  *loading
	request  *committing
	commitAt time.Time
	stuck    map[Partition]trouble

	// Partition counts by topic, by names here: with which the generation's assignment was made, as heard last in it, and as
	// heard first since the side was joined. nil: not yet.
	made, last, first map[string]int32
}

// trouble is a partition that cannot be opened for now.
type trouble struct{ retry time.Time }

// offer is what a member brings to a join, as far as changing it needs a rejoin.
type offer struct {
	closed bool // the name portage alone
	topics string
	wants  string // on the target: the partitions of the source side
	stamp  string // partition counts that a rejoin was for
}

// fresh says whether the directive was read after joining, under the present member id.
func (s *side) fresh() bool { return s.member != "" && s.readFor == s.member }

// onMember takes an event of a side's group member.
func (c *Core) onMember(s *side, e group.Event) {
	switch e := e.(type) {
	case group.Joined:
		c.onJoined(s, e)
	case group.Assigned:
		c.onAssigned(s, e)
	case group.RebalanceNeeded:
		s.state, s.rebalance = yielding, e.Generation
	case group.Lost:
		c.onLost(s, e)
	case group.Refused:
		c.onRefused(s, e)
	case group.Retrying:
		if e.Tries > 3 {
			c.alarm(s.id, nil, "%s: %s: attempt %d failed: %v", s.cluster, e.Op, e.Tries, e.Err)
		}
	case group.Committed:
		c.onCommitted(s, e)
	case group.Fetched:
		c.onFetched(s, e)
	case group.Confirmed:
		c.onConfirmed(s, e)
	case group.Left:
		c.onLeft(s, e)
	}
}

// onJoined: the broker counts us in. Whoever counts members from now on sees us; so the directive is read again now.
func (c *Core) onJoined(s *side, e group.Joined) {
	s.member = e.MemberID
	if s.readFor == e.MemberID || (s.reading != 0 && s.readingFor == e.MemberID) {
		return
	}
	s.reading, s.readingFor = c.next(), e.MemberID
	c.emit(ReadDirective{Seq: s.reading})
}

func (c *Core) onAssigned(s *side, e group.Assigned) {
	before, next := s.since, e.Generation == s.generation || e.Generation == s.generation+1
	if e.Generation != s.generation {
		s.made, s.last = nil, nil
	}
	s.state, s.generation, s.has, s.ever, s.reoffer = assigned, e.Generation, s.wish, true, false
	s.assigned, s.since = map[Partition]bool{}, map[Partition]int32{}
	for topic, list := range e.Assignment.Partitions { //rules:ordered sets again
		home, known := c.homeName(s.id, topic)
		for _, n := range list {
			if p := (Partition{Topic: home, ID: n}); known {
				s.assigned[p], s.since[p] = true, s.generation
				if since, ours := before[p]; ours && next {
					s.since[p] = since
				}
			}
		}
	}
	clear(s.stuck)
	c.dropLoading(s)
	s.commitAt = c.now.Add(c.cfg.Commit)
	c.notice(Member, s.id, "member %s of generation %d, assigned %s", s.member, s.generation, e.Assignment.Partitions)
}

// homeName is the name at home of a topic on a side, if the service consumes it.
func (c *Core) homeName(s Side, topic string) (string, bool) {
	for _, home := range c.cfg.Topics {
		if c.nameOn(s, home) == topic {
			return home, true
		}
	}
	return "", false
}

// onLost: another member may have our partitions by now.
func (c *Core) onLost(s *side, e group.Lost) {
	s.member, s.readFor, s.rebalance, s.since, s.made, s.last = "", "", e.Generation, nil, nil, nil
	s.state = yielding
	if e.Final {
		s.state = outside
		s.retry = c.now.Add(c.cfg.Retry)
	}
	for _, l := range c.lanesOf(s) {
		if l.lost = true; l.state == laneShutting { // the record in hand is somebody else's now
			c.emit(Shut{Lane: l.ID, Cancel: true})
		}
	}
	c.notice(Member, s.id, "membership %s is lost: %v", e.MemberID, e.Why)
}

// onRefused: somebody inside offers none of our names (23), or the broker does not want us at all.
func (c *Core) onRefused(s *side, e group.Refused) {
	closed := s.wish.closed
	s.state, s.retry = outside, c.now.Add(c.cfg.Retry)
	if !e.Member {
		s.member, s.has = "", offer{}
	} else if closed != s.has.closed {
		s.state = entering // it goes back to its old offer by itself
	}
	s.wish = s.has
	c.alarm(s.id, nil, "%s: %v", s.cluster, e.Why)
	if !c.order.undecided() {
		return
	}
	if s.id == Source && closed {
		c.forced, s.retry = c.order.attempt(), c.now
	}
	code := "failed"
	if errors.Is(e.Why, group.ErrStranger) {
		code = "stranger"
	}
	c.wishAbort(code, e.Why.Error())
}

func (c *Core) onLeft(s *side, e group.Left) {
	*s = side{id: s.id, cluster: s.cluster, stuck: map[Partition]trouble{}}
	if e.Err != nil {
		c.notice(Member, s.id, "left without an answer, the session timeout will tell: %v", e.Err)
	}
	c.emit(Forget{Side: s.id})
}

// wants says whether we want to be a member of a side, and with which offer.
func (c *Core) wants(s *side) (bool, offer) {
	if c.closing {
		return false, s.has
	}
	if s.id == Source {
		return c.wantsSource(s)
	}
	return c.wantsTarget(s)
}

func (c *Core) wantsSource(s *side) (bool, offer) {
	o := offer{topics: join(c.cfg.Topics), stamp: c.stamp(s)}
	switch {
	case !c.order.found:
	case c.order.word == events.OrderTarget && c.partial() && s.state == assigned:
		o.closed = s.has.closed // topics that stay are not disturbed for it
	case c.order.word == events.OrderTarget && c.partial():
		o.closed = !c.order.group.Open
	case c.order.word == events.OrderTarget:
		// The source is left only when the guard is known to be inside; nobody joins it anew.
		o.closed = s.has.closed
		return s.state != outside && !c.order.group.LeaveSource, o
	case c.order.held() && s.state == assigned:
		o.closed = s.has.closed // a rebalance would make the hold longer, and the guard keeps the doors
	case c.order.undecided():
		o.closed = c.forced != c.order.attempt()
	default:
		o.closed = !c.order.group.Open
	}
	return true, o
}

func (c *Core) wantsTarget(s *side) (bool, offer) {
	o := offer{closed: true, topics: join(c.targetTopics()), wants: s.wish.wants, stamp: c.stamp(s)}
	switch {
	case c.order.word == events.OrderSource || c.order.group.Target == "":
		return false, o
	case s.joined && s.cluster != c.order.group.Target:
		return false, o
	case c.order.word == events.OrderPrepare:
		// The target mirrors the source, so the source comes first.
		if c.sides[Source].ever {
			o.wants = c.mirrored().String()
		}
		return s.joined || c.sides[Source].ever, o
	case c.order.word == events.OrderTarget:
		o.closed = !c.order.group.Open
	}
	return true, o
}

func (c *Core) targetTopics() (list []string) {
	for _, t := range c.cfg.Topics {
		if c.order.moves(t) {
			list = append(list, c.nameOn(Target, t))
		}
	}
	return list
}

// mirrored is what the source has given us, by the target's names.
func (c *Core) mirrored() group.Partitions {
	out := group.Partitions{}
	for _, p := range sorted(slices.Collect(maps.Keys(c.sides[Source].assigned))) {
		if c.order.moves(p.Topic) {
			name := c.nameOn(Target, p.Topic)
			out[name] = append(out[name], p.ID)
		}
	}
	return out
}

func join(list []string) (s string) {
	for _, t := range slices.Sorted(slices.Values(list)) {
		s += t + "\n"
	}
	return s
}

// membership brings a side closer to what the order wants.
func (c *Core) membership(s *side) {
	want, o := c.wants(s)
	s.reoffer = s.state == assigned && (!want || o != s.has)
	switch s.state {
	case outside:
		if want {
			c.enter(s, o)
		} else if s.joined {
			c.leave(s)
		}
	case entering:
		if !want && s.lanes == 0 {
			c.leave(s)
		}
	case assigned:
		if s.reoffer && s.lanes == 0 {
			c.yield(s, want, o)
		}
	case yielding:
		if s.lanes == 0 {
			c.yield(s, want, o)
		}
	}
}

// enter joins from outside.
func (c *Core) enter(s *side, o offer) {
	if s.id == Target && !c.cfg.knows(c.order.group.Target) {
		c.unreachable()
		return
	}
	if c.now.Before(s.retry) {
		return
	}
	s.wish, s.state = o, entering
	if s.joined {
		c.emit(Tell{Side: s.id, Input: group.Rejoin{Offer: c.offer(s, o)}})
		return
	}
	if s.id == Target && s.cluster != c.order.group.Target {
		s.cluster = c.order.group.Target
		clear(c.own[Target]) // positions are a cluster's
	}
	s.joined = true
	c.emit(Join{Side: s.id, Cluster: s.cluster, Offer: c.offer(s, o)})
}

// yield lets a drained side rebalance, with another offer where that is wanted.
func (c *Core) yield(s *side, want bool, o offer) {
	switch {
	case !want:
		c.leave(s)
	case s.state == yielding && o == s.wish:
		s.state = entering
		c.emit(Tell{Side: s.id, Input: group.Ready{Generation: s.rebalance}})
	default:
		if o.stamp != s.has.stamp {
			c.notice(Member, s.id, "partitions were added: rejoining for %s", o.stamp)
		}
		s.state, s.wish = entering, o
		c.emit(Tell{Side: s.id, Input: group.Rejoin{Offer: c.offer(s, o)}})
	}
}

func (c *Core) leave(s *side) {
	s.state = leaving
	c.emit(Tell{Side: s.id, Input: group.Leave{}})
}

// unreachable says that the target of the order is not in our configuration; without it nobody can prepare.
func (c *Core) unreachable() {
	reason := "cluster " + c.order.group.Target + " is not in the configuration: add it to Clusters"
	if c.order.undecided() {
		c.wishAbort("failed", reason)
	} else if once := "unreachable/" + c.order.group.Target; !c.sent[once] {
		c.sent[once] = true
		c.alarm(Target, nil, "%s", reason)
	}
}

// offer makes the group's form of an offer.
func (c *Core) offer(s *side, o offer) group.Offer {
	who := group.Identity{Kind: group.KindAgent, Incarnation: c.cfg.Incarnation, Host: c.cfg.Host, Stamp: o.stamp}
	topics := c.cfg.Topics
	if s.id == Target {
		topics = c.targetTopics()
		if c.order.word != events.OrderTarget && c.sides[Source].ever {
			who.Wants, who.WantsGeneration = c.mirrored(), c.sides[Source].generation
		}
	}
	if o.closed {
		return group.Closed(who, topics...)
	}
	return group.Open(who, topics...)
}
