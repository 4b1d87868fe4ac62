package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// group looks at a consumer group: first its guards, then its switch.
func (w *work) group(ctx context.Context, g *fsm.Group) (time.Duration, error) {
	source, target, err := w.sides(ctx, g.Plan.Source, g.Plan.Target)
	if err != nil {
		return 0, err
	}
	s := &readers{work: w, g: g, source: source, target: target, mem: w.d.recall(w.it, g.Readers, g.Standing.Epoch)}
	if did, err := s.guard(ctx); did {
		return again, err
	} else if err != nil {
		return s.stuck(ctx, err)
	}
	if w.mig.Phase == events.PhaseCancelling && g.Readers == events.PhaseOnSource {
		return s.release(ctx)
	}
	if w.mig.Over() {
		return s.afterwards(ctx)
	}
	if why := doubtful(g); why != "" && undecided(g.Readers) {
		return s.abort(ctx, "gate", why)
	}
	next, err := s.phase(ctx)
	if err != nil {
		return s.stuck(ctx, err)
	}
	return next, nil
}

// release gives the group up in a cancelled migration, once its guards are out.
func (s *readers) release(ctx context.Context) (time.Duration, error) {
	if s.g.SourceGuard.MemberID != "" || s.g.TargetGuard.MemberID != "" {
		return s.wait(s.mem, "the guard has not left the group yet", s.idle())
	}
	return s.onGroup(ctx, s.g, events.GroupReleased{})
}

// stuck ends a hold that an error keeps from going on for too long: instances
// whose hold has expired are not always there to end it.
func (s *readers) stuck(ctx context.Context, err error) (time.Duration, error) {
	held := undecided(s.g.Readers) && s.g.Readers != events.PhasePreparing
	if !held || !s.overdue(s.mem, holdsLast*s.mig.Plan.Policy.HoldMillis) {
		return 0, err
	}
	next, failed := s.abort(ctx, "hold-expired", err.Error())
	return next, errors.Join(failed, err)
}

// readers is one look at the readers of a group.
type readers struct {
	*work
	g              *fsm.Group
	source, target *cluster.Client
	mem            *memory
}

func (s *readers) sourceSeat() seat { return seat{s.source.Name(), s.g.Group} }

func (s *readers) targetSeat() seat { return seat{s.target.Name(), s.g.Group} }

func (s *readers) phase(ctx context.Context) (time.Duration, error) {
	switch s.g.Readers {
	case events.PhaseOnSource:
		return s.request(ctx)
	case events.PhasePreparing:
		return s.prepare(ctx)
	case events.PhaseHolding:
		return s.proveDrain(ctx)
	case events.PhaseDrained:
		return s.takeCut(ctx)
	case events.PhaseCut:
		return s.expire(ctx, "instances have staged "+fmt.Sprint(len(s.g.Staged), " of ", len(s.g.Cut), " partitions"))
	case events.PhaseStaged:
		return s.onGroup(ctx, s.g, events.SwitchCommitted{})
	case events.PhaseCommitted:
		return s.close(ctx)
	case events.PhaseOnTarget:
		return s.afterwards(ctx)
	}
	return 0, nil
}

// request asks for the switch where the plan lets the driver do so, once the
// copy lags by no more than the policy allows.
func (s *readers) request(ctx context.Context) (time.Duration, error) {
	if !mayMoveReaders(s.mig, s.g) {
		return 0, nil
	}
	if why := loginFailed(s.g); why != "" {
		return s.wait(s.mem, why, s.idle())
	}
	ends, err := listed(ctx, s.source, sourceTopics(s.g), cluster.Stable)
	if err != nil {
		return 0, err
	}
	for _, t := range s.g.Topics {
		if lag := lagOf(t.Topic, ends[t.Topic], s.copies()); lag > s.mig.Plan.Policy.MaxLag {
			return s.wait(s.mem, fmt.Sprintf("the copy of %s lags by %d records, the policy allows %d", t.Topic, lag, s.mig.Plan.Policy.MaxLag), s.idle())
		}
	}
	return s.onGroup(ctx, s.g, events.SwitchRequested{To: events.RouteTarget})
}

// prepare waits until everybody inside the source group is the guard or has
// prepared.
func (s *readers) prepare(ctx context.Context) (time.Duration, error) {
	if why := s.d.guards.stranger(s.sourceSeat(), s.it); why != "" {
		return s.abort(ctx, "stranger", "source: "+why)
	}
	snap, err := s.nudged(ctx)
	if err != nil {
		return 0, err
	}
	if snap.Modern {
		return s.abort(ctx, "stranger", "source: "+snap.usable())
	}
	members, why := readyToHold(s.g, snap)
	if why == "" {
		return s.onGroup(ctx, s.g, events.HoldOrdered{Members: members})
	}
	if s.overdue(s.mem, s.mig.Plan.Policy.PrepareMillis) {
		return s.abort(ctx, "prepare-expired", why)
	}
	return s.wait(s.mem, why, 5*s.d.cfg.Poll)
}

// nudged looks at the members of the source group, while both guards ask whether
// their groups rebalance: instances that join wait for the slowest member, and
// on the source they consume nothing meanwhile.
func (s *readers) nudged(ctx context.Context) (snap snapshot, err error) {
	err = atOnce(ctx,
		func(ctx context.Context) (err error) { snap, err = inspect(ctx, s.source, s.g.Group); return err },
		func(ctx context.Context) error { s.d.guards.nudge(ctx, s.sourceSeat(), s.it); return nil },
		func(ctx context.Context) error { s.d.guards.nudge(ctx, s.targetSeat(), s.it); return nil },
	)
	return snap, err
}

func (s *readers) abort(ctx context.Context, code, reason string) (time.Duration, error) {
	return s.onGroup(ctx, s.g, events.AbortRequested{Code: code, Reason: reason})
}

// holdsLast is how many times as long as instances hold the driver waits in one
// phase of a hold before it ends the attempt itself.
const holdsLast = 3

// expire waits; the instances ask for an abort when their hold expires, the
// driver when they are not there to do so.
func (s *readers) expire(ctx context.Context, why string) (time.Duration, error) {
	if s.overdue(s.mem, holdsLast*s.mig.Plan.Policy.HoldMillis) {
		return s.abort(ctx, "hold-expired", why)
	}
	return s.wait(s.mem, why, s.d.cfg.Poll)
}

// close takes a committed switch to its end: the guard is proven to hold the
// source, then the instances may leave it, then the evidence is gathered.
func (s *readers) close(ctx context.Context) (time.Duration, error) {
	if !s.g.LeaveSource {
		return s.letLeave(ctx)
	}
	var source, target snapshot
	var at committed
	var ends offsets
	err := atOnce(ctx,
		func(ctx context.Context) (err error) { source, err = inspect(ctx, s.source, s.g.Group); return err },
		func(ctx context.Context) (err error) { target, err = inspect(ctx, s.target, s.g.Group); return err },
		func(ctx context.Context) (err error) {
			at, err = s.committed(ctx, s.target, targetTopics(s.g))
			return err
		},
		func(ctx context.Context) (err error) {
			ends, err = listed(ctx, s.target, targetTopics(s.g), cluster.Stable)
			return err
		},
	)
	if err != nil {
		return 0, err
	}
	evidence, why := settled(s.g, source, target, at.at, ends)
	if why != "" {
		return s.wait(s.mem, why, 10*s.d.cfg.Poll)
	}
	return s.onGroup(ctx, s.g, events.SwitchCompleted{Evidence: evidence})
}

// letLeave lets the instances leave the source once the guard is seen inside.
func (s *readers) letLeave(ctx context.Context) (time.Duration, error) {
	source, err := inspect(ctx, s.source, s.g.Group)
	if err != nil {
		return 0, err
	}
	held, ok := s.d.guards.held(s.sourceSeat(), s.it)
	if !ok || !source.has(held.MemberID) {
		return s.wait(s.mem, "the guard is not proven to hold the source", s.d.cfg.Poll)
	}
	return s.onGroup(ctx, s.g, heldEvent(events.RouteSource, held))
}

// sealPause is the time between two attempts to seal a source group, sealNever
// that on a broker which does not offer it: each attempt is a new membership.
const (
	sealPause = 10 * time.Minute
	sealNever = 365 * 24 * time.Hour
)

// afterwards keeps the guard in the source group; once it is alone there it
// closes the group to everybody, KIP-848 clients included.
func (s *readers) afterwards(ctx context.Context) (time.Duration, error) {
	if s.g.Readers != events.PhaseOnTarget || s.g.SourceGuard.Exclusive || s.g.SourceGuard.MemberID == "" || !s.claims(s.g.Plan.Source.ID) {
		return 0, nil
	}
	snap, err := inspect(ctx, s.source, s.g.Group)
	if err != nil {
		return 0, err
	}
	if others := snap.others(); len(others) > 0 {
		return s.wait(s.mem, "source: members "+names(others)+" are still inside", s.idle())
	}
	if left := time.Until(s.mem.sealAfter); left > 0 {
		return left, nil
	}
	if _, held := s.d.guards.held(s.sourceSeat(), s.it); !held {
		return s.wait(s.mem, "source: the guard is not inside", s.idle())
	}
	if err := s.d.guards.at(s.sourceSeat(), s.it).Seal(ctx); err != nil {
		// Every attempt opens the group for a moment, and the guard holds it all the same.
		s.mem.sealAfter = time.Now().Add(sealPause)
		if errors.Is(err, group.ErrKeepsType) {
			s.mem.sealAfter = time.Now().Add(sealNever)
		}
		return 0, fmt.Errorf("seal the source group: %w", err)
	}
	return again, nil
}
