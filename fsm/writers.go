package fsm

import (
	"fmt"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// The decisions on a topic's writers. WritersRolling and AbortRequested are
// judged by [events.Judge] and nothing else: a producer that starts judges what
// stands before its registration by the same rule without these rows, and must
// come to the same route.

func (s *step) requestWriters(b events.SwitchRequested) string {
	if reason := s.open(events.PhaseRunning); reason != "" {
		return reason
	}
	if b.Level != events.LevelRestart {
		return fmt.Sprintf("level %q: writers move at level %q", b.Level, events.LevelRestart)
	}
	if !s.topic.inSync() {
		return fmt.Sprintf("the copy is %s: writers move when it is synced", s.topic.Copy)
	}
	if len(s.topic.Remaining) > 0 {
		return fmt.Sprintf("groups %s still read the source: switch their readers first", strings.Join(s.topic.Remaining, ", "))
	}
	if reason := s.due(events.StepWriters); reason != "" {
		return reason
	}
	s.moveWriters()
	s.topic.Standing.Epoch = s.e.Epoch
	s.topic.Shared = nil
	s.mig.Count.Switching++
	s.migTouched = true
	s.direct(s.copyDirective)
	s.direct(s.producerDirective)
	return ""
}

// inSync reports whether the copy runs and has been at the source's end.
func (t *Topic) inSync() bool { return t.Copy == events.PhaseSynced || t.Copy == events.PhaseVerified }

func (s *step) copyShared(b events.CopyShared) string {
	if s.topic.Writers == events.PhaseOnSource {
		return "no switch of the writers is under way"
	}
	if b.Partition < 0 || b.Partition >= s.topic.Plan.Partitions {
		return fmt.Sprintf("partition %d, the topic has %d", b.Partition, s.topic.Plan.Partitions)
	}
	s.topic.Shared = inserted(s.topic.Shared, b.Partition)
	s.topicTouched = true
	return ""
}

func (s *step) rollWriters() string {
	s.moveWriters()
	s.mig.Count.Moved++
	s.migTouched = true
	s.direct(s.producerDirective)
	return ""
}

func (s *step) commitWriters(b events.SwitchCommitted) string {
	for _, p := range s.topic.Producers {
		if !p.Left && p.Route != events.RouteTarget {
			return fmt.Sprintf("producer %s (%s) still writes to the source: restart it", p.Instance, p.Incarnation)
		}
	}
	if reason := s.topic.partitionwise(b.Ends); reason != "" {
		return reason
	}
	s.moveWriters()
	s.moveRetire()
	s.topic.Ends = b.Ends
	return ""
}

func (s *step) completeWriters() string {
	if !s.topic.inSync() {
		return fmt.Sprintf("the copy is %s: it has not passed the source's end", s.topic.Copy)
	}
	s.moveWriters()
	s.mig.Count.Switching--
	s.mig.Count.Writers++
	s.migTouched = true
	s.direct(s.producerDirective)
	return ""
}

func (s *step) abortWriters(b events.AbortRequested) string {
	s.moveWriters()
	s.topic.Abort = s.abort(b)
	s.mig.Count.Switching--
	s.migTouched = true
	s.direct(s.copyDirective)
	s.direct(s.producerDirective)
	return ""
}

// sourceQuiet takes the source's ends as final, unless they are older than what
// is known: then somebody looked before the last stray came.
func (s *step) sourceQuiet(b events.SourceQuiet) string {
	t := s.topic
	switch {
	case t.Writers != events.PhaseOnTarget:
		return fmt.Sprintf("the writers are %s", t.Writers)
	case !t.inSync():
		return fmt.Sprintf("the copy is %s: it has not passed the source's end", t.Copy)
	}
	reason := t.partitionwise(b.Ends)
	if reason == "" {
		reason = below(b.Ends, t.Ends)
	}
	if reason != "" {
		return reason
	}
	if !s.moveRetire() {
		return fmt.Sprintf("the source is %s", t.Retire)
	}
	t.Ends = b.Ends
	s.mig.Count.Quiet++
	s.migTouched = true
	return ""
}

// stray takes a record that nobody should have written any more. The source's
// known end moves behind it, so that neither a late SourceQuiet nor an earlier
// comparison can pass over it. A partition that was added since the plan was
// made has no known end.
func (s *step) stray(b events.StrayWrite) string {
	t := s.topic
	if t.Retire == events.PhaseInUse {
		return "the source is in use"
	}
	if end, ok := offsetOf(t.Ends, b.Partition); ok && b.Offset < end {
		return fmt.Sprintf("partition %d is known up to %d", b.Partition, end)
	}
	ends := make([]events.PartitionOffset, len(t.Ends))
	for i, e := range t.Ends {
		if e.Partition == b.Partition {
			e.Offset = b.Offset + 1
		}
		ends[i] = e
	}
	t.Ends = ends
	if t.Retire == events.PhaseQuiet {
		s.moveRetire()
		s.mig.Count.Quiet--
		s.migTouched = true
	}
	t.Strays++
	s.topicTouched = true
	return ""
}
