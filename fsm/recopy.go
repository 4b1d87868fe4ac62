package fsm

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
)

// What a person decides about a copy that cannot go on, and what follows from
// a source topic that grows.

// lossCodes are the stops whose records can be given up: the copy can go on
// behind them, or without a partition that only the source has. After any other
// one the target is doubtful as a whole.
var lossCodes = []string{"out-of-range", "refused-batch", "added"}

// acceptLoss gives up the records of one stop. With the last stop the topic
// goes on.
func (s *step) acceptLoss(b events.LossAccepted) string {
	if reason := s.open(events.PhaseRunning, events.PhasePaused, events.PhaseCompleting); reason != "" {
		return reason
	}
	t := s.topic
	stops := append([]Stop{*t.Stop}, t.MoreStops...)
	i := slices.IndexFunc(stops, func(x Stop) bool { return x.Partition == b.Lost.Partition })
	if i < 0 {
		return fmt.Sprintf("partition %d is not stopped", b.Lost.Partition)
	}
	if reason := stops[i].acceptable(b.Lost); reason != "" {
		return reason
	}
	t.Losses, t.Verify = withLoss(t.Losses, b.Lost), nil
	if len(stops) == 1 {
		s.moveCopy(whenLastStop)
		s.unstop()
		return ""
	}
	s.moveCopy(whenStopsLeft)
	stops = slices.Delete(stops, i, i+1)
	t.Stop, t.MoreStops = &stops[0], stops[1:]
	return ""
}

// acceptable says why a stop is not removed by giving up an interval.
func (x Stop) acceptable(lost events.Interval) string {
	switch {
	case !slices.Contains(lossCodes, x.Code):
		return fmt.Sprintf("partition %d is stopped with code %s: no loss of records would let it go on; retry the topic after its cause was removed, or copy it anew", x.Partition, x.Code)
	case lost.From != x.From || lost.To < x.To:
		return fmt.Sprintf("partition %d is stopped at offsets [%d, %d): accept these, have [%d, %d)", x.Partition, x.From, x.To, lost.From, lost.To)
	}
	return ""
}

func withLoss(list []events.Interval, lost events.Interval) []events.Interval {
	i, _ := slices.BinarySearchFunc(list, lost, func(a, b events.Interval) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.From, b.From))
	})
	return slices.Insert(slices.Clone(list), i, lost)
}

// recopy gives up what was copied, as long as nobody has read it and nobody
// else writes there.
func (s *step) recopy() string {
	if reason := s.open(events.PhaseRunning, events.PhasePaused); reason != "" {
		return reason
	}
	t := s.topic
	switch {
	case t.Target == nil:
		return "nothing was copied yet: retry the topic"
	case !t.Target.Created:
		return fmt.Sprintf("topic %s stood on %s before, and portage deletes only what it created: cancel the migration, empty the topic and plan anew", t.Plan.TargetTopic, t.Plan.Target.Name)
	case t.Writers != events.PhaseOnSource:
		return fmt.Sprintf("the writers are %s: records of theirs may stand on the target", t.Writers)
	}
	for _, name := range t.Groups {
		if g := s.loadGroup(name); g != nil && g.Readers != events.PhaseOnSource {
			return fmt.Sprintf("the readers of group %s are %s: what they have read cannot be copied anew; an undecided switch can be aborted", name, g.Readers)
		}
	}
	if t.Copy == events.PhaseStopped {
		s.unstop()
	}
	s.moveCopy("")
	s.unsync()
	if t.EverSynced {
		t.EverSynced = false
		s.mig.Count.Synced--
		s.migTouched = true
	}
	t.Verify, t.Losses = nil, nil
	s.direct(s.copyDirective)
	return ""
}

// unsync takes the topic out of the groups' synced ones: no switch goes further
// towards a copy that is not complete.
func (s *step) unsync() {
	s.changeGroups(func(g *Group) { g.Synced = without(g.Synced, s.topic.Topic) })
}

func (s *step) targetDeleted(b events.TargetDeleted) string {
	t := s.topic
	if t.Copy != events.PhaseClearing {
		return fmt.Sprintf("the copy is %s", t.Copy)
	}
	if t.Target.TopicID != b.TopicID {
		return fmt.Sprintf("topic id %s, the copy went to id %s", b.TopicID, t.Target.TopicID)
	}
	s.moveCopy("")
	t.Target = nil
	t.Recopies++
	if b.Partitions > 0 {
		t.Plan.TopicID, t.Plan.Configs = b.SourceTopicID, b.Configs
		s.resize(b.Partitions)
	}
	return ""
}

// addPartitions lets a topic grow with its source, as long as its writers are
// there: afterwards a record in another partition is a stray one that nobody
// should have written.
func (s *step) addPartitions(b events.PartitionsAdded) string {
	t := s.topic
	switch {
	case b.Partitions <= t.Plan.Partitions:
		return fmt.Sprintf("the topic has %d partitions already", t.Plan.Partitions)
	case t.Writers != events.PhaseOnSource:
		return fmt.Sprintf("the writers are %s: partitions are added on the target now", t.Writers)
	case t.Copy != events.PhaseStopped && !s.moveCopy(""):
		return fmt.Sprintf("the copy is %s", t.Copy)
	}
	t.Growing, t.Verify = true, nil
	s.resize(b.Partitions)
	return ""
}

// resize notes how many partitions the topic has. It is not synced with them.
func (s *step) resize(partitions int32) {
	t := s.topic
	t.Plan.Partitions = partitions
	s.topicTouched = true
	s.changeGroups(func(g *Group) {
		g.Synced = without(g.Synced, t.Topic)
		g.Topics = slices.Clone(g.Topics)
		for i := range g.Topics {
			if g.Topics[i].Topic == t.Topic {
				g.Topics[i].Partitions = partitions
			}
		}
	})
}
