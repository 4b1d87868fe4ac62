package fsm

import (
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
)

// open reports why nothing new may begin in the migration, "" if it may.
func (s *step) open(phases ...events.Phase) string {
	if slices.Contains(phases, s.mig.Phase) {
		return ""
	}
	return fmt.Sprintf("migration %q is %s", s.mig.Name, s.mig.Phase)
}

func (s *step) startCopy() string {
	if reason := s.open(events.PhaseRunning); reason != "" {
		return reason
	}
	s.moveCopy("")
	s.mig.Count.Started++
	s.migTouched = true
	return ""
}

func (s *step) targetCreated(b events.TargetCreated) string {
	if s.topic.Copy != events.PhaseCreating {
		return fmt.Sprintf("the copy is %s", s.topic.Copy)
	}
	s.moveCopy("")
	s.topic.Target = &b
	s.direct(s.copyDirective)
	s.direct(s.producerDirective)
	groups := s.groupsOfTopic()
	for _, g := range groups {
		g.Created = inserted(g.Created, s.topic.Topic)
	}
	s.directGroups(groups)
	return ""
}

func (s *step) synced() string {
	if !s.moveCopy("") {
		return fmt.Sprintf("the copy is %s", s.topic.Copy)
	}
	if s.topic.EverSynced {
		return ""
	}
	s.topic.EverSynced = true
	s.mig.Count.Synced++
	s.migTouched = true
	for _, g := range s.groupsOfTopic() {
		g.Synced = inserted(g.Synced, s.topic.Topic)
		g.Changed = s.at
		s.out.Groups = append(s.out.Groups, g)
	}
	return ""
}

func (s *step) stopped(stop Stop) string {
	if !s.moveCopy("") {
		return fmt.Sprintf("the copy is %s", s.topic.Copy)
	}
	s.stop(stop)
	return ""
}

func (s *step) stop(stop Stop) {
	s.topic.Stop = &stop
	s.mig.Count.Stopped++
	s.migTouched = true
}

func (s *step) retry() string {
	if reason := s.open(events.PhaseRunning, events.PhasePaused, events.PhaseCompleting); reason != "" {
		return reason
	}
	s.moveCopy("")
	s.topic.Stop, s.topic.Verify = nil, nil
	s.mig.Count.Stopped--
	s.migTouched = true
	return ""
}

func (s *step) orderVerify(b events.VerifyOrdered) string {
	if reason := s.open(events.PhaseRunning, events.PhaseCompleting); reason != "" {
		return reason
	}
	if len(b.UpTo) != int(s.topic.Plan.Partitions) {
		return fmt.Sprintf("%d partitions, the topic has %d", len(b.UpTo), s.topic.Plan.Partitions)
	}
	s.moveCopy("")
	s.topic.Verify = &Verify{Cause: s.e.ID, UpTo: b.UpTo}
	s.direct(s.copyDirective)
	return ""
}

func (s *step) partitionVerified(b events.PartitionVerified) string {
	v := s.topic.Verify
	if v == nil || s.topic.Copy != events.PhaseSynced || s.e.Cause != v.Cause {
		return "answers no comparison under way"
	}
	i, found := slices.BinarySearchFunc(v.Done, b.Partition, func(d events.PartitionVerified, p int32) int { return int(d.Partition) - int(p) })
	if found {
		return fmt.Sprintf("partition %d has answered already", b.Partition)
	}
	s.topic.Verify = &Verify{Cause: v.Cause, UpTo: v.UpTo, Done: slices.Insert(slices.Clone(v.Done), i, b)}
	s.topicTouched = true
	if b.Differs != "" {
		s.moveCopy(whenDiffers)
		s.stop(Stop{Position: s.at, Code: "diverged", Partition: b.Partition, To: b.UpTo, Reason: b.Differs})
		return ""
	}
	if len(s.topic.Verify.Done) == int(s.topic.Plan.Partitions) {
		s.moveCopy(whenIdentical)
	}
	return ""
}

func (s *step) finishTopic() string {
	if reason := s.open(events.PhaseCompleting); reason != "" {
		return reason
	}
	if !s.moveCopy("") {
		return fmt.Sprintf("the copy is %s", s.topic.Copy)
	}
	s.mig.Count.Finished++
	s.migTouched = true
	if s.mig.Count.Finished == s.mig.Count.Topics {
		s.moveMigration(whenLastTopic)
	}
	s.direct(s.copyDirective)
	return ""
}

func (s *step) releaseTopic() string {
	if reason := s.open(events.PhaseCancelling); reason != "" {
		return reason
	}
	created := s.topic.Target != nil
	if !s.moveCopy("") {
		return fmt.Sprintf("the copy is %s", s.topic.Copy)
	}
	s.mig.Count.Released++
	s.migTouched = true
	if s.released() {
		s.moveMigration(whenTopicsOver)
	}
	if created {
		s.direct(s.copyDirective)
		s.direct(s.producerDirective)
	}
	return ""
}

func (s *step) releaseGroup() string {
	if reason := s.open(events.PhaseCancelling); reason != "" {
		return reason
	}
	if !s.moveReaders("") {
		return fmt.Sprintf("the readers are %s", s.group.Readers)
	}
	s.mig.Count.GroupsReleased++
	s.migTouched = true
	if s.released() {
		s.moveMigration(whenGroupsOver)
	}
	s.directGroup()
	return ""
}

func (s *step) released() bool {
	c := s.mig.Count
	return c.Released == c.Topics && c.GroupsReleased == c.Groups
}
