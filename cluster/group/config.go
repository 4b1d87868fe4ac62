package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
)

// Offer is what a member brings to a join: it decides who else can be in the group, and what the leader knows of us.
type Offer struct {
	Type      string   // protocol type; TypeConsumer for services, TypeWorker, TypeGuard. All members of a group have the same
	Protocols []string // protocol names, best first; each needs an assignor
	Topics    []string // subscribed to; may be empty
	Identity  Identity
}

// Open offers the names portage and range: agents among foreign consumers, or before anybody closes the group.
func Open(who Identity, topics ...string) Offer {
	return Offer{Type: TypeConsumer, Protocols: []string{ProtocolPortage, ProtocolRange}, Topics: topics, Identity: who}
}

// Closed offers the name portage alone: from then on the broker refuses (23) every classic client that does not offer it.
func Closed(who Identity, topics ...string) Offer {
	return Offer{Type: TypeConsumer, Protocols: []string{ProtocolPortage}, Topics: topics, Identity: who}
}

// Workers is the offer of a member of a group that shares units.
func Workers(who Identity) Offer {
	return Offer{Type: TypeWorker, Protocols: []string{ProtocolUnits}, Identity: who}
}

func (o Offer) clone() Offer {
	o.Protocols, o.Topics, o.Identity.Wants = slices.Clone(o.Protocols), slices.Clone(o.Topics), o.Identity.Wants.normal()
	return o
}

// Config configures a Member or a Core. Group and Offer are required; everything else has a default, which Validate fills in.
type Config struct {
	Group      string
	InstanceID string // group.instance.id of a static member; empty: dynamic
	Offer      Offer  // the first one; see Core.Step for later ones

	// Assignors by protocol name, over the built-in portage, range, units and hold.
	Assignors map[string]Assign
	// Inventory tells the leader what there is to assign; it may ask brokers. Default: asks the cluster for the partition
	// counts of the topics (Counts). Used by Member only; a Core says Need and is given Supply.
	Inventory func(ctx context.Context, topics []string) (Inventory, error)

	Heartbeat time.Duration // between heartbeats; 1 s
	Session   time.Duration // the broker evicts a member that is silent for so long; 10 s
	Rebalance time.Duration // the broker evicts a member that does not rejoin within it; ≥ the longest handler; 30 s
	Margin    time.Duration // how long before the rebalance deadline the member rejoins by itself; Rebalance/10
	Request   time.Duration // time limit of a request that the broker answers at once; 5 s, heartbeats: Session/3 if that is less
	Backoff   time.Duration // first pause after a failed request, doubled up to 20 times of it, with jitter; 100 ms

	// Prompt rejoins at once when the group rebalances, without waiting for Ready: for members that hold nothing (guards).
	Prompt bool

	// StayOut leaves a member that the broker has removed (25) outside until the next Rejoin. For guards: whoever removed it may
	// have been its successor, giving the place up.
	StayOut bool

	Jitter func() float64 // uniform in [0,1); nil: no jitter in a Core, math/rand in a Member
	Log    zerolog.Logger
	Hooks  Hooks
}

// Hooks are called by a Member from its own goroutine; they must not block. Each may be nil.
type Hooks struct {
	// Request is called for every answered or failed request: its name ("join", "heartbeat" …), how long it took and its error.
	Request func(op string, took time.Duration, err error)
	// Event is called for every event, before it is delivered.
	Event func(Event)
}

// Kafka's limits: a session is at most group.max.session.timeout.ms (30 min by default) and at least 6 s (group.min.…).
const maxSession = 30 * time.Minute

// Validate fills in defaults and says what is wrong, naming the field, its value and the fix.
func (c *Config) Validate() error {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.Heartbeat, time.Second},
		{&c.Session, 10 * time.Second},
		{&c.Rebalance, 30 * time.Second},
		{&c.Request, 5 * time.Second},
		{&c.Backoff, 100 * time.Millisecond},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Margin == 0 {
		c.Margin = c.Rebalance / 10
	}
	return errors.Join(c.validateTimes(), c.validateNames(), c.validateOffer(c.Offer))
}

func (c *Config) validateNames() error {
	if c.Group == "" {
		return errors.New("group: Config.Group is empty: name the consumer group")
	}
	return nil
}

func (c *Config) validateTimes() error {
	switch {
	case c.Heartbeat < 0 || c.Session < 0 || c.Rebalance < 0 || c.Margin < 0 || c.Request < 0 || c.Backoff < 0:
		return fmt.Errorf("group %q: a duration is negative: %v", c.Group, []time.Duration{c.Heartbeat, c.Session, c.Rebalance, c.Margin, c.Request, c.Backoff})
	case c.Session > maxSession:
		return fmt.Errorf("group %q: Session is %v: brokers refuse more than %v unless group.max.session.timeout.ms was raised", c.Group, c.Session, maxSession)
	case c.Heartbeat*3 > c.Session:
		return fmt.Errorf("group %q: Heartbeat is %v and Session %v: a session must last for at least three heartbeats", c.Group, c.Heartbeat, c.Session)
	case c.Margin >= c.Rebalance:
		return fmt.Errorf("group %q: Margin is %v and Rebalance %v: the margin must be shorter", c.Group, c.Margin, c.Rebalance)
	case c.Heartbeat*2 > c.Rebalance-c.Margin:
		return fmt.Errorf("group %q: Heartbeat is %v and Rebalance %v (margin %v): a rebalance, seen by a heartbeat, leaves no time to drain", c.Group, c.Heartbeat, c.Rebalance, c.Margin)
	}
	return nil
}

// validateOffer checks an offer: a name without an assignor could not be led.
func (c *Config) validateOffer(o Offer) error {
	switch {
	case o.Type == "":
		return fmt.Errorf("group %q: Offer.Type is empty: use Open, Closed or Workers", c.Group)
	case len(o.Protocols) == 0:
		return fmt.Errorf("group %q: Offer.Protocols is empty: use Open, Closed or Workers", c.Group)
	case o.Identity.Kind == "":
		return fmt.Errorf("group %q: Offer.Identity.Kind is empty: say agent, guard or worker", c.Group)
	}
	for _, name := range o.Protocols {
		if c.assignor(name) == nil {
			return fmt.Errorf("group %q: Offer.Protocols has %q, for which there is no assignor: add it to Config.Assignors", c.Group, name)
		}
	}
	return nil
}

func (c *Config) assignor(name string) Assign {
	if a := c.Assignors[name]; a != nil {
		return a
	}
	return assignors()[name]
}
