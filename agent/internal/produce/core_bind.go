package produce

import (
	"slices"

	"github.com/portage-kafka/portage/events"
)

// Bind says which route binds a producer whose registration stands behind the
// given records: the route of the directive, moved on by a decision that was
// accepted between the directive and the registration. Records are all those with
// positions above the directive's and below the registration's, in order. The
// mark is that of the directive's partition: no event up to it has moved the
// writers, else a later directive would be in force.
//
// Events are judged as the fold judges them, by [events.Judge]. Of WritersRolling
// and AbortRequested that is all there is to know. The fold accepts other commands
// and decisions only if more is true than can be seen from here (is the copy in
// sync, does the migration run), so what they leave behind is either of two
// standings. known is false where the standings that are possible in the end
// differ in the route: then a later directive or mark has to be waited for.
func Bind(d events.Directive, mark int64, records []events.Record) (route string, known bool) {
	b := binding{
		directive: d, mark: mark, seen: make(map[string]bool),
		possible: []events.Standing{{Version: d.Version, Epoch: d.Epoch, Phase: d.Phase}},
	}
	for _, r := range records {
		b.take(r)
	}
	return b.route()
}

// MayRoll reports whether records have a decision that lets producers write to
// the target. Without one the route of the directive stays what it is.
func MayRoll(d events.Directive, records []events.Record) bool {
	return slices.ContainsFunc(records, func(r events.Record) bool {
		return r.Refusal == nil && r.Event.Migration == d.Migration && r.Event.Stream == d.Stream && r.Event.Type == rolling
	})
}

const (
	rolling events.Type = "WritersRolling"
	abort   events.Type = "AbortRequested"
)

// binding folds a topic's stream as far as a producer's route depends on it.
type binding struct {
	directive events.Directive
	mark      int64
	possible  []events.Standing // where the stream may stand
	seen      map[string]bool   // ids of the migration
}

func (b *binding) take(r events.Record) {
	e, d := r.Event, b.directive
	foreign := r.Refusal != nil && r.Refusal.Foreign
	if foreign || r.Position <= d.Position || e.Migration != d.Migration || b.seen[e.ID] {
		return
	}
	b.seen[e.ID] = true // whatever stream it is on, and whatever becomes of it
	kind, known := events.Lookup(e.Type)
	if !known || r.Refusal != nil || e.Stream != d.Stream || !kind.Class.Versioned() {
		return
	}
	axis := events.Decides(kind, events.OfTopic)
	if axis == events.WritersAxis && r.Position <= b.mark {
		return
	}
	var next []events.Standing
	for _, s := range b.possible {
		fits := fits(kind, axis, e, s)
		if !fits || e.Type != rolling && e.Type != abort {
			next = with(next, s)
		}
		if fits {
			next = with(next, after(axis, e, s))
		}
	}
	b.possible = next
}

func with(list []events.Standing, s events.Standing) []events.Standing {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// fits says whether the rule accepts an event. The phase of the copy is not
// known here: any that the event moves will do.
func fits(k events.Kind, a events.Axis, e events.Event, s events.Standing) bool {
	if a == events.WritersAxis {
		return events.Judge(k, a, e, s) == ""
	}
	return slices.ContainsFunc(events.Moves(a), func(m events.Move) bool {
		s.Phase = m.From[0]
		return m.Type == e.Type && events.Judge(k, a, e, s) == ""
	})
}

// after is where the stream stands once an event was accepted.
func after(a events.Axis, e events.Event, s events.Standing) events.Standing {
	s.Version++
	if a != events.WritersAxis {
		return s
	}
	s.Epoch = e.Epoch
	i := slices.IndexFunc(events.Moves(a), func(m events.Move) bool { return m.Type == e.Type && slices.Contains(m.From, s.Phase) })
	if i >= 0 {
		s.Phase = events.Moves(a)[i].To
	}
	return s
}

func (b *binding) route() (string, bool) {
	targets := 0
	for _, s := range b.possible {
		switch s.Phase {
		case events.PhaseRolling, events.PhaseCommitted, events.PhaseOnTarget:
			targets++
		}
	}
	switch targets {
	case 0:
		return events.RouteSource, true
	case len(b.possible):
		return events.RouteTarget, true
	}
	return "", false
}

// Passed reports whether the copy has passed every end of a barrier: the
// watermark by partition says from where on it has not copied.
func Passed(barrier []events.PartitionOffset, watermark map[int32]int64) bool {
	for _, b := range barrier {
		if watermark[b.Partition] < b.Offset {
			return false
		}
	}
	return true
}
