package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// guardInstance is the group.instance.id by which a guard is known.
const guardInstance = group.GuardInstance

// seat is a group on a cluster.
type seat struct{ cluster, group string }

// guards are the driver's memberships in consumer groups. They are static: the
// places outlive the process, and a successor takes them over.
type guards struct {
	cfg Config

	mu    sync.Mutex
	seats map[seat]*group.Guard
}

func newGuards(cfg Config) *guards { return &guards{cfg: cfg, seats: make(map[seat]*group.Guard)} }

func (gs *guards) at(s seat) *group.Guard {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.seats[s]
}

// close stops all guards without leaving their groups.
func (gs *guards) close() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for s, g := range gs.seats {
		g.Stop()
		delete(gs.seats, s)
	}
}

// join takes the seat, sealed where the predecessor's was.
func (gs *guards) join(c *cluster.Client, s seat, sealed bool, topics []string) error {
	g, err := group.NewGuard(c, group.GuardConfig{
		Group: s.group, Topics: topics, Sealed: sealed, Session: gs.cfg.GuardSession, Log: gs.cfg.Logger,
	})
	if err != nil {
		return err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.seats[s] = g
	return nil
}

// leave gives the seat up.
func (gs *guards) leave(ctx context.Context, s seat) error {
	g := gs.at(s)
	if g == nil {
		return nil
	}
	if err := g.Leave(ctx); err != nil {
		return err
	}
	gs.drop(s)
	return nil
}

func (gs *guards) drop(s seat) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	delete(gs.seats, s)
}

// chair is one guard of one group as a look sees it: what is wanted of it, what
// the row knows of it.
type chair struct {
	side   string
	client *cluster.Client
	want   guardWant
	row    fsm.Guard
	topics []string
}

func (s *readers) chairs() []chair {
	source, target := guardsWanted(s.mig, s.g)
	var sourceNames, targetNames []string
	for _, t := range s.g.Topics {
		sourceNames, targetNames = append(sourceNames, t.Topic), append(targetNames, t.TargetTopic)
	}
	return []chair{
		{events.RouteSource, s.source, source, s.g.SourceGuard, sourceNames},
		{events.RouteTarget, s.target, target, s.g.TargetGuard, targetNames},
	}
}

// guard brings the guards of the group to where they are wanted and reports
// what changed. It returns true when it appended something.
func (s *readers) guard(ctx context.Context) (bool, error) {
	for _, c := range s.chairs() {
		place := seat{c.client.Name(), s.g.Group}
		if c.want == guardOut {
			if did, err := s.unguard(ctx, c, place); did || err != nil {
				return did, err
			}
			continue
		}
		if s.d.guards.at(place) == nil {
			if err := s.d.guards.join(c.client, place, c.row.Exclusive, c.topics); err != nil {
				return false, err
			}
			s.d.watchGuard(place, s.it)
		}
		if did, err := s.report(ctx, c, place); did || err != nil {
			return did, err
		}
	}
	return false, nil
}

// report appends GuardHeld when the guard's membership is not as the row has it.
func (s *readers) report(ctx context.Context, c chair, place seat) (bool, error) {
	state, _ := s.d.guards.at(place).State()
	if errors.Is(state.Err, group.ErrFenced) {
		return false, fmt.Errorf("another process is the guard of %s on %s: is a second `portage serve` running?", place.group, place.cluster)
	}
	if !state.Held || state.MemberID == c.row.MemberID && state.Sealed == c.row.Exclusive {
		return false, nil
	}
	_, err := s.onGroup(ctx, s.g, heldEvent(c.side, state))
	return err == nil, err
}

func heldEvent(side string, state group.GuardState) events.GuardHeld {
	return events.GuardHeld{Side: side, MemberID: state.MemberID, Generation: state.Generation, Exclusive: state.Sealed}
}

// unguard leaves a group in which the guard has nothing more to do. After a
// restart it takes the place over first, for only its holder can give it up.
func (s *readers) unguard(ctx context.Context, c chair, place seat) (bool, error) {
	if c.row.MemberID == "" {
		if s.d.guards.at(place) == nil {
			return false, nil
		}
		return false, s.d.guards.leave(ctx, place)
	}
	if s.d.guards.at(place) == nil {
		if err := s.d.guards.join(c.client, place, c.row.Exclusive, c.topics); err != nil {
			return false, err
		}
		if _, err := s.d.guards.at(place).Wait(ctx); err != nil {
			return false, err
		}
	}
	if err := s.d.guards.leave(ctx, place); err != nil {
		return false, err
	}
	_, err := s.onGroup(ctx, s.g, events.GuardReleased{Side: c.side})
	return err == nil, err
}

// watchGuard makes the group due whenever its guard's state changes.
func (d *Driver) watchGuard(place seat, it item) {
	g := d.guards.at(place)
	d.watchers.Go(func() {
		for {
			_, changed := g.State()
			select {
			case <-changed:
				d.queue.addNow(it)
			case <-d.stopped:
				return
			}
			if d.guards.at(place) != g {
				return
			}
		}
	})
}

// stranger says that the broker refused the guard's protocol name: a client
// inside the group does not offer it.
func (gs *guards) stranger(s seat) string {
	g := gs.at(s)
	if g == nil {
		return ""
	}
	if state, _ := g.State(); errors.Is(state.Err, group.ErrStranger) {
		return state.Err.Error()
	}
	return ""
}

// held is the state of a guard that is a member now.
func (gs *guards) held(s seat) (group.GuardState, bool) {
	g := gs.at(s)
	if g == nil {
		return group.GuardState{}, false
	}
	state, _ := g.State()
	return state, state.Held
}

// commit writes offsets under the guard's own generation.
func (gs *guards) commit(ctx context.Context, s seat, offsets []commit) error {
	g := gs.at(s)
	if g == nil {
		return fmt.Errorf("no guard in group %s on %s", s.group, s.cluster)
	}
	state, _ := g.State()
	if !state.Held {
		return fmt.Errorf("the guard does not hold group %s on %s", s.group, s.cluster)
	}
	list := make([]group.Offset, len(offsets))
	for i, o := range offsets {
		list[i] = group.Offset{Partition: group.Partition{Topic: o.topic, ID: o.partition}, At: o.offset, Metadata: o.metadata}
	}
	return g.Commit(ctx, state.Generation, list...)
}

// seal closes the source to everybody once the guard is alone there.
func (gs *guards) seal(ctx context.Context, s seat) error {
	g := gs.at(s)
	if g == nil {
		return nil
	}
	return g.Seal(ctx)
}
