package fsm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// member changes the row of an instance, adding it where it is new.
func (s *step) member(incarnation string, change func(*Member)) {
	list := slices.Clone(s.group.Members)
	i, found := slices.BinarySearchFunc(list, incarnation, func(m Member, id string) int { return strings.Compare(m.Incarnation, id) })
	if !found {
		list = slices.Insert(list, i, Member{Incarnation: incarnation})
	}
	change(&list[i])
	s.group.Members = list
	s.groupTouched = true
}

// agentSeen shows an instance. Older incarnations of the same instance that
// have no part in the current epoch are forgotten.
func (s *step) agentSeen(b events.AgentSeen) string {
	epoch := s.group.Standing.Epoch
	s.group.Members = slices.DeleteFunc(slices.Clone(s.group.Members), func(m Member) bool {
		return m.Instance == b.Instance && m.Incarnation != b.Incarnation && !(epoch > 0 && (m.Prepared == epoch || m.Drained == epoch))
	})
	s.member(b.Incarnation, func(m *Member) { m.Instance, m.Logins = b.Instance, b.Logins })
	return ""
}

func (s *step) prepared(b events.Prepared) string {
	if !s.undecided() {
		return fmt.Sprintf("the readers are %s", s.group.Readers)
	}
	s.member(b.Incarnation, func(m *Member) {
		m.Prepared, m.SourceMember, m.TargetMember = s.e.Epoch, b.SourceMember, b.TargetMember
	})
	return ""
}

func (s *step) undecided() bool {
	switch s.group.Readers {
	case events.PhasePreparing, events.PhaseHolding, events.PhaseDrained, events.PhaseCut, events.PhaseStaged:
		return true
	}
	return false
}

func (s *step) drained(b events.Drained) string {
	if !s.undecided() || s.group.Readers == events.PhasePreparing {
		return fmt.Sprintf("the readers are %s", s.group.Readers)
	}
	s.member(b.Incarnation, func(m *Member) {
		m.Drained, m.DrainMember, m.Processed = s.e.Epoch, b.Member, b.Processed
	})
	for _, o := range b.Abandoned {
		if !slices.Contains(s.group.Abandoned, o) {
			s.group.Abandoned = append(slices.Clone(s.group.Abandoned), o)
		}
	}
	return ""
}

func (s *step) resumed(b events.Resumed) string {
	s.member(b.Incarnation, func(m *Member) { m.Resumed = s.e.Epoch })
	return ""
}
