package fsm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// claimed says which open migration holds a topic or group of a cluster, ""
// when none does; then it is claimed. Things are claimed on both sides: two
// migrations that write to one topic, or guard one group, would undo each
// other's work.
func (s *step) claimed(kind events.StreamKind, at events.ClusterRef, name string) string {
	key := ClaimKey{Cluster: at.ID, Kind: kind, Name: name}
	if c, ok := s.rows.Claim(key); ok {
		if other, ok := s.rows.Migration(c.Migration); ok && !other.Over() {
			if other.Name == s.e.Migration {
				return fmt.Sprintf("%s %q of %s is in this migration already", kind, name, at.Name)
			}
			return fmt.Sprintf("%s %q of %s belongs to migration %q, which is %s: complete or cancel it first", kind, name, at.Name, other.Name, other.Phase)
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
	if reason := s.drafting(b.Source, b.Target); reason != "" {
		return reason
	}
	if reason := s.claimed(events.OfTopic, b.Source, s.e.Stream.Name()); reason != "" {
		return reason
	}
	if reason := s.claimed(events.OfTopic, b.Target, b.TargetTopic); reason != "" {
		return reason
	}
	s.topic = &Topic{
		Migration: s.e.Migration, Topic: s.e.Stream.Name(), Plan: b,
		Copy: events.PhaseNone, Writers: events.PhaseNone, Retire: events.PhaseNone,
	}
	s.moveCopy("")
	s.moveWriters()
	s.moveRetire()
	s.reach(b.Target)
	s.mig.Count.Topics++
	s.migTouched = true
	return ""
}

// drafting checks that the migration takes plan events, and that the cluster
// names of all of them mean the same: directives and configurations know
// clusters by name.
func (s *step) drafting(source, target events.ClusterRef) string {
	if s.mig.Phase != events.PhaseDrafting {
		return fmt.Sprintf("migration %q is %s: it takes no more plan events", s.e.Migration, s.mig.Phase)
	}
	if s.mig.Source != source {
		return fmt.Sprintf("source %s, the migration's is %s: a migration has one source", named(source), named(s.mig.Source))
	}
	for _, have := range append(slices.Clone(s.mig.Targets), s.mig.Source) {
		if (have.Name == target.Name) != (have.ID == target.ID) {
			return fmt.Sprintf("target %s, the migration knows %s: one name, one cluster", named(target), named(have))
		}
	}
	if target == source {
		return fmt.Sprintf("source and target are both %s: name another cluster", named(source))
	}
	return ""
}

// named shows a cluster with both its names.
func named(c events.ClusterRef) string { return fmt.Sprintf("%s (%s)", c.Name, c.ID) }

// reach notes a target cluster of the plan.
func (s *step) reach(c events.ClusterRef) {
	i, found := slices.BinarySearchFunc(s.mig.Targets, c, func(a, b events.ClusterRef) int { return strings.Compare(a.ID, b.ID) })
	if !found {
		s.mig.Targets = slices.Insert(slices.Clone(s.mig.Targets), i, c)
	}
}

func (s *step) planGroup(b events.GroupPlanned) string {
	if reason := s.drafting(b.Source, b.Target); reason != "" {
		return reason
	}
	s.group = &Group{Migration: s.e.Migration, Group: s.e.Stream.Name(), Plan: b, Readers: events.PhaseNone}
	var topics []*Topic
	for i, name := range b.Topics {
		t := s.loadTopic(name)
		if reason := s.mayRead(b, i, t); reason != "" {
			return reason
		}
		t.Groups = inserted(t.Groups, s.group.Group)
		t.Remaining = inserted(t.Remaining, s.group.Group)
		topics = append(topics, t)
		s.group.Topics = append(s.group.Topics, events.GroupTopic{Topic: name, TargetTopic: t.Plan.TargetTopic, Partitions: t.Plan.Partitions})
	}
	for _, side := range []events.ClusterRef{b.Source, b.Target} {
		if reason := s.claimed(events.OfGroup, side, s.group.Group); reason != "" {
			return reason
		}
	}
	s.moveReaders("")
	s.changeTopics(topics)
	s.mig.Count.Groups++
	s.migTouched = true
	return ""
}

// mayRead says why a group cannot have the i-th of its topics.
func (*step) mayRead(b events.GroupPlanned, i int, t *Topic) string {
	name := b.Topics[i]
	switch {
	case slices.Contains(b.Topics[:i], name):
		return fmt.Sprintf("topic %q is listed twice", name)
	case t == nil:
		return fmt.Sprintf("topic %q is not planned: plan it before the group", name)
	case t.Plan.Target != b.Target:
		return fmt.Sprintf("topic %q goes to %s, the group to %s: the topics of a group go to one cluster", name, named(t.Plan.Target), named(b.Target))
	}
	return ""
}

// changeTopics writes out rows of other streams than the event's.
func (s *step) changeTopics(ts []*Topic) {
	for _, t := range ts {
		t.Changed = s.at
		s.out.Topics = append(s.out.Topics, t)
	}
}
