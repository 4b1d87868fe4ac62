package group

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/rs/zerolog"
)

// GuardInstance is the group.instance.id of every guard: whoever joins under it last is the guard.
const GuardInstance = "portage-guard"

// GuardConfig configures a Guard. Group is required.
type GuardConfig struct {
	Group string
	// Topics are subscribed to, so that the group's offsets of them do not expire while nobody else is in.
	Topics []string
	// Sealed joins with the guard's own protocol type, which works only while the group is empty: no consumer can come in.
	// Otherwise the guard offers the name portage alone, beside agents: foreign classic consumers cannot come in.
	Sealed bool
	// Session is how long the broker keeps the guard's place when it is silent, until a successor takes it over. Default and
	// maximum (of brokers, unless configured) 30 min. While it is silent, every rebalance lasts the full rebalance timeout.
	Session time.Duration
	// Heartbeat, Rebalance and Request are as in Config.
	Heartbeat, Rebalance, Request time.Duration

	Jitter func() float64
	Log    zerolog.Logger
	Hooks  Hooks
}

func (c GuardConfig) member() Config {
	if c.Session == 0 {
		c.Session = maxSession
	}
	return Config{
		Group: c.Group, InstanceID: GuardInstance, Offer: guardOffer(c.Sealed, c.Topics), Prompt: true, StayOut: true,
		Session: c.Session, Heartbeat: c.Heartbeat, Rebalance: c.Rebalance, Request: c.Request,
		Jitter: c.Jitter, Log: c.Log, Hooks: c.Hooks,
	}
}

// guardOffer carries nothing that differs between a guard and its successor: a broker that compares the metadata of a static
// member would start a rebalance at the take-over.
func guardOffer(sealed bool, topics []string) Offer {
	o := Closed(Identity{Kind: KindGuard}, topics...)
	if sealed {
		o.Type, o.Protocols = TypeGuard, []string{ProtocolHold}
	}
	return o
}

// Guard keeps a group closed: a static member that is assigned nothing, answers every rebalance at once, and whose commits
// are writes that nobody else's can overtake unseen. It is safe for concurrent use. Let it go with Leave or Stop.
type Guard struct {
	client *cluster.Client
	cfg    GuardConfig
	member *Member
	done   chan struct{}

	mu      sync.Mutex
	state   GuardState
	changed chan struct{} // closed at the next change
}

// GuardState is where a guard stands.
type GuardState struct {
	Held       bool // a member in a complete generation; commits work
	MemberID   string
	Generation int32
	Sealed     bool // by its own protocol type
	// Err says why it is not held, if that does not pass by itself: ErrStranger (somebody inside does not offer portage),
	// ErrUnknownMember (it was removed from the group: its session ended, or a successor took the place and gave it up),
	// another refusal: Retry joins again, if its owner still wants it. ErrFenced: another process is the guard now; this one
	// is done.
	Err error
}

// NewGuard starts a guard on a cluster. If another process is the guard of this group, it is relieved without a rebalance: it
// gets ErrFenced.
func NewGuard(c *cluster.Client, cfg GuardConfig) (*Guard, error) {
	m, err := Join(c, cfg.member())
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	g := &Guard{client: c, cfg: cfg, member: m, done: make(chan struct{}), changed: make(chan struct{})}
	go g.watch()
	return g, nil
}

func (g *Guard) watch() {
	defer close(g.done)
	for e := range g.member.Events() {
		g.observe(e)
	}
}

func (g *Guard) observe(e Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.state
	switch e := e.(type) {
	case Joined:
		g.state.MemberID, g.state.Generation, g.state.Sealed = e.MemberID, e.Generation, e.Protocol == ProtocolHold
		g.state.Held, g.state.Err = false, nil
	case Assigned:
		g.state.Held = true
	case Lost:
		g.state.Held = false
		if e.Final || e.Outside {
			g.state.Err = e.Why
		}
	case Refused:
		g.state.Held, g.state.Err = g.state.Held && e.Member, e.Why
	case Left:
		g.state = GuardState{Err: e.Err}
	}
	if g.state != before {
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

// State returns where the guard stands, and a channel that is closed when that changes.
func (g *Guard) State() (GuardState, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state, g.changed
}

// Wait returns when the guard is held, or with the reason why it will not be.
func (g *Guard) Wait(ctx context.Context) (GuardState, error) {
	for {
		s, changed := g.State()
		switch {
		case s.Held:
			return s, nil
		case s.Err != nil:
			return s, fmt.Errorf("hold group %q: %w", g.cfg.Group, s.Err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, fmt.Errorf("hold group %q: the guard is %s: %w", g.cfg.Group, g.member.Status().Phase, ctx.Err())
		case <-g.done:
			return s, fmt.Errorf("hold group %q: %w", g.cfg.Group, ErrClosed)
		}
	}
}

// Retry joins again after a refusal or removal, with other topics if any are given. A guard that was relieved stays so.
func (g *Guard) Retry(topics ...string) error {
	offer := g.member.Status().Offer
	if len(topics) > 0 {
		offer.Topics = topics
	}
	g.mu.Lock()
	if errors.Is(g.state.Err, ErrFenced) {
		defer g.mu.Unlock()
		return fmt.Errorf("hold group %q: %w", g.cfg.Group, g.state.Err)
	}
	g.state.Err = nil
	g.mu.Unlock()
	return g.member.Rejoin(offer)
}

// Offsets reads the group's committed offsets as a member; nil topics mean all. No transaction is pending on them.
func (g *Guard) Offsets(ctx context.Context, topics map[string][]int32) (map[string]map[int32]Stored, error) {
	return g.member.Offsets(ctx, topics)
}

// Commit commits offsets under a generation and reads them back. It is not repeated under another generation: when it fails
// with ErrGeneration or ErrRebalance, members have come or gone, and whatever the offsets were derived from must be looked at
// again. Committing what was read makes the reading linearizable: no commit of a former member can come after it.
func (g *Guard) Commit(ctx context.Context, generation int32, offsets ...Offset) error {
	done, err := g.member.Commit(ctx, generation, offsets...)
	if err = errors.Join(err, done.Err(g.cfg.Group)); err != nil {
		return err
	}
	topics := map[string][]int32{}
	for _, o := range offsets {
		topics[o.Topic] = append(topics[o.Topic], o.ID)
	}
	stored, err := g.member.Offsets(ctx, topics)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	for _, o := range offsets {
		if s := stored[o.Topic][o.ID]; s.At != o.At || s.Metadata != o.Metadata {
			return fmt.Errorf("group %q: %s: committed %d %q, but read back %d %q: somebody else commits", g.cfg.Group, o.Partition, o.At, o.Metadata, s.At, s.Metadata)
		}
	}
	return nil
}

// Nudge sends a heartbeat now, so that the guard hears at once of a rebalance that is known to have begun: a group waits for
// its slowest member.
func (g *Guard) Nudge(ctx context.Context) error {
	_, err := g.member.Confirm(ctx)
	return err
}

// Leave takes the guard out of the group, and stops it.
func (g *Guard) Leave(ctx context.Context) error {
	err := g.member.Leave(ctx)
	g.Stop()
	if errors.Is(err, ErrFenced) { // the place is somebody else's: nothing to leave
		return nil
	}
	return err
}

// Stop stops the guard without leaving: its place is kept for Session, for a successor.
func (g *Guard) Stop() {
	g.member.Close()
	<-g.done
}
