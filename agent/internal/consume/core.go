package consume

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/portage-kafka/portage/events"
)

// Core is one consumer instance without I/O. It is not safe for concurrent use.
type Core struct {
	cfg Config
	now time.Time
	out []Action
	seq uint64 // the last id given to a request, lane or call

	booted  uint64 // the ReadDirective of the start; 0 before Begin
	running bool   // the directive was read once
	closing bool
	done    bool
	ready   bool // said so

	order  order
	names  map[string]string // names on the target by names at home
	sides  [2]*side
	lanes  map[Partition]*lane
	own    [2]map[Partition]ownPosition // kept per cluster
	hold   hold
	stage  *staging
	forced attempt // the attempt in which a stranger refused us: the source's doors stay open
	prep   prepared
	login  login
	sent   map[string]bool // ids of acknowledgements of the present attempt
}

// attempt names one switch attempt.
type attempt struct {
	migration string
	epoch     uint32
}

// New makes a Core that has not begun.
func New(cfg Config) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("consumer of group %q: %w", cfg.Group, err)
	}
	c := &Core{
		cfg: cfg, order: order{word: events.OrderSource, position: -1}, names: map[string]string{},
		lanes: map[Partition]*lane{}, own: [2]map[Partition]ownPosition{{}, {}}, sent: map[string]bool{},
	}
	c.sides[Source] = &side{id: Source, cluster: cfg.Home, stuck: map[Partition]trouble{}}
	c.sides[Target] = &side{id: Target, stuck: map[Partition]trouble{}}
	return c, nil
}

// Step tells the core one thing that happened and what time it is (with a monotonic reading), and returns what is to be done,
// in order. Times never run backwards.
func (c *Core) Step(now time.Time, in Input) []Action {
	c.now, c.out = now, nil
	if c.done {
		return nil
	}
	c.take(in)
	if c.running {
		c.reconcile()
	}
	return c.out
}

// take notes what happened.
//
//rules:flat one case an input
func (c *Core) take(in Input) {
	switch in := in.(type) {
	case Begin:
		c.booted = c.next()
		c.emit(ReadDirective{Seq: c.booted})
	case Close:
		c.closing, c.running = true, true
	case Tick:
		for id, next := range in.Next { //rules:ordered each goes to its own lane
			c.progress(id, next)
		}
	case DirectiveSeen:
		c.obey(in.Directive)
	case DirectiveRead:
		c.onDirectiveRead(in)
	case MemberEvent:
		c.onMember(c.sides[in.Side], in.Event)
	case Counted:
		c.onCounted(in)
	case LaneClosed:
		c.onLaneClosed(in)
	case Returned:
		c.onReturned(in.Seq)
	case StartsFound:
		c.onStarts(in)
	case Appended:
		c.onAppended(in)
	case EventsRead:
		c.onEventsRead(in)
	case LoggedIn:
		c.onLoggedIn(in)
	}
}

// reconcile compares what the order wants with what there is, and does what is missing. Everything here may be repeated.
func (c *Core) reconcile() {
	c.countLanes()
	c.watchHold()
	c.closeLanes()
	for _, s := range c.sides {
		c.flush(s)
	}
	for _, s := range c.sides {
		c.membership(s)
	}
	for _, s := range c.sides {
		c.load(s)
		c.commit(s)
	}
	c.acknowledge()
	c.stageCut()
	c.logIn()
	c.report()
	c.finish()
}

// report says, once, that the instance is where it belongs.
func (c *Core) report() {
	if s := c.sides[c.order.routeSide()]; !c.ready && s.state == assigned && s.fresh() {
		c.ready = true
		c.notice(Ready, s.id, "a member of the group on %s", s.cluster)
	}
}

// finish says Done once nothing is left of a closing instance.
func (c *Core) finish() {
	if !c.closing || len(c.lanes) > 0 || c.sides[Source].joined || c.sides[Target].joined {
		return
	}
	c.done = true
	c.emit(Done{})
}

// Wake returns when the core wants a Tick if nothing else happens before; zero: not at all.
func (c *Core) Wake() time.Time {
	var at time.Time
	soonest := func(want bool, t time.Time) {
		if want && t.After(c.now) && (at.IsZero() || t.Before(at)) { // what was due at c.now is done
			at = t
		}
	}
	if c.done || !c.running {
		return at
	}
	soonest(true, c.hold.wake())
	soonest(c.login.failed(), c.login.retry)
	soonest(c.stage != nil, c.stageRetry())
	for _, s := range c.sides {
		soonest(s.state == outside, s.retry)
		soonest(s.lanes > 0 && s.state == assigned, s.commitAt)
		for _, t := range s.stuck { //rules:ordered the soonest of all
			soonest(s.state == assigned, t.retry)
		}
	}
	return at
}

func (c *Core) next() uint64 {
	c.seq++
	return c.seq
}

func (c *Core) emit(a Action) { c.out = append(c.out, a) }

func (c *Core) alarm(side Side, p *Partition, format string, args ...any) {
	c.emit(Notice{Kind: Alarm, Side: side, Partition: p, Position: c.order.position, Text: fmt.Sprintf(format, args...)})
}

func (c *Core) notice(kind NoticeKind, side Side, format string, args ...any) {
	c.emit(Notice{Kind: kind, Side: side, Position: c.order.position, Text: fmt.Sprintf(format, args...)})
}

// sorted returns partitions in the order in which everything here goes through them.
func sorted(list []Partition) []Partition {
	slices.SortFunc(list, comparePartitions)
	return list
}

func comparePartitions(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
}

// byTopic groups partitions under their names on a side.
func (c *Core) byTopic(s *side, list []Partition) map[string][]int32 {
	out := map[string][]int32{}
	for _, p := range list {
		name := c.nameOn(s.id, p.Topic)
		out[name] = append(out[name], p.ID)
	}
	return out
}

// State is the instance as people want to see it.
type State struct {
	Order    string // the word of the order in force
	Position int64  // of its directive; −1 without one
	Epoch    uint32
	// Migration is the migration that the directive belongs to, empty without one.
	Migration string
	// Members are the member ids on the source and the target, empty outside.
	Members [2]string
	// Lanes are the partitions that are being handled.
	Lanes []Lane
	// Held is since when moving partitions stand still; zero: they do not.
	Held time.Time
}

// State returns a snapshot.
func (c *Core) State() State {
	s := State{
		Order: c.order.word, Position: c.order.position, Epoch: c.order.dir.Epoch, Migration: c.order.dir.Migration,
		Members: [2]string{c.sides[Source].member, c.sides[Target].member}, Held: c.hold.since,
	}
	for _, p := range c.partitions() {
		if l := c.lanes[p]; l.state == laneOpen {
			s.Lanes = append(s.Lanes, l.Lane)
		}
	}
	return s
}
