package consume

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// simBroker is a group coordinator and the logs of one cluster, as measured on brokers: two-phase rebalance, doors
// by protocol name, sessions, which commits are accepted when. One group.
type simBroker struct {
	w       *world
	name    string
	members map[string]*simMember
	order   []string // by joining
	pending map[string]bool
	state   string // Empty, Preparing, Completing, Stable
	gen     int32
	leader  string
	proto   string
	round   int // of rebalances, to tell stale deadlines
	ids     int

	committed map[Partition]int64
	logs      map[Partition][]int // global record index by offset − shift
	shift     int64
}

type simMember struct {
	id, client string
	session    time.Duration
	rebalance  time.Duration
	protocols  map[string][]byte
	names      []string
	join       func(kmsg.Response)
	sync       func(kmsg.Response)
	expires    time.Time
	assigned   []byte
}

func newSimBroker(w *world, name string, shift int64) *simBroker {
	return &simBroker{
		w: w, name: name, members: map[string]*simMember{}, pending: map[string]bool{}, state: "Empty",
		committed: map[Partition]int64{}, logs: map[Partition][]int{}, shift: shift,
	}
}

func (b *simBroker) handle(client string, req kmsg.Request, reply func(kmsg.Response)) {
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		b.handleJoin(client, r, reply)
	case *kmsg.SyncGroupRequest:
		b.handleSync(r, reply)
	case *kmsg.HeartbeatRequest:
		resp := kmsg.NewPtrHeartbeatResponse()
		resp.ErrorCode = b.check(r.MemberID, r.Generation)
		if resp.ErrorCode == 0 {
			b.touch(b.members[r.MemberID])
			if b.state == "Preparing" {
				resp.ErrorCode = 27
			}
		}
		reply(resp)
	case *kmsg.OffsetCommitRequest:
		b.handleCommit(r, reply)
	case *kmsg.OffsetFetchRequest:
		b.handleFetch(r, reply)
	case *kmsg.LeaveGroupRequest:
		resp := kmsg.NewPtrLeaveGroupResponse()
		if b.members[r.Members[0].MemberID] == nil {
			resp.ErrorCode = 25
		} else {
			b.remove(r.Members[0].MemberID)
		}
		reply(resp)
	default:
		panic(fmt.Sprintf("%T", req))
	}
}

// check is what the broker says about a member and a generation.
func (b *simBroker) check(id string, gen int32) int16 {
	switch {
	case b.members[id] == nil:
		return 25
	case gen != b.gen:
		return 22
	}
	return 0
}

func (b *simBroker) handleJoin(client string, r *kmsg.JoinGroupRequest, reply func(kmsg.Response)) {
	fail := func(code int16, id string) {
		resp := kmsg.NewPtrJoinGroupResponse()
		resp.ErrorCode, resp.MemberID = code, id
		reply(resp)
	}
	if r.MemberID == "" {
		b.ids++
		id := fmt.Sprintf("%s-%s-%d", b.name, client, b.ids)
		b.pending[id] = true
		fail(79, id)
		return
	}
	m := b.members[r.MemberID]
	if m == nil && !b.pending[r.MemberID] {
		fail(25, "")
		return
	}
	if !b.supports(r.Protocols) {
		fail(23, "")
		return
	}
	protocols, names := map[string][]byte{}, []string{}
	for _, p := range r.Protocols {
		protocols[p.Name] = p.Metadata
		names = append(names, p.Name)
	}
	same := m != nil && maps.EqualFunc(m.protocols, protocols, slices.Equal[[]byte])
	if m == nil {
		delete(b.pending, r.MemberID)
		m = &simMember{id: r.MemberID, client: client}
		b.members[m.id] = m
		b.order = append(b.order, m.id)
		if b.leader == "" {
			b.leader = m.id
		}
	}
	m.protocols, m.names = protocols, names
	m.session = time.Duration(r.SessionTimeoutMillis) * time.Millisecond
	m.rebalance = time.Duration(r.RebalanceTimeoutMillis) * time.Millisecond
	b.touch(m)
	m.join = reply
	switch {
	case b.state == "Preparing":
		b.tryComplete()
	case same && (b.state == "Completing" || b.state == "Stable" && b.leader != m.id):
		b.answerJoin(m)
	default:
		b.prepare()
	}
}

func (b *simBroker) supports(offered []kmsg.JoinGroupRequestProtocol) bool {
	if len(b.members) == 0 {
		return true
	}
	return slices.ContainsFunc(offered, func(p kmsg.JoinGroupRequestProtocol) bool {
		for _, m := range b.members {
			if _, ok := m.protocols[p.Name]; !ok {
				return false
			}
		}
		return true
	})
}

// prepare begins a rebalance: everybody has to join again.
func (b *simBroker) prepare() {
	for _, m := range b.members {
		if m.sync != nil {
			resp := kmsg.NewPtrSyncGroupResponse()
			resp.ErrorCode = 27
			m.sync(resp)
			m.sync = nil
		}
	}
	b.state = "Preparing"
	b.round++
	round, limit := b.round, time.Duration(0)
	for _, m := range b.members {
		limit = max(limit, m.rebalance)
	}
	b.w.after(limit, func() {
		if b.state == "Preparing" && b.round == round {
			for _, id := range slices.Clone(b.order) {
				if b.members[id].join == nil {
					b.evict(id)
				}
			}
			b.tryComplete()
		}
	})
	b.tryComplete()
}

func (b *simBroker) tryComplete() {
	if b.state != "Preparing" {
		return
	}
	for _, m := range b.members {
		if m.join == nil {
			return
		}
	}
	b.gen++
	if len(b.members) == 0 {
		b.state, b.leader = "Empty", ""
		return
	}
	b.state = "Completing"
	b.proto = b.vote()
	for _, id := range b.order {
		b.members[id].assigned = nil
		b.answerJoin(b.members[id])
	}
}

func (b *simBroker) vote() string {
	for _, name := range b.members[b.leader].names {
		all := true
		for _, m := range b.members {
			_, ok := m.protocols[name]
			all = all && ok
		}
		if all {
			return name
		}
	}
	panic("members without a common protocol")
}

func (b *simBroker) answerJoin(m *simMember) {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Generation, resp.LeaderID, resp.MemberID, resp.Protocol = b.gen, b.leader, m.id, kmsg.StringPtr(b.proto)
	if m.id == b.leader {
		for _, id := range b.order {
			x := kmsg.NewJoinGroupResponseMember()
			x.MemberID, x.ProtocolMetadata = id, b.members[id].protocols[b.proto]
			resp.Members = append(resp.Members, x)
		}
	}
	m.join(resp)
	m.join = nil
	b.touch(m)
}

func (b *simBroker) handleSync(r *kmsg.SyncGroupRequest, reply func(kmsg.Response)) {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.ErrorCode = b.check(r.MemberID, r.Generation)
	m := b.members[r.MemberID]
	switch {
	case resp.ErrorCode != 0:
	case b.state == "Preparing":
		resp.ErrorCode = 27
	case b.state == "Stable":
		resp.MemberAssignment = m.assigned
		b.touch(m)
	default:
		m.sync = reply
		b.touch(m)
		if r.MemberID == b.leader {
			for _, a := range r.GroupAssignment {
				b.members[a.MemberID].assigned = a.MemberAssignment
			}
			b.settle()
		}
		return
	}
	reply(resp)
}

func (b *simBroker) settle() {
	b.state = "Stable"
	for _, id := range b.order {
		if m := b.members[id]; m.sync != nil {
			resp := kmsg.NewPtrSyncGroupResponse()
			resp.MemberAssignment = m.assigned
			m.sync(resp)
			m.sync = nil
			b.touch(m)
		}
	}
}

func (b *simBroker) touch(m *simMember) {
	m.expires = b.w.now.Add(m.session)
	at := m.expires
	b.w.after(m.session, func() {
		if b.members[m.id] == m && m.expires.Equal(at) && m.join == nil {
			b.evict(m.id)
			b.tryComplete()
		}
	})
}

// evict removes a silent member. What it has handled and not committed, or has in hand, may be handled again: that is listed.
func (b *simBroker) evict(id string) {
	b.w.log("%s evicts %s", b.name, id)
	b.w.excuseClient(b, b.members[id].client)
	b.remove(id)
}

func (b *simBroker) remove(id string) {
	if m := b.members[id]; m.join != nil {
		resp := kmsg.NewPtrJoinGroupResponse()
		resp.ErrorCode = 25
		m.join(resp)
	}
	delete(b.members, id)
	b.order = slices.DeleteFunc(b.order, func(x string) bool { return x == id })
	if b.leader == id {
		b.leader = ""
		if len(b.order) > 0 {
			b.leader = b.order[0]
		}
	}
	switch {
	case len(b.members) == 0:
		b.state, b.leader = "Empty", ""
		b.gen++
	case b.state == "Preparing":
		b.tryComplete()
	default:
		b.prepare()
	}
}

func (b *simBroker) handleCommit(r *kmsg.OffsetCommitRequest, reply func(kmsg.Response)) {
	code := b.check(r.MemberID, r.Generation)
	if code == 0 && b.state == "Completing" {
		code = 27
	}
	resp := kmsg.NewPtrOffsetCommitResponse()
	for _, t := range r.Topics {
		x := kmsg.NewOffsetCommitResponseTopic()
		x.Topic = t.Topic
		for _, p := range t.Partitions {
			y := kmsg.NewOffsetCommitResponseTopicPartition()
			y.Partition, y.ErrorCode = p.Partition, code
			x.Partitions = append(x.Partitions, y)
			if code == 0 {
				b.w.committing(b, Partition{Topic: t.Topic, ID: p.Partition}, p.Offset)
				b.committed[Partition{Topic: t.Topic, ID: p.Partition}] = p.Offset
			}
		}
		resp.Topics = append(resp.Topics, x)
	}
	if code == 0 {
		b.touch(b.members[r.MemberID])
	}
	reply(resp)
}

func (b *simBroker) handleFetch(r *kmsg.OffsetFetchRequest, reply func(kmsg.Response)) {
	resp := kmsg.NewPtrOffsetFetchResponse()
	for _, t := range r.Topics {
		x := kmsg.NewOffsetFetchResponseTopic()
		x.Topic = t.Topic
		for _, p := range t.Partitions {
			y := kmsg.NewOffsetFetchResponseTopicPartition()
			y.Partition, y.Offset, y.LeaderEpoch = p, -1, -1
			if at, ok := b.committed[Partition{Topic: t.Topic, ID: p}]; ok {
				y.Offset = at
			}
			x.Partitions = append(x.Partitions, y)
		}
		resp.Topics = append(resp.Topics, x)
	}
	reply(resp)
}
