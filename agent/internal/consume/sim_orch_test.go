package consume

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

const (
	simMigration = "m"
	simStream    = events.Stream("group/g")
)

// simOrch folds the log, keeps the guards and drives the switch: a modelled projector and driver. Its memory is the fold; what
// it has appended and not seen again it forgets.
type simOrch struct {
	w       *world
	st      events.Standing
	seen    map[string]bool
	at      int64 // position of the last event that changed what agents are told
	began   time.Time
	prep    map[string]events.Prepared
	drain   map[string]events.Drained // by member id
	staged  map[Partition]int64
	points  []events.CutPoint
	cut     []events.TopicOffset
	leave   bool
	wait    bool // an append is on its way
	dead    bool
	dieAt   events.Phase
	guards  [2]*simGuard
	epochs  int
	old     []events.Directive
	oldEv   []events.Event
	n       int
	decided int
}

func newSimOrch(w *world) *simOrch {
	o := &simOrch{w: w, st: events.Standing{Phase: events.PhaseOnSource}, seen: map[string]bool{}, at: -1, epochs: 1}
	o.reset()
	o.guards[Target] = newSimGuard(w, Target, simTargetName("orders"))
	if w.f.dead {
		o.dieAt = []events.Phase{events.PhasePreparing, events.PhaseHolding, events.PhaseDrained, events.PhaseCut, events.PhaseStaged}[w.rng.IntN(5)]
	}
	w.after(w.between(0, 500*time.Millisecond), func() {
		o.at = 0
		w.control.append(o.event(events.GuardHeld{Side: events.RouteTarget, MemberID: "guard"}, nil), func(int64) {})
		o.tick()
	})
	return o
}

func (o *simOrch) reset() {
	o.prep, o.drain, o.staged = map[string]events.Prepared{}, map[string]events.Drained{}, map[Partition]int64{}
	o.points, o.cut, o.leave = nil, nil, false
}

// unrest: the switch is to end on the target, unless the orchestrator died or nobody tries any more.
func (o *simOrch) unrest() string {
	switch {
	case o.dead, o.st.Phase == events.PhaseOnTarget:
		return ""
	case o.st.Phase == events.PhaseOnSource && int(o.st.Epoch) >= o.epochs:
		return ""
	}
	return "the readers are " + string(o.st.Phase)
}

func (o *simOrch) event(b events.Body, expects *uint64) events.Event {
	o.n++
	e, err := events.New(fmt.Sprintf("o%d", o.n), simMigration, simStream, events.Actor{Kind: events.Orchestrator, Name: "orch"}, o.w.now, b)
	if err != nil {
		panic(err)
	}
	e.Expects, e.Epoch = expects, o.st.Epoch
	return e
}

// decide appends a command, decision or abort for the standing that is known now.
func (o *simOrch) decide(b events.Body) {
	v := o.st.Version
	e := o.event(b, &v)
	if b.EventType() == "SwitchRequested" {
		e.Epoch++
	}
	if b.EventType() == "AbortRequested" {
		e.Expects = nil
	}
	o.wait = true
	o.oldEv = append(o.oldEv, e)
	o.w.control.append(e, func(int64) { o.wait = false })
}

func (o *simOrch) abort() {
	if !o.dead && o.undecided() {
		o.w.log("somebody changes their mind")
		o.decide(events.AbortRequested{Code: "operator", Reason: "no"})
	}
}

func (o *simOrch) undecided() bool {
	return o.st.Phase != events.PhaseOnSource && o.st.Phase != events.PhaseCommitted && o.st.Phase != events.PhaseOnTarget
}

// fold takes the next event of the log.
func (o *simOrch) fold(r events.Record) {
	e := r.Event
	if o.seen[e.ID] {
		return
	}
	o.seen[e.ID] = true
	kind, _ := events.Lookup(e.Type)
	if kind.Class.Versioned() {
		if why := events.Judge(kind, events.ReadersAxis, e, o.st); why != "" {
			o.w.log("event %d %s is ignored: %s", r.Position, e.Type, why)
			return
		}
		o.st.Version++
		o.accepted(e, r.Position)
		return
	}
	o.acknowledged(e, r.Position)
}

func (o *simOrch) accepted(e events.Event, at int64) {
	for _, m := range events.Moves(events.ReadersAxis) {
		if m.Type == e.Type && slices.Contains(m.From, o.st.Phase) {
			o.st.Phase = m.To
			break
		}
	}
	switch e.Type {
	case "SwitchRequested":
		o.reset()
		o.st.Epoch, o.began = e.Epoch, o.w.now
	case "SwitchCommitted":
		o.decided++
		for _, p := range o.points {
			here := Partition{Topic: simTargetName(p.Topic), ID: p.Partition}
			if have := o.w.brokers[Target].committed[here]; have != p.Target {
				o.w.fail("DECISION: %s on T at %d, the cut is %d", here, have, p.Target)
			}
		}
	case "CutTaken":
		o.points = decode[events.CutTaken](e).Cut
	case "DrainProven":
		o.cut = decode[events.DrainProven](e).Offsets
		return // no directive
	}
	o.at = at
	o.w.log("accepted %s: %s epoch %d", e.Type, o.st.Phase, o.st.Epoch)
	o.die()
}

func (o *simOrch) die() {
	if o.w.f.dead && o.st.Phase == o.dieAt && !o.dead && o.undecided() {
		o.w.after(o.w.between(0, 40*time.Millisecond), func() {
			if o.undecided() && !o.wait {
				o.w.log("the orchestrator dies")
				o.dead = true
			}
		})
	}
}

func decode[B events.Body](e events.Event) B {
	var b B
	if err := unmarshal(e.Body, &b); err != nil {
		panic(err)
	}
	return b
}

func (o *simOrch) acknowledged(e events.Event, at int64) {
	if e.Epoch != o.st.Epoch {
		return
	}
	switch e.Type {
	case "Prepared":
		b := decode[events.Prepared](e)
		o.prep[b.Incarnation] = b
	case "Drained":
		b := decode[events.Drained](e)
		o.drain[b.Member] = b
		for _, p := range b.Processed { // the difference is listed, and may be repeated
			from := int64(0)
			for _, c := range b.Committed {
				if c.Topic == p.Topic && c.Partition == p.Partition {
					from = c.Offset - o.w.brokers[Source].shift
				}
			}
			for i := from; i < p.Offset-o.w.brokers[Source].shift; i++ {
				o.w.parts[Partition{Topic: p.Topic, ID: p.Partition}].excused[int(i)] = true
			}
		}
		for _, c := range b.Committed {
			if have := o.w.brokers[Source].committed[Partition{Topic: c.Topic, ID: c.Partition}]; have < c.Offset {
				o.w.fail("ACK: %s/%d drained at %d, committed is %d", c.Topic, c.Partition, c.Offset, have)
			}
		}
	case "Staged":
		if o.st.Phase != events.PhaseCut {
			return
		}
		for _, s := range decode[events.Staged](e).Offsets {
			o.staged[Partition{Topic: s.Topic, ID: s.Partition}] = s.Offset
		}
		for _, p := range o.points {
			if got, ok := o.staged[Partition{Topic: p.Topic, ID: p.Partition}]; !ok || got != p.Target {
				return
			}
		}
		o.st.Phase = events.PhaseStaged
		o.die()
	}
}

// tick does what the fold wants, again and again.
func (o *simOrch) tick() {
	if !o.dead {
		o.w.after(o.w.between(5*time.Millisecond, 40*time.Millisecond), o.tick)
		o.guard()
		o.publish()
		if !o.wait {
			o.act()
		}
		if o.w.f.stale && o.w.chance(0.05) {
			o.zombie()
		}
		if o.w.f.echo && o.w.chance(0.1) {
			o.echo()
		}
	}
}

// zombie is the other orchestrator, whose writes arrive late.
func (o *simOrch) zombie() {
	if len(o.old) > 0 {
		o.w.control.publish(o.old[o.w.rng.IntN(len(o.old))])
	}
	if len(o.oldEv) > 0 {
		e := o.oldEv[o.w.rng.IntN(len(o.oldEv))]
		o.n++
		e.ID = fmt.Sprintf("z%d", o.n)
		if e.Type != "AbortRequested" || e.Epoch != o.st.Epoch {
			o.w.control.append(e, func(int64) {})
		}
	}
}

// echo asks for the abort of the next attempt, which is refused, and in every attempt repeats what was asked before it began.
func (o *simOrch) echo() {
	e := o.event(events.AbortRequested{Code: "operator", Reason: "too early"}, nil)
	if !o.undecided() {
		e.Epoch++
	}
	e.ID = fmt.Sprintf("echo%d", e.Epoch)
	if o.seen[e.ID] != o.undecided() {
		return
	}
	o.w.control.append(e, func(int64) {})
}

func (o *simOrch) directive() events.Directive {
	d := events.Directive{
		SourceCluster: "S", Addressee: events.ToGroup("g"), Position: o.at, Migration: simMigration, Stream: simStream,
		Version: o.st.Version, Epoch: o.st.Epoch, Phase: o.st.Phase, AtLeast: "0.1",
	}
	g := events.GroupOrder{
		Source: "S", Target: "T", Topics: []events.GroupTopic{{Topic: "orders", TargetTopic: simTargetName("orders"), Partitions: 3}},
		HoldMillis: simHold.Milliseconds(), Straggler: events.StragglerAbort, LeaveSource: o.leave,
		Open: o.st.Phase == events.PhaseOnSource || o.st.Phase == events.PhaseOnTarget,
	}
	if o.w.f.proceed {
		g.Straggler = events.StragglerProceed
	}
	switch o.st.Phase {
	case events.PhasePreparing:
		g.Order = events.OrderPrepare
	case events.PhaseHolding, events.PhaseDrained:
		g.Order = events.OrderHold
	case events.PhaseCut, events.PhaseStaged:
		g.Order, g.Cut = events.OrderStage, o.points
	case events.PhaseCommitted, events.PhaseOnTarget:
		g.Order, g.Cut = events.OrderTarget, o.points
	default:
		g.Order = events.OrderSource
	}
	d.Group = &g
	return d
}

func (o *simOrch) publish() {
	if o.at < 0 || o.visible() {
		return
	}
	d := o.directive()
	o.old = append(o.old, d)
	if !o.w.f.late || !o.w.chance(0.2) { // else it is lost
		o.w.control.publish(d)
	}
}

// visible says that the directive of the fold was read back.
func (o *simOrch) visible() bool {
	d, found := o.w.control.latest()
	return found && d.Position >= o.at
}

// guard keeps the guards where the fold wants them.
func (o *simOrch) guard() {
	s := o.guards[Source]
	want := o.undecided() || o.st.Phase == events.PhaseCommitted || o.st.Phase == events.PhaseOnTarget
	switch {
	case want && s == nil && (o.st.Phase == events.PhasePreparing || !o.undecided()):
		o.guards[Source] = newSimGuard(o.w, Source, "orders")
	case want && s != nil && s.refused && o.undecided() && !o.wait:
		s.refused = false
		o.decide(events.AbortRequested{Code: "stranger", Reason: "the guard was refused"})
	case !want && s != nil && o.visible():
		s.step(group.Leave{})
		o.guards[Source] = nil
	}
	if t := o.guards[Target]; t != nil && o.st.Phase == events.PhaseOnTarget && o.visible() {
		t.step(group.Leave{})
		o.guards[Target] = nil
	}
}

// agentsIn are the member ids on a side that are not the guard's; ok is false if the group does not stand still or lacks it.
func (o *simOrch) agentsIn(side Side) (ids []string, ok bool) {
	b, g := o.w.brokers[side], o.guards[side]
	if g == nil || g.m.Status().MemberID == "" || b.members[g.m.Status().MemberID] == nil || b.state != "Stable" {
		return nil, false
	}
	for _, id := range b.order {
		if id != g.m.Status().MemberID {
			ids = append(ids, id)
		}
	}
	return ids, true
}

func (o *simOrch) act() {
	switch o.st.Phase {
	case events.PhaseOnSource:
		if t := o.guards[Target]; int(o.st.Epoch) < o.epochs+2 && o.visible() && t != nil && t.m.Status().Assigned && o.guards[Source] == nil &&
			o.w.now.Sub(simStart) > 1500*time.Millisecond && o.w.chance(0.05) {
			o.decide(events.SwitchRequested{To: events.RouteTarget})
		}
	case events.PhasePreparing:
		ids, ok := o.agentsIn(Source)
		ready := ok && len(ids) > 0
		for _, id := range ids {
			ready = ready && slices.ContainsFunc(slices.Collect(maps.Values(o.prep)), func(p events.Prepared) bool { return p.SourceMember == id })
		}
		switch {
		case ready:
			o.decide(events.HoldOrdered{Members: ids})
		case o.w.now.Sub(o.began) > 12*time.Second:
			o.decide(events.AbortRequested{Code: "prepare-expired", Reason: "not all prepared"})
		}
	case events.PhaseHolding:
		o.proveDrain()
	case events.PhaseDrained:
		o.takeCut()
	case events.PhaseStaged:
		o.decide(events.SwitchCommitted{})
	case events.PhaseCommitted:
		o.complete()
	}
}

// proveDrain: the hold is visible, and every member has drained under its member id.
func (o *simOrch) proveDrain() {
	ids, ok := o.agentsIn(Source)
	if !ok || !o.visible() {
		return
	}
	for _, id := range ids {
		if _, drained := o.drain[id]; !drained {
			return
		}
	}
	var list []events.TopicOffset
	for i := range o.w.topics["orders"] {
		at, committed := o.w.brokers[Source].committed[Partition{Topic: "orders", ID: i}]
		if !committed {
			return
		}
		list = append(list, events.TopicOffset{Topic: "orders", Partition: i, Offset: at})
	}
	o.decide(events.DrainProven{Offsets: list})
}

func (o *simOrch) takeCut() {
	var cut []events.CutPoint
	for _, c := range o.cut {
		p := Partition{Topic: c.Topic, ID: c.Partition}
		if have := o.w.brokers[Source].committed[p]; have != c.Offset {
			o.w.fail("DRAIN: %s on S moved from %d to %d after the proof", p, c.Offset, have)
		}
		idx := c.Offset - o.w.brokers[Source].shift
		if int(idx) > len(o.w.brokers[Target].logs[Partition{Topic: simTargetName(p.Topic), ID: p.ID}]) {
			return // wait for the copy
		}
		cut = append(cut, events.CutPoint{Topic: c.Topic, Partition: c.Partition, Source: c.Offset, Target: idx + o.w.brokers[Target].shift})
	}
	o.decide(events.CutTaken{Cut: cut})
}

// complete lets the agents leave the source, then closes the switch.
func (o *simOrch) complete() {
	if !o.leave && o.guards[Source] != nil {
		o.leave = true
		o.wait = true
		o.w.control.append(o.event(events.GuardHeld{Side: "source", MemberID: "guard"}, nil), func(at int64) { o.at, o.wait = max(o.at, at), false })
		return
	}
	if ids, ok := o.agentsIn(Target); ok && len(ids) > 0 && o.visible() && o.w.chance(0.1) {
		o.decide(events.SwitchCompleted{Evidence: "seen"})
	}
}

// simGuard is a member that closes a group and takes nothing.
type simGuard struct {
	w       *world
	side    Side
	m       *group.Core
	refused bool
	inbox   []group.Input
	inside  bool
}

func newSimGuard(w *world, side Side, topic string) *simGuard {
	offer := group.Closed(group.Identity{Kind: group.KindGuard}, topic)
	m, err := group.NewCore(group.Config{Group: "g", Offer: offer, Prompt: true, Heartbeat: simHeartbeat, Session: time.Minute, Rebalance: simRebalance, Request: time.Second})
	if err != nil {
		panic(err)
	}
	g := &simGuard{w: w, side: side, m: m}
	g.step(group.Start{})
	return g
}

func (g *simGuard) step(in group.Input) {
	g.inbox = append(g.inbox, in)
	if g.inside {
		return
	}
	g.inside = true
	for len(g.inbox) > 0 {
		in := g.inbox[0]
		g.inbox = g.inbox[1:]
		for _, out := range g.m.Step(g.w.now, in) {
			g.out(out)
		}
	}
	g.inside = false
	if at := g.m.Wake(); !at.IsZero() {
		g.w.after(max(at.Sub(g.w.now), 0), func() {
			if at := g.m.Wake(); !at.IsZero() && !g.w.now.Before(at) {
				g.step(group.Tick{})
			}
		})
	}
}

func (g *simGuard) out(out group.Output) {
	switch out := out.(type) {
	case group.Send:
		g.w.call("guard"+g.side.String(), g.w.brokers[g.side], out, func(r group.Reply) { g.step(r) })
	case group.Need:
		counts := map[string]int32{}
		for t, n := range g.w.topics {
			counts[t], counts[simTargetName(t)] = n, n
		}
		g.step(group.Supply{Generation: out.Generation, Inventory: group.Inventory{Counts: counts}})
	case group.Refused:
		g.refused = true
		g.w.log("the guard is refused on %s: %v", g.side, out.Why)
		g.w.after(300*time.Millisecond, func() { g.step(group.Rejoin{Offer: out.Offer}) })
	}
}
