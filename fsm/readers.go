package fsm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

func (s *step) requestReaders() string {
	if reason := s.open(events.PhaseRunning); reason != "" {
		return reason
	}
	for _, gt := range s.group.Topics {
		t := s.loadTopic(gt.Topic)
		if t == nil || !t.EverSynced || t.Copy == events.PhaseStopped || t.Copy == events.PhaseCreating {
			return fmt.Sprintf("topic %q is not synced: wait for the copy", gt.Topic)
		}
	}
	if s.group.TargetGuard.MemberID == "" {
		return "the guard does not hold the group on the target yet: wait for it"
	}
	for _, m := range s.group.Members {
		if err := m.Logins[s.group.Plan.Target.Name]; err != "" {
			return fmt.Sprintf("instance %s cannot log in to %s: %s", m.Instance, s.group.Plan.Target.Name, err)
		}
	}
	s.moveReaders("")
	g := s.group
	g.Standing.Epoch = s.e.Epoch
	g.Offsets, g.Cut, g.Staged, g.LeaveSource = nil, nil, nil, false
	s.mig.Count.Switching++
	s.migTouched = true
	s.directGroup()
	return ""
}

func (s *step) orderHold(b events.HoldOrdered) string {
	if s.group.SourceGuard.MemberID == "" {
		return "the guard does not hold the group on the source"
	}
	for _, id := range b.Members {
		ok := slices.ContainsFunc(s.group.Members, func(m Member) bool {
			return m.SourceMember == id && m.Prepared == s.group.Standing.Epoch
		})
		if !ok {
			return fmt.Sprintf("member %s has not prepared for epoch %d", id, s.group.Standing.Epoch)
		}
	}
	s.moveReaders("")
	s.directGroup()
	return ""
}

// covers says what is missing or too much in a list that must have one entry
// for every partition of every topic of the group, "" if nothing.
func (g *Group) covers(list []events.TopicOffset) string {
	want := 0
	for _, t := range g.Topics {
		for p := range t.Partitions {
			want++
			if n := g.count(list, t.Topic, p); n != 1 {
				return fmt.Sprintf("%s/%d is named %d times, want once", t.Topic, p, n)
			}
		}
	}
	if len(list) != want {
		return fmt.Sprintf("%d entries, the group's topics have %d partitions", len(list), want)
	}
	return ""
}

func (*Group) count(list []events.TopicOffset, topic string, partition int32) (n int) {
	for _, o := range list {
		if o.Topic == topic && o.Partition == partition {
			n++
		}
	}
	return n
}

func (s *step) proveDrain(b events.DrainProven) string {
	if reason := s.group.covers(b.Offsets); reason != "" {
		return reason
	}
	s.moveReaders("")
	s.group.Offsets = b.Offsets
	return ""
}

func (s *step) takeCut(b events.CutTaken) string {
	sources := make([]events.TopicOffset, len(b.Cut))
	for i, c := range b.Cut {
		sources[i] = events.TopicOffset{Topic: c.Topic, Partition: c.Partition, Offset: c.Source}
	}
	if reason := s.group.covers(sources); reason != "" {
		return reason
	}
	for _, o := range s.group.Offsets {
		if !slices.Contains(sources, o) {
			return fmt.Sprintf("%s/%d was drained at %d, the cut has another offset", o.Topic, o.Partition, o.Offset)
		}
	}
	s.moveReaders("")
	s.group.Cut = b.Cut
	s.directGroup()
	return ""
}

func (s *step) staged(b events.Staged) string {
	g := s.group
	if g.Readers != events.PhaseCut && g.Readers != events.PhaseStaged {
		return fmt.Sprintf("the readers are %s", g.Readers)
	}
	staged := slices.Clone(g.Staged)
	for _, o := range b.Offsets {
		i := slices.IndexFunc(g.Cut, func(c events.CutPoint) bool { return c.Topic == o.Topic && c.Partition == o.Partition })
		if i < 0 || g.Cut[i].Target != o.Offset {
			return fmt.Sprintf("%s/%d is staged at %d, which is not the cut", o.Topic, o.Partition, o.Offset)
		}
		if !slices.Contains(staged, o) {
			staged = append(staged, o)
		}
	}
	g.Staged = sortedOffsets(staged)
	s.groupTouched = true
	if g.Readers == events.PhaseCut && len(g.Staged) == len(g.Cut) {
		s.moveReaders(whenAllStaged)
	}
	return ""
}

func sortedOffsets(list []events.TopicOffset) []events.TopicOffset {
	slices.SortFunc(list, func(a, b events.TopicOffset) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
	return list
}

func (s *step) commitReaders() string {
	s.moveReaders("")
	s.mig.Count.Moved++
	s.migTouched = true
	s.directGroup()
	return ""
}

func (s *step) completeReaders() string {
	if !s.group.LeaveSource {
		return "the instances were not told to leave the source yet"
	}
	s.moveReaders("")
	s.mig.Count.Switching--
	s.mig.Count.Readers++
	s.migTouched = true
	var topics []*Topic
	for _, gt := range s.group.Topics {
		if t := s.loadTopic(gt.Topic); t != nil {
			t.Remaining = without(t.Remaining, s.group.Group)
			topics = append(topics, t)
		}
	}
	s.changeTopics(topics)
	s.directGroup()
	return ""
}

func (s *step) abortReaders(b events.AbortRequested) string {
	s.moveReaders("")
	s.group.Abort = s.abort(b)
	s.group.Staged, s.group.Cut, s.group.Offsets = nil, nil, nil
	s.mig.Count.Switching--
	s.migTouched = true
	s.directGroup()
	return ""
}

func (s *step) guardHeld(b events.GuardHeld) string {
	g := Guard{MemberID: b.MemberID, Generation: b.Generation, Exclusive: b.Exclusive, Position: s.at}
	s.groupTouched = true
	if b.Side == events.RouteTarget {
		s.group.TargetGuard = g
		return ""
	}
	s.group.SourceGuard = g
	// Only a guard that was seen after the decision lets the instances go: what
	// was held before may have been lost since.
	if s.group.Readers == events.PhaseCommitted && !s.group.LeaveSource {
		s.group.LeaveSource = true
		s.directGroup()
	}
	return ""
}

func (s *step) guardReleased(b events.GuardReleased) string {
	s.groupTouched = true
	if b.Side == events.RouteTarget {
		s.group.TargetGuard = Guard{}
	} else {
		s.group.SourceGuard = Guard{}
	}
	return ""
}
