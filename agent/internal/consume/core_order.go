package consume

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// order is what is in force: a directive, the verdict of an expired hold, or, before any directive, the home cluster.
type order struct {
	word     string // one of events.Order…
	position int64  // −1 without a directive
	found    bool
	own      bool // a verdict, not a directive: one of the same position replaces it
	dir      events.Directive
	group    events.GroupOrder
	topics   map[string]bool // that move
	cut      map[Partition]events.CutPoint
}

func newOrder(d events.Directive) order {
	o := order{
		word: d.Group.Order, position: d.Position, found: true, dir: d, group: *d.Group,
		topics: map[string]bool{}, cut: map[Partition]events.CutPoint{},
	}
	for _, t := range d.Group.Topics {
		o.topics[t.Topic] = true
	}
	for _, p := range d.Group.Cut {
		o.cut[Partition{Topic: p.Topic, ID: p.Partition}] = p
	}
	return o
}

func (o *order) attempt() attempt { return attempt{o.dir.Migration, o.dir.Epoch} }

// moves says whether a topic is moved by the migration of the order.
func (o *order) moves(topic string) bool { return o.topics[topic] }

// held says whether moving partitions stand still.
func (o *order) held() bool { return o.word == events.OrderHold || o.word == events.OrderStage }

// undecided says whether an abort would be accepted.
func (o *order) undecided() bool { return o.held() || o.word == events.OrderPrepare }

// route is the side from which a topic is consumed.
func (o *order) route(topic string) Side {
	if o.word == events.OrderTarget && o.moves(topic) {
		return Target
	}
	return Source
}

// partial says whether some topics stay on the source whatever happens to the others.
func (c *Core) partial() bool {
	for _, t := range c.cfg.Topics {
		if !c.order.moves(t) {
			return true
		}
	}
	return false
}

// obey takes a directive if it is newer than what is in force. The position of the order never falls.
func (c *Core) obey(d events.Directive) {
	if reason := c.refuses(d); reason != "" {
		c.notice(Alarm, Source, "directive at %d is not obeyed: %s", d.Position, reason)
		return
	}
	same := d.Position == c.order.position
	switch {
	case d.Position < c.order.position:
		c.notice(Stale, Source, "directive at %d (%s) is older than the one in force", d.Position, d.Group.Order)
		return
	case same && !c.order.own && reflect.DeepEqual(d, c.order.dir):
		return
	}
	c.follow(newOrder(d))
}

// refuses says why a directive cannot be obeyed at all, "" if it can. The order in force stays.
func (c *Core) refuses(d events.Directive) string {
	switch {
	case d.Addressee != events.ToGroup(c.cfg.Group):
		return fmt.Sprintf("it is for %s", d.Addressee)
	case d.Group == nil:
		return "it has no group order"
	case TooOld(d.AtLeast):
		return fmt.Sprintf("it needs an agent of release %s or later, this is %s: upgrade the service", d.AtLeast, Version)
	}
	switch d.Group.Order {
	case events.OrderSource, events.OrderPrepare, events.OrderHold, events.OrderStage, events.OrderTarget:
		return ""
	}
	return fmt.Sprintf("this release does not know the order %q: upgrade the service", d.Group.Order)
}

// TooOld says that a directive that asks for agents of a release cannot be obeyed by this one.
func TooOld(atLeast string) bool { return newer(atLeast, Version) }

// newer compares two releases by their numbers, "1.10" being newer than "1.9"; "" is older than any.
func newer(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if x, y := part(as, i), part(bs, i); x != y {
			return x > y
		}
	}
	return false
}

func part(release []string, i int) int {
	if i >= len(release) {
		return 0
	}
	n, _ := strconv.Atoi(release[i])
	return n
}

// follow puts an order in force.
func (c *Core) follow(o order) {
	before := c.order
	c.order = o
	if before.attempt() != o.attempt() {
		clear(c.sent)
	}
	for _, t := range o.group.Topics {
		c.names[t.Topic] = t.TargetTopic
	}
	clear(c.sides[Target].stuck) // what was missing may have been staged
	c.holdOrRelease()
	c.considerLogin()
	c.notice(Obeyed, o.routeSide(), "%s", o.describe())
}

func (o *order) routeSide() Side {
	if o.word == events.OrderTarget {
		return Target
	}
	return Source
}

func (o *order) describe() string {
	s := fmt.Sprintf("order %s, epoch %d of migration %s", o.word, o.dir.Epoch, o.dir.Migration)
	if o.own {
		s += ", by the verdict in the event log"
	}
	return s
}

// back goes back to the source after an abort that the event log has proven, before any directive says so.
func (c *Core) back(abortedAt int64) {
	d := c.order.dir
	g := *d.Group
	g.Order, g.Cut, g.Open, g.LeaveSource = events.OrderSource, nil, false, false
	d.Group, d.Position, d.Phase = &g, abortedAt, events.PhaseOnSource
	o := newOrder(d)
	o.own = true
	c.follow(o)
}

func (c *Core) onDirectiveRead(in DirectiveRead) {
	if in.Found {
		c.obey(in.Directive)
	}
	if in.Seq == c.booted {
		c.running = true
	}
	for _, s := range c.sides {
		if s.reading == in.Seq && in.Seq != 0 {
			s.reading, s.readFor = 0, s.readingFor
		}
	}
}

// nameOn is a topic's name on a side.
func (c *Core) nameOn(s Side, topic string) string {
	if name, renamed := c.names[topic]; s == Target && renamed {
		return name
	}
	return topic
}
