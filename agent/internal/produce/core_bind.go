package produce

import (
	"slices"

	"github.com/portage-kafka/portage/events"
)

// Bind says which route binds a producer whose registration stands behind the
// given records: the route of the directive, moved on by every decision between
// the directive and the registration that was accepted. Records are those with
// positions above the directive's and below the registration's, in order; the
// judgement is the one that the fold makes, [events.Judge].
func Bind(d events.Directive, records []events.Record) string {
	s := standing{Standing: events.Standing{Version: d.Version, Epoch: d.Epoch, Phase: d.Phase}, seen: make(map[string]bool)}
	for _, r := range records {
		if r.Refusal == nil && r.Position > d.Position && r.Event.Migration == d.Migration && r.Event.Stream == d.Stream {
			s.take(r.Event)
		}
	}
	if onTarget(s.Phase) {
		return events.RouteTarget
	}
	return events.RouteSource
}

func onTarget(p events.Phase) bool {
	return slices.Contains([]events.Phase{events.PhaseRolling, events.PhaseCommitted, events.PhaseOnTarget}, p)
}

// standing folds a topic's stream as far as a producer's route depends on it.
type standing struct {
	events.Standing
	seen map[string]bool
}

func (s *standing) take(e events.Event) {
	kind, known := events.Lookup(e.Type)
	if !known || !kind.Class.Versioned() || s.seen[e.ID] {
		return
	}
	s.seen[e.ID] = true
	axis := events.Decides(kind, events.OfTopic)
	if axis != events.WritersAxis {
		// What moves the copy is judged on a phase that is not known here: it counts
		// if its version fits.
		if e.Expects != nil && *e.Expects == s.Version {
			s.Version++
		}
		return
	}
	if events.Judge(kind, axis, e, s.Standing) != "" {
		return
	}
	s.Version++
	if kind.Type == (events.SwitchRequested{}).EventType() {
		s.Epoch = e.Epoch
	}
	for _, m := range events.Moves(axis) {
		if m.Type == e.Type && slices.Contains(m.From, s.Phase) {
			s.Phase = m.To
			return
		}
	}
}

// Passed reports whether the copy has passed every end of a barrier: the
// watermark by partition says from where on it has not copied.
func Passed(barrier []events.PartitionOffset, watermark func(partition int32) int64) bool {
	for _, b := range barrier {
		if watermark(b.Partition) < b.Offset {
			return false
		}
	}
	return true
}
