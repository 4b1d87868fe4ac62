package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/projector"
)

// drained waits until every group has committed what there is on the target.
func (d *demo) drained(ctx context.Context, o *desk) error {
	target := o.clusters[targetName]
	for _, g := range groups() {
		for _, t := range g.Topics {
			for {
				left, err := lag(ctx, target, g.Name, t)
				if err != nil {
					return err
				}
				if left == 0 {
					break
				}
				if err := pause(ctx, 50*time.Millisecond); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// lag is how many records of a topic a group has not committed.
func lag(ctx context.Context, c *cluster.Client, group, topic string) (left int64, err error) {
	numbers := make([]int32, partitionsPerTopic)
	for i := range numbers {
		numbers[i] = int32(i)
	}
	ends, err := c.ListOffsets(ctx, topic, numbers, cluster.Latest)
	if err != nil {
		return 0, err
	}
	at, err := c.Offsets(ctx, group, true, map[string][]int32{topic: numbers})
	if err != nil {
		return 0, err
	}
	for _, n := range numbers {
		left += max(0, ends[n]-max(0, at[topic][n].At))
	}
	return left, nil
}

// replay folds the log anew: it must come to the digests of the live fold.
// Events may still come in between the two (guards settle), so both are read
// again until they stand at the same event.
func (d *demo) replay(ctx context.Context, o *desk) error {
	for {
		r, err := projector.Replay(ctx, service.LogOf(o.clusters[targetName]), migration)
		if err != nil {
			return err
		}
		live, err := o.digests(ctx)
		if err != nil {
			return err
		}
		again := r.Digests[0]
		if live.Position != again.Position {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		if live != again {
			return fmt.Errorf("the replay comes to state %s and log %s, the live fold to %s and %s", again.State, again.Log, live.State, live.Log)
		}
		d.say("replayed %d events: state digest %s, as live", again.Events, live.State.String()[:16])
		return nil
	}
}

func (o *desk) digests(ctx context.Context) (projector.Digests, error) {
	v, err := o.View(ctx)
	if err != nil {
		return projector.Digests{}, err
	}
	live, _ := v.Digests(migration)
	return live, v.Close()
}
