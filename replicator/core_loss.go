package replicator

import (
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// A record that a person has given up is never copied, whether it could be or
// not: what is on the target does not depend on when it was read.

// pastLoss is the offset itself, or where the loss ends that it lies in.
func (c *core) pastLoss(offset int64) int64 {
	for _, l := range c.losses { // sorted: one may begin where another ends
		if l.From <= offset && offset < l.To {
			offset = l.To
		}
	}
	return offset
}

func (c *core) lost(offset int64) bool { return c.pastLoss(offset) > offset }

// withoutLosses lets a batch of lost records be skipped unread, and one that
// holds some be taken apart.
func (c *core) withoutLosses(s step) step {
	holds := func(l events.Interval) bool { return l.From < s.next && s.from < l.To }
	switch {
	case c.pastLoss(s.from) >= s.next:
		s.class = batch.Skip
	case s.class == batch.Pass && slices.ContainsFunc(c.losses, holds):
		s.class = batch.Reencode
	}
	return s
}
