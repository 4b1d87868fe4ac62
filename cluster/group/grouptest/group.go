package grouptest

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

type state uint8

const (
	empty state = iota
	preparing
	completing
	stable
)

func (s state) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}[s]
}

type key struct {
	topic     string
	partition int32
}

type group struct {
	b            *Broker
	state        state
	generation   int32
	protocolType string
	protocol     string
	leader       string
	members      map[string]*member
	order        []string             // member ids as they came in
	static       map[string]string    // instance id → member id
	pending      map[string]time.Time // member ids given out and not used yet → when they expire
	offsets      map[key]Committed
	deadline     time.Time // of the join or sync barrier
}

type member struct {
	id, instance       string
	session, rebalance time.Duration
	protocols          []kmsg.JoinGroupRequestProtocol
	join               *parked[*kmsg.JoinGroupRequest]
	sync               *parked[*kmsg.SyncGroupRequest]
	expires            time.Time
	assignment         []byte
}

// parked is a request that waits at a barrier.
type parked[R kmsg.Request] struct {
	token uint64
	req   R
}

func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

func (m *member) touch(now time.Time) { m.expires = now.Add(m.session) }

// waits says that the member is at a barrier: its session does not run.
func (m *member) waits() bool { return m.join != nil || m.sync != nil }

func (g *group) add(m *member) {
	if len(g.members) == 0 {
		g.protocolType = m.join.req.ProtocolType
	}
	g.members[m.id] = m
	g.order = append(g.order, m.id)
	if m.instance != "" {
		g.static[m.instance] = m.id
	}
}

func (g *group) remove(m *member) {
	if m.join != nil {
		g.refuseJoin(m.join, unknownMemberCode)
	}
	if m.sync != nil {
		g.refuseSync(m.sync, unknownMemberCode)
	}
	delete(g.members, m.id)
	g.order = slices.DeleteFunc(g.order, func(id string) bool { return id == m.id })
	if g.static[m.instance] == m.id {
		delete(g.static, m.instance)
	}
}

// changed reacts to a member that is gone.
func (g *group) changed() {
	if g.state == stable || g.state == completing {
		g.startRebalance()
		return
	}
	g.tryComplete()
}

func (g *group) wake() time.Time {
	var at time.Time
	soonest := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if g.state == preparing || g.state == completing {
		soonest(g.deadline)
	}
	for _, m := range g.members {
		if !m.waits() {
			soonest(m.expires)
		}
	}
	for _, t := range g.pending {
		soonest(t)
	}
	return at
}

// expire does what is due at the broker's time.
func (g *group) expire() {
	due := func(t time.Time) bool { return !t.After(g.b.now) }
	for _, id := range slices.Sorted(maps.Keys(g.pending)) {
		if due(g.pending[id]) {
			delete(g.pending, id)
			g.tryComplete()
		}
	}
	for _, id := range slices.Clone(g.order) {
		if m := g.members[id]; m != nil && !m.waits() && due(m.expires) {
			g.remove(m)
			g.changed()
		}
	}
	switch {
	case g.state == preparing && due(g.deadline):
		g.completeJoin()
	case g.state == completing && due(g.deadline):
		g.expireSync()
	}
}

func (g *group) longestRebalance() time.Duration {
	var d time.Duration
	for _, m := range g.members {
		d = max(d, m.rebalance)
	}
	return d
}

// supports says whether a member with these names may be in the group: one of them is everybody's.
func (g *group) supports(protocolType string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if len(g.members) == 0 {
		return protocolType != "" && len(protocols) > 0
	}
	return protocolType == g.protocolType && slices.ContainsFunc(protocols, func(p kmsg.JoinGroupRequestProtocol) bool {
		return g.everybodys(p.Name)
	})
}

func (g *group) everybodys(name string) bool {
	for _, m := range g.members {
		if !slices.ContainsFunc(m.protocols, func(p kmsg.JoinGroupRequestProtocol) bool { return p.Name == name }) {
			return false
		}
	}
	return true
}

// selected is the name that most members prefer among those that all offer; of equals the first one seen.
func (g *group) selected() string {
	votes := map[string]int{}
	best := ""
	for _, id := range g.order {
		for _, p := range g.members[id].protocols {
			if g.everybodys(p.Name) {
				votes[p.Name]++
				if best == "" || votes[p.Name] > votes[best] {
					best = p.Name
				}
				break
			}
		}
	}
	return best
}
