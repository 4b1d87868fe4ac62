package driver

import (
	"context"
	"errors"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// topic looks at a topic: first the copy, then the writers, then the
// retirement of the source.
func (w *work) topic(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	switch {
	case w.mig.Phase == events.PhaseCancelling:
		return w.releaseTopic(ctx, t)
	case w.mig.Over() || w.mig.Plan == nil:
		return 0, nil
	}
	switch t.Copy {
	case events.PhasePlanned:
		if !mayCopy(w.mig) {
			return 0, nil
		}
		return w.onTopic(ctx, t, events.CopyAxis, events.CopyStarted{})
	case events.PhaseCreating:
		return w.createTopic(ctx, t)
	case events.PhaseClearing:
		return w.clearTarget(ctx, t)
	case events.PhaseCopying:
		return w.awaitSync(ctx, t)
	case events.PhaseSynced, events.PhaseVerified:
		return w.syncedTopic(ctx, t)
	}
	return 0, nil
}

// syncedTopic takes the writers further, and with the migration's completion
// the comparison and the real configs.
func (w *work) syncedTopic(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	if w.mig.Phase == events.PhaseCompleting {
		return w.finishTopic(ctx, t)
	}
	switch t.Writers {
	case events.PhaseOnSource:
		if !mayMoveWriters(w.mig, t) {
			return 0, nil
		}
		return w.onTopic(ctx, t, events.WritersAxis, events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
	case events.PhaseArming:
		return w.armWriters(ctx, t)
	case events.PhaseRolling:
		return w.awaitRollout(ctx, t)
	case events.PhaseCommitted:
		return w.settleWriters(ctx, t)
	}
	return w.watchSource(ctx, t)
}

// sourceEnds reads the ends of the source partitions that a read-committed
// copy can reach.
func (w *work) sourceEnds(ctx context.Context, t *fsm.Topic, at int64) (map[int32]int64, error) {
	source, err := w.d.cfg.Clusters(ctx, t.Plan.Source.Name)
	if err != nil {
		return nil, err
	}
	return source.ListOffsets(ctx, t.Topic, partitions(t.Plan.Partitions), at)
}

// awaitSync waits until the copy has passed the ends that the source had when
// this phase was first looked at.
func (w *work) awaitSync(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	mem := w.d.recall(w.it, t.Copy, 0)
	if len(mem.goal) != int(t.Plan.Partitions) { // none yet, or another orchestrator has grown the topic meanwhile
		ends, err := w.sourceEnds(ctx, t, cluster.Stable)
		if err != nil {
			return 0, err
		}
		mem.goal = ends
	}
	if why := behind(t.Topic, mem.goal, w.copies()); why != "" {
		return w.wait(mem, why, w.idle())
	}
	return w.onTopic(ctx, t, events.CopyAxis, events.CopySynced{Ends: partitionOffsets(mem.goal)})
}

// finishTopic compares both sides up to the quiet source's ends and then sets
// the real configs. Until then the source is watched: what reaches it meanwhile
// is copied and compared, too.
func (w *work) finishTopic(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	ends, err := w.sourceEnds(ctx, t, cluster.Latest)
	if err != nil {
		return 0, err
	}
	if t.Retire != events.PhaseQuiet || len(strays(t, ends)) > 0 {
		return w.watchSource(ctx, t)
	}
	switch {
	case t.Verify == nil || short(t.Verify.UpTo, t.Ends):
		return w.onTopic(ctx, t, events.CopyAxis, events.VerifyOrdered{UpTo: t.Ends})
	case t.Copy == events.PhaseSynced:
		return w.wait(w.d.recall(w.it, t.Copy, 0), "both sides are being compared", 4*w.idle())
	}
	mem := w.d.recall(w.it, t.Copy, 0)
	configs, err := w.finalConfigs(ctx, t, finalConfigs(t.Plan.Configs))
	if err != nil {
		return w.giveUp(ctx, t, mem, "set the configs of "+t.Plan.TargetTopic, err)
	}
	return w.onTopic(ctx, t, events.CopyAxis, events.TopicFinished{Configs: configs})
}

// maxTries is how often an effect is tried before its failure is recorded: with
// the pauses of Driver.failed about a minute.
const maxTries = 16

// finalError is a finding that no retry can mend.
type finalError struct{ reason string }

func (e *finalError) Error() string { return e.reason }

// giveUp records an error that no retry can mend, or that came too often; any
// other one is returned, to be tried again.
func (w *work) giveUp(ctx context.Context, t *fsm.Topic, mem *memory, effect string, err error) (time.Duration, error) {
	var final *finalError
	if errors.As(err, &final) || mem.tries >= maxTries {
		return w.onTopic(ctx, t, events.CopyAxis, events.CopyFailed{Effect: effect, Reason: err.Error()})
	}
	return 0, err
}
