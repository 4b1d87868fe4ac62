package fsm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// producerSeen registers a producer. Another incarnation of the same instance
// is gone by then: an instance is one process at a time. A process that comes
// back after its good-bye finds its route anew.
func (s *step) producerSeen(b events.ProducerSeen) string {
	p := Producer{Incarnation: b.Incarnation, Instance: b.Instance, Seen: s.at, ProducerIDs: b.ProducerIDs}
	var list []Producer
	for _, q := range s.topic.Producers {
		switch {
		case q.Incarnation == b.Incarnation && !q.Left:
			p.Seen, p.Route = q.Seen, q.Route
		case q.Incarnation != b.Incarnation && q.Instance != b.Instance:
			list = append(list, q)
		}
	}
	i, _ := findProducer(list, b.Incarnation)
	s.topic.Producers = forgetLeft(slices.Insert(list, i, p))
	s.topicTouched = true
	return ""
}

// forgetLeft drops the producer that left and registered first when there are
// too many; one that has not left is waited for and never dropped.
func forgetLeft(list []Producer) []Producer {
	oldest := -1
	for i, p := range list {
		if p.Left && (oldest < 0 || p.Seen < list[oldest].Seen) {
			oldest = i
		}
	}
	if len(list) <= maxProducers || oldest < 0 {
		return list
	}
	return slices.Delete(list, oldest, oldest+1)
}

func findProducer(list []Producer, incarnation string) (int, bool) {
	return slices.BinarySearchFunc(list, incarnation, func(p Producer, i string) int { return strings.Compare(p.Incarnation, i) })
}

// producerRouted takes the route of a process, which it has for life: of two
// that contradict each other the source counts, for which the decision waits. A
// producer that was taken for gone is back by its own word.
func (s *step) producerRouted(b events.ProducerRouted) string {
	return s.changeProducer(b.Incarnation, func(p *Producer) {
		if p.Route != events.RouteSource {
			p.Route = b.Route
		}
		if p.Silent {
			p.Left, p.Silent = false, false
		}
	})
}

// producerLeft takes a good-bye, or the finding that a producer is silent. Its
// own good-bye is final.
func (s *step) producerLeft(b events.ProducerLeft) string {
	return s.changeProducer(b.Incarnation, func(p *Producer) {
		p.Silent = b.Silent && (p.Silent || !p.Left)
		p.Left = true
	})
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
