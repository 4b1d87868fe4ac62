package driver

import (
	"context"
	"errors"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// chair is one guard of one group as a look sees it: what is wanted of it, what
// the row knows of it.
type chair struct {
	side   string
	client *cluster.Client
	// cluster is the id of the chair's cluster.
	cluster string
	want    guardWant
	row     fsm.Guard
	topics  []string
}

func (c chair) seat(g *fsm.Group) seat { return seat{c.client.Name(), g.Group} }

func (s *readers) chairs() []chair {
	source, target := guardsWanted(s.mig, s.g)
	var sourceNames, targetNames []string
	for _, t := range s.g.Topics {
		sourceNames, targetNames = append(sourceNames, t.Topic), append(targetNames, t.TargetTopic)
	}
	return []chair{
		{events.RouteSource, s.source, s.g.Plan.Source.ID, source, s.g.SourceGuard, sourceNames},
		{events.RouteTarget, s.target, s.g.Plan.Target.ID, target, s.g.TargetGuard, targetNames},
	}
}

// guard brings the guards of the group to where they are wanted and reports
// what changed. It returns true when it appended something that counted.
func (s *readers) guard(ctx context.Context) (bool, error) {
	for _, c := range s.chairs() {
		if !s.claims(c.cluster) {
			continue
		}
		if did, err := s.attend(ctx, c); did || err != nil {
			return did, err
		}
	}
	return false, nil
}

// claims says whether this migration decides about the group on a cluster: once
// it is over, a later one may.
func (s *readers) claims(cluster string) bool {
	claim, ok := s.view.Claim(fsm.ClaimKey{Cluster: cluster, Kind: events.OfGroup, Name: s.g.Group})
	return !ok || claim.Migration == s.g.Migration
}

// attend takes one guard one step further.
func (s *readers) attend(ctx context.Context, c chair) (bool, error) {
	place := c.seat(s.g)
	p := s.d.guards.at(place, s.it)
	if p == nil {
		return false, s.sit(ctx, c, place)
	}
	state, _ := p.State()
	switch {
	case errors.Is(state.Err, group.ErrFenced):
		until := s.d.guards.stepAside(place, p)
		s.d.queue.add(s.it, until)
		s.d.log(s.it).Warn().Str("cluster", place.cluster).Time("until", until).
			Msg("another process is the guard of this group now: is a second `portage serve` running?")
		return false, nil
	case c.want == guardOut:
		return s.unguard(ctx, c, p)
	case state.Err != nil:
		return false, s.enter(c, p, state.Err)
	case state.Held && state.Sealed && !maySeal(c.side, s.g):
		return false, s.d.guards.leave(ctx, place, p)
	case state.Held && (state.MemberID != c.row.MemberID || state.Sealed != c.row.Exclusive):
		next, err := s.onGroup(ctx, s.g, heldEvent(c.side, state))
		return next == again, err
	}
	return false, nil
}

// sit takes the seat where a guard is wanted, or was: only who holds a place can
// give it up. A seat that another process took is left to it for a while, and
// for longer where nothing needs it and the other is still there.
func (s *readers) sit(ctx context.Context, c chair, place seat) error {
	if c.want == guardOut && c.row.MemberID == "" {
		return nil
	}
	if until := s.d.guards.asideUntil(place); !until.IsZero() {
		if left := time.Until(until); left > 0 {
			s.d.queue.add(s.it, until)
			return nil
		}
		if c.want != guardOut && !switching(s.g.Readers) {
			snap, err := inspect(ctx, c.client, s.g.Group)
			if err != nil || snap.guarded() {
				s.d.queue.add(s.it, time.Now().Add(firstAside))
				return err
			}
		}
	}
	return s.d.guards.join(c.client, place, s.it, c.row.Exclusive && maySeal(c.side, s.g) || c.row.Exclusive && c.want == guardOut, c.topics)
}

func heldEvent(side string, state group.GuardState) events.GuardHeld {
	return events.GuardHeld{Side: side, MemberID: state.MemberID, Generation: state.Generation, Exclusive: state.Sealed}
}

// The pauses between a guard's attempts to get into a group.
const (
	firstEntry = time.Second
	mostEntry  = 30 * time.Second
)

// enter lets a guard that was refused or removed try again. A stranger in the
// source group ends an attempt that is being prepared, see prepare. Elsewhere a
// refusal may also mean that the place is there under the other protocol type: a
// predecessor died between sealing the group and saying so.
func (s *readers) enter(c chair, p *post, why error) error {
	stranger := errors.Is(why, group.ErrStranger)
	if stranger && c.side == events.RouteSource && s.g.Readers == events.PhasePreparing {
		return nil
	}
	if p.again.first == 0 {
		p.again = pauses{first: firstEntry, most: mostEntry}
		s.d.queue.add(s.it, p.again.next(time.Now()))
		s.d.log(s.it).Warn().Err(why).Str("cluster", c.client.Name()).Msg("the guard is not in the group, trying again")
		return nil
	}
	if left := time.Until(p.again.until); left > 0 {
		s.d.queue.add(s.it, p.again.until)
		return nil
	}
	s.d.queue.add(s.it, p.again.next(time.Now()))
	if !stranger || !maySeal(c.side, s.g) {
		return p.Retry(c.topics...)
	}
	place, former := c.seat(s.g), p.again
	s.d.guards.drop(place, p)
	if err := s.d.guards.join(c.client, place, s.it, !p.sealed, c.topics); err != nil {
		return err
	}
	s.d.guards.at(place, s.it).again = former
	return nil
}

// unguard leaves a group in which the guard has nothing more to do.
func (s *readers) unguard(ctx context.Context, c chair, p *post) (bool, error) {
	if state, _ := p.State(); !state.Held && state.Err == nil && c.row.MemberID != "" {
		return false, nil // it takes the place over first; the guard's watcher calls again
	}
	if err := s.d.guards.leave(ctx, c.seat(s.g), p); err != nil {
		return false, err
	}
	if c.row.MemberID == "" {
		return false, nil
	}
	next, err := s.onGroup(ctx, s.g, events.GuardReleased{Side: c.side})
	return next == again, err
}
