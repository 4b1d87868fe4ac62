package projector

import (
	"fmt"
	"math"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// rowsUnder reads all rows under a prefix.
func rowsUnder[T any](v *View, prefix key) ([]*T, error) {
	from, err := v.from()
	if err != nil {
		return nil, err
	}
	return list(from, prefix, func(k, raw []byte) (*T, error) { return decode[T](k, raw) })
}

// Migrations lists the migrations by name.
func (v *View) Migrations() ([]*fsm.Migration, error) {
	return rowsUnder[fsm.Migration](v, newKey(spaceMigration))
}

// Topics lists the topics of a migration by name.
func (v *View) Topics(migration string) ([]*fsm.Topic, error) {
	return rowsUnder[fsm.Topic](v, newKey(spaceTopic).str(migration))
}

// Groups lists the groups of a migration by name.
func (v *View) Groups(migration string) ([]*fsm.Group, error) {
	return rowsUnder[fsm.Group](v, newKey(spaceGroup).str(migration))
}

// OpenEffect is an effect with its place in the outbox.
type OpenEffect struct {
	Key    fsm.OutboxKey
	Effect fsm.Effect
}

// Outbox lists the open effects of all migrations, by migration, stream and
// axis.
func (v *View) Outbox() ([]OpenEffect, error) { return v.outbox(newKey(spaceOutbox)) }

// OutboxOf lists the open effects of a migration, by stream and axis.
func (v *View) OutboxOf(migration string) ([]OpenEffect, error) {
	return v.outbox(newKey(spaceOutbox).str(migration))
}

func (v *View) outbox(prefix key) ([]OpenEffect, error) {
	from, err := v.from()
	if err != nil {
		return nil, err
	}
	var all []OpenEffect
	err = scan(from, prefix, prefix.end(), func(k, raw []byte) error {
		parts, err := cutStrings(k[1:], 3)
		if err != nil {
			return fmt.Errorf("%w: %q", err, k)
		}
		e, err := decode[fsm.Effect](k, raw)
		if err != nil {
			return err
		}
		place := fsm.OutboxKey{Migration: parts[0], Stream: events.Stream(parts[1]), Axis: events.Axis(parts[2])}
		all = append(all, OpenEffect{Key: place, Effect: *e})
		return nil
	})
	return all, err
}

// Directives lists the latest directive to every addressee.
func (v *View) Directives() ([]*events.Directive, error) {
	return rowsUnder[events.Directive](v, newKey(spaceDirective))
}

// DirectivesAfter lists the latest directives that were derived from events
// behind a position, in the order of their positions: what to publish after
// all up to the position was.
func (v *View) DirectivesAfter(position int64) ([]*events.Directive, error) {
	from, err := v.from()
	if err != nil {
		return nil, err
	}
	var all []*events.Directive
	err = scan(from, newKey(spaceRecent).num(position+1), newKey(spaceRecent).end(), func(k, _ []byte) error {
		at := append(newKey(spaceDirective), k[9:]...)
		raw, err := get(from, at)
		if err != nil {
			return err
		}
		d, err := decode[events.Directive](at, raw)
		all = append(all, d)
		return err
	})
	return all, err
}

// Note is what became of the record at a position; false for a position at
// which no record stands.
func (v *View) Note(position int64) (Note, bool) {
	from, err := v.from()
	if err != nil {
		return Note{}, false
	}
	raw, err := get(from, noteKey(position))
	if err != nil || raw == nil {
		v.keep(err)
		return Note{}, false
	}
	n, err := decodeNote(position, raw)
	v.keep(err)
	return n, err == nil
}

// NotesByID are the notes of the first event with an id in each migration that
// has one: none, or one unless somebody used the id twice.
func (v *View) NotesByID(id string) ([]Note, error) {
	return v.notesAt(newKey(spaceSeen).str(id), nil, 0, func(k, value []byte) []byte { return value })
}

// All is no limit of a list of notes.
const All = math.MaxInt

// Notes lists the notes of a migration from a position to another, both
// included, at most so many. An empty migration lists those of all, foreign
// records among them.
func (v *View) Notes(migration string, first, last int64, limit int) ([]Note, error) {
	from, err := v.from()
	if err != nil {
		return nil, err
	}
	var all []Note
	err = scan(from, noteKey(first), noteKey(last).end(), func(k, value []byte) error {
		if len(all) >= limit {
			return errEnough
		}
		n, err := readNote(k, value)
		if err == nil && (migration == "" || n.Migration == migration) {
			all = append(all, n)
		}
		return err
	})
	return all, err
}

// History lists the notes of a stream of a migration behind a position, at
// most so many.
func (v *View) History(migration string, s events.Stream, after int64, limit int) ([]Note, error) {
	prefix := newKey(spaceHistory).str(migration).str(string(s))
	return v.notesAt(prefix, historyKey(migration, s, after+1), limit, func(k, _ []byte) []byte { return k })
}

// Odd lists the notes of foreign and repeated records behind a position, at
// most so many.
func (v *View) Odd(after int64, limit int) ([]Note, error) {
	return v.notesAt(newKey(spaceOdd), oddKey(after+1), limit, func(k, _ []byte) []byte { return k })
}

// notesAt lists the notes that an index leads to; position finds the eight
// bytes at the end of which the position stands.
func (v *View) notesAt(prefix, lower key, limit int, position func(k, value []byte) []byte) ([]Note, error) {
	from, err := v.from()
	if err != nil {
		return nil, err
	}
	if lower == nil {
		lower, limit = prefix, All
	}
	var all []Note
	err = scan(from, lower, prefix.end(), func(k, value []byte) error {
		if len(all) >= limit {
			return errEnough
		}
		at, err := lastNumber(position(k, value))
		if err != nil {
			return err
		}
		raw, err := get(from, noteKey(at))
		if err != nil {
			return err
		}
		n, err := decodeNote(at, raw)
		all = append(all, n)
		return err
	})
	return all, err
}

func readNote(k, value []byte) (Note, error) {
	at, err := lastNumber(k)
	if err != nil {
		return Note{}, err
	}
	return decodeNote(at, value)
}

// AllDigests lists the digests of all migrations by name.
func (v *View) AllDigests() ([]Digests, error) {
	from, err := v.from()
	if err != nil {
		return nil, err
	}
	return allDigests(from)
}
