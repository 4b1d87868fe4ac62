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

// releaseTopic removes, in a cancelled migration, what portage created and
// nobody else wrote to. Anything doubtful stays, with a note.
func (w *work) releaseTopic(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	switch t.Copy {
	case events.PhaseReleased, events.PhaseFinished:
		return 0, nil
	case events.PhasePlanned:
		return w.onTopic(ctx, t, events.CopyAxis, events.TopicReleased{})
	}
	mem := w.d.recall(w.it, events.PhaseCancelling, 0)
	if why := w.stillCopied(); why != "" {
		return w.wait(mem, why, w.idle())
	}
	target, err := w.d.cfg.Clusters(ctx, t.Plan.Target.Name)
	if err != nil {
		return 0, err
	}
	topics, err := target.Topics(ctx, t.Plan.TargetTopic)
	if err != nil {
		return 0, err
	}
	have, ok := topics[t.Plan.TargetTopic]
	if !ok {
		return w.onTopic(ctx, t, events.CopyAxis, events.TopicReleased{Note: "the topic is not there"})
	}
	why, passing, err := w.mustStay(ctx, target, t, have)
	switch {
	case err != nil:
		return 0, err
	case why != "" && passing && time.Since(mem.since) < settleFor:
		return w.wait(mem, why, w.idle())
	case why != "":
		return w.onTopic(ctx, t, events.CopyAxis, events.TopicReleased{Note: why + ": it is left as it is"})
	}
	if err := target.DeleteTopic(ctx, t.Plan.TargetTopic); err != nil && !errors.Is(err, cluster.ErrUnknownTopic) {
		return 0, err
	}
	return w.onTopic(ctx, t, events.CopyAxis, events.TopicReleased{Deleted: true})
}

// settleFor is how long the maps may take to tell of what the copy wrote last.
const settleFor = 5 * time.Second

// stillCopied says why the copy may go on, or why its map may not be known yet.
func (w *work) stillCopied() string {
	if !w.d.maps.isWhole() {
		return "the offset maps are being read"
	}
	to := events.ToPool(w.mig.Name)
	order, ok := w.view.Directive(projector.Address{SourceCluster: w.mig.Source.ID, Addressee: to})
	if !ok || !w.d.pub.published(w.mig.Source.ID, to, order.Position) {
		return "the workers are not told to stop yet"
	}
	return ""
}

// mustStay says why the target topic is not to be deleted; passing means that
// it may look otherwise soon.
func (w *work) mustStay(ctx context.Context, target *cluster.Client, t *fsm.Topic, have cluster.Topic) (why string, passing bool, err error) {
	switch {
	case t.Plan.Existing || t.Target != nil && !t.Target.Created:
		return "the topic was not created by portage", false, nil
	case t.Target != nil && t.Target.TopicID != hex.EncodeToString(have.ID[:]):
		return "the topic was deleted and created again by somebody else", false, nil
	case int32(len(have.Partitions)) != t.Plan.Partitions && !t.Growing:
		return fmt.Sprintf("the topic has %d partitions, portage would have made %d", len(have.Partitions), t.Plan.Partitions), false, nil
	case t.Target == nil:
		ours, err := w.looksOurs(ctx, target, t)
		if err != nil || !ours {
			return "the topic was not created by portage", false, err
		}
	}
	why, err = w.writtenByOthers(ctx, target, t)
	return why, true, err
}

// writtenByOthers names a partition of the target that has records which the
// copy did not write.
func (w *work) writtenByOthers(ctx context.Context, target *cluster.Client, t *fsm.Topic) (string, error) {
	ends, err := target.ListOffsets(ctx, t.Plan.TargetTopic, partitions(t.Plan.Partitions), cluster.Latest)
	if err != nil {
		return "", err
	}
	maps := w.copies()
	for _, e := range partitionOffsets(ends) {
		var known int64
		if m, ok := maps(t.Topic, e.Partition); ok {
			from, count := m.Written()
			known = from + count
		}
		if e.Offset > known {
			return fmt.Sprintf("%s/%d has %d records that the copy did not write", t.Plan.TargetTopic, e.Partition, e.Offset-known), nil
		}
	}
	return "", nil
}
