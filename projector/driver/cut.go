package driver

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

// atOnce makes calls that do not depend on each other at the same time, because
// a group stands still meanwhile. It waits for all; the first error ends the
// others.
func atOnce(ctx context.Context, calls ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, call := range calls {
		g.Go(func() error { return call(ctx) })
	}
	return g.Wait()
}

// proveDrain proves that the source group stands still and fixes its offsets:
// ARCHITECTURE.md, consumer switch, point 4. The offsets may be read before the
// members are looked at, because both count only together with a commit in the
// generation that the guard was in before: with every member that comes or goes
// a generation ends.
func (s *readers) proveDrain(ctx context.Context) (time.Duration, error) {
	if !s.d.pub.published(s.mig.Source.ID, events.ToGroup(s.g.Group), s.g.PhaseAt) {
		return s.expire(ctx, "the hold is not published yet")
	}
	if why := undrained(s.g); why != "" && time.Since(s.mem.asked) < s.d.cfg.Poll {
		return s.expire(ctx, why) // a look at the brokers now would only delay the next one
	}
	s.mem.asked = time.Now()
	held, ok := s.d.guards.held(s.sourceSeat(), s.it)
	if !ok {
		return s.expire(ctx, "the guard is not in the source group")
	}
	snap, at, err := s.sourceNow(ctx)
	if err != nil {
		return 0, err
	}
	if snap.Modern {
		return s.abort(ctx, "stranger", "source: "+snap.usable())
	}
	if why := standsStill(s.g, snap); why != "" {
		return s.expire(ctx, why)
	}
	list, failed := drainedOffsets(s.g, at.at)
	if failed != "" {
		return s.abort(ctx, "gate", failed)
	}
	return s.freeze(ctx, held, at.again(list), list)
}

// sourceNow looks at the members of the source group and at its offsets.
func (s *readers) sourceNow(ctx context.Context) (snap snapshot, at committed, err error) {
	err = atOnce(ctx,
		func(ctx context.Context) (err error) { snap, err = inspect(ctx, s.source, s.g.Group); return err },
		func(ctx context.Context) (err error) {
			at, err = s.committed(ctx, s.source, nil) // whatever it has read, in the plan or not
			return err
		},
	)
	return snap, at, err
}

// freeze lets the guard commit the offsets once more and read them back: a
// linearizable write, after which no commit of an earlier generation is
// accepted. Then the members are looked at again.
func (s *readers) freeze(ctx context.Context, held group.GuardState, again []group.Offset, list []events.TopicOffset) (time.Duration, error) {
	switch err := s.d.guards.commit(ctx, s.sourceSeat(), s.it, held.Generation, again); {
	case errors.Is(err, group.ErrGeneration), errors.Is(err, group.ErrRebalance), errors.Is(err, group.ErrNotMember):
		return s.expire(ctx, "the source group has moved on to another generation")
	case err != nil:
		return 0, err
	}
	snap, err := inspect(ctx, s.source, s.g.Group)
	if err != nil {
		return 0, err
	}
	if why := standsStill(s.g, snap); why != "" {
		return s.expire(ctx, why)
	}
	return s.onGroup(ctx, s.g, events.DrainProven{Offsets: list})
}

// takeCut waits until the copy has passed the drained offsets, translates them
// and proves once more that nothing moved meanwhile: ARCHITECTURE.md, consumer
// switch, point 5.
func (s *readers) takeCut(ctx context.Context) (time.Duration, error) {
	starts, err := listed(ctx, s.source, sourceTopics(s.g), cluster.Earliest)
	if err != nil {
		return 0, err
	}
	cut, why, failed := cutOf(s.g, s.copies(), starts)
	switch {
	case failed:
		return s.abort(ctx, "gate", why)
	case why != "":
		return s.expire(ctx, why)
	}
	found, err := s.lookAgain(ctx, cut, starts)
	if err != nil {
		return 0, err
	}
	switch gate, why := found.against(s.g, cut); {
	case gate != "":
		return s.abort(ctx, "gate", gate)
	case why != "":
		return s.expire(ctx, why)
	}
	return s.onGroup(ctx, s.g, events.CutTaken{Cut: cut})
}

// lookAgain gathers what may speak against a cut. Everything is read after the
// copy has passed the drained offsets.
func (s *readers) lookAgain(ctx context.Context, cut []events.CutPoint, starts offsets) (f findings, err error) {
	err = atOnce(ctx,
		func(ctx context.Context) (err error) { f.records, err = s.compareRecords(ctx, cut, starts); return err },
		func(ctx context.Context) (err error) {
			var at committed
			f.members, at, err = s.sourceNow(ctx)
			f.source = at.at
			return err
		},
		func(ctx context.Context) (err error) {
			at, err := s.committed(ctx, s.target, targetTopics(s.g))
			f.target = at.at
			return err
		},
	)
	return f, err
}
