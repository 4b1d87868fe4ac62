package group_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group/grouptest"
)

// conformance is what a coordinator answers, line by line: measured on Apache Kafka 3.9.2 and 4.3.1, and expected of the model
// in package grouptest. Where the embedded broker differs its answer stands behind a bar.
const conformance = `
empty: commit without a generation 0
empty: commit under generation 0 25 | 22
A joins 0 generation 1
A heartbeats before its sync 0
A commits before its sync 27
A syncs 0
stable: A commits 0
stable: A commits under the last generation 22
stable: A commits under the next generation 22
stable: A commits under generation -1 22
stable: a stranger's id commits 25
stable: commit without a generation 25
another protocol name 23
another protocol type 23
a session beyond the limit 26
preparing: A heartbeats 27
preparing: A commits 0
preparing: commit without a generation 25
preparing: A syncs 27
A joins again 0 generation 2
B joins 0 generation 2
completing: A heartbeats 0
completing: A commits under the last generation 22
completing: A commits 27
completing: A syncs under the last generation 22
both sync 0 0
stable: A commits under the last generation 22
stable: A commits 0
A leaves 0
A commits 25
A heartbeats 25
A syncs 25
A leaves again 25
B heartbeats 27
B commits 0
B joins alone 0 generation 3
B syncs 0
G joins 0 generation 4
B joins with it 0 generation 4
G and B sync 0 0
G's successor joins 0 generation 4
the successor syncs 0
G heartbeats 82
G commits 82
G syncs 82
G joins again 82
G leaves 82 | 0
the successor heartbeats 0 | 25
the successor commits 0 | 25
B heartbeats 0 | 27
B leaves 0
the successor leaves 0 | 25
empty: commit without a generation 0
empty: B commits 25 | 22
`

func expected(embedded bool) []string {
	var out []string
	for line := range strings.Lines(strings.TrimSpace(conformance)) {
		real, theirs, differs := strings.Cut(strings.TrimSpace(line), " | ")
		if words := strings.Fields(real); differs && embedded {
			words[len(words)-1] = theirs
			real = strings.Join(words, " ")
		}
		out = append(out, real)
	}
	return out
}

func testConformance(t *testing.T, s site) {
	name := fresh()
	got := script(t, name, func(ctx context.Context, r kmsg.Request, v int16) (kmsg.Response, error) {
		return s.c.Call(ctx, r, cluster.OnGroup(name), cluster.AtVersion(v))
	})
	require.Equal(t, expected(s.version == ""), got)
}

// TestModelConforms holds the model to the same answers.
func TestModelConforms(t *testing.T) {
	m := &modelServer{b: grouptest.New(grouptest.Options{}), waiting: map[uint64]chan kmsg.Response{}}
	require.Equal(t, expected(false), script(t, "g", m.call))
}

// modelServer lets goroutines call the model as if it were a broker.
type modelServer struct {
	mu      sync.Mutex
	b       *grouptest.Broker
	waiting map[uint64]chan kmsg.Response
	last    uint64
}

func (m *modelServer) call(ctx context.Context, r kmsg.Request, v int16) (kmsg.Response, error) {
	r.SetVersion(v)
	answer := make(chan kmsg.Response, 1)
	m.mu.Lock()
	m.last++
	m.waiting[m.last] = answer
	m.b.Handle(time.Now(), m.last, r)
	for _, reply := range m.b.Replies() {
		m.waiting[reply.Token] <- reply.Response
	}
	m.mu.Unlock()
	select {
	case resp := <-answer:
		return resp, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// seat is a bare member that sends what the script says.
type seat struct {
	p          *play
	id         string
	instance   *string
	generation int32
	leads      bool
	others     []kmsg.JoinGroupResponseMember
}

type play struct {
	t     *testing.T
	ctx   context.Context
	group string
	call  func(context.Context, kmsg.Request, int16) (kmsg.Response, error)
	mu    sync.Mutex
	lines []string
}

func (p *play) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *play) do(r kmsg.Request, v int16) kmsg.Response {
	resp, err := p.call(p.ctx, r, v)
	if err != nil {
		p.t.Errorf("%T: %v", r, err)
		p.t.FailNow()
	}
	return resp
}

func (x *seat) join(protocolType, name string, session time.Duration) int16 {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.InstanceID, r.ProtocolType = x.p.group, x.id, x.instance, protocolType
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = int32(session.Milliseconds()), 20000
	m := kmsg.NewConsumerMemberMetadata()
	m.Topics = []string{"orders"}
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: name, Metadata: m.AppendTo(nil)}}
	resp := x.p.do(r, 5).(*kmsg.JoinGroupResponse)
	if resp.ErrorCode == 79 {
		x.id = resp.MemberID
		return x.join(protocolType, name, session)
	}
	if resp.ErrorCode == 0 {
		x.id, x.generation, x.leads, x.others = resp.MemberID, resp.Generation, resp.LeaderID == resp.MemberID, resp.Members
	}
	return resp.ErrorCode
}

func (x *seat) comesIn() int16 { return x.join("consumer", "range", 30*time.Second) }

func (x *seat) sync(generation int32) int16 {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.InstanceID, r.Generation = x.p.group, x.id, x.instance, generation
	for _, m := range x.others {
		r.GroupAssignment = append(r.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: m.MemberID, MemberAssignment: []byte("an assignment")})
	}
	return x.p.do(r, 3).(*kmsg.SyncGroupResponse).ErrorCode
}

func (x *seat) heartbeat() int16 {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.InstanceID, r.Generation = x.p.group, x.id, x.instance, x.generation
	return x.p.do(r, 3).(*kmsg.HeartbeatResponse).ErrorCode
}

func (x *seat) commit(generation int32) int16 {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.MemberID, r.InstanceID, r.Generation = x.p.group, x.id, x.instance, generation
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 3, LeaderEpoch: -1}}}}
	return x.p.do(r, 7).(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
}

func (x *seat) leave() int16 {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group = x.p.group
	r.Members = []kmsg.LeaveGroupRequestMember{{MemberID: x.id, InstanceID: x.instance}}
	resp := x.p.do(r, 3).(*kmsg.LeaveGroupResponse)
	return max(resp.ErrorCode, resp.Members[0].ErrorCode)
}

// both runs two requests that wait for each other.
func both(a, b func() int16) (first, second int16) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		second = b()
	}()
	first = a()
	<-done
	return first, second
}

// preparing waits until the others' heartbeats show that somebody new is at the barrier.
func (x *seat) preparing() {
	require.Eventually(x.p.t, func() bool { return x.heartbeat() == 27 }, 10*time.Second, 2*time.Millisecond)
}

func script(t *testing.T, name string, call func(context.Context, kmsg.Request, int16) (kmsg.Response, error)) []string {
	p := &play{t: t, ctx: ctx(t), group: name, call: call}
	a, b := &seat{p: p, generation: -1}, &seat{p: p, generation: -1}
	nobody := &seat{p: p}
	p.say("empty: commit without a generation %d", nobody.commit(-1))
	p.say("empty: commit under generation 0 %d", nobody.commit(0))
	p.say("A joins %d generation %d", a.comesIn(), 1)
	first := a.generation
	p.say("A heartbeats before its sync %d", a.heartbeat())
	p.say("A commits before its sync %d", a.commit(a.generation))
	p.say("A syncs %d", a.sync(a.generation))
	scriptStable(p, a, nobody)
	scriptRebalance(p, a, b, first)
	p.say("A leaves %d", a.leave())
	p.say("A commits %d", a.commit(a.generation))
	p.say("A heartbeats %d", a.heartbeat())
	p.say("A syncs %d", a.sync(a.generation))
	p.say("A leaves again %d", a.leave())
	p.say("B heartbeats %d", b.heartbeat())
	p.say("B commits %d", b.commit(b.generation))
	p.say("B joins alone %d generation %d", b.comesIn(), b.generation-first+1)
	p.say("B syncs %d", b.sync(b.generation))
	scriptStatic(p, b, first)
	p.say("empty: commit without a generation %d", nobody.commit(-1))
	p.say("empty: B commits %d", b.commit(b.generation))
	return p.lines
}

func scriptStable(p *play, a, nobody *seat) {
	p.say("stable: A commits %d", a.commit(a.generation))
	p.say("stable: A commits under the last generation %d", a.commit(a.generation-1))
	p.say("stable: A commits under the next generation %d", a.commit(a.generation+1))
	p.say("stable: A commits under generation -1 %d", a.commit(-1))
	p.say("stable: a stranger's id commits %d", (&seat{p: p, id: "somebody"}).commit(a.generation))
	p.say("stable: commit without a generation %d", nobody.commit(-1))
	p.say("another protocol name %d", (&seat{p: p}).join("consumer", "portage", 30*time.Second))
	p.say("another protocol type %d", (&seat{p: p}).join("connect", "range", 30*time.Second))
	p.say("a session beyond the limit %d", (&seat{p: p}).join("consumer", "range", 31*time.Minute))
}

func scriptRebalance(p *play, a, b *seat, first int32) {
	joined := make(chan int16, 1)
	go func() { joined <- b.comesIn() }()
	a.preparing()
	p.say("preparing: A heartbeats %d", a.heartbeat())
	p.say("preparing: A commits %d", a.commit(a.generation))
	p.say("preparing: commit without a generation %d", (&seat{p: p}).commit(-1))
	p.say("preparing: A syncs %d", a.sync(a.generation))
	code := a.comesIn()
	p.say("A joins again %d generation %d", code, a.generation-first+1)
	code = <-joined
	p.say("B joins %d generation %d", code, b.generation-first+1)
	p.say("completing: A heartbeats %d", a.heartbeat())
	p.say("completing: A commits under the last generation %d", a.commit(a.generation-1))
	p.say("completing: A commits %d", a.commit(a.generation))
	p.say("completing: A syncs under the last generation %d", a.sync(a.generation-1))
	one, two := both(func() int16 { return a.sync(a.generation) }, func() int16 { return b.sync(b.generation) })
	p.say("both sync %d %d", one, two)
	p.say("stable: A commits under the last generation %d", a.commit(a.generation-1))
	p.say("stable: A commits %d", a.commit(a.generation))
}

func scriptStatic(p *play, b *seat, first int32) {
	g := &seat{p: p, instance: kmsg.StringPtr("guard")}
	joined := make(chan int16, 1)
	go func() { joined <- g.comesIn() }()
	b.preparing()
	code := b.comesIn()
	p.say("G joins %d generation %d", <-joined, g.generation-first+1)
	p.say("B joins with it %d generation %d", code, b.generation-first+1)
	one, two := both(func() int16 { return g.sync(g.generation) }, func() int16 { return b.sync(b.generation) })
	p.say("G and B sync %d %d", one, two)
	h := &seat{p: p, instance: g.instance}
	code = h.comesIn()
	p.say("G's successor joins %d generation %d", code, h.generation-first+1)
	p.say("the successor syncs %d", h.sync(h.generation))
	p.say("G heartbeats %d", g.heartbeat())
	p.say("G commits %d", g.commit(g.generation))
	p.say("G syncs %d", g.sync(g.generation))
	p.say("G joins again %d", g.comesIn())
	p.say("G leaves %d", g.leave())
	p.say("the successor heartbeats %d", h.heartbeat())
	p.say("the successor commits %d", h.commit(h.generation))
	p.say("B heartbeats %d", b.heartbeat())
	p.say("B leaves %d", b.leave())
	p.say("the successor leaves %d", h.leave())
}
