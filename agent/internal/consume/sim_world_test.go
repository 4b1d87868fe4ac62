package consume

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/portage-kafka/portage/events"
)

// faults say what goes wrong in a run, as probabilities or counts.
type faults struct {
	agents   int
	partial  bool    // the group has a topic that stays
	grow     int     // partitions that are added to it
	crash    int     // crashes of agents, with a restart under another incarnation
	pause    int     // agents that stop for longer than their session
	restart  int     // clean stops followed by a start
	stranger int     // foreign consumers that try to join
	lost     float64 // requests to brokers that fail, before or after they were done
	late     bool    // appends and directives come late, twice, out of order
	deaf     float64 // directives that reach an agent only after seconds, unless it asks
	deafest  bool    // one agent never hears of anything within a second, and takes long to connect
	echo     bool    // somebody asks for aborts of attempts to come, and again under the same ids once they are there
	stale    bool    // a second, late orchestrator publishes old directives and appends outdated decisions
	slow     float64 // handlers that take longer than the hold
	proceed  bool    // policy: abandon stragglers
	aborts   int     // people who change their mind
	dead     bool    // the orchestrator dies in the middle of an undecided switch
	errors   float64 // handlers that return an error
	lie      string  // a rule that the shell or the core is made to break, see TestRulesAreNeeded
}

type simEvent struct {
	at  time.Time
	seq int
	do  func()
}
type simQueue []simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].seq < q[j].seq
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simEvent)) }
func (q *simQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// world is one run: two clusters, agents, an orchestrator, strangers, and what must hold of the records.
type world struct {
	f       faults
	rng     *rand.Rand
	now     time.Time
	queue   simQueue
	seq     int
	trace   []string
	broken  string
	brokers [2]*simBroker
	control *simControl
	orch    *simOrch
	agents  []*simAgent
	foreign []*simForeign
	topics  map[string]int32 // partitions by topic at home
	records int
	parts   map[Partition]*simPart
}

// simPart is what happened to the records of one partition.
type simPart struct {
	first   int // the first record never processed
	times   map[int]int
	excused map[int]bool
	hands   map[*simHand]bool
}

type simHand struct {
	broker *simBroker
	who    string
	idx    int
}

const (
	simHeartbeat = 300 * time.Millisecond
	simSession   = 2 * time.Second
	simRebalance = 4 * time.Second
	simHold      = time.Second
	simLimit     = 4 * time.Minute
)

var simStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newWorld(seed uint64, f faults) *world {
	w := &world{f: f, rng: rand.New(rand.NewPCG(seed, 17)), now: simStart, records: 25, parts: map[Partition]*simPart{}}
	w.brokers[Source] = newSimBroker(w, "S", 100)
	w.brokers[Target] = newSimBroker(w, "T", 7000)
	w.topics = map[string]int32{"orders": 3}
	if f.partial {
		w.topics["audit"] = 2
	}
	for t, n := range w.topics {
		for i := range n {
			w.parts[Partition{Topic: t, ID: i}] = newSimPart()
		}
	}
	w.control = &simControl{w: w}
	w.orch = newSimOrch(w)
	w.produce()
	w.copyRecords()
	for i := range f.agents {
		w.spawn(fmt.Sprintf("a%d", i))
	}
	w.plan()
	return w
}

func (w *world) partitions() []Partition {
	var list []Partition
	for p := range w.parts {
		list = append(list, p)
	}
	return sorted(list)
}

// plan schedules the faults.
func (w *world) plan() {
	some := func(n int, do func()) {
		for range n {
			w.after(w.between(200*time.Millisecond, 9*time.Second), do)
		}
	}
	some(w.f.crash, func() { w.any().crash(w.between(0, 3*time.Second)) })
	some(w.f.pause, func() { w.any().pause(w.between(simSession/2, 2*simSession)) })
	some(w.f.restart, func() { w.any().stop() })
	some(w.f.grow, w.grow)
	some(w.f.aborts, func() { w.orch.abort() })
	some(w.f.stranger, func() { w.foreign = append(w.foreign, newSimForeign(w, w.brokers[w.rng.IntN(2)])) })
}

func (w *world) any() *simAgent { return w.agents[w.rng.IntN(len(w.agents))] }

func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rng.Int64N(int64(b-a)+1))
}
func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, simEvent{w.now.Add(d), w.seq, do})
}

// late is how long something travels.
func (w *world) late() time.Duration {
	if w.f.late && w.chance(0.15) {
		return w.between(50*time.Millisecond, 1500*time.Millisecond)
	}
	return w.between(time.Millisecond, 15*time.Millisecond)
}

func (w *world) log(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%9.3fs  ", w.now.Sub(simStart).Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
		w.log("VIOLATION: %s", w.broken)
	}
}

// run runs until everything is handled and at rest, a rule is broken, or time is up.
func (w *world) run() error {
	for w.broken == "" && len(w.queue) > 0 {
		e := heap.Pop(&w.queue).(simEvent)
		if w.now = e.at; w.now.Sub(simStart) > simLimit {
			w.fail("not at rest after %v: %s", simLimit, w.unrest())
			break
		}
		e.do()
		if w.now.Sub(simStart) > 10*time.Second && w.unrest() == "" {
			return nil
		}
	}
	if w.broken == "" {
		w.broken = "nothing left to do: " + w.unrest()
	}
	return fmt.Errorf("%s\n%s", w.broken, strings.Join(w.trace, "\n"))
}

// unrest says what is still to come, "" if nothing.
func (w *world) unrest() string {
	for _, p := range w.partitions() {
		if part := w.parts[p]; part.first < w.records {
			return fmt.Sprintf("%s is processed up to %d of %d", p, part.first, w.records)
		}
	}
	for _, a := range w.agents {
		if a.busy() {
			return a.name + " is busy"
		}
	}
	return w.orch.unrest()
}

// produce appends records to the source over the run, copyRecords brings those of moving topics to the target.
func (w *world) produce() {
	for _, p := range w.partitions() {
		w.produceTo(p)
	}
}

func (w *world) produceTo(p Partition) {
	for i := range w.records {
		w.after(w.between(0, 8*time.Second), func() { // order within a partition by position
			b := w.brokers[Source]
			b.logs[p] = append(b.logs[p], i)
			b.logs[p][len(b.logs[p])-1] = len(b.logs[p]) - 1
		})
	}
}

func (w *world) copyRecords() {
	s, t := w.brokers[Source], w.brokers[Target]
	for _, p := range w.partitions() {
		if name := simTargetName(p.Topic); p.Topic == "orders" {
			t.logs[Partition{Topic: name, ID: p.ID}] = slices.Clone(s.logs[p])
		}
	}
	w.after(w.between(2*time.Millisecond, 60*time.Millisecond), w.copyRecords)
}

func simTargetName(topic string) string { return topic + "-eu" }

// home is a partition's name at home and the index of the record at an offset.
func (w *world) home(b *simBroker, p Partition) Partition {
	return Partition{Topic: strings.TrimSuffix(p.Topic, "-eu"), ID: p.ID}
}

// start and finish bracket a handler.
func (w *world) start(b *simBroker, p Partition, idx int, who string) *simHand {
	part := w.parts[p]
	for h := range part.hands {
		if !part.excused[h.idx] {
			w.fail("TWO HANDLERS of %s: %s has record %d from %s, %s starts %d from %s", p, h.who, h.idx, h.broker.name, who, idx, b.name)
		}
	}
	h := &simHand{b, who, idx}
	part.hands[h] = true
	return h
}

func (w *world) finish(p Partition, h *simHand) {
	part := w.parts[p]
	delete(part.hands, h)
	switch {
	case part.times[h.idx] > 0 && !part.excused[h.idx]:
		w.fail("DUPLICATE: record %d of %s again, by %s from %s", h.idx, p, h.who, h.broker.name)
	case h.idx > part.first:
		w.fail("LOSS OR ORDER: record %d of %s by %s from %s before %d", h.idx, p, h.who, h.broker.name, part.first)
	}
	if part.times[h.idx]++; h.idx == part.first {
		part.first++
	}
}

// excuse lists what an agent's lanes on a cluster have handled without a commit, or have in hand.
func (w *world) excuse(a *simAgent, b *simBroker) {
	for _, l := range a.lanes {
		if l.broker(w) != b {
			continue
		}
		from := 0
		if at, ok := b.committed[l.here()]; ok {
			from = int(at - b.shift)
		}
		for i := from; i < int(l.next-b.shift); i++ {
			w.parts[l.spec.Partition].excused[i] = true
		}
		for h := range w.parts[l.spec.Partition].hands {
			if h.who == a.inc && h.broker == b {
				w.parts[l.spec.Partition].excused[h.idx] = true
			}
		}
	}
}

func (w *world) excuseClient(b *simBroker, client string) {
	for _, a := range w.agents {
		if a.inc == client {
			w.excuse(a, b)
		}
	}
	for _, x := range w.foreign {
		if x.name == client {
			x.excuse()
		}
	}
}

// committing watches the target's offsets: they never fall within an epoch.
func (w *world) committing(b *simBroker, p Partition, at int64) {
	if before, ok := b.committed[p]; ok && at < before && b == w.brokers[Target] {
		w.fail("REWIND: %s on T from %d to %d", p, before, at)
	}
	if idx := at - b.shift; b == w.brokers[Target] && int(idx) > len(w.brokers[Target].logs[p]) {
		w.fail("BEYOND THE COPY: %s on T at %d, copied to %d", p, at, b.shift+int64(len(b.logs[p])))
	}
}

// simControl is the control cluster: the event log and the directives.
type simControl struct {
	w      *world
	events []events.Record
	dirs   []events.Directive
	first  map[string]int64 // position by event id
}

// append lands an event, maybe late or twice, and then says where its first copy stands.
func (c *simControl) append(e events.Event, done func(int64)) {
	land := func() {
		r := events.Record{Position: int64(len(c.events))}
		raw, err := events.Encode(e)
		if err != nil {
			c.w.fail("%s of epoch %d cannot be encoded: %v", e.Type, e.Epoch, err)
			return
		}
		r.Event, r.Body, r.Refusal = events.Decode([]byte(e.Key("n").String()), raw)
		c.events = append(c.events, r)
		if c.first == nil {
			c.first = map[string]int64{}
		}
		if _, again := c.first[e.ID]; !again {
			c.first[e.ID] = r.Position
		}
		c.w.log("event %d %s epoch %d by %s", r.Position, e.Type, e.Epoch, e.Actor.Name)
		c.w.orch.fold(r)
	}
	c.w.after(c.w.late(), func() {
		land()
		c.w.after(c.w.between(0, 5*time.Millisecond), func() { done(c.first[e.ID]) })
	})
	if c.w.f.late && c.w.chance(0.2) {
		c.w.after(c.w.between(0, 4*time.Second), land)
	}
}

// publish lands a directive and lets it travel to the agents, whatever is newer.
func (c *simControl) publish(d events.Directive) {
	c.w.after(c.w.late(), func() {
		c.dirs = append(c.dirs, d)
		for _, a := range c.w.agents {
			travels := c.w.late()
			if c.w.chance(c.w.f.deaf) || a.deafest() {
				travels = c.w.between(time.Second, 9*time.Second)
			}
			c.w.after(travels, func() { a.deliver(func() { a.step(DirectiveSeen{d}) }) })
		}
	})
}

// latest is the directive of the highest position.
func (c *simControl) latest() (d events.Directive, found bool) {
	for _, x := range c.dirs {
		if !found || x.Position > d.Position {
			d, found = x, true
		}
	}
	return d, found
}
