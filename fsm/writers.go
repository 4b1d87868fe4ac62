package fsm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

func (s *step) requestWriters() string {
	b, _ := s.body.(events.SwitchRequested)
	if reason := s.open(events.PhaseRunning); reason != "" {
		return reason
	}
	if b.Level != events.LevelRestart {
		return fmt.Sprintf("level %q: writers move at level %q", b.Level, events.LevelRestart)
	}
	if s.topic.Copy != events.PhaseSynced && s.topic.Copy != events.PhaseVerified {
		return fmt.Sprintf("the copy is %s: writers move when it is synced", s.topic.Copy)
	}
	if len(s.topic.Remaining) > 0 {
		return fmt.Sprintf("groups %s still read the source: switch their readers first", strings.Join(s.topic.Remaining, ", "))
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

func (s *step) copyShared(b events.CopyShared) string {
	if s.topic.Writers == events.PhaseOnSource {
		return "the writers' switch was aborted"
	}
	if b.Partition < 0 || b.Partition >= s.topic.Plan.Partitions {
		return fmt.Sprintf("partition %d, the topic has %d", b.Partition, s.topic.Plan.Partitions)
	}
	s.topic.Shared = inserted(s.topic.Shared, b.Partition)
	s.topicTouched = true
	return ""
}

// rollWriters judges by expects, epoch and phase alone, as producers that start
// do: whether every worker expects other writers is for the driver to prove.
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
	if len(b.Ends) != int(s.topic.Plan.Partitions) {
		return fmt.Sprintf("ends of %d partitions, the topic has %d", len(b.Ends), s.topic.Plan.Partitions)
	}
	s.moveWriters()
	s.moveRetire()
	s.topic.Ends = b.Ends
	return ""
}

func (s *step) completeWriters() string {
	s.moveWriters()
	s.mig.Count.Switching--
	s.mig.Count.Writers++
	s.migTouched = true
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

func (s *step) abort(b events.AbortRequested) *Abort {
	return &Abort{Position: s.at, Epoch: s.e.Epoch, Code: b.Code, Reason: b.Reason, By: string(s.e.Actor.Kind) + " " + s.e.Actor.Name}
}

func (s *step) sourceQuiet(b events.SourceQuiet) string {
	if s.topic.Writers != events.PhaseOnTarget {
		return fmt.Sprintf("the writers are %s", s.topic.Writers)
	}
	if !s.moveRetire() {
		return fmt.Sprintf("the source is %s", s.topic.Retire)
	}
	s.topic.Ends = b.Ends
	s.mig.Count.Quiet++
	s.migTouched = true
	return ""
}

func (s *step) stray() string {
	switch s.topic.Retire {
	case events.PhaseQuiet:
		s.moveRetire()
		s.mig.Count.Quiet--
		s.migTouched = true
	case events.PhaseInUse:
		return "the source is in use"
	}
	s.topic.Strays++
	s.topicTouched = true
	return ""
}

// producerSeen registers a producer. Another incarnation of the same instance
// is gone by then: an instance is one process at a time.
func (s *step) producerSeen(b events.ProducerSeen) string {
	p := Producer{Incarnation: b.Incarnation, Instance: b.Instance, Seen: s.at, ProducerIDs: b.ProducerIDs}
	var list []Producer
	for _, q := range s.topic.Producers {
		switch {
		case q.Incarnation == b.Incarnation:
			p.Seen, p.Route, p.Left = q.Seen, q.Route, q.Left
		case q.Instance != b.Instance:
			list = append(list, q)
		}
	}
	i, _ := findProducer(list, b.Incarnation)
	s.topic.Producers = slices.Insert(list, i, p)
	s.topicTouched = true
	return ""
}

func findProducer(list []Producer, incarnation string) (int, bool) {
	return slices.BinarySearchFunc(list, incarnation, func(p Producer, i string) int { return strings.Compare(p.Incarnation, i) })
}

func (s *step) producerRouted(b events.ProducerRouted) string {
	return s.changeProducer(b.Incarnation, func(p *Producer) { p.Route = b.Route })
}

func (s *step) producerLeft(b events.ProducerLeft) string {
	return s.changeProducer(b.Incarnation, func(p *Producer) { p.Left = true })
}

func (s *step) changeProducer(incarnation string, change func(*Producer)) string {
	i, found := findProducer(s.topic.Producers, incarnation)
	if !found {
		return fmt.Sprintf("producer %s is not registered, or another incarnation took its instance", incarnation)
	}
	s.topic.Producers = slices.Clone(s.topic.Producers)
	change(&s.topic.Producers[i])
	s.topicTouched = true
	return ""
}
