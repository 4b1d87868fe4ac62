package group

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster/group/grouptest"
)

// world runs several cores against the model of a coordinator in virtual time.
type world struct {
	broker *grouptest.Broker
	start  time.Time
	now    time.Time
	nodes  []*node
	counts map[string]int32
	units  []string
	wire   []delivery
	seq    int
	rng    *rand.Rand // nil: no chance at all
	hop    time.Duration
	routes map[uint64]route // broker token → who waits
	tokens uint64
	log    func(n *node, o Output)
	after  func() // called after every step
}

type route struct {
	n     *node
	id    uint64
	lossy bool // the answer will be lost
}

type node struct {
	name    string
	core    *Core
	up      bool
	cut     bool // the network is gone: requests and answers are lost
	hold    bool // does not say Ready by itself
	frozen  bool // the process stands still; what happens meanwhile waits in inbox
	inbox   []Input
	touched bool // something was done to it that a membership may be lost by
	kicked  bool // evicted without having been silent: holders leaves it out
	waiting map[uint64]bool
	faults  []fault
	events  []Event
}

// fault answers the next requests of an operation in the broker's place.
type fault struct {
	op    string
	code  int16
	times int
	lost  bool // no answer at all, but the request arrives
}

type delivery struct {
	at  time.Time
	seq int
	do  func()
}

var errLost = errors.New("connection lost")

func newWorld(o grouptest.Options) *world {
	start := time.Unix(1_000_000, 0)
	return &world{broker: grouptest.New(o), start: start, now: start, counts: map[string]int32{}, hop: time.Millisecond, routes: map[uint64]route{}}
}

func (w *world) add(name string, cfg Config) (*node, error) {
	core, err := NewCore(cfg)
	if err != nil {
		return nil, err
	}
	n := &node{name: name, core: core, up: true, waiting: map[uint64]bool{}}
	w.nodes = append(w.nodes, n)
	return n, nil
}

func (w *world) node(name string) *node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

func (w *world) later(d time.Duration, do func()) {
	w.seq++
	w.wire = append(w.wire, delivery{w.now.Add(d), w.seq, do})
}

// latency is one hop, up to ten times as long by chance.
func (w *world) latency() time.Duration {
	if w.rng == nil {
		return w.hop
	}
	return w.hop * time.Duration(1+w.rng.IntN(10))
}

// do tells a node something now and carries out what it wants.
func (w *world) do(n *node, in Input) {
	if !n.up {
		return
	}
	if n.frozen {
		n.inbox = append(n.inbox, in)
		return
	}
	for _, o := range n.core.Step(w.now, in) {
		switch o := o.(type) {
		case Send:
			w.send(n, o)
		case Drop:
			delete(n.waiting, o.ID)
		case Need:
			if n.faulty("inventory") {
				w.later(w.latency(), func() { w.do(n, Supply{Generation: o.Generation, Err: errLost}) })
				break
			}
			inv := Inventory{Counts: map[string]int32{}, Units: w.units}
			for _, t := range o.Topics {
				if c, ok := w.counts[t]; ok {
					inv.Counts[t] = c
				}
			}
			w.later(w.latency(), func() { w.do(n, Supply{Generation: o.Generation, Inventory: inv}) })
		case Event:
			n.events = append(n.events, o)
			w.react(n, o)
		}
		if w.log != nil {
			w.log(n, o)
		}
	}
	if w.after != nil {
		w.after()
	}
}

// faulty uses up a fault of an operation that is no request.
func (n *node) faulty(op string) bool {
	for i := range n.faults {
		if f := &n.faults[i]; f.op == op && f.times > 0 {
			f.times--
			return true
		}
	}
	return false
}

// thaw lets a frozen process go on: late, it sees everything that has happened.
func (w *world) thaw(n *node) {
	inbox := n.inbox
	n.frozen, n.inbox = false, nil
	if w.after != nil {
		w.after() // it may go on handling before it hears anything
	}
	for _, in := range inbox {
		w.do(n, in)
	}
	w.do(n, Tick{})
}

// react says Ready a little later, as a caller whose handlers finish.
func (w *world) react(n *node, e Event) {
	if n.hold {
		return
	}
	var generation int32
	switch e := e.(type) {
	case RebalanceNeeded:
		generation = e.Generation
	case Lost:
		generation = e.Generation
	default:
		return
	}
	w.later(w.latency(), func() { w.do(n, Ready{Generation: generation}) })
}

func (w *world) send(n *node, s Send) {
	n.waiting[s.ID] = true
	core := n.core
	answer := func(r Reply) {
		if n.core == core && n.waiting[s.ID] {
			delete(n.waiting, s.ID)
			w.do(n, r)
		}
	}
	w.later(s.Timeout, func() { answer(Reply{ID: s.ID, Err: errors.New("timed out")}) })
	lost := n.cut
	for i := range n.faults {
		f := &n.faults[i]
		if f.op != s.Op || f.times == 0 {
			continue
		}
		f.times--
		if f.lost {
			lost = true
			break
		}
		w.later(w.latency(), func() { answer(Reply{ID: s.ID, Response: refusal(s.Request, f.code)}) })
		return
	}
	if lost && w.rng == nil || lost && w.rng.IntN(2) == 0 {
		w.later(w.latency(), func() { answer(Reply{ID: s.ID, Err: errLost}) })
		if n.cut {
			return
		}
	}
	w.tokens++
	token := w.tokens
	req := onTheWire(s.Request)
	w.routes[token] = route{n: n, id: s.ID, lossy: lost}
	w.later(w.latency(), func() {
		w.broker.Handle(w.now, token, req)
		w.collect()
	})
}

// collect routes the broker's answers back.
func (w *world) collect() {
	for _, r := range w.broker.Replies() {
		to := w.routes[r.Token]
		delete(w.routes, r.Token)
		core := to.n.core
		w.later(w.latency(), func() {
			if to.lossy || to.n.cut || to.n.core != core || !to.n.waiting[to.id] {
				return
			}
			delete(to.n.waiting, to.id)
			w.do(to.n, Reply{ID: to.id, Response: r.Response})
		})
	}
}

// onTheWire encodes and decodes a request as the shell sends it.
func onTheWire(r kmsg.Request) kmsg.Request {
	r.SetVersion(version(r))
	out := kmsg.RequestForKey(r.Key())
	out.SetVersion(version(r))
	if err := out.ReadFrom(r.AppendTo(nil)); err != nil {
		panic(err)
	}
	return out
}

// refusal is an answer that carries a code wherever it can.
func refusal(r kmsg.Request, code int16) kmsg.Response {
	switch r := r.(type) {
	case *kmsg.JoinGroupRequest:
		resp := r.ResponseKind().(*kmsg.JoinGroupResponse)
		resp.ErrorCode = code
		return resp
	case *kmsg.SyncGroupRequest:
		resp := r.ResponseKind().(*kmsg.SyncGroupResponse)
		resp.ErrorCode = code
		return resp
	case *kmsg.HeartbeatRequest:
		resp := r.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = code
		return resp
	case *kmsg.LeaveGroupRequest:
		resp := r.ResponseKind().(*kmsg.LeaveGroupResponse)
		resp.ErrorCode = code
		return resp
	case *kmsg.OffsetFetchRequest:
		resp := r.ResponseKind().(*kmsg.OffsetFetchResponse)
		resp.ErrorCode = code
		return resp
	case *kmsg.OffsetCommitRequest:
		resp := r.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, t := range r.Topics {
			rt := kmsg.OffsetCommitResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				rt.Partitions = append(rt.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp
	}
	panic(fmt.Sprintf("no refusal for %T", r))
}

// run lets time pass until everything up to an end has happened.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for w.stepBefore(end) {
	}
	w.now = end
	w.broker.Advance(end)
	w.collect()
}

// stepBefore does the next thing that is due up to an end.
func (w *world) stepBefore(end time.Time) bool {
	at, do := end, func() {}
	found := false
	consider := func(t time.Time, f func()) {
		if !t.IsZero() && !t.After(end) && (!found || t.Before(at)) {
			at, do, found = t, f, true
		}
	}
	if len(w.wire) > 0 {
		i := 0
		for j, d := range w.wire {
			if cmp.Or(d.at.Compare(w.wire[i].at), cmp.Compare(d.seq, w.wire[i].seq)) < 0 {
				i = j
			}
		}
		consider(w.wire[i].at, func() {
			d := w.wire[i]
			w.wire = slices.Delete(w.wire, i, i+1)
			d.do()
		})
	}
	consider(w.broker.Wake(), func() {
		w.broker.Advance(w.now)
		w.collect()
	})
	for _, n := range w.nodes {
		if n.up && !n.frozen {
			consider(n.core.Wake(), func() { w.do(n, Tick{}) })
		}
	}
	if found {
		w.now = maxTime(w.now, at)
		do()
	}
	return found
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// holders returns who may start a record of a partition now, as a caller that follows the fetch rule sees it: it was assigned
// to it and the lease of that generation holds.
func (w *world) holders() map[string][]string { return w.holdersBy(true) }

// holdersBy is holders for callers that look at the lease, or do not.
func (w *world) holdersBy(lease bool) map[string][]string {
	out := map[string][]string{}
	for _, n := range w.nodes {
		l := n.core.Lease()
		holds := l.Generation == n.core.assignedIn && l.Holds(w.now) || !lease && n.core.Status().Assigned
		if !n.up || n.frozen || n.kicked || !holds {
			continue
		}
		for topic, list := range n.core.assigned.Partitions {
			for _, p := range list {
				k := fmt.Sprintf("%s/%d", topic, p)
				out[k] = append(out[k], n.name)
			}
		}
		for _, u := range n.core.assigned.Units {
			out[u] = append(out[u], n.name)
		}
	}
	return out
}

func (w *world) since() time.Duration { return w.now.Sub(w.start) }

func (w *world) describe(group string) string {
	d := w.broker.Describe(group)
	var b strings.Builder
	fmt.Fprintf(&b, "%s generation %d type %q protocol %q\n", d.State, d.Generation, d.ProtocolType, d.Protocol)
	for _, m := range d.Members {
		p := decodeSubscription(m.ID, m.InstanceID, m.Metadata)
		a, _ := decodeAssignment(m.Assignment)
		leads := ""
		if m.ID == d.LeaderID {
			leads = " leader"
		}
		fmt.Fprintf(&b, "  %s %s%s offers %v: %s\n", m.ID, p.Kind, leads, m.Protocols, showAssignment(a))
	}
	return b.String()
}

func showAssignment(a Assignment) string {
	if a.Len() == 0 {
		return "nothing"
	}
	return strings.TrimSpace(a.Partitions.String() + " " + strings.Join(a.Units, " "))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
