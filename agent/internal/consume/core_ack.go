package consume

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/portage-kafka/portage/events"
)

// write appends an event about the group, once per id.
func (c *Core) write(body events.Body, parts ...string) (id string, fresh bool) {
	d := c.order.dir
	id = eventID(body.EventType(), d.Migration, d.Stream, d.Epoch, c.cfg.Incarnation, parts...)
	if c.sent[id] {
		return id, false
	}
	e, err := events.New(id, d.Migration, d.Stream, c.cfg.actor(), c.now, body)
	if err != nil { // a body of strings and numbers
		c.alarm(Source, nil, "event %s cannot be encoded: %v", body.EventType(), err)
		return id, false
	}
	c.sent[id] = true
	if kind, _ := events.Lookup(body.EventType()); kind.Epoch {
		e.Epoch = d.Epoch
	}
	e.Cause = "directive/" + strconv.FormatInt(c.order.position, 10)
	c.emit(Append{Event: e})
	return id, true
}

// eventID is the id of an event that an incarnation writes in an attempt. No other event has it.
func eventID(t events.Type, migration string, stream events.Stream, epoch uint32, incarnation string, parts ...string) string {
	return events.DeriveID(append([]string{string(t), migration, string(stream), strconv.FormatUint(uint64(epoch), 10), incarnation}, parts...)...)
}

// wishAbort asks for the end of the present attempt. The first of an abort and the decision wins.
func (c *Core) wishAbort(code, reason string) (id string) {
	id, fresh := c.write(events.AbortRequested{Code: code, Reason: "instance " + c.cfg.Instance + ": " + reason}, wishParts(code)...)
	if fresh {
		c.alarm(Source, nil, "asking for an abort of epoch %d: %s: %s", c.order.dir.Epoch, code, reason)
	}
	return id
}

// wishParts are what tells the aborts of an incarnation in an attempt apart.
func wishParts(code string) []string { return []string{"abort", code} }

// wished says whether an abort's id is the one that an instance derives from the attempt.
func wished(r events.Record) bool {
	e := r.Event
	body, decoded := r.Body.(events.AbortRequested)
	return decoded && e.ID == eventID(e.Type, e.Migration, e.Stream, e.Epoch, e.Actor.Name, wishParts(body.Code)...)
}

// prepared is how far the preparation of an attempt has come on the source.
type prepared struct {
	of         attempt
	generation int32
	committed  bool // every assigned position was committed in that generation
}

// mustCommitAll says whether the source's positions have to be committed whether they moved or not: an idle partition that
// was never committed would have no cut.
func (c *Core) mustCommitAll(s *side) bool {
	if s.id != Source || c.order.word != events.OrderPrepare || s.state != assigned || s.loading != nil {
		return false
	}
	if c.prep.of != c.order.attempt() || c.prep.generation != s.generation {
		c.prep = prepared{of: c.order.attempt(), generation: s.generation}
	}
	return !c.prep.committed && c.allOpen(s)
}

// allOpen says that every assigned partition that may be consumed has its lane.
func (c *Core) allOpen(s *side) bool {
	for p := range s.assigned { //rules:ordered any or none
		if l := c.lanes[p]; c.order.route(p.Topic) == s.id && (l == nil || l.Generation != s.generation || l.state != laneOpen) {
			return false
		}
	}
	return true
}

// acknowledge writes what the order in force asks for and has been done.
func (c *Core) acknowledge() {
	src, dst := c.sides[Source], c.sides[Target]
	switch c.order.word {
	case events.OrderPrepare:
		c.ackPrepared(src, dst)
	case events.OrderHold, events.OrderStage:
		c.ackDrained(src)
	case events.OrderTarget:
		c.ackResumed(dst)
	case events.OrderSource:
		if c.hold.released == c.order.attempt() && c.order.dir.Epoch > 0 && c.ackResumed(src) {
			c.hold.released = attempt{}
		}
	}
}

// ackPrepared: inside both groups, both offers closed, every assigned position committed. Another member id makes another
// acknowledgement.
func (c *Core) ackPrepared(src, dst *side) {
	if src.lanes == 0 && src.state == assigned && src.fresh() && len(src.assigned) == 0 && c.mustCommitAll(src) {
		c.prep.committed = true
	}
	inside := func(s *side) bool { return s.state == assigned && s.has.closed && s.fresh() && !s.reoffer }
	if !inside(src) || !inside(dst) || !c.prep.committed || c.prep.of != c.order.attempt() {
		return
	}
	c.write(events.Prepared{Incarnation: c.cfg.Incarnation, SourceMember: src.member, TargetMember: dst.member}, src.member, dst.member)
}

// ackDrained: nothing of a moving partition is in anybody's hands, OnRevoked has returned, and we are still a member.
func (c *Core) ackDrained(src *side) {
	if !src.fresh() || c.closing {
		return
	}
	for _, l := range c.lanesOf(src) {
		if c.order.moves(l.Partition.Topic) {
			return
		}
	}
	d := events.Drained{Incarnation: c.cfg.Incarnation, Member: src.member}
	for _, p := range sorted(slices.Collect(maps.Keys(c.hold.results))) {
		l := c.hold.results[p]
		at := func(offset int64) events.TopicOffset {
			return events.TopicOffset{Topic: p.Topic, Partition: p.ID, Offset: offset}
		}
		if l.committed >= 0 {
			d.Committed = append(d.Committed, at(l.committed))
		}
		d.Processed = append(d.Processed, at(l.next))
		if l.abandoned {
			d.Abandoned = append(d.Abandoned, at(l.next))
		}
	}
	c.write(d, src.member)
}

// ackResumed: the lanes of a side are open, from here on. Once the switch is complete nobody asks any more.
func (c *Core) ackResumed(s *side) (done bool) {
	if c.over() || s.state != assigned || !s.fresh() || s.loading != nil {
		return false
	}
	b := events.Resumed{Incarnation: c.cfg.Incarnation, Side: s.id.String()}
	for _, p := range sorted(slices.Collect(maps.Keys(s.assigned))) {
		if !c.order.moves(p.Topic) {
			continue
		}
		l := c.lanes[p]
		if l == nil || l.Side != s.id || l.state != laneOpen || l.Generation != s.generation {
			return false
		}
		b.Offsets = append(b.Offsets, events.TopicOffset{Topic: p.Topic, Partition: p.ID, Offset: l.From})
	}
	c.write(b, s.member, strconv.FormatInt(int64(s.generation), 10))
	return true
}

// login is the trial whether the target lets us in, and what came of it.
type login struct {
	cluster string // last tried
	pending bool
	err     string
	retry   time.Time
	seen    attemptLogin
}

// attemptLogin is what the last AgentSeen reported.
type attemptLogin struct{ migration, cluster, err string }

func (l *login) failed() bool { return l.cluster != "" && !l.pending && l.err != "" }

// considerLogin tries the target of an order when it is named for the first time.
func (c *Core) considerLogin() {
	if t := c.order.group.Target; t != "" && t != c.login.cluster && !c.over() {
		c.login = login{cluster: t, retry: c.now, err: "not tried yet"}
	}
}

// over says that the group's migration is complete.
func (c *Core) over() bool { return c.order.word == events.OrderTarget && c.order.group.Open }

func (c *Core) logIn() {
	l := &c.login
	switch {
	case l.cluster == "" || c.over() || c.closing || !c.order.found:
	case l.failed() && !c.now.Before(l.retry):
		l.pending = true
		c.emit(LogIn{Cluster: l.cluster})
	case !l.pending && l.err == "":
		c.agentSeen("")
	}
}

func (c *Core) onLoggedIn(in LoggedIn) {
	l := &c.login
	if in.Cluster != l.cluster || !l.pending {
		return
	}
	l.pending, l.err, l.retry = false, in.Err, c.now.Add(c.cfg.Relogin)
	if in.Err != "" {
		c.alarm(Target, nil, "cannot log in to %s: %s", in.Cluster, in.Err)
	}
	c.agentSeen(in.Err)
}

// agentSeen reports the instance and its logins when they change.
func (c *Core) agentSeen(problem string) {
	report := attemptLogin{c.order.dir.Migration, c.login.cluster, problem}
	if !c.order.found || c.login.seen == report {
		return
	}
	c.login.seen = report
	c.write(events.AgentSeen{
		Incarnation: c.cfg.Incarnation, Instance: c.cfg.Instance, Version: Version,
		Logins: map[string]string{c.cfg.Home: "", c.login.cluster: problem},
	}, c.login.cluster, problem, fmt.Sprint(c.next()))
}
