package demo

import (
	"context"
	"errors"
	"slices"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/oracle"
)

// narrated tells every change of a phase as it happens, while do does its work,
// and to the last one.
func (d *demo) narrated(ctx context.Context, o *desk, do func() error) error {
	watched, stop := context.WithCancel(ctx)
	told := make(chan int64, 1)
	go func() { told <- d.narrate(watched, o) }()
	err := do()
	stop()
	d.tellFrom(o, <-told)
	return err
}

// narrate returns what is to be told next when ctx is done.
func (d *demo) narrate(ctx context.Context, o *desk) (next int64) {
	for {
		next = d.tellFrom(o, next)
		select {
		case <-o.Store().Changed(next - 1):
		case <-ctx.Done():
			return next
		}
	}
}

// tellFrom tells what followed from the events at a position and behind it, and
// returns the position behind the last one.
func (d *demo) tellFrom(o *desk, next int64) int64 {
	v := o.Store().View()
	notes, err := v.Notes(migration, next, v.Applied(), projector.All)
	next = v.Applied() + 1
	if err := errors.Join(err, v.Close()); err != nil {
		d.say("the story cannot be told any more: %v", err)
	}
	for _, n := range notes {
		d.tellNote(n)
	}
	return next
}

func (d *demo) tellNote(n projector.Note) {
	if n.Verdict != fsm.Accepted || len(n.Moves) == 0 || slices.Contains([]events.Type{"TopicPlanned", "GroupPlanned"}, n.Type) {
		return
	}
	for _, m := range n.Moves {
		d.say("%-18s %s", n.Stream, m)
	}
	if n.Stream.Kind() == events.OfGroup {
		d.mark(n)
	}
}

// mark notes when a group began and ended its crossing, for the oracle.
func (d *demo) mark(n projector.Note) {
	at := d.journal.Now()
	d.tell.Lock()
	defer d.tell.Unlock()
	i := slices.IndexFunc(d.pauses, func(s oracle.Switch) bool { return s.Group == n.Stream.Name() })
	switch {
	case n.Type == (events.SwitchRequested{}).EventType():
		d.pauses = slices.DeleteFunc(d.pauses, func(s oracle.Switch) bool { return s.Group == n.Stream.Name() }) // an attempt that was aborted
		d.pauses = append(d.pauses, oracle.Switch{Group: n.Stream.Name(), From: at, To: at})
	case i >= 0:
		d.pauses[i].To = at
	}
}
