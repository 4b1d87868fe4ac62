package driver

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// armWriters waits until the workers expect other writers on the target.
func (w *work) armWriters(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	if len(t.Shared) == int(t.Plan.Partitions) {
		acls, err := w.copyACLs(ctx, t, true)
		if err != nil {
			return 0, err
		}
		return w.onTopic(ctx, t, events.WritersAxis, events.WritersRolling{ACLs: acls})
	}
	mem := w.d.recall(w.it, t.Writers, t.Standing.Epoch)
	why := fmt.Sprintf("the copy of %d of %d partitions expects other writers", len(t.Shared), t.Plan.Partitions)
	if w.overdue(mem, w.mig.Plan.Policy.PrepareMillis) {
		return w.onTopic(ctx, t, events.WritersAxis, events.AbortRequested{Code: "prepare-expired", Reason: why})
	}
	return w.wait(mem, why, w.idle())
}

func (*work) overdue(mem *memory, millis int64) bool {
	return time.Since(mem.since) > time.Duration(millis)*time.Millisecond
}

// awaitRollout waits until every registered producer has moved or left and the
// source has stood still for the quiet time.
func (w *work) awaitRollout(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	mem := w.d.recall(w.it, t.Writers, t.Standing.Epoch)
	ends, err := w.sourceEnds(ctx, t, cluster.Latest)
	if err != nil {
		return 0, err
	}
	policy := w.mig.Plan.Policy
	still := mem.still.observe(time.Now(), ends)
	if left := onSource(t); len(left) > 0 {
		p := left[0]
		if still >= time.Duration(policy.SilentMillis)*time.Millisecond {
			return w.onTopic(ctx, t, events.WritersAxis, events.ProducerLeft{Incarnation: p.Incarnation, Silent: true})
		}
		return w.wait(mem, fmt.Sprintf("producer %s (%s) still writes to the source: restart it", p.Instance, p.Incarnation), w.idle())
	}
	if still < time.Duration(policy.QuietMillis)*time.Millisecond {
		return w.wait(mem, "the source was written to less than the quiet time ago", w.idle())
	}
	return w.onTopic(ctx, t, events.WritersAxis, events.SwitchCommitted{Ends: partitionOffsets(ends)})
}

// settleWriters waits until the copy has passed the source's end.
func (w *work) settleWriters(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	mem := w.d.recall(w.it, t.Writers, t.Standing.Epoch)
	ends, err := w.sourceEnds(ctx, t, cluster.Latest)
	if err != nil {
		return 0, err
	}
	if why := behind(t.Topic, ends, w.copies()); why != "" {
		return w.wait(mem, why, w.idle())
	}
	return w.onTopic(ctx, t, events.WritersAxis, events.SwitchCompleted{Evidence: fmt.Sprintf("the copy has passed the source's ends %v", partitionOffsets(ends))})
}

// strayEvery is how often a quiet source is looked at, at most.
const strayEvery = time.Second

// watchSource waits for the source to be quiet, and then for strays.
func (w *work) watchSource(ctx context.Context, t *fsm.Topic) (time.Duration, error) {
	if t.Writers != events.PhaseOnTarget {
		return 0, nil
	}
	mem := w.d.recall(w.it, t.Retire, t.Standing.Epoch)
	ends, err := w.sourceEnds(ctx, t, cluster.Latest)
	if err != nil {
		return 0, err
	}
	if t.Retire == events.PhaseQuiet {
		if list := strays(t, ends); len(list) > 0 {
			return w.onTopic(ctx, t, events.RetirementAxis, events.StrayWrite{Partition: list[0].Partition, Offset: list[0].Offset, ProducerID: -1})
		}
		return max(strayEvery, w.idle()), nil
	}
	if why := behind(t.Topic, ends, w.copies()); why != "" {
		return w.wait(mem, why, w.idle())
	}
	if mem.still.observe(time.Now(), ends) < time.Duration(w.mig.Plan.Policy.QuietMillis)*time.Millisecond {
		return w.wait(mem, "the source was written to less than the quiet time ago", w.idle())
	}
	return w.onTopic(ctx, t, events.RetirementAxis, events.SourceQuiet{Ends: partitionOffsets(ends)})
}
