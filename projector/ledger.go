package projector

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// milestoneEvery is the distance of the positions whose digests are kept: the
// last of every thousand. All folds keep the same ones, however the log is cut
// into batches, so a checkpoint at a milestone can be compared by every fold.
const milestoneEvery = 1000

// milestone is the digests of a migration as of a position.
type milestone struct {
	at int64
	Digests
}

// ledger holds the digests of the migrations that a fold has touched.
type ledger struct {
	from    getter
	digests map[string]*Digests
	dirty   map[string]bool
	// moved are the migrations with events since the last milestone; block is
	// the thousand that the fold is in.
	moved map[string]bool
	block int64
	// kept are the milestones of this batch.
	kept []milestone
}

// newLedger starts at the next position to fold.
func newLedger(from getter, next int64) (*ledger, error) {
	l := &ledger{
		from: from, block: next / milestoneEvery,
		digests: make(map[string]*Digests), dirty: make(map[string]bool), moved: make(map[string]bool),
	}
	all, err := allDigests(from)
	for _, d := range all {
		if d.Position/milestoneEvery == l.block {
			l.moved[d.Migration] = true
		}
	}
	return l, err
}

// of is the digests of a migration, zero for one without events.
func (l *ledger) of(migration string) (*Digests, error) {
	if d, ok := l.digests[migration]; ok {
		return d, nil
	}
	d := &Digests{Migration: migration, Position: -1}
	raw, err := get(l.from, digestsKey(migration))
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, d)
	}
	if err != nil {
		return nil, fmt.Errorf("the digests of migration %q cannot be read: %w", migration, err)
	}
	l.digests[migration] = d
	return d, nil
}

// change is the digests of a migration, to be changed.
func (l *ledger) change(migration string) (*Digests, error) {
	l.dirty[migration], l.moved[migration] = true, true
	return l.of(migration)
}

// write puts the changed digests into the batch.
func (l *ledger) write(b *pebble.Batch) error {
	for migration := range l.dirty {
		if err := setJSON(b, digestsKey(migration), l.digests[migration]); err != nil {
			return err
		}
	}
	return nil
}

// committed forgets what only the batch needed.
func (l *ledger) committed() {
	clear(l.dirty)
	l.kept = nil
}

// reach keeps the milestones that lie below the next position.
func (f *fold) reach(next int64) error {
	l, block := f.digests, next/milestoneEvery
	if block == l.block {
		return nil
	}
	at := (l.block+1)*milestoneEvery - 1
	l.block = block
	if len(l.moved) == 0 {
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	for migration := range l.moved {
		d, err := l.of(migration)
		if err != nil {
			return err
		}
		l.kept = append(l.kept, milestone{at: at, Digests: *d})
		if err := setJSON(f.batch, milestoneKey(migration, at), d); err != nil {
			return err
		}
	}
	clear(l.moved)
	return nil
}

// recall finds the digests that a checkpoint speaks of, before it is folded
// itself: nil when the record is no checkpoint or they were not kept.
func (f *fold) recall(rec *events.Record) (*Digests, error) {
	c, is := rec.Body.(events.Checkpoint)
	if !is || c.Position >= rec.Position {
		return nil, nil
	}
	now, err := f.digests.of(rec.Event.Migration)
	if err != nil {
		return nil, err
	}
	if now.Position <= c.Position {
		err := f.flush()
		d := *now
		return &d, err
	}
	if (c.Position+1)%milestoneEvery != 0 {
		return nil, nil
	}
	return f.digests.milestone(rec.Event.Migration, c.Position)
}

// milestone is the digests as of a position that is a milestone.
func (l *ledger) milestone(migration string, at int64) (*Digests, error) {
	for _, m := range slices.Backward(l.kept) {
		if m.Migration == migration && m.at <= at {
			return &m.Digests, nil
		}
	}
	m, err := lastMilestone(l.from, migration, at)
	return &m.Digests, err
}

// compare compares an accepted checkpoint with the fold.
func (f *fold) compare(rec *events.Record, out fsm.Outcome, have *Digests) error {
	c, is := rec.Body.(events.Checkpoint)
	if !is || out.Note.Verdict != fsm.Accepted {
		return nil
	}
	if have == nil {
		f.meta.Tally.Uncompared++
		return nil
	}
	differs := &CheckpointError{Migration: rec.Event.Migration, Position: rec.Position, At: c.Position}
	switch {
	case c.Log != have.Log.String():
		differs.What, differs.Want, differs.Have = "log", c.Log, have.Log.String()
	case c.State != have.State.String():
		differs.What, differs.Want, differs.Have = "state", c.State, have.State.String()
	default:
		return f.agreed(rec.Event.Migration, have.Plain)
	}
	if !f.tolerate {
		return differs
	}
	f.meta.Tally.Differing++
	f.store.o.Logger.Error().Err(differs).Msg("tolerated")
	return nil
}

// agreed remembers how much a checkpoint covers.
func (f *fold) agreed(migration string, plain int64) error {
	f.meta.Tally.Compared++
	d, err := f.digests.change(migration)
	if err == nil {
		d.Sealed = max(d.Sealed, plain)
	}
	return err
}

// allDigests lists the digests of all migrations, by name.
func allDigests(from getter) ([]Digests, error) {
	return list(from, newKey(spaceDigests), func(_, raw []byte) (d Digests, err error) {
		return d, json.Unmarshal(raw, &d)
	})
}

// lastMilestone is the last milestone of a migration up to a position; one
// without any is that of a migration without events.
func lastMilestone(from getter, migration string, upTo int64) (m milestone, err error) {
	m = milestone{at: -1, Digests: Digests{Migration: migration, Position: -1}}
	prefix := newKey(spaceMilestone).str(migration)
	iter, err := from.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefix.end()})
	if err != nil {
		return m, fmt.Errorf("read the store: %w", err)
	}
	if iter.SeekLT(milestoneKey(migration, upTo+1)) {
		m.at, err = lastNumber(iter.Key())
		err = errors.Join(err, json.Unmarshal(iter.Value(), &m.Digests))
	}
	return m, errors.Join(err, iter.Error(), iter.Close())
}
