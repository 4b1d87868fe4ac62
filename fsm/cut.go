package fsm

import (
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
)

// proveDrain fixes the offsets at which the source group stands still. No
// offset may lie below what an instance has committed (somebody has set the
// group back) or above what all instances have processed (records would be
// skipped): ARCHITECTURE.md, consumer switch, point 5.
func (s *step) proveDrain(b events.DrainProven) string {
	if s.group.SourceGuard.MemberID == "" {
		return "the guard does not hold the group on the source"
	}
	at, reason := s.group.every(b.Offsets)
	if reason != "" {
		return reason
	}
	committed, processed := s.group.drainedAt()
	for _, o := range committed {
		if have, ok := at[place{o.Topic, o.Partition}]; ok && have < o.Offset {
			return fmt.Sprintf("%s/%d is proven at %d, an instance has committed %d", o.Topic, o.Partition, have, o.Offset)
		}
	}
	for _, o := range processed {
		if have, ok := at[place{o.Topic, o.Partition}]; ok && have > o.Offset {
			return fmt.Sprintf("%s/%d is proven at %d, the instances have processed up to %d", o.Topic, o.Partition, have, o.Offset)
		}
	}
	s.moveReaders("")
	s.group.Offsets = b.Offsets
	return ""
}

// drainedAt are the highest offsets that instances reported for the current
// epoch.
func (g *Group) drainedAt() (committed, processed []events.TopicOffset) {
	for _, m := range g.Members {
		if m.Drained == g.Standing.Epoch {
			committed, processed = raised(committed, m.Committed), raised(processed, m.Processed)
		}
	}
	return committed, processed
}

func (s *step) takeCut(b events.CutTaken) string {
	if s.group.SourceGuard.MemberID == "" {
		return "the guard does not hold the group on the source"
	}
	if reason := s.group.unsynced(); reason != "" {
		return reason
	}
	sources := make([]events.TopicOffset, len(b.Cut))
	for i, c := range b.Cut {
		sources[i] = events.TopicOffset{Topic: c.Topic, Partition: c.Partition, Offset: c.Source}
	}
	at, reason := s.group.every(sources)
	if reason != "" {
		return reason
	}
	for _, o := range s.group.Offsets {
		if have := at[place{o.Topic, o.Partition}]; have != o.Offset {
			return fmt.Sprintf("%s/%d was drained at %d, the cut is at %d", o.Topic, o.Partition, o.Offset, have)
		}
	}
	s.moveReaders("")
	s.group.Cut = b.Cut
	s.directGroup()
	return ""
}

// staged takes what an owner on the target has committed there. One offset that
// is not the cut makes all of them doubtful.
func (s *step) staged(b events.Staged) string {
	g := s.group
	if g.Readers != events.PhaseCut && g.Readers != events.PhaseStaged {
		return fmt.Sprintf("the readers are %s", g.Readers)
	}
	cut := make(map[place]int64, len(g.Cut))
	for _, c := range g.Cut {
		cut[place{c.Topic, c.Partition}] = c.Target
	}
	for _, o := range b.Offsets {
		if at, ok := cut[place{o.Topic, o.Partition}]; !ok || at != o.Offset {
			return fmt.Sprintf("%s/%d is staged at %d, which is not the cut", o.Topic, o.Partition, o.Offset)
		}
	}
	staged := slices.Concat(g.Staged, b.Offsets)
	slices.SortFunc(staged, byPlace)
	g.Staged = slices.Compact(staged)
	s.groupTouched = true
	if g.Readers == events.PhaseCut && len(g.Staged) == len(g.Cut) {
		s.moveReaders(whenAllStaged)
	}
	return ""
}
