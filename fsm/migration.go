package fsm

import (
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
)

// Over reports whether nothing can happen to the migration any more.
func (m *Migration) Over() bool {
	return m.Phase == events.PhaseFinished || m.Phase == events.PhaseCancelled
}

// StepIs tells where a migration stands in its step list: the index of the
// first step that is not done (the list's length when all are), and whether
// that step waits for a person. The copy step is approved by the start.
func (m *Migration) StepIs() (index int, awaiting bool) {
	if m.Plan == nil {
		return 0, false
	}
	for i, st := range m.Plan.Steps {
		if !m.stepDone(st.Do) {
			return i, st.Approve == events.ApproveManual && st.Do != events.StepCopy && !slices.Contains(m.Approved, i)
		}
	}
	return len(m.Plan.Steps), false
}

func (m *Migration) stepDone(do string) bool {
	switch do {
	case events.StepCopy:
		return m.Count.Synced == m.Count.Topics
	case events.StepReaders:
		return m.Count.Readers == m.Count.Groups
	case events.StepWriters:
		return m.Count.Writers == m.Count.Topics
	default:
		return m.Phase == events.PhaseFinished
	}
}

func (s *step) claimed(kind events.StreamKind, cluster, name string) string {
	key := ClaimKey{Cluster: cluster, Kind: kind, Name: name}
	if c, ok := s.rows.Claim(key); ok {
		if other, ok := s.rows.Migration(c.Migration); ok && !other.Over() {
			return fmt.Sprintf("%s %q belongs to migration %q, which is %s: complete or cancel it first", kind, name, c.Migration, other.Phase)
		}
	}
	s.out.Claims = append(s.out.Claims, ClaimChange{Key: key, Claim: Claim{Migration: s.e.Migration}})
	return ""
}

func (s *step) planTopic(b events.TopicPlanned) string {
	if s.mig == nil {
		s.mig = &Migration{Name: s.e.Migration, Phase: events.PhaseNone, Source: b.Source, Created: -1, Started: -1, Ended: -1}
		s.moveMigration("")
	}
	if reason := s.drafting(b.Source); reason != "" {
		return reason
	}
	if b.Target.ID == b.Source.ID && b.TargetTopic == s.e.Stream.Name() {
		return fmt.Sprintf("source and target are the same cluster %s and the same topic", b.Source.ID)
	}
	if reason := s.claimed(events.OfTopic, b.Source.ID, s.e.Stream.Name()); reason != "" {
		return reason
	}
	s.topic = &Topic{
		Migration: s.e.Migration, Topic: s.e.Stream.Name(), Plan: b,
		Copy: events.PhaseNone, Writers: events.PhaseNone, Retire: events.PhaseNone,
	}
	s.moveCopy("")
	s.moveWriters()
	s.moveRetire()
	s.mig.Count.Topics++
	s.migTouched = true
	return ""
}

// drafting checks that the migration takes plan events.
func (s *step) drafting(source events.ClusterRef) string {
	if s.mig.Phase != events.PhaseDrafting {
		return fmt.Sprintf("migration %q is %s: its plan is sealed", s.e.Migration, s.mig.Phase)
	}
	if s.mig.Source.ID != source.ID {
		return fmt.Sprintf("source %s, the migration's is %s: a migration has one source", source.ID, s.mig.Source.ID)
	}
	return ""
}

func (s *step) planGroup(b events.GroupPlanned) string {
	if reason := s.drafting(b.Source); reason != "" {
		return reason
	}
	s.group = &Group{Migration: s.e.Migration, Group: s.e.Stream.Name(), Plan: b, Readers: events.PhaseNone}
	var topics []*Topic
	for _, name := range b.Topics {
		t := s.loadTopic(name)
		if t == nil {
			return fmt.Sprintf("topic %q is not planned: plan it before the group", name)
		}
		if t.Plan.Target.ID != b.Target.ID {
			return fmt.Sprintf("topic %q goes to %s, the group to %s: the topics of a group go to one cluster", name, t.Plan.Target.Name, b.Target.Name)
		}
		if slices.Contains(t.Groups, s.group.Group) {
			return fmt.Sprintf("topic %q is listed twice", name)
		}
		t.Groups = inserted(t.Groups, s.group.Group)
		t.Remaining = inserted(t.Remaining, s.group.Group)
		topics = append(topics, t)
		s.group.Topics = append(s.group.Topics, events.GroupTopic{Topic: name, TargetTopic: t.Plan.TargetTopic, Partitions: t.Plan.Partitions})
	}
	if reason := s.claimed(events.OfGroup, b.Source.ID, s.group.Group); reason != "" {
		return reason
	}
	s.moveReaders("")
	s.changeTopics(topics)
	s.mig.Count.Groups++
	s.migTouched = true
	return ""
}

// changeTopics writes out rows of other streams than the event's.
func (s *step) changeTopics(ts []*Topic) {
	for _, t := range ts {
		t.Changed = s.at
		s.out.Topics = append(s.out.Topics, t)
	}
}

func (s *step) create(b events.MigrationCreated) string {
	c := s.mig.Count
	if b.Topics != c.Topics || b.Groups != c.Groups {
		return fmt.Sprintf("the plan has %d topics and %d groups, accepted were %d and %d: see their notes", b.Topics, b.Groups, c.Topics, c.Groups)
	}
	if b.Machine != Version {
		return fmt.Sprintf("machine version %d, this release folds version %d", b.Machine, Version)
	}
	if b.Source.ID != s.mig.Source.ID {
		return fmt.Sprintf("source %s, the planned topics leave %s", b.Source.ID, s.mig.Source.ID)
	}
	s.moveMigration(whenCounts)
	s.mig.Plan, s.mig.Created = &b, s.at
	return ""
}

func (s *step) start() string {
	s.moveMigration("")
	s.mig.Started = s.at
	return ""
}

func (s *step) pause(reason string) string {
	s.moveMigration("")
	s.mig.Reason = reason
	s.direct(s.poolDirective)
	return ""
}

func (s *step) resume() string {
	s.moveMigration("")
	s.mig.Reason = ""
	s.direct(s.poolDirective)
	return ""
}

func (s *step) approve(b events.Approved) string {
	if s.mig.Plan == nil || b.Step >= len(s.mig.Plan.Steps) {
		return fmt.Sprintf("there is no step %d in the plan", b.Step)
	}
	if s.mig.Over() {
		return fmt.Sprintf("the migration is %s", s.mig.Phase)
	}
	if slices.Contains(s.mig.Approved, b.Step) {
		return fmt.Sprintf("step %d (%s) is approved already", b.Step, s.mig.Plan.Steps[b.Step].Do)
	}
	s.mig.Approved = inserted(s.mig.Approved, b.Step)
	return ""
}

func (s *step) complete() string {
	c := s.mig.Count
	switch {
	case c.Stopped > 0:
		return fmt.Sprintf("%d topics are stopped: retry them first", c.Stopped)
	case c.Readers < c.Groups:
		return fmt.Sprintf("%d of %d groups are on the target: switch the readers first", c.Readers, c.Groups)
	case c.Writers < c.Topics:
		return fmt.Sprintf("the writers of %d of %d topics are on the target: switch the writers first", c.Writers, c.Topics)
	case c.Quiet < c.Topics:
		return fmt.Sprintf("%d of %d source topics are quiet: wait until nothing is written there", c.Quiet, c.Topics)
	}
	s.moveMigration(whenAllMoved)
	return ""
}

func (s *step) cancel(b events.CancelRequested) string {
	if s.mig.Phase == events.PhaseDrafting {
		s.moveMigration("")
		s.mig.Reason = b.Reason
		return ""
	}
	c := s.mig.Count
	if c.Moved > 0 || c.Switching > 0 {
		return fmt.Sprintf("%d switches are decided and %d under way: abort what is undecided; what is decided goes back by a rollback", c.Moved, c.Switching)
	}
	s.moveMigration(whenNothingMoved)
	s.mig.Reason = b.Reason
	s.direct(s.poolDirective)
	return ""
}

// inserted is the sorted list with v in it; the list itself is not changed.
func inserted[T string | int | int32](list []T, v T) []T {
	i, found := slices.BinarySearch(list, v)
	if found {
		return list
	}
	return slices.Insert(slices.Clone(list), i, v)
}

// without is the sorted list without v; the list itself is not changed.
func without[T string | int | int32](list []T, v T) []T {
	i, found := slices.BinarySearch(list, v)
	if !found {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}
