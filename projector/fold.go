package projector

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// stepper is fsm.Machines.
type stepper interface {
	Step(fsm.Rows, events.Record) fsm.Outcome
}

// cacheRows is how many rows of a space a fold keeps between batches.
const cacheRows = 20_000

// fold folds batches of records into a store. It is for one goroutine, and of
// no use after an error: what it holds may be ahead of the store.
type fold struct {
	store    *Store
	machines stepper
	// tolerate lets the fold go on after a checkpoint that differs.
	tolerate bool
	rows     *overlay
	digests  *ledger
	batch    *pebble.Batch
	meta     meta
	// last is the last chained event of the batch: a landmark of the log.
	last  *events.Record
	value []byte // scratch
}

func newFold(s *Store, machines stepper, tolerate bool) (*fold, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	f := &fold{store: s, machines: machines, tolerate: tolerate, rows: newOverlay(s.db), meta: s.state()}
	if f.meta.Applied < 0 {
		f.rows.fresh = newNovelty()
	}
	var err error
	f.digests, err = newLedger(s.db, f.meta.Applied+1)
	return f, err
}

// page folds records, all in one batch, and commits them together with the
// position: everything below next is folded then.
func (f *fold) page(records []events.Record, next int64) error {
	f.batch = f.store.db.NewBatch()
	err := f.records(records, next)
	if err == nil {
		f.meta.Applied = next - 1
		err = f.store.commit(f.batch, f.meta)
	}
	err = errors.Join(err, f.batch.Close())
	f.batch = nil
	f.rows.trim(cacheRows)
	f.digests.committed()
	return err
}

func (f *fold) records(records []events.Record, next int64) error {
	if next <= f.meta.Applied {
		return fmt.Errorf("the log went back to position %d, folded is %d", next, f.meta.Applied)
	}
	at := f.meta.Applied
	for i := range records {
		rec := &records[i]
		if rec.Position <= at || rec.Position >= next {
			return fmt.Errorf("position %d came after %d in a page that ends before %d", rec.Position, at, next)
		}
		at = rec.Position
		if err := f.record(rec); err != nil {
			return fmt.Errorf("fold position %d: %w", rec.Position, err)
		}
	}
	if err := f.reach(next); err != nil {
		return err
	}
	if f.last != nil {
		f.meta.Log.Last, f.last = landmark(f.last), nil
	}
	return errors.Join(f.flush(), f.digests.write(f.batch))
}

// record folds one record.
func (f *fold) record(rec *events.Record) error {
	if err := f.reach(rec.Position); err != nil {
		return err
	}
	told, err := f.recall(rec)
	if err != nil {
		return err
	}
	out := f.machines.Step(f.rows, *rec)
	out.First = out.First || f.unread(rec)
	if f.rows.err != nil {
		return f.rows.err
	}
	if err := f.rows.apply(out); err != nil {
		return err
	}
	if err := f.compare(rec, out, told); err != nil {
		return err
	}
	if err := f.chain(rec, out); err != nil {
		return err
	}
	return f.note(rec, out)
}

// unread reports the first occurrence of an event that was refused though its
// envelope could be read. Another release may read it (a later schema, say), so
// it is chained and remembered as every event is: see [events.Digest].
func (f *fold) unread(rec *events.Record) bool {
	if rec.Refusal == nil || rec.Refusal.Foreign {
		return false
	}
	_, seen := f.rows.Seen(rec.Event.Migration, rec.Event.ID)
	return !seen
}

// chain extends the log digest of the event's migration.
func (f *fold) chain(rec *events.Record, out fsm.Outcome) error {
	if !out.First {
		return nil
	}
	d, err := f.digests.change(out.Note.Migration)
	if err != nil {
		return err
	}
	d.Log = d.Log.Extend(rec.Event)
	d.Events++
	d.Position = rec.Position
	if _, is := rec.Body.(events.Checkpoint); !is {
		d.Plain++
	}
	f.last = rec
	if f.meta.Log.First == nil {
		f.meta.Log.First = landmark(rec)
	}
	return f.set(seenKey(out.Note.ID, out.Note.Migration), key(nil).num(rec.Position))
}

// note writes what became of the record, and the indexes that lead there.
func (f *fold) note(rec *events.Record, out fsm.Outcome) error {
	f.meta.Tally.count(out.Note.Verdict)
	var errs []error
	switch {
	case rec.Refusal != nil && rec.Refusal.Foreign:
		f.meta.Tally.Foreign++
		errs = append(errs, f.set(oddKey(rec.Position), nil))
	case !out.First:
		f.meta.Tally.Repeated++
		errs = append(errs, f.set(oddKey(rec.Position), nil))
	}
	millis := rec.Time.UnixMilli()
	if millis > f.meta.Millis {
		f.meta.Millis = millis
		errs = append(errs, f.set(timeKey(millis), key(nil).num(rec.Position)))
	}
	f.value = encodeNote(f.value[:0], out.Note, millis)
	errs = append(errs, f.set(noteKey(rec.Position), f.value))
	if out.Note.Migration != "" {
		errs = append(errs, f.set(historyKey(out.Note.Migration, out.Note.Stream, rec.Position), nil))
	}
	return errors.Join(errs...)
}

func (f *fold) set(k key, value []byte) error { return f.batch.Set(k, value, nil) }

// flush writes the changed rows into the batch: the state digests are those of
// the position then.
func (f *fold) flush() error {
	sum := func(migration string) (*Sum, error) {
		d, err := f.digests.change(migration)
		if err != nil {
			return nil, err
		}
		return &d.State, nil
	}
	r := f.rows
	return errors.Join(
		r.migrations.flush(f.batch, sum, nil),
		r.topics.flush(f.batch, sum, nil),
		r.groups.flush(f.batch, sum, nil),
		r.claims.flush(f.batch, sum, nil),
		r.outbox.flush(f.batch, sum, nil),
		r.directives.flush(f.batch, sum, f.recent),
	)
}

// recent keeps the index of directives by position.
func (f *fold) recent(k Address, before, after *events.Directive) error {
	if before != nil {
		if err := f.batch.Delete(recentKey(before.Position, k), nil); err != nil {
			return err
		}
	}
	return f.set(recentKey(after.Position, k), nil)
}

// setJSON writes a value as JSON.
func setJSON(b *pebble.Batch, k key, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Set(k, raw, nil)
}
