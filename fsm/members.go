package fsm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// maxMembers and maxProducers bound what a row keeps of processes that have no
// part in what goes on: where every restart brings another name, they would
// only ever grow.
const (
	maxMembers   = 1000
	maxProducers = 1000
)

// member changes the row of an instance, adding it where it is new.
func (s *step) member(incarnation string, change func(*Member)) {
	list := slices.Clone(s.group.Members)
	i, found := slices.BinarySearchFunc(list, incarnation, func(m Member, id string) int { return strings.Compare(m.Incarnation, id) })
	if !found {
		list = slices.Insert(list, i, Member{Incarnation: incarnation})
	}
	list[i].Seen = s.at
	change(&list[i])
	s.group.Members = list
	if len(list) > maxMembers {
		s.group.forget()
	}
	s.groupTouched = true
}

// busy reports whether the member has a part in an epoch.
func (m *Member) busy(epoch uint32) bool {
	return epoch > 0 && (m.Prepared == epoch || m.Drained == epoch)
}

// forget drops the member that was silent for longest, of those that have no
// part in the current epoch.
func (g *Group) forget() {
	oldest := -1
	for i := range g.Members {
		m := &g.Members[i]
		if !m.busy(g.Standing.Epoch) && (oldest < 0 || m.Seen < g.Members[oldest].Seen) {
			oldest = i
		}
	}
	if oldest >= 0 {
		g.Members = slices.Delete(g.Members, oldest, oldest+1)
	}
}

// agentSeen shows an instance. Older incarnations of the same instance that
// have no part in the current epoch are forgotten.
func (s *step) agentSeen(b events.AgentSeen) string {
	s.group.Members = slices.DeleteFunc(slices.Clone(s.group.Members), func(m Member) bool {
		return m.Instance == b.Instance && m.Incarnation != b.Incarnation && !m.busy(s.group.Standing.Epoch)
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

// drained takes what an instance has stopped at. What it says twice in an epoch
// (it was evicted and has come back) adds up.
func (s *step) drained(b events.Drained) string {
	if !s.undecided() || s.group.Readers == events.PhasePreparing {
		return fmt.Sprintf("the readers are %s", s.group.Readers)
	}
	s.member(b.Incarnation, func(m *Member) {
		if m.Drained != s.e.Epoch {
			m.Committed, m.Processed = nil, nil
		}
		m.Drained, m.DrainMember = s.e.Epoch, b.Member
		m.Committed, m.Processed = raised(m.Committed, b.Committed), raised(m.Processed, b.Processed)
	})
	abandoned := slices.Concat(s.group.Abandoned, b.Abandoned)
	slices.SortFunc(abandoned, func(a, b events.TopicOffset) int {
		if c := byPlace(a, b); c != 0 {
			return c
		}
		return int(a.Offset - b.Offset)
	})
	s.group.Abandoned = slices.Compact(abandoned)
	return ""
}

// resumed shows that an instance consumes again, on the side that the switch
// ended on.
func (s *step) resumed(b events.Resumed) string {
	back := b.Side == events.RouteSource && s.group.Readers == events.PhaseOnSource
	over := b.Side == events.RouteTarget && (s.group.Readers == events.PhaseCommitted || s.group.Readers == events.PhaseOnTarget)
	if !back && !over {
		return fmt.Sprintf("on the %s, the readers are %s", b.Side, s.group.Readers)
	}
	s.member(b.Incarnation, func(m *Member) { m.Resumed = s.e.Epoch })
	return ""
}
