package fsm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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

// targetCreated lets workers copy. After a retry the topic must be the one that
// was copied to before: the offset map speaks of no other.
func (s *step) targetCreated(b events.TargetCreated) string {
	t := s.topic
	if t.Copy != events.PhaseCreating {
		return fmt.Sprintf("the copy is %s", t.Copy)
	}
	first := t.Target == nil
	if !first && t.Target.TopicID != b.TopicID {
		return fmt.Sprintf("topic %s has id %s, the copy went to id %s: it was deleted and created again", t.Plan.TargetTopic, b.TopicID, t.Target.TopicID)
	}
	s.moveCopy("")
	if !first {
		b.Created = t.Target.Created
	} else {
		t.Begun = s.at
	}
	tell := first || t.Growing
	t.Target, t.Growing = &b, false
	if s.mig.Phase == events.PhaseCancelling {
		return "" // it stands there to be released
	}
	s.direct(s.copyDirective)
	if tell {
		s.direct(s.producerDirective)
		s.tellGroups()
	}
	return ""
}

// tellGroups tells the groups that read the topic that it stands on the target.
// Instances hear of it with the last of their group's topics.
func (s *step) tellGroups() {
	s.changeGroups(func(g *Group) {
		g.Created = inserted(g.Created, s.topic.Topic)
		if len(g.Created) == len(g.Topics) {
			s.direct(func() events.Directive { return s.groupDirective(g) })
		}
	})
}

// changeGroups changes and writes out the groups that read the topic.
func (s *step) changeGroups(change func(*Group)) {
	for _, name := range s.topic.Groups {
		if g := s.loadGroup(name); g != nil {
			change(g)
			g.Changed = s.at
			s.out.Groups = append(s.out.Groups, g)
		}
	}
}

func (s *step) synced(b events.CopySynced) string {
	if reason := s.topic.partitionwise(b.Ends); reason != "" {
		return reason
	}
	if !s.moveCopy("") {
		return fmt.Sprintf("the copy is %s", s.topic.Copy)
	}
	s.changeGroups(func(g *Group) { g.Synced = inserted(g.Synced, s.topic.Topic) })
	if !s.topic.EverSynced {
		s.topic.EverSynced = true
		s.mig.Count.Synced++
		s.migTouched = true
	}
	return ""
}

// late says why a worker's report is about a copy that is over: workers cite
// the directive that they obeyed.
func (s *step) late() string {
	obeyed, err := strconv.ParseInt(strings.TrimPrefix(s.e.Cause, "directive/"), 10, 64)
	if s.e.Actor.Kind != events.Worker || err != nil || obeyed >= s.topic.Begun {
		return ""
	}
	return fmt.Sprintf("obeys the directive of event %d, the present copy began with event %d", obeyed, s.topic.Begun)
}

// stopped notes why the copy waits for a person.
func (s *step) stopped(stop Stop) string {
	if reason := s.late(); reason != "" {
		return reason
	}
	if s.topic.Copy == events.PhaseStopped {
		return s.stopToo(stop)
	}
	if !s.moveCopy("") {
		return fmt.Sprintf("the copy is %s", s.topic.Copy)
	}
	s.stop(stop)
	return ""
}

// stopToo notes another stop of a stopped copy beside the first one: what is
// lost or doubtful must not be hidden behind what came before.
func (s *step) stopToo(stop Stop) string {
	t := s.topic
	i, found := slices.BinarySearchFunc(t.MoreStops, stop, func(a, b Stop) int { return int(a.Partition) - int(b.Partition) })
	if found || t.Stop.Partition == stop.Partition {
		return fmt.Sprintf("the copy of partition %d is stopped already", stop.Partition)
	}
	t.MoreStops = slices.Insert(slices.Clone(t.MoreStops), i, stop)
	s.topicTouched = true
	return ""
}

// stop notes the first stop. The groups' topics are synced no more, so that no
// switch goes further towards a doubtful copy; an undecided one is for its
// orchestrator or instances to abort.
func (s *step) stop(stop Stop) {
	s.topic.Stop = &stop
	s.unsync()
	s.mig.Count.Stopped++
	s.migTouched = true
}

// unstop forgets why the copy waited for a person.
func (s *step) unstop() {
	s.topic.Stop, s.topic.MoreStops = nil, nil
	s.mig.Count.Stopped--
	s.migTouched = true
}

func (s *step) retry() string {
	if reason := s.open(events.PhaseRunning, events.PhasePaused, events.PhaseCompleting); reason != "" {
		return reason
	}
	s.moveCopy("")
	s.topic.Verify = nil
	s.unstop()
	return ""
}

func (s *step) releaseTopic(b events.TopicReleased) string {
	if reason := s.open(events.PhaseCancelling); reason != "" {
		return reason
	}
	t := s.topic
	if t.Copy == events.PhaseStopped {
		s.unstop()
	}
	if !s.moveCopy("") {
		return fmt.Sprintf("the copy is %s", t.Copy)
	}
	t.Release = &b
	s.mig.Count.Released++
	s.migTouched = true
	if s.released() {
		s.moveMigration(whenTopicsOver)
	}
	if t.Target != nil {
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
