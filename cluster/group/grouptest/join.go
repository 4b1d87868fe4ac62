package grouptest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (g *group) handleJoin(token uint64, req *kmsg.JoinGroupRequest) {
	p := &parked[*kmsg.JoinGroupRequest]{token, req}
	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	switch {
	case session <= 0 || session > g.b.options.MaxSession:
		g.refuseJoin(p, sessionCode)
	case !g.supports(req.ProtocolType, req.Protocols):
		g.refuseJoin(p, protocolCode)
	case req.MemberID == "":
		g.joinUnknown(p)
	default:
		g.joinKnown(p)
	}
}

// joinUnknown: a dynamic member gets an id and must come again with it (KIP-394); a static one comes in, or takes over.
func (g *group) joinUnknown(p *parked[*kmsg.JoinGroupRequest]) {
	g.b.ids++
	id := fmt.Sprintf("member-%d", g.b.ids)
	if p.req.InstanceID == nil {
		g.pending[id] = g.b.now.Add(time.Duration(p.req.SessionTimeoutMillis) * time.Millisecond)
		r := g.joinResponse(p.req, id)
		r.ErrorCode = memberIDCode
		g.b.answer(p.token, r)
		return
	}
	id = *p.req.InstanceID + "-" + id
	if old := g.members[g.static[*p.req.InstanceID]]; old != nil {
		g.replace(old, id, p)
		return
	}
	g.enter(&member{id: id, instance: *p.req.InstanceID}, p)
}

func (g *group) joinKnown(p *parked[*kmsg.JoinGroupRequest]) {
	id := p.req.MemberID
	if _, given := g.pending[id]; given && p.req.InstanceID == nil {
		delete(g.pending, id)
		g.enter(&member{id: id}, p)
		return
	}
	if code := g.check(p.req.InstanceID, id); code != 0 {
		g.refuseJoin(p, code)
		return
	}
	m := g.members[id]
	same := slices.EqualFunc(m.protocols, p.req.Protocols, func(a, b kmsg.JoinGroupRequestProtocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
	leads := g.state == stable && g.leader == id
	if (g.state == stable || g.state == completing) && same && !leads {
		m.touch(g.b.now)
		g.b.answer(p.token, g.current(p.req, m))
		return
	}
	g.update(m, p)
	if g.state != preparing {
		g.startRebalance()
	}
	g.tryComplete()
}

// check validates the pair of instance id and member id.
func (g *group) check(instance *string, id string) int16 {
	if instance != nil {
		known, ok := g.static[*instance]
		switch {
		case !ok:
			return unknownMemberCode
		case known != id:
			return fencedCode
		}
	}
	if g.members[id] == nil {
		return unknownMemberCode
	}
	return 0
}

// replace hands a static membership over. While stable and with the same outcome of the vote the group does not notice.
func (g *group) replace(old *member, id string, p *parked[*kmsg.JoinGroupRequest]) {
	if old.join != nil {
		g.refuseJoin(old.join, fencedCode)
	}
	if old.sync != nil {
		g.refuseSync(old.sync, fencedCode)
	}
	m := &member{id: id, instance: old.instance, assignment: old.assignment}
	delete(g.members, old.id)
	g.members[id] = m
	g.order[slices.Index(g.order, old.id)] = id
	g.static[m.instance] = id
	leader := g.leader
	if g.leader == old.id {
		g.leader = id
	}
	g.update(m, p)
	if g.state == stable && g.selected() == g.protocol {
		m.join = nil
		m.touch(g.b.now)
		r := g.joinResponse(p.req, id)
		r.Generation, r.LeaderID, r.Protocol = g.generation, leader, kmsg.StringPtr(g.protocol)
		g.b.answer(p.token, r)
		return
	}
	if g.state != preparing {
		g.startRebalance()
	}
	g.tryComplete()
}

func (g *group) enter(m *member, p *parked[*kmsg.JoinGroupRequest]) {
	g.update(m, p)
	g.add(m)
	if g.state != preparing {
		g.startRebalance()
	}
	g.tryComplete()
}

// update takes over what a join brings, and parks it. An earlier join of the same member is never answered.
func (g *group) update(m *member, p *parked[*kmsg.JoinGroupRequest]) {
	m.session = time.Duration(p.req.SessionTimeoutMillis) * time.Millisecond
	m.rebalance = time.Duration(p.req.RebalanceTimeoutMillis) * time.Millisecond
	m.protocols, m.join = slices.Clone(p.req.Protocols), p
}

// startRebalance opens the join barrier. What waits at the sync barrier is sent back.
func (g *group) startRebalance() {
	for _, id := range g.order {
		if m := g.members[id]; m.sync != nil {
			g.refuseSync(m.sync, rebalanceCode)
			m.sync = nil
			m.touch(g.b.now)
		}
	}
	g.deadline = g.b.now.Add(g.longestRebalance())
	if g.state == empty && g.b.options.InitialDelay > 0 {
		g.deadline = g.b.now.Add(g.b.options.InitialDelay)
	}
	g.state = preparing
	g.tryComplete()
}

// tryComplete closes the join barrier when every member has come and no id that was given out is missing.
func (g *group) tryComplete() {
	if g.state != preparing || len(g.pending) > 0 || g.b.options.InitialDelay > 0 && g.generation == 0 && g.b.now.Before(g.deadline) {
		return
	}
	for _, m := range g.members {
		if m.join == nil {
			return
		}
	}
	g.completeJoin()
}

// completeJoin begins the next generation with those who came. Dynamic members that did not are out; static ones stay.
func (g *group) completeJoin() {
	joined := ""
	for _, id := range slices.Clone(g.order) {
		switch m := g.members[id]; {
		case m.join != nil && joined == "":
			joined = id
		case m.join == nil && m.instance == "":
			g.remove(m)
		}
	}
	if joined == "" && len(g.members) > 0 { // only silent static members: wait for their sessions
		g.deadline = g.b.now.Add(g.longestRebalance())
		return
	}
	g.generation++
	if len(g.members) == 0 {
		g.state, g.protocol, g.leader = empty, "", ""
		return
	}
	if m := g.members[g.leader]; m == nil || m.join == nil {
		g.leader = joined
	}
	g.state, g.deadline = completing, g.b.now.Add(g.longestRebalance())
	g.protocol = g.selected()
	for _, id := range g.order {
		if m := g.members[id]; m.join != nil {
			g.b.answer(m.join.token, g.current(m.join.req, m))
			m.join = nil
			m.touch(g.b.now)
		}
	}
}

// current is the answer of the present generation; the leader's lists the members.
func (g *group) current(req *kmsg.JoinGroupRequest, to *member) *kmsg.JoinGroupResponse {
	r := g.joinResponse(req, to.id)
	r.Generation, r.LeaderID, r.Protocol = g.generation, g.leader, kmsg.StringPtr(g.protocol)
	if to.id != g.leader {
		return r
	}
	for _, id := range g.order {
		m := kmsg.NewJoinGroupResponseMember()
		m.MemberID, m.ProtocolMetadata = id, g.members[id].metadata(g.protocol)
		if instance := g.members[id].instance; instance != "" {
			m.InstanceID = &instance
		}
		r.Members = append(r.Members, m)
	}
	return r
}

func (g *group) joinResponse(req *kmsg.JoinGroupRequest, id string) *kmsg.JoinGroupResponse {
	r := req.ResponseKind().(*kmsg.JoinGroupResponse)
	r.MemberID = id
	return r
}

func (g *group) refuseJoin(p *parked[*kmsg.JoinGroupRequest], code int16) {
	r := g.joinResponse(p.req, p.req.MemberID)
	r.ErrorCode = code
	g.b.answer(p.token, r)
}
