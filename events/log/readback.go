package log

import (
	"context"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// find reads from a position to a proven end and gives every item that it
// meets its position. An item without one afterwards is not in the log (a
// request still under way may bring it yet). It repeats what fails for the
// moment until ctx ends.
func (a *Appender) find(ctx context.Context, from int64, items []*item) error {
	wanted := make(map[string]*item, len(items))
	for _, it := range absent(items) {
		wanted[it.event.Key("").String()] = it
	}
	next := from
	for attempt := 0; len(wanted) > 0; attempt++ {
		proven, err := a.findOnce(ctx, &next, wanted)
		if proven {
			return nil
		}
		if err != nil && !cluster.Retriable(err) {
			return fmt.Errorf("read back from position %d: %w", next, err)
		}
		if !pause(ctx, attempt) {
			return fmt.Errorf("read back from position %d: %w", next, context.Cause(ctx))
		}
	}
	return nil
}

// findOnce reads on to the end that the leader's log has now. That end is
// proven once the high watermark has reached it: what is above the high
// watermark may still be lost with its leader, or show later.
func (a *Appender) findOnce(ctx context.Context, next *int64, wanted map[string]*item) (proven bool, err error) {
	end, err := logEnd(ctx, a.c, events.TopicEvents, 0)
	if err != nil {
		return false, err
	}
	for len(wanted) > 0 && *next < end {
		page, err := a.c.Read(ctx, events.TopicEvents, 0, *next, cluster.ReadOptions{MaxBytes: fetchBytes})
		if err != nil {
			return false, err
		}
		for _, rec := range page.Records {
			match(rec, wanted)
		}
		stuck := page.Next == *next
		*next = page.Next
		if stuck {
			return false, nil // the high watermark has not come so far: ask again
		}
	}
	return true, nil
}

// match gives the item its position if the record is its first copy.
func match(rec cluster.Record, wanted map[string]*item) {
	e, _, refused := events.Decode(rec.Key, rec.Value)
	if refused != nil {
		return
	}
	name := e.Key("").String()
	if it := wanted[name]; it != nil {
		it.position = rec.Offset
		delete(wanted, name)
	}
}
