package grouptest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Error codes of the group protocol.
const (
	generationCode    = 22
	protocolCode      = 23
	unknownMemberCode = 25
	sessionCode       = 26
	rebalanceCode     = 27
	memberIDCode      = 79
	fencedCode        = 82
)

// Options of a Broker.
type Options struct {
	InitialDelay time.Duration // group.initial.rebalance.delay.ms; 0
	MaxSession   time.Duration // group.max.session.timeout.ms; 30 min
	Applied      func(Applied) // called for every offset that is stored; may be nil
}

// Applied is one offset that a member's commit has stored.
type Applied struct {
	Group, MemberID string
	Generation      int32
	Topic           string
	Partition       int32
	Committed
}

// Reply is the answer to the request that was handed in with the token.
type Reply struct {
	Token    uint64
	Response kmsg.Response
}

// Broker coordinates groups.
type Broker struct {
	options Options
	now     time.Time
	groups  map[string]*group
	ids     int // member ids given out
	replies []Reply
}

// New returns a broker without groups.
func New(o Options) *Broker {
	if o.MaxSession == 0 {
		o.MaxSession = 30 * time.Minute
	}
	return &Broker{options: o, groups: map[string]*group{}}
}

// Handle takes a request that arrives at a time (never before the last one). Token is anything but 0.
func (b *Broker) Handle(now time.Time, token uint64, req kmsg.Request) {
	b.Advance(now)
	switch req := req.(type) {
	case *kmsg.JoinGroupRequest:
		b.group(req.Group).handleJoin(token, req)
	case *kmsg.SyncGroupRequest:
		b.group(req.Group).handleSync(token, req)
	case *kmsg.HeartbeatRequest:
		b.group(req.Group).handleHeartbeat(token, req)
	case *kmsg.LeaveGroupRequest:
		b.group(req.Group).handleLeave(token, req)
	case *kmsg.OffsetCommitRequest:
		b.group(req.Group).handleCommit(token, req)
	case *kmsg.OffsetFetchRequest:
		b.group(req.Group).handleFetch(token, req)
	default:
		panic(fmt.Sprintf("grouptest: there is no model of %T", req)) //rules:impossible cores send nothing else
	}
}

func (b *Broker) group(name string) *group {
	g := b.groups[name]
	if g == nil {
		g = &group{b: b, members: map[string]*member{}, static: map[string]string{}, pending: map[string]time.Time{}, offsets: map[key]Committed{}}
		b.groups[name] = g
	}
	return g
}

func (b *Broker) answer(token uint64, r kmsg.Response) {
	b.replies = append(b.replies, Reply{Token: token, Response: r})
}

// Replies returns the answers that are ready, in order, once.
func (b *Broker) Replies() []Reply {
	r := b.replies
	b.replies = nil
	return r
}

// Wake returns when something happens by itself; zero: never.
func (b *Broker) Wake() time.Time {
	var at time.Time
	for _, g := range b.groups {
		if t := g.wake(); !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

// Advance lets time pass, one deadline after the other.
func (b *Broker) Advance(now time.Time) {
	for {
		at := b.Wake()
		if at.IsZero() || at.After(now) {
			break
		}
		if at.After(b.now) {
			b.now = at
		}
		for _, name := range slices.Sorted(maps.Keys(b.groups)) {
			b.groups[name].expire()
		}
	}
	if now.After(b.now) {
		b.now = now
	}
}

// Committed is an offset that was committed.
type Committed struct {
	At       int64
	Epoch    int32
	Metadata string
}

// Commit stores an offset from outside, as a commit before the story began.
func (b *Broker) Commit(name, topic string, partition int32, c Committed) {
	b.group(name).offsets[key{topic, partition}] = c
}

// Offset returns a committed offset; At is −1 where there is none.
func (b *Broker) Offset(name, topic string, partition int32) Committed {
	return b.group(name).offset(key{topic, partition})
}

// Description is what DescribeGroups would say.
type Description struct {
	State              string // Empty, PreparingRebalance, CompletingRebalance, Stable
	Generation         int32
	ProtocolType       string
	Protocol, LeaderID string
	Members            []MemberDescription // in the order they first came in
}

// MemberDescription is a member as the broker sees it.
type MemberDescription struct {
	ID, InstanceID       string
	Metadata, Assignment []byte // the selected protocol's
	Protocols            []string
}

// Describe returns a group as it is now.
func (b *Broker) Describe(name string) Description {
	g := b.group(name)
	d := Description{State: g.state.String(), Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol, LeaderID: g.leader}
	for _, id := range g.order {
		m := g.members[id]
		md := MemberDescription{ID: id, InstanceID: m.instance, Metadata: m.metadata(g.protocol), Assignment: m.assignment}
		for _, p := range m.protocols {
			md.Protocols = append(md.Protocols, p.Name)
		}
		d.Members = append(d.Members, md)
	}
	return d
}

// Evict removes a member as if its session had run out.
func (b *Broker) Evict(name, id string) {
	g := b.group(name)
	if m := g.members[id]; m != nil {
		g.remove(m)
		g.changed()
	}
}
