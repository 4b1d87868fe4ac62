package fsm

import (
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
)

// The decisions on a group's readers. SwitchCommitted and AbortRequested are
// judged by [events.Judge] and nothing else: instances whose hold has expired
// judge them by the same rule without these rows, and must come to the same
// answer. What is found against a switch meanwhile has to be said by an
// AbortRequested.

func (s *step) requestReaders(b events.SwitchRequested) string {
	if reason := s.open(events.PhaseRunning); reason != "" {
		return reason
	}
	if b.Level != "" {
		return fmt.Sprintf("level %q: readers have none", b.Level)
	}
	if reason := s.group.unsynced(); reason != "" {
		return reason
	}
	if s.group.TargetGuard.MemberID == "" {
		return "the guard does not hold the group on the target yet: wait for it"
	}
	if reason := s.due(events.StepReaders); reason != "" {
		return reason
	}
	if reason := s.loginsFailed(); reason != "" {
		return reason
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

// unsynced names a topic of the group towards which no switch may go further,
// "" if there is none.
func (g *Group) unsynced() string {
	for _, t := range g.Topics {
		if !has(g.Synced, t.Topic) {
			return fmt.Sprintf("topic %q is not synced: wait for the copy", t.Topic)
		}
	}
	return ""
}

// loginsFailed names an instance that could not log in to the target. It keeps
// the switch from beginning by itself; a person may know that the instance is
// gone, and one that is not gone cannot prepare.
func (s *step) loginsFailed() string {
	if s.e.Actor.Kind == events.Operator {
		return ""
	}
	target := s.group.Plan.Target.Name
	for _, m := range s.group.Members {
		if err := m.Logins[target]; err != "" {
			return fmt.Sprintf("instance %s cannot log in to %s: %s", m.Instance, target, err)
		}
	}
	return ""
}

// guarded says which side the guard does not hold, "" if it holds both.
func (g *Group) guarded() string {
	switch {
	case g.SourceGuard.MemberID == "":
		return "the guard does not hold the group on the source"
	case g.TargetGuard.MemberID == "":
		return "the guard does not hold the group on the target"
	}
	return ""
}

func (s *step) orderHold(b events.HoldOrdered) string {
	if reason := s.group.guarded(); reason != "" {
		return reason
	}
	if reason := s.group.unsynced(); reason != "" {
		return reason
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
	if s.group.SourceGuard.MemberID == "" {
		return "the guard does not hold the group on the source: others could enter it"
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

func (s *step) abort(b events.AbortRequested) *Abort {
	return &Abort{Position: s.at, Epoch: s.e.Epoch, Code: b.Code, Reason: b.Reason, By: string(s.e.Actor.Kind) + " " + s.e.Actor.Name}
}

func (s *step) guardHeld(b events.GuardHeld) string {
	g := Guard{MemberID: b.MemberID, Generation: b.Generation, Exclusive: b.Exclusive, Position: s.at}
	s.groupTouched = true
	if b.Side == events.RouteTarget {
		s.group.TargetGuard = g
		return ""
	}
	s.group.SourceGuard = g
	if s.group.Readers == events.PhaseCommitted && !s.group.LeaveSource && s.group.closes(s.e) {
		s.group.LeaveSource = true
		s.directGroup()
	}
	return ""
}

// closes reports whether a GuardHeld of a committed switch was found after the
// decision. One that answers an earlier effect was seen before, by this
// orchestrator or another, and may have been lost since: a source without guard
// and instances is open to anybody.
func (g *Group) closes(e events.Event) bool {
	return e.Cause == "" || e.Cause == EffectID{Position: g.PhaseAt}.String()
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
