package fsm

import (
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/events"
)

// Step folds one record: it says what becomes of the event and which rows,
// directives and effects follow. It is total.
func (m *Machines) Step(rows Rows, rec events.Record) Outcome {
	e := rec.Event
	s := &step{machines: m, rows: rows, e: e, at: rec.Position, body: rec.Body}
	s.out.Note = Note{Position: rec.Position, ID: e.ID, Migration: e.Migration, Stream: e.Stream, Type: e.Type}
	if rec.Refusal != nil && rec.Refusal.Foreign {
		return s.end(Refused, rec.Refusal.Error())
	}
	if first, seen := rows.Seen(e.Migration, e.ID); seen {
		return s.end(Ignored, fmt.Sprintf("repeats the event at position %d", first))
	}
	// What is refused here stands in the log as an event all the same: another
	// release may read it, and the log digest must not differ for that.
	s.out.First = true
	if rec.Refusal != nil {
		return s.end(Refused, rec.Refusal.Error())
	}
	kind, known := events.Lookup(e.Type)
	if !known || rec.Body == nil {
		return s.end(Ignored, fmt.Sprintf("type %q is not known to this release", e.Type))
	}
	if reason := misplaced(kind, rec); reason != "" {
		return s.end(Refused, reason)
	}
	s.kind = kind
	s.load()
	if reason := s.judge(); reason != "" {
		return s.end(misfit(kind.Class), reason)
	}
	if reason := s.apply(); reason != "" {
		return s.end(misfit(kind.Class), reason)
	}
	s.accept()
	return s.end(Accepted, "")
}

// misplaced says what a decoder would have refused. Step is total all the
// same: below, the rows of the event's stream are taken to be of its kind.
func misplaced(k events.Kind, rec events.Record) string {
	switch {
	case !k.AllowsStream(rec.Event.Stream):
		return fmt.Sprintf("%s stands on a stream of kind %v, have %q", k.Type, k.Streams, rec.Event.Stream)
	case rec.Body.EventType() != k.Type:
		return fmt.Sprintf("%s has the body of %s", k.Type, rec.Body.EventType())
	}
	return ""
}

// misfit is the verdict on an event that does not fit: whoever wrote a command
// or a decision wants to hear of it, an acknowledgement was only late.
func misfit(c events.Class) Verdict {
	if c == events.Command || c == events.Decision {
		return Refused
	}
	return Ignored
}

// step is the work on one event. mig, topic and group are private copies of
// the rows of the event's stream, nil where there is no such row; they are
// written out when they changed.
type step struct {
	machines *Machines
	rows     Rows
	e        events.Event
	kind     events.Kind
	body     events.Body
	at       int64

	mig          *Migration
	topic        *Topic
	group        *Group
	migTouched   bool
	topicTouched bool
	groupTouched bool

	// directives are derived last, from the rows as they are then.
	directives []func() events.Directive

	out Outcome
}

func (s *step) load() {
	if row, ok := s.rows.Migration(s.e.Migration); ok {
		c := *row
		s.mig = &c
	}
	switch s.e.Stream.Kind() {
	case events.OfTopic:
		s.topic = s.loadTopic(s.e.Stream.Name())
	case events.OfGroup:
		s.group = s.loadGroup(s.e.Stream.Name())
	}
}

func (s *step) loadTopic(name string) *Topic {
	row, ok := s.rows.Topic(s.e.Migration, name)
	if !ok {
		return nil
	}
	c := *row
	return &c
}

func (s *step) loadGroup(name string) *Group {
	row, ok := s.rows.Group(s.e.Migration, name)
	if !ok {
		return nil
	}
	c := *row
	return &c
}

// judge applies what holds for every event: the thing exists and has not
// ended, and the one rule of versions, epochs and phases.
func (s *step) judge() string {
	if reason := s.exists(); reason != "" {
		return reason
	}
	axis := events.Decides(s.kind, s.e.Stream.Kind())
	standing := s.standing(axis)
	if s.kind.Class.Versioned() {
		return events.Judge(s.kind, axis, s.e, standing)
	}
	if s.kind.Epoch && s.e.Epoch != standing.Epoch {
		return fmt.Sprintf("epoch %d, %s is at epoch %d", s.e.Epoch, s.e.Stream, standing.Epoch)
	}
	return ""
}

func (s *step) exists() string {
	plans := s.e.Type == "TopicPlanned" || s.e.Type == "GroupPlanned"
	if s.mig == nil && s.e.Type != "TopicPlanned" {
		return fmt.Sprintf("there is no migration %q", s.e.Migration)
	}
	if plans {
		return ""
	}
	switch s.e.Stream.Kind() {
	case events.OfTopic:
		if s.topic == nil {
			return fmt.Sprintf("migration %q has no topic %q", s.e.Migration, s.e.Stream.Name())
		}
	case events.OfGroup:
		if s.group == nil {
			return fmt.Sprintf("migration %q has no group %q", s.e.Migration, s.e.Stream.Name())
		}
	}
	return ""
}

// standing is where the event's stream stands on an axis.
func (s *step) standing(a events.Axis) events.Standing {
	st := events.Standing{Phase: events.PhaseNone}
	switch {
	case s.e.Stream.Kind() == events.OfMigration && s.mig != nil:
		return events.Standing{Version: s.mig.Standing.Version, Phase: s.mig.Phase}
	case s.topic != nil:
		st = events.Standing{Version: s.topic.Standing.Version, Epoch: s.topic.Standing.Epoch, Phase: s.topic.phase(a)}
	case s.group != nil:
		st = events.Standing{Version: s.group.Standing.Version, Epoch: s.group.Standing.Epoch, Phase: s.group.Readers}
	}
	return st
}

func (t *Topic) phase(a events.Axis) events.Phase {
	switch a {
	case events.WritersAxis:
		return t.Writers
	case events.RetirementAxis:
		return t.Retire
	default:
		return t.Copy
	}
}

// accept raises the stream's version and writes out the touched rows.
func (s *step) accept() {
	versioned := s.kind.Class.Versioned()
	switch s.e.Stream.Kind() {
	case events.OfMigration:
		if versioned {
			s.mig.Standing.Version++
			s.migTouched = true
		}
	case events.OfTopic:
		if versioned {
			s.topic.Standing.Version++
			s.topicTouched = true
		}
	case events.OfGroup:
		if versioned {
			s.group.Standing.Version++
			s.groupTouched = true
		}
	}
	s.write()
	for _, derive := range s.directives {
		s.out.Directives = append(s.out.Directives, derive())
	}
}

// write puts the touched rows of the stream in front of the rows of other
// streams that the event changed.
func (s *step) write() {
	if s.migTouched {
		s.out.Migration = s.mig
	}
	if s.topicTouched {
		s.topic.Changed = s.at
		s.out.Topics = slices.Insert(s.out.Topics, 0, s.topic)
	}
	if s.groupTouched {
		s.group.Changed = s.at
		s.out.Groups = slices.Insert(s.out.Groups, 0, s.group)
	}
}

func (s *step) end(v Verdict, reason string) Outcome {
	if v != Accepted {
		s.out = Outcome{Note: s.out.Note, First: s.out.First}
		s.out.Note.Moves = nil
	}
	s.out.Note.Verdict, s.out.Note.Reason = v, reason
	return s.out
}

// The move functions fire an axis of a row; they note the change and exchange
// the effect that the phase before it wanted. A move that the table does not
// have is no error here: the callers have judged it or ask for the bool.

func (s *step) moveMigration(when string) bool {
	to, ok := s.machines.fire(events.MigrationAxis, s.mig.Phase, s.e.Type, when)
	if ok {
		s.moved(events.MigrationAxis, events.MigrationStream, s.mig.Phase, to, 0)
		s.mig.Phase, s.migTouched = to, true
		if to == events.PhaseFinished || to == events.PhaseCancelled {
			s.mig.Ended = s.at
		}
	}
	return ok
}

func (s *step) moveCopy(when string) bool {
	to, ok := s.machines.fire(events.CopyAxis, s.topic.Copy, s.e.Type, when)
	if ok {
		s.moved(events.CopyAxis, s.e.Stream, s.topic.Copy, to, 0)
		s.topic.Copy, s.topicTouched = to, true
	}
	return ok
}

func (s *step) moveWriters() bool {
	to, ok := s.machines.fire(events.WritersAxis, s.topic.Writers, s.e.Type, "")
	if ok {
		s.moved(events.WritersAxis, s.e.Stream, s.topic.Writers, to, s.topic.Standing.Epoch)
		s.topic.Writers, s.topicTouched = to, true
	}
	return ok
}

func (s *step) moveRetire() bool {
	to, ok := s.machines.fire(events.RetirementAxis, s.topic.Retire, s.e.Type, "")
	if ok {
		s.moved(events.RetirementAxis, s.e.Stream, s.topic.Retire, to, 0)
		s.topic.Retire, s.topicTouched = to, true
	}
	return ok
}

func (s *step) moveReaders(when string) bool {
	to, ok := s.machines.fire(events.ReadersAxis, s.group.Readers, s.e.Type, when)
	if ok {
		s.moved(events.ReadersAxis, s.e.Stream, s.group.Readers, to, s.group.Standing.Epoch)
		s.group.Readers, s.group.PhaseAt, s.groupTouched = to, s.at, true
	}
	return ok
}

// moved notes a change of phase and exchanges the axis's effect.
func (s *step) moved(a events.Axis, stream events.Stream, from, to events.Phase, epoch uint32) {
	s.out.Note.Moves = append(s.out.Note.Moves, fmt.Sprintf("%s %s→%s", a, from, to))
	key := OutboxKey{Migration: s.e.Migration, Stream: stream, Axis: a}
	change := OutboxChange{Key: key}
	if kind := effectOf(a, to); kind != "" {
		id := EffectID{Position: s.at, Index: len(s.out.Outbox)}
		change.Effect = &Effect{ID: id, Kind: kind, Epoch: epoch, Phase: to}
	} else if effectOf(a, from) == "" {
		return
	}
	s.out.Outbox = append(s.out.Outbox, change)
}
