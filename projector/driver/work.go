package driver

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// work is one look at one stream.
type work struct {
	d    *Driver
	view *projector.View
	it   item
	mig  *fsm.Migration
}

// again is what work that did something returns: look again at once, its own
// event is folded by now.
const again = time.Nanosecond

func (w *work) do(ctx context.Context) (time.Duration, error) {
	switch w.it.stream.Kind() {
	case events.OfTopic:
		if t, ok := w.view.Topic(w.it.migration, w.it.stream.Name()); ok {
			return w.topic(ctx, t)
		}
	case events.OfGroup:
		if g, ok := w.view.Group(w.it.migration, w.it.stream.Name()); ok {
			return w.group(ctx, g)
		}
	case events.OfMigration:
		return w.migration(ctx)
	}
	return 0, nil
}

// migration appends a checkpoint when one is due, and completes a migration
// whose last step needs nobody.
func (w *work) migration(ctx context.Context) (time.Duration, error) {
	if c, due := w.view.Checkpoint(w.it.migration); due {
		if next, err := w.say(ctx, intent{it: w.it, body: c}); err != nil || next == again {
			return next, err
		}
	}
	if !mayComplete(w.mig) {
		return 0, nil
	}
	digests, _ := w.view.Digests(w.it.migration)
	return w.say(ctx, intent{
		it: w.it, axis: events.MigrationAxis, version: w.mig.Standing.Version, row: digests.State.String(), body: events.CompleteRequested{},
	})
}

// say appends an event. A refusal is no failure: the row has moved on, or what
// is missing will come as an event.
func (w *work) say(ctx context.Context, in intent) (time.Duration, error) {
	note, err := w.d.append(ctx, w.view, in)
	if err != nil {
		return 0, err
	}
	if note.Verdict == fsm.Accepted {
		return again, nil
	}
	return w.idle(), nil
}

// idle is the pause before a look that no event calls for.
func (w *work) idle() time.Duration { return idleFor(w.d.cfg.Idle, w.d.queue.size()) }

func (w *work) onTopic(ctx context.Context, t *fsm.Topic, axis events.Axis, body events.Body) (time.Duration, error) {
	in := intent{it: w.it, axis: axis, version: t.Standing.Version, row: fmt.Sprint(t.Changed), body: body}
	if k, ok := events.Lookup(body.EventType()); ok && k.Epoch {
		in.epoch = t.Standing.Epoch
		if k.Type == "SwitchRequested" {
			in.epoch++
		}
	}
	return w.say(ctx, in)
}

func (w *work) onGroup(ctx context.Context, g *fsm.Group, body events.Body) (time.Duration, error) {
	in := intent{it: w.it, axis: events.ReadersAxis, version: g.Standing.Version, row: fmt.Sprint(g.Changed), body: body}
	if k, ok := events.Lookup(body.EventType()); ok && k.Epoch {
		in.epoch = g.Standing.Epoch
		if k.Type == "SwitchRequested" {
			in.epoch++
		}
	}
	return w.say(ctx, in)
}

// copies finds the maps of the migration's present copies. It is for one
// goroutine.
func (w *work) copies() copies {
	recopies := make(map[string]int32)
	return func(topic string, partition int32) (copied, bool) {
		n, known := recopies[topic]
		if !known {
			t, ok := w.view.Topic(w.mig.Name, topic)
			if !ok {
				return nil, false
			}
			n = t.Recopies
			recopies[topic] = n
		}
		return w.d.maps.of(events.CopyKey{Migration: w.mig.Name, Topic: topic, Partition: partition}, n)
	}
}

// sides opens both clusters of a plan entry.
func (w *work) sides(ctx context.Context, source, target events.ClusterRef) (s, t *cluster.Client, err error) {
	if s, err = w.d.cfg.Clusters(ctx, source.Name); err != nil {
		return nil, nil, err
	}
	if t, err = w.d.cfg.Clusters(ctx, target.Name); err != nil {
		return nil, nil, err
	}
	return s, t, nil
}

// wait notes what is waited for and looks again after a pause.
func (w *work) wait(mem *memory, why string, pause time.Duration) (time.Duration, error) {
	w.d.waiting(w.it, mem, why)
	return pause, nil
}

// partitions are the partition numbers of a topic of n partitions.
func partitions(n int32) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}
