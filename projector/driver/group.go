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
		return w.onGroup(ctx, g, events.GroupReleased{})
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
	for _, gt := range s.g.Topics {
		t, ok := s.view.Topic(s.g.Migration, gt.Topic)
		if !ok {
			return 0, nil
		}
		ends, err := s.sourceEnds(ctx, t, cluster.Stable)
		if err != nil {
			return 0, err
		}
		if lag := lagOf(gt.Topic, ends, s.d.maps.of(s.g.Migration)); lag > s.mig.Plan.Policy.MaxLag {
			return s.wait(s.mem, fmt.Sprintf("the copy of %s lags by %d records, the policy allows %d", gt.Topic, lag, s.mig.Plan.Policy.MaxLag), s.idle())
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
	snap, err := inspect(ctx, s.source, s.g.Group)
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

// proveDrain proves that the source group stands still and fixes its offsets:
// ARCHITECTURE.md, consumer switch, point 4.
func (s *readers) proveDrain(ctx context.Context) (time.Duration, error) {
	if !s.d.pub.published(s.mig.Source.ID, events.ToGroup(s.g.Group), s.g.PhaseAt) {
		return s.expire(ctx, "the hold is not published yet")
	}
	snap, err := inspect(ctx, s.source, s.g.Group)
	if err != nil {
		return 0, err
	}
	if snap.Modern {
		return s.abort(ctx, "stranger", "source: "+snap.usable())
	}
	if why := standsStill(s.g, snap); why != "" {
		return s.expire(ctx, why)
	}
	list, failed, err := s.freeze(ctx)
	if err != nil {
		return 0, err
	}
	if failed != "" {
		return s.abort(ctx, "gate", failed)
	}
	if snap, err = inspect(ctx, s.source, s.g.Group); err != nil {
		return 0, err
	}
	if why := standsStill(s.g, snap); why != "" {
		return s.expire(ctx, why)
	}
	return s.onGroup(ctx, s.g, events.DrainProven{Offsets: list})
}

// freeze reads the committed offsets, lets the guard commit them once more
// under its own generation and reads them back: a linearizable write, after
// which no commit of another generation is accepted.
func (s *readers) freeze(ctx context.Context) (list []events.TopicOffset, failed string, err error) {
	committed, err := s.committed(ctx, s.source, sourceTopics(s.g))
	if err != nil {
		return nil, "", err
	}
	if list, failed = drainedOffsets(s.g, committed.at); failed != "" {
		return nil, failed, nil
	}
	if err := s.d.guards.commit(ctx, s.sourceSeat(), s.it, committed.commits(list)); err != nil {
		return nil, "", err
	}
	after, err := s.committed(ctx, s.source, sourceTopics(s.g))
	if err != nil {
		return nil, "", err
	}
	for _, o := range list {
		if at := after.at[o.Topic][o.Partition]; at != o.Offset {
			return nil, "", fmt.Errorf("%s/%d was committed at %d and reads %d: somebody still commits", o.Topic, o.Partition, o.Offset, at)
		}
	}
	return list, "", nil
}

// takeCut waits until the copy has passed the drained offsets, translates them
// and proves once more that nothing moved meanwhile.
func (s *readers) takeCut(ctx context.Context) (time.Duration, error) {
	starts := make(map[string]map[int32]int64)
	for _, t := range s.g.Topics {
		at, err := s.source.ListOffsets(ctx, t.Topic, partitions(t.Partitions), cluster.Earliest)
		if err != nil {
			return 0, err
		}
		starts[t.Topic] = at
	}
	cut, why, failed := cutOf(s.g, s.d.maps.of(s.g.Migration), starts)
	if failed {
		return s.abort(ctx, "gate", why)
	}
	if why != "" {
		return s.expire(ctx, why)
	}
	if why, err := s.compareRecords(ctx, cut, starts); err != nil {
		return 0, err
	} else if why != "" {
		return s.abort(ctx, "gate", why)
	}
	snap, err := inspect(ctx, s.source, s.g.Group)
	if err != nil {
		return 0, err
	}
	if why := standsStill(s.g, snap); why != "" {
		return s.expire(ctx, why)
	}
	committed, err := s.committed(ctx, s.source, sourceTopics(s.g))
	if err != nil {
		return 0, err
	}
	for _, o := range s.g.Offsets {
		if at := committed.at[o.Topic][o.Partition]; at != o.Offset {
			return s.abort(ctx, "gate", fmt.Sprintf("source: %s/%d was drained at %d and is committed at %d", o.Topic, o.Partition, o.Offset, at))
		}
	}
	if why, err := s.targetClear(ctx, cut); err != nil {
		return 0, err
	} else if why != "" {
		return s.abort(ctx, "gate", why)
	}
	return s.onGroup(ctx, s.g, events.CutTaken{Cut: cut})
}

// targetClear says which committed offset on the target lies above the cut:
// records between would be skipped, so a person must look.
func (s *readers) targetClear(ctx context.Context, cut []events.CutPoint) (string, error) {
	committed, err := s.committed(ctx, s.target, targetTopics(s.g))
	if err != nil {
		return "", err
	}
	for _, c := range cut {
		name := s.targetName(c.Topic)
		if at, ok := committed.at[name][c.Partition]; ok && at > c.Target {
			return fmt.Sprintf("target: %s/%d is committed at %d already, above the cut %d", name, c.Partition, at, c.Target), nil
		}
	}
	return "", nil
}

func (s *readers) targetName(topic string) string {
	for _, t := range s.g.Topics {
		if t.Topic == topic {
			return t.TargetTopic
		}
	}
	return topic
}

// close takes a committed switch to its end: the guard is proven to hold the
// source, then the instances may leave it, then the evidence is gathered.
func (s *readers) close(ctx context.Context) (time.Duration, error) {
	source, err := inspect(ctx, s.source, s.g.Group)
	if err != nil {
		return 0, err
	}
	if !s.g.LeaveSource {
		held, ok := s.d.guards.held(s.sourceSeat(), s.it)
		if !ok || !source.has(held.MemberID) {
			return s.wait(s.mem, "the guard is not proven to hold the source", s.d.cfg.Poll)
		}
		return s.onGroup(ctx, s.g, heldEvent(events.RouteSource, held))
	}
	target, err := inspect(ctx, s.target, s.g.Group)
	if err != nil {
		return 0, err
	}
	committed, err := s.committed(ctx, s.target, targetTopics(s.g))
	if err != nil {
		return 0, err
	}
	ends, err := s.targetEnds(ctx)
	if err != nil {
		return 0, err
	}
	evidence, why := settled(s.g, source, target, committed.at, ends)
	if why != "" {
		return s.wait(s.mem, why, 10*s.d.cfg.Poll)
	}
	return s.onGroup(ctx, s.g, events.SwitchCompleted{Evidence: evidence})
}

func (s *readers) targetEnds(ctx context.Context) (map[string]map[int32]int64, error) {
	ends := make(map[string]map[int32]int64)
	for _, t := range s.g.Topics {
		at, err := s.target.ListOffsets(ctx, t.TargetTopic, partitions(t.Partitions), cluster.Stable)
		if err != nil {
			return nil, err
		}
		ends[t.TargetTopic] = at
	}
	return ends, nil
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
	if s.g.Readers != events.PhaseOnTarget || s.g.SourceGuard.Exclusive || s.g.SourceGuard.MemberID == "" {
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
	p := s.d.guards.at(s.sourceSeat(), s.it)
	if p == nil {
		return s.idle(), nil
	}
	if err := p.Seal(ctx); err != nil {
		// Every attempt opens the group for a moment, and the guard holds it all the same.
		s.mem.sealAfter = time.Now().Add(sealPause)
		if errors.Is(err, group.ErrKeepsType) {
			s.mem.sealAfter = time.Now().Add(sealNever)
		}
		return 0, fmt.Errorf("seal the source group: %w", err)
	}
	return again, nil
}
