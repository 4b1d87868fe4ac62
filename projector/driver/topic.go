package driver

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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

// createTopic makes the target topic stand there as it is to be while it is
// copied: DESIGN §8, "While copying".
func (w *work) createTopic(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	target, err := w.d.cfg.Clusters(ctx, t.Plan.Target.Name)
	if err != nil {
		return 0, err
	}
	mem := w.d.recall(w.it, t.Copy, 0)
	err = w.ensureTopic(ctx, target, t)
	var final *finalError
	switch {
	case errors.As(err, &final):
		return w.onTopic(ctx, t, events.CopyAxis, events.CopyFailed{Effect: "create " + t.Plan.TargetTopic, Reason: final.Error()})
	case err != nil && mem.tries >= maxTries:
		return w.onTopic(ctx, t, events.CopyAxis, events.CopyFailed{Effect: "create " + t.Plan.TargetTopic, Reason: err.Error()})
	case err != nil:
		return 0, err
	}
	return w.targetStands(ctx, target, t)
}

// maxTries is how often an effect is tried before its failure is recorded: with
// the pauses of Driver.failed about a minute.
const maxTries = 16

// finalError is a finding that no retry can mend.
type finalError struct{ reason string }

func (e *finalError) Error() string { return e.reason }

func (w *work) ensureTopic(ctx context.Context, target *cluster.Client, t *fsm.Topic) error {
	wanted := copyingConfigs(t.Plan.Configs)
	spec := cluster.TopicSpec{Name: t.Plan.TargetTopic, Partitions: t.Plan.Partitions, ReplicationFactor: int16(t.Plan.ReplicationFactor), Configs: wanted}
	err := target.CreateTopic(ctx, spec)
	if err != nil && !errors.Is(err, cluster.ErrTopicExists) {
		return err
	}
	topics, err := target.Topics(ctx, t.Plan.TargetTopic)
	if err != nil {
		return err
	}
	have, ok := topics[t.Plan.TargetTopic]
	switch {
	case !ok:
		return fmt.Errorf("topic %s does not show on %s yet", t.Plan.TargetTopic, target.Name())
	case int32(len(have.Partitions)) != t.Plan.Partitions:
		return &finalError{fmt.Sprintf("%s has %d partitions on %s, the source has %d: delete it or change the plan", t.Plan.TargetTopic, len(have.Partitions), target.Name(), t.Plan.Partitions)}
	case t.Target != nil && t.Target.TopicID != hex.EncodeToString(have.ID[:]):
		return &finalError{fmt.Sprintf("%s on %s is another topic than the one that was copied to: it was deleted and created again", t.Plan.TargetTopic, target.Name())}
	}
	if t.Target == nil {
		if err := w.ensureEmpty(ctx, target, t); err != nil {
			return err
		}
	}
	return w.ensureConfigs(ctx, target, t.Plan.TargetTopic, wanted)
}

// ensureEmpty refuses a target topic with records before portage has copied
// any.
func (*work) ensureEmpty(ctx context.Context, target *cluster.Client, t *fsm.Topic) error {
	ends, err := target.ListOffsets(ctx, t.Plan.TargetTopic, partitions(t.Plan.Partitions), cluster.Latest)
	if err != nil {
		return err
	}
	for _, e := range partitionOffsets(ends) {
		if e.Offset > 0 {
			return &finalError{fmt.Sprintf("%s/%d on %s is not empty (end %d): portage copies into empty topics only", t.Plan.TargetTopic, e.Partition, target.Name(), e.Offset)}
		}
	}
	return nil
}

// ensureConfigs sets what differs and reads it back.
func (w *work) ensureConfigs(ctx context.Context, target *cluster.Client, topic string, wanted map[string]string) error {
	diff, err := w.configDiff(ctx, target, topic, wanted)
	if err != nil || len(diff) == 0 {
		return err
	}
	if err := target.AlterTopicConfigs(ctx, topic, wanted, nil); err != nil {
		return err
	}
	if diff, err = w.configDiff(ctx, target, topic, wanted); err != nil {
		return err
	}
	if len(diff) > 0 {
		return fmt.Errorf("configs of %s on %s: %s", topic, target.Name(), strings.Join(diff, "; "))
	}
	return nil
}

func (*work) configDiff(ctx context.Context, target *cluster.Client, topic string, wanted map[string]string) ([]string, error) {
	values, err := target.TopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	have := make(map[string]string)
	for name, v := range values {
		have[name] = v.Value
	}
	return differing(wanted, have), nil
}

func (w *work) targetStands(ctx context.Context, target *cluster.Client, t *fsm.Topic) (time.Duration, error) {
	topics, err := target.Topics(ctx, t.Plan.TargetTopic)
	if err != nil {
		return 0, err
	}
	id := topics[t.Plan.TargetTopic].ID
	return w.onTopic(ctx, t, events.CopyAxis, events.TargetCreated{
		TopicID: hex.EncodeToString(id[:]), Created: !t.Plan.Existing, Configs: copyingConfigs(t.Plan.Configs),
	})
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
	if mem.goal == nil {
		ends, err := w.sourceEnds(ctx, t, cluster.Stable)
		if err != nil {
			return 0, err
		}
		mem.goal = ends
	}
	if why := behind(t.Topic, mem.goal, w.d.maps.of(t.Migration)); why != "" {
		return w.wait(mem, why, w.d.cfg.Idle)
	}
	return w.onTopic(ctx, t, events.CopyAxis, events.CopySynced{Ends: partitionOffsets(mem.goal)})
}

// finishTopic compares both sides up to the quiet source's ends and then sets
// the real configs.
func (w *work) finishTopic(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	if t.Copy == events.PhaseSynced {
		if t.Verify != nil {
			return 0, nil
		}
		return w.onTopic(ctx, t, events.CopyAxis, events.VerifyOrdered{UpTo: t.Ends})
	}
	target, err := w.d.cfg.Clusters(ctx, t.Plan.Target.Name)
	if err != nil {
		return 0, err
	}
	mem := w.d.recall(w.it, t.Copy, 0)
	configs := finalConfigs(t.Plan.Configs)
	err = w.finalConfigs(ctx, target, t, configs)
	if err != nil && mem.tries >= maxTries {
		return w.onTopic(ctx, t, events.CopyAxis, events.CopyFailed{Effect: "set the configs of " + t.Plan.TargetTopic, Reason: err.Error()})
	}
	if err != nil {
		return 0, err
	}
	return w.onTopic(ctx, t, events.CopyAxis, events.TopicFinished{Configs: configs})
}

// finalConfigs sets what the source has and removes what only the copy needed.
func (w *work) finalConfigs(ctx context.Context, target *cluster.Client, t *fsm.Topic, configs map[string]string) error {
	var remove []string
	for name := range copyingConfigs(t.Plan.Configs) {
		if _, keep := configs[name]; !keep {
			remove = append(remove, name)
		}
	}
	if err := target.AlterTopicConfigs(ctx, t.Plan.TargetTopic, configs, remove); err != nil {
		return err
	}
	diff, err := w.configDiff(ctx, target, t.Plan.TargetTopic, configs)
	if err == nil && len(diff) > 0 {
		err = fmt.Errorf("configs of %s on %s: %s", t.Plan.TargetTopic, target.Name(), strings.Join(diff, "; "))
	}
	return err
}

// releaseTopic removes, in a cancelled migration, what portage created and
// nobody else wrote to.
func (w *work) releaseTopic(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	switch t.Copy {
	case events.PhaseReleased, events.PhaseFinished:
		return 0, nil
	case events.PhasePlanned:
		return w.onTopic(ctx, t, events.CopyAxis, events.TopicReleased{})
	}
	target, err := w.d.cfg.Clusters(ctx, t.Plan.Target.Name)
	if err != nil {
		return 0, err
	}
	if t.Plan.Existing {
		return w.onTopic(ctx, t, events.CopyAxis, events.TopicReleased{Note: "the topic stood there before the plan: it is left as it is"})
	}
	note, err := w.writtenByOthers(ctx, target, t)
	if err != nil {
		return 0, err
	}
	if note != "" {
		return w.onTopic(ctx, t, events.CopyAxis, events.TopicReleased{Note: note})
	}
	if err := target.DeleteTopic(ctx, t.Plan.TargetTopic); err != nil && !errors.Is(err, cluster.ErrUnknownTopic) {
		return 0, err
	}
	return w.onTopic(ctx, t, events.CopyAxis, events.TopicReleased{Deleted: true})
}

// writtenByOthers says why the target topic must stay: it has records beyond
// the copy's own.
func (w *work) writtenByOthers(ctx context.Context, target *cluster.Client, t *fsm.Topic) (string, error) {
	ends, err := target.ListOffsets(ctx, t.Plan.TargetTopic, partitions(t.Plan.Partitions), cluster.Latest)
	if errors.Is(err, cluster.ErrUnknownTopic) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	maps := w.d.maps.of(t.Migration)
	for _, e := range partitionOffsets(ends) {
		m, ok := maps(t.Topic, e.Partition)
		if e.Offset > 0 && (!ok || e.Offset > m.TargetEnd()) {
			return fmt.Sprintf("%s/%d has records that the copy did not write: the topic is left as it is", t.Plan.TargetTopic, e.Partition), nil
		}
	}
	return "", nil
}
