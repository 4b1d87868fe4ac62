package consume

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// How a group learns of partitions that are added to its topics: nobody is told of them before a rebalance, so an instance
// that hears of them rejoins. Its offer carries the counts as a stamp; that they differ from what the broker has accepted makes
// the lanes drain and the broker rebalance. One instance is enough: a new generation begins with counts of its own.

// onCounted takes partition counts of the present generation. Of a leader's the assignment was made; others take the first
// that they hear in a generation for those. A growth that falls in between is the leader's to notice.
func (c *Core) onCounted(in Counted) {
	s := c.sides[in.Side]
	if in.Member != s.member || in.Generation != s.generation {
		return // a new assignment, and its counts, are on their way
	}
	if in.Made || s.made == nil {
		s.made = in.Counts
	}
	if !in.Made || s.last == nil {
		s.last = in.Counts
	}
	if s.first == nil {
		s.first = in.Counts
	}
}

// stamp is what an offer carries: the counts to rejoin with, else those that the broker has.
func (c *Core) stamp(s *side) string {
	if !c.free(s) || !c.grown(s) {
		return s.has.stamp
	}
	var words []string
	for _, topic := range c.cfg.Topics {
		if name := c.nameOn(s.id, topic); c.order.route(topic) == s.id {
			words = append(words, fmt.Sprintf("%s=%d", name, s.last[name]))
		}
	}
	return strings.Join(words, " ")
}

// free says that a group may rebalance on a side for its own sake. From prepare to the decision that would cost the switch, and
// a source that is being left needs no partitions.
func (c *Core) free(s *side) bool {
	switch c.order.word {
	case events.OrderSource:
		return s.id == Source
	case events.OrderTarget:
		return s.id == Target || c.partial()
	}
	return false
}

// grown says that a topic that is consumed from a side has more partitions than the assignment in force was made with.
func (c *Core) grown(s *side) bool {
	return slices.ContainsFunc(c.cfg.Topics, func(topic string) bool {
		name := c.nameOn(s.id, topic)
		return c.order.route(topic) == s.id && s.last[name] > s.made[name]
	})
}

// added says that a partition did not exist yet when this process was told of the topic's partitions first.
func (c *Core) added(s *side, p Partition) bool {
	return s.first != nil && p.ID >= s.first[c.nameOn(s.id, p.Topic)]
}
