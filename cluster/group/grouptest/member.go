package grouptest

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func (g *group) handleSync(token uint64, req *kmsg.SyncGroupRequest) {
	p := &parked[*kmsg.SyncGroupRequest]{token, req}
	code := g.check(req.InstanceID, req.MemberID)
	switch {
	case code != 0:
	case req.Generation != g.generation:
		code = generationCode
	case g.state == preparing:
		code = rebalanceCode
	}
	if code != 0 {
		g.refuseSync(p, code)
		return
	}
	m := g.members[req.MemberID]
	m.touch(g.b.now)
	if g.state == stable {
		g.answerSync(p, m)
		return
	}
	m.sync = p
	if g.leader == m.id {
		g.distribute(req)
	}
}

// distribute makes the group stable with what the leader hands out.
func (g *group) distribute(req *kmsg.SyncGroupRequest) {
	g.state = stable
	for _, id := range g.order {
		m := g.members[id]
		m.assignment = nil
		for _, a := range req.GroupAssignment {
			if a.MemberID == id {
				m.assignment = slices.Clone(a.MemberAssignment)
			}
		}
		if m.sync != nil {
			g.answerSync(m.sync, m)
			m.sync = nil
			m.touch(g.b.now)
		}
	}
}

// expireSync removes those who did not sync within the rebalance timeout (Kafka ≥ 3.1).
func (g *group) expireSync() {
	for _, id := range slices.Clone(g.order) {
		if m := g.members[id]; m.sync == nil {
			g.remove(m)
		}
	}
	g.startRebalance()
}

func (g *group) answerSync(p *parked[*kmsg.SyncGroupRequest], m *member) {
	r := p.req.ResponseKind().(*kmsg.SyncGroupResponse)
	r.MemberAssignment = slices.Clone(m.assignment)
	g.b.answer(p.token, r)
}

func (g *group) refuseSync(p *parked[*kmsg.SyncGroupRequest], code int16) {
	r := p.req.ResponseKind().(*kmsg.SyncGroupResponse)
	r.ErrorCode = code
	g.b.answer(p.token, r)
}

func (g *group) handleHeartbeat(token uint64, req *kmsg.HeartbeatRequest) {
	r := req.ResponseKind().(*kmsg.HeartbeatResponse)
	code := g.check(req.InstanceID, req.MemberID)
	if code == 0 && req.Generation != g.generation {
		code = generationCode
	}
	if code == 0 {
		g.members[req.MemberID].touch(g.b.now)
		if g.state == preparing {
			code = rebalanceCode
		}
	}
	r.ErrorCode = code
	g.b.answer(token, r)
}

func (g *group) handleLeave(token uint64, req *kmsg.LeaveGroupRequest) {
	r := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	for _, l := range req.Members {
		a := kmsg.NewLeaveGroupResponseMember()
		a.MemberID, a.InstanceID = l.MemberID, l.InstanceID
		if _, given := g.pending[l.MemberID]; given {
			delete(g.pending, l.MemberID)
			g.tryComplete()
		} else if a.ErrorCode = g.check(l.InstanceID, l.MemberID); a.ErrorCode == 0 {
			g.remove(g.members[l.MemberID])
			g.changed()
		}
		r.Members = append(r.Members, a)
	}
	g.b.answer(token, r)
}

func (g *group) handleCommit(token uint64, req *kmsg.OffsetCommitRequest) {
	code := g.checkCommit(req)
	if m := g.members[req.MemberID]; m != nil && (code == 0 || code == rebalanceCode) {
		m.touch(g.b.now)
	}
	r := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, rp)
			if code == 0 {
				g.store(req, key{t.Topic, p.Partition}, Committed{At: p.Offset, Epoch: p.LeaderEpoch, Metadata: text(p.Metadata)})
			}
		}
		r.Topics = append(r.Topics, rt)
	}
	g.b.answer(token, r)
}

func (g *group) store(req *kmsg.OffsetCommitRequest, k key, c Committed) {
	g.offsets[k] = c
	if g.b.options.Applied != nil {
		g.b.options.Applied(Applied{req.Group, req.MemberID, req.Generation, k.topic, k.partition, c})
	}
}

// checkCommit: generation −1 is for an empty group only; a member's is accepted until the join barrier closes.
func (g *group) checkCommit(req *kmsg.OffsetCommitRequest) int16 {
	if req.Generation < 0 && len(g.members) == 0 {
		return 0
	}
	if code := g.check(req.InstanceID, req.MemberID); code != 0 {
		return code
	}
	switch {
	case req.Generation != g.generation:
		return generationCode
	case g.state == completing:
		return rebalanceCode
	}
	return 0
}

func (g *group) handleFetch(token uint64, req *kmsg.OffsetFetchRequest) {
	r := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	topics := req.Topics
	if topics == nil {
		topics = g.allCommitted()
	}
	for _, t := range topics {
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic = t.Topic
		for _, n := range t.Partitions {
			c := g.offset(key{t.Topic, n})
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = n, c.At, c.Epoch, kmsg.StringPtr(c.Metadata)
			rt.Partitions = append(rt.Partitions, rp)
		}
		r.Topics = append(r.Topics, rt)
	}
	g.b.answer(token, r)
}

// allCommitted lists every partition that has an offset: no topics at all in a request mean all.
func (g *group) allCommitted() []kmsg.OffsetFetchRequestTopic {
	lists := map[string][]int32{}
	for k := range g.offsets {
		lists[k.topic] = append(lists[k.topic], k.partition)
	}
	var topics []kmsg.OffsetFetchRequestTopic
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = name, lists[name]
		slices.Sort(t.Partitions)
		topics = append(topics, t)
	}
	return topics
}

func (g *group) offset(k key) Committed {
	if c, ok := g.offsets[k]; ok {
		return c
	}
	return Committed{At: -1, Epoch: -1}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
