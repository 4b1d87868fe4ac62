package consume

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// simAgent is one process: the cores of an instance and its two memberships, and what a shell would do.
type simAgent struct {
	w       *world
	name    string // the instance
	inc     string // the process
	number  int
	core    *Core
	members [2]*group.Core
	lanes   map[uint64]*simLane
	inbox   []func()
	inside  bool
	dead    bool
	asleep  bool
	stopped bool
	backlog []func()
	led     [2]map[string]int32 // counts that a leader was supplied with
	seen    int64               // position of the order, which never falls
}

// simLane runs one lane.
type simLane struct {
	a      *simAgent
	spec   Lane
	open   bool
	shut   bool
	next   int64
	hand   *simHand
	zombie bool
}

func (l *simLane) broker(w *world) *simBroker { return w.brokers[l.spec.Side] }
func (l *simLane) here() Partition {
	return Partition{Topic: l.spec.Topic, ID: l.spec.Partition.ID}
}

func (w *world) spawn(name string) {
	a := &simAgent{w: w, name: name}
	w.agents = append(w.agents, a)
	a.boot()
}

func (a *simAgent) deafest() bool { return a.w.f.deafest && a == a.w.agents[0] }

func (a *simAgent) boot() {
	a.number++
	a.inc = fmt.Sprintf("%s.%d", a.name, a.number)
	topics := []string{"orders"}
	if a.w.f.partial {
		topics = append(topics, "audit")
	}
	core, err := New(Config{
		Group: "g", Topics: topics, Home: "S", Clusters: []string{"S", "T"}, Instance: a.name, Incarnation: a.inc,
		Commit: 100 * time.Millisecond, Retry: 50 * time.Millisecond,
	})
	if err != nil {
		panic(err)
	}
	a.core, a.members, a.lanes, a.inbox, a.backlog = core, [2]*group.Core{}, map[uint64]*simLane{}, nil, nil
	a.dead, a.asleep, a.stopped, a.seen = false, false, false, -1
	a.w.log("%s boots", a.inc)
	a.step(Begin{})
}

// deliver runs something in the process: never in a dead one, late in one that sleeps.
func (a *simAgent) deliver(do func()) {
	switch {
	case a.dead:
	case a.asleep:
		a.backlog = append(a.backlog, do)
	default:
		do()
	}
}

// later runs something in this very process after a while.
func (a *simAgent) later(d time.Duration, do func()) {
	inc := a.inc
	a.w.after(d, func() {
		if a.inc == inc {
			a.deliver(do)
		}
	})
}

func (a *simAgent) crash(down time.Duration) {
	if a.dead {
		return
	}
	a.w.log("%s crashes", a.inc)
	for _, b := range a.w.brokers {
		a.w.excuse(a, b)
	}
	for _, l := range a.lanes {
		if l.hand != nil {
			delete(a.w.parts[l.spec.Partition].hands, l.hand)
		}
	}
	a.dead, a.lanes = true, nil
	a.w.after(down, a.boot)
}

func (a *simAgent) pause(d time.Duration) {
	if a.dead || a.asleep {
		return
	}
	a.w.log("%s sleeps for %v", a.inc, d)
	a.asleep = true
	inc := a.inc
	a.w.after(d, func() {
		if a.inc != inc || a.dead {
			return
		}
		a.w.log("%s wakes", a.inc)
		a.asleep = false
		backlog := a.backlog
		a.backlog = nil
		for _, do := range backlog {
			a.deliver(do)
		}
	})
}

func (a *simAgent) stop() {
	if a.dead || a.stopped {
		return
	}
	a.w.log("%s stops", a.inc)
	a.stopped = true
	a.deliver(func() { a.step(Close{}) })
}

func (a *simAgent) busy() bool {
	for _, l := range a.lanes {
		if l.hand != nil {
			return true
		}
	}
	return a.dead
}

// step hands the core one input, then whatever follows from it.
func (a *simAgent) step(in Input) {
	in = a.lie(in)
	a.inbox = append(a.inbox, func() {
		for _, act := range a.core.Step(a.w.now, in) {
			a.do(act)
		}
		s := a.core.State()
		if s.Position < a.seen {
			a.w.fail("%s: the order fell from %d to %d", a.inc, a.seen, s.Position)
		}
		a.seen = s.Position
	})
	a.pump()
}

func (a *simAgent) member(side Side, in group.Input) {
	a.inbox = append(a.inbox, func() {
		m := a.members[side]
		if m == nil {
			return
		}
		for _, out := range m.Step(a.w.now, in) {
			a.memberOut(side, out)
		}
		if at := m.Wake(); !at.IsZero() {
			a.later(max(at.Sub(a.w.now), 0), func() { a.memberTick(side, m) })
		}
	})
	a.pump()
}

func (a *simAgent) memberTick(side Side, m *group.Core) {
	if at := m.Wake(); a.members[side] == m && !at.IsZero() && !a.w.now.Before(at) {
		a.member(side, group.Tick{})
	}
}

func (a *simAgent) pump() {
	if a.inside {
		return
	}
	a.inside = true
	for len(a.inbox) > 0 {
		do := a.inbox[0]
		a.inbox = a.inbox[1:]
		do()
	}
	a.inside = false
	if at := a.core.Wake(); !at.IsZero() {
		core := a.core
		a.later(max(at.Sub(a.w.now), 0), func() {
			if at := core.Wake(); a.core == core && !at.IsZero() && !a.w.now.Before(at) {
				next := map[uint64]int64{}
				for id, l := range a.lanes {
					next[id] = l.next
				}
				a.step(Tick{Next: next})
			}
		})
	}
}

// lie breaks a rule on purpose.
func (a *simAgent) lie(in Input) Input {
	switch in := in.(type) {
	case DirectiveRead:
		if a.w.f.lie == "read before joining" && in.Seq != a.core.booted {
			in.Found = false
			return in
		}
	case DirectiveSeen:
		if a.w.f.lie == "latest arrival wins" {
			a.core.order.position, a.seen = -1, -1
		}
	case EventsRead:
		if a.w.f.lie == "resume at the timeout" {
			in.Records = []events.Record{wish(a.core.order.position+1, a.core.order.dir, "liar")}
			return in
		}
		if a.w.f.lie == "a repeated abort counts" {
			in.Records = slices.Clone(in.Records)
			for i, r := range in.Records {
				if r.Event.Type == "AbortRequested" {
					in.Records[i] = wish(r.Position, a.core.order.dir, r.Event.Actor.Name)
				}
			}
			return in
		}
	}
	return in
}

var errSimNet = errors.New("connection reset")

func (a *simAgent) memberOut(side Side, out group.Output) {
	switch out := out.(type) {
	case group.Send:
		m := a.members[side]
		a.w.call(a.inc, a.w.brokers[side], out, func(r group.Reply) {
			a.later(0, func() {
				if a.members[side] == m {
					a.member(side, r)
				}
			})
		})
	case group.Need:
		counts := map[string]int32{}
		for t, n := range a.w.topics {
			if side == Target {
				t = simTargetName(t)
			}
			counts[t] = n
		}
		a.led[side] = counts
		a.later(a.w.between(0, 5*time.Millisecond), func() {
			a.member(side, group.Supply{Generation: out.Generation, Inventory: group.Inventory{Counts: counts}})
		})
	case group.Event:
		a.step(MemberEvent{Side: side, Event: out})
		if _, assigned := out.(group.Assigned); assigned && a.w.f.grow > 0 {
			a.assigned(side)
		}
	}
}

// call carries a request to a broker and its answer back; either may be lost.
func (w *world) call(client string, b *simBroker, s group.Send, answer func(group.Reply)) {
	done := false
	once := func(r group.Reply) {
		if !done {
			done = true
			answer(r)
		}
	}
	fail := func() { once(group.Reply{ID: s.ID, Err: errSimNet}) }
	w.after(s.Timeout, fail)
	fate := 0
	if w.chance(w.f.lost) {
		fate = 1 + w.rng.IntN(2)
	}
	if fate == 1 {
		w.after(w.late(), fail)
		return
	}
	w.after(w.between(200*time.Microsecond, 5*time.Millisecond), func() {
		b.handle(client, s.Request, func(r kmsg.Response) {
			if fate == 2 {
				w.after(w.between(time.Millisecond, 50*time.Millisecond), fail)
				return
			}
			w.after(w.between(200*time.Microsecond, 5*time.Millisecond), func() { once(group.Reply{ID: s.ID, Response: r}) })
		})
	})
}

func (a *simAgent) do(act Action) {
	w := a.w
	switch act := act.(type) {
	case ReadDirective:
		a.later(w.between(time.Millisecond, 20*time.Millisecond), func() {
			d, found := w.control.latest()
			a.later(w.between(0, 10*time.Millisecond), func() { a.step(DirectiveRead{Seq: act.Seq, Found: found, Directive: d}) })
		})
	case Join:
		m, err := group.NewCore(group.Config{
			Group: "g", Offer: act.Offer, Heartbeat: simHeartbeat, Session: simSession, Rebalance: simRebalance,
			Request: time.Second, Backoff: 20 * time.Millisecond,
		})
		if err != nil {
			panic(err)
		}
		a.members[act.Side] = m
		connecting := time.Duration(0)
		if w.chance(w.f.deaf) || a.deafest() {
			connecting = w.between(0, 500*time.Millisecond)
		}
		a.later(connecting, func() { a.member(act.Side, group.Start{}) })
	case Tell:
		a.member(act.Side, act.Input)
	case Forget:
		a.members[act.Side] = nil
	case Open:
		l := &simLane{a: a, spec: act.Lane, open: true, next: act.Lane.From}
		a.lanes[act.Lane.ID] = l
		w.log("%s opens %s on %s at %d", a.inc, act.Lane.Partition, act.Lane.Cluster, act.Lane.From)
		l.poll()
	case Shut:
		if l := a.lanes[act.Lane]; l != nil {
			l.open, l.shut = false, true
			l.close()
		}
	case Abandon:
		a.abandon(act.Lane)
	case FindStarts:
		found := map[Partition]int64{}
		for p := range act.At {
			found[p] = w.brokers[Source].shift
		}
		a.later(w.between(0, 10*time.Millisecond), func() { a.step(StartsFound{Seq: act.Seq, Offsets: found}) })
	case Call:
		a.later(w.between(0, 3*time.Millisecond), func() { a.step(Returned{Seq: act.Seq}) })
	case Append:
		w.control.append(act.Event, func(at int64) {
			a.later(0, func() { a.step(Appended{ID: act.Event.ID, Position: at}) })
		})
	case ReadEvents:
		a.later(w.between(time.Millisecond, 20*time.Millisecond), func() {
			var list []events.Record
			for _, r := range w.control.events {
				if r.Position >= act.From && r.Position <= act.To {
					list = append(list, r)
				}
			}
			a.step(EventsRead{Seq: act.Seq, Records: list})
		})
	case LogIn:
		a.later(w.late(), func() { a.step(LoggedIn{Cluster: act.Cluster}) })
	case Notice:
		w.log("%s %s %s: %s", a.inc, act.Kind, act.Side, act.Text)
	case Done:
		a.gone()
	}
}

// gone: a clean stop leaves nothing in hand, and another process takes the place.
func (a *simAgent) gone() {
	for _, l := range a.lanes {
		if l.hand != nil && !l.zombie {
			a.w.fail("%s is done with record %d in hand", a.inc, l.hand.idx)
		}
	}
	a.dead = true
	a.w.after(a.w.between(0, time.Second), a.boot)
}

func (a *simAgent) abandon(id uint64) {
	l := a.lanes[id]
	if l == nil || l.hand == nil {
		return
	}
	a.w.parts[l.spec.Partition].excused[l.hand.idx] = true
	l.zombie = true
	a.step(LaneClosed{Lane: id, Next: l.next, Abandoned: true})
}

// poll tries to start the next record.
func (l *simLane) poll() {
	a := l.a
	if a.lanes[l.spec.ID] != l || l.shut || l.hand != nil {
		return
	}
	for _, z := range a.lanes { // a shell waits for a zombie of the partition
		if z.zombie && z.hand != nil && z.spec.Partition == l.spec.Partition {
			a.later(20*time.Millisecond, l.poll)
			return
		}
	}
	b := l.broker(a.w)
	lease := group.Lease{}
	if m := a.members[l.spec.Side]; m != nil {
		lease = m.Lease()
	}
	idx := int(l.next - b.shift)
	may := MayStart(l.spec, l.open, lease, a.w.now)
	if a.w.f.lie == "no lease" {
		may = l.open
	}
	if !may || idx >= len(b.logs[l.here()]) {
		a.later(a.w.between(2*time.Millisecond, 30*time.Millisecond), l.poll)
		return
	}
	if idx < 0 {
		a.w.fail("%s starts %s at %d, before the first record", a.inc, l.spec.Partition, l.next)
		return
	}
	l.hand = a.w.start(b, l.spec.Partition, b.logs[l.here()][idx], a.inc)
	took := a.w.between(time.Millisecond, 60*time.Millisecond)
	if a.w.chance(a.w.f.slow) {
		took = a.w.between(simHold, 3*simHold)
	}
	a.later(took, l.handled)
}

func (l *simLane) handled() {
	a := l.a
	if l.a.lanes[l.spec.ID] != l {
		return
	}
	if a.w.chance(a.w.f.errors) && !l.zombie { // again, after a pause that a Shut ends
		delete(a.w.parts[l.spec.Partition].hands, l.hand)
		l.hand = nil
		if l.shut {
			l.close()
			return
		}
		a.later(30*time.Millisecond, l.poll)
		return
	}
	a.w.finish(l.spec.Partition, l.hand)
	l.hand = nil
	if l.zombie {
		return
	}
	l.next++
	if l.shut {
		l.close()
		return
	}
	a.later(0, l.poll)
}

func (l *simLane) close() {
	if a := l.a; a.w.f.lie == "drained with a record in hand" && l.hand != nil && !l.zombie {
		l.zombie = true
		a.step(LaneClosed{Lane: l.spec.ID, Next: l.next})
	}
	if l.hand != nil || l.zombie {
		return
	}
	l.zombie = true // said once
	l.a.step(LaneClosed{Lane: l.spec.ID, Next: l.next})
}

// simForeign is a consumer without the SDK: it offers range alone and handles one record at a time.
type simForeign struct {
	w      *world
	b      *simBroker
	name   string
	m      *group.Core
	asg    group.Partitions
	hand   *simHand
	part   Partition
	busy   bool
	inbox  []group.Input
	inside bool
	gone   bool
	id     uint64
}

func newSimForeign(w *world, b *simBroker) *simForeign {
	x := &simForeign{w: w, b: b, name: fmt.Sprintf("x%d", len(w.foreign))}
	topics := []string{"orders"}
	if w.f.partial {
		topics = append(topics, "audit")
	}
	if b == w.brokers[Target] {
		topics = []string{simTargetName("orders")}
	}
	offer := group.Open(group.Identity{Kind: group.KindAgent, Incarnation: x.name}, topics...)
	offer.Protocols = []string{group.ProtocolRange}
	m, err := group.NewCore(group.Config{Group: "g", Offer: offer, Heartbeat: simHeartbeat, Session: simSession, Rebalance: simRebalance, Request: time.Second})
	if err != nil {
		panic(err)
	}
	x.m = m
	w.log("stranger %s comes to %s", x.name, b.name)
	x.step(group.Start{})
	w.after(w.between(time.Second, 6*time.Second), x.leave)
	return x
}

func (x *simForeign) leave() {
	if x.hand != nil || x.busy {
		x.w.after(10*time.Millisecond, x.leave)
		return
	}
	x.gone, x.asg = true, nil
	x.step(group.Leave{})
}

func (x *simForeign) step(in group.Input) {
	x.inbox = append(x.inbox, in)
	if x.inside {
		return
	}
	x.inside = true
	for len(x.inbox) > 0 {
		in := x.inbox[0]
		x.inbox = x.inbox[1:]
		for _, out := range x.m.Step(x.w.now, in) {
			x.out(out)
		}
	}
	x.inside = false
	if at := x.m.Wake(); !at.IsZero() {
		x.w.after(max(at.Sub(x.w.now), 0), func() {
			if at := x.m.Wake(); !at.IsZero() && !x.w.now.Before(at) {
				x.step(group.Tick{})
			}
		})
	}
}

func (x *simForeign) out(out group.Output) {
	switch out := out.(type) {
	case group.Send:
		x.w.call(x.name, x.b, out, func(r group.Reply) { x.step(r) })
	case group.Need:
		counts := map[string]int32{}
		for t, n := range x.w.topics {
			counts[t], counts[simTargetName(t)] = n, n
		}
		x.step(group.Supply{Generation: out.Generation, Inventory: group.Inventory{Counts: counts}})
	case group.Assigned:
		x.asg = out.Assignment.Partitions
		x.w.after(time.Millisecond, x.poll)
	case group.RebalanceNeeded:
		x.asg = nil
		x.ready(out.Generation)
	case group.Lost:
		x.asg = nil
		x.ready(out.Generation)
	case group.Refused:
		x.w.log("stranger %s is refused on %s: %v", x.name, x.b.name, out.Why)
	case group.Committed:
		x.busy = false
		x.w.after(5*time.Millisecond, x.poll)
	}
}

// ready rejoins once nothing is in hand and the last commit was answered.
func (x *simForeign) ready(gen int32) {
	if x.hand != nil || x.busy {
		x.w.after(2*time.Millisecond, func() { x.ready(gen) })
		return
	}
	x.step(group.Ready{Generation: gen})
}

func (x *simForeign) excuse() {
	if x.hand != nil || x.busy {
		x.w.parts[x.part].excused[x.hand.idx] = true
	}
	if x.busy {
		x.w.parts[x.part].excused[x.w.parts[x.part].first-1] = true
	}
}

// poll handles one record of a random partition and commits it.
func (x *simForeign) poll() {
	if x.hand != nil || x.busy || x.gone || len(x.asg) == 0 || !x.m.Lease().Holds(x.w.now) {
		if len(x.asg) > 0 && !x.gone && x.hand == nil && !x.busy {
			x.w.after(10*time.Millisecond, x.poll)
		}
		return
	}
	var list []Partition
	for t, ns := range x.asg {
		for _, n := range ns {
			list = append(list, Partition{Topic: t, ID: n})
		}
	}
	slices.SortFunc(list, comparePartitions)
	p := list[x.w.rng.IntN(len(list))]
	at, ok := x.b.committed[p]
	if !ok {
		at = x.b.shift
	}
	idx := int(at - x.b.shift)
	if idx >= len(x.b.logs[p]) {
		x.w.after(10*time.Millisecond, x.poll)
		return
	}
	x.part = x.w.home(x.b, p)
	x.hand = x.w.start(x.b, x.part, idx, x.name)
	gen := x.m.Lease().Generation
	x.w.after(x.w.between(time.Millisecond, 30*time.Millisecond), func() {
		x.w.finish(x.part, x.hand)
		x.hand, x.busy = nil, true
		x.id++
		x.step(group.Commit{ID: x.id, Generation: gen, Offsets: []group.Offset{{Partition: p, At: at + 1}}})
	})
}
