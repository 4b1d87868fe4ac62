package driver

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// clearTarget deletes the target topic of a copy that is to begin anew, once
// the workers are told to leave it.
func (w *work) clearTarget(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	mem := w.d.recall(w.it, t.Copy, 0)
	to := events.ToCopy(t.Topic)
	order, ok := w.view.Directive(projector.Address{SourceCluster: w.mig.Source.ID, Addressee: to})
	if !ok || !w.d.pub.published(w.mig.Source.ID, to, order.Position) {
		return w.wait(mem, "the workers are not told to stop yet", w.idle())
	}
	gone, err := w.sourceNow(ctx, t)
	if err != nil {
		return w.giveUp(ctx, t, mem, "find "+t.Topic, err)
	}
	if err := w.deleteTarget(ctx, t); err != nil {
		return w.giveUp(ctx, t, mem, "delete "+t.Plan.TargetTopic, err)
	}
	return w.onTopic(ctx, t, events.CopyAxis, gone)
}

// sourceNow is the deletion with the source topic that is to be copied instead:
// the one that is there now.
func (w *work) sourceNow(ctx context.Context, t *fsm.Topic) (gone events.TargetDeleted, err error) {
	source, err := w.d.cfg.Clusters(ctx, t.Plan.Source.Name)
	if err != nil {
		return gone, err
	}
	topics, err := source.Topics(ctx, t.Topic)
	if err != nil {
		return gone, err
	}
	have, there := topics[t.Topic]
	if !there {
		return gone, fmt.Errorf("topic %s is not on %s: nothing could be copied in place of what is on %s; create it, then ask for the copy again", t.Topic, source.Name(), t.Plan.Target.Name)
	}
	values, err := source.TopicConfigs(ctx, t.Topic)
	if err != nil {
		return gone, err
	}
	return events.TargetDeleted{
		TopicID: t.Target.TopicID, SourceTopicID: hex.EncodeToString(have.ID[:]), Partitions: int32(len(have.Partitions)), Configs: cluster.OwnConfigs(values),
	}, nil
}

// deleteTarget deletes the topic that was copied to and no other one, and sees
// that it is gone: a topic that is being deleted would be taken for the next.
func (w *work) deleteTarget(ctx context.Context, t *fsm.Topic) error {
	target, err := w.d.cfg.Clusters(ctx, t.Plan.Target.Name)
	if err != nil {
		return err
	}
	for range 2 {
		topics, err := target.Topics(ctx, t.Plan.TargetTopic)
		if err != nil {
			return err
		}
		have, there := topics[t.Plan.TargetTopic]
		switch {
		case !there:
			return nil
		case hex.EncodeToString(have.ID[:]) != t.Target.TopicID:
			return &finalError{fmt.Sprintf("%s on %s is another topic than the one that was copied to: somebody has deleted it and created it again; delete it, then ask for the copy again", t.Plan.TargetTopic, target.Name())}
		}
		if err := target.DeleteTopic(ctx, t.Plan.TargetTopic); err != nil && !errors.Is(err, cluster.ErrUnknownTopic) {
			return err
		}
	}
	return fmt.Errorf("%s on %s is still being deleted", t.Plan.TargetTopic, target.Name())
}

// growTopic gives the target topic the partitions that the source has got.
func growTopic(ctx context.Context, target *cluster.Client, t *fsm.Topic) error {
	topics, err := target.Topics(ctx, t.Plan.TargetTopic)
	if err != nil {
		return err
	}
	if have, ok := topics[t.Plan.TargetTopic]; !ok || int32(len(have.Partitions)) >= t.Plan.Partitions {
		return nil
	}
	return target.GrowTopic(ctx, t.Plan.TargetTopic, t.Plan.Partitions)
}
