package projector

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// View is the fold as of one position. It implements [fsm.Rows] and is safe for
// concurrent use until it is closed. Point reads have no room for an error of
// the store: it is kept for Err, and the row is reported as missing.
type View struct {
	snap *pebble.Snapshot
	meta meta

	mu  sync.Mutex
	err error
}

var _ fsm.Rows = (*View)(nil)

// View takes a snapshot. A view of a store that failed or is closed is empty,
// and says so in Err.
func (s *Store) View() *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err(); err != nil {
		return &View{meta: emptyMeta(), err: err}
	}
	v := &View{snap: s.db.NewSnapshot(), meta: emptyMeta()}
	// The meta value is read from the snapshot: a commit may stand in the store
	// that the store's own copy does not know of yet.
	raw, err := get(v.snap, newKey(spaceMeta))
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, &v.meta)
	}
	v.keep(err)
	return v
}

// Close releases the snapshot. It may be called more than once, but not beside
// reads.
func (v *View) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.snap == nil {
		return nil
	}
	snap := v.snap
	v.snap, v.err = nil, errors.Join(v.err, fmt.Errorf("the view: %w", ErrClosed))
	return snap.Close()
}

// Err is the first error of a read, nil for none.
func (v *View) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

func (v *View) keep(err error) {
	if err == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		v.err = err
	}
}

// from is what reads go to: an error when there is no snapshot.
func (v *View) from() (getter, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.snap == nil {
		return nil, v.err
	}
	return v.snap, nil
}

// Applied is the position that the view is as of, -1 for an empty log.
func (v *View) Applied() int64 { return v.meta.Applied }

// Health tells about the fold itself.
func (v *View) Health() Health {
	m := v.meta
	return Health{
		Applied: m.Applied, Time: time.UnixMilli(m.Millis).UTC(),
		Layout: m.Layout, Machines: m.Machines, Log: m.Log, Tally: m.Tally,
	}
}

// row reads one row.
func row[T any](v *View, k key) (*T, bool) {
	from, err := v.from()
	if err != nil {
		return nil, false
	}
	raw, err := get(from, k)
	if err != nil || raw == nil {
		v.keep(err)
		return nil, false
	}
	t, err := decode[T](k, raw)
	v.keep(err)
	return t, err == nil
}

func decode[T any](k, raw []byte) (*T, error) {
	t := new(T)
	if err := json.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("the row %q of the store cannot be read: %w", k, err)
	}
	return t, nil
}

// Migration implements [fsm.Rows].
func (v *View) Migration(name string) (*fsm.Migration, bool) {
	return row[fsm.Migration](v, migrationKey(name))
}

// Topic implements [fsm.Rows].
func (v *View) Topic(migration, topic string) (*fsm.Topic, bool) {
	return row[fsm.Topic](v, topicKey(migration, topic))
}

// Group implements [fsm.Rows].
func (v *View) Group(migration, group string) (*fsm.Group, bool) {
	return row[fsm.Group](v, groupKey(migration, group))
}

// Claim implements [fsm.Rows].
func (v *View) Claim(k fsm.ClaimKey) (fsm.Claim, bool) {
	c, ok := row[fsm.Claim](v, claimKey(k))
	if !ok {
		return fsm.Claim{}, false
	}
	return *c, true
}

// Seen implements [fsm.Rows].
func (v *View) Seen(migration, id string) (int64, bool) {
	from, err := v.from()
	if err != nil {
		return 0, false
	}
	at, ok, err := seen(from, migration, id)
	v.keep(err)
	return at, ok
}

// Effect is the open effect of a place of the outbox.
func (v *View) Effect(k fsm.OutboxKey) (*fsm.Effect, bool) { return row[fsm.Effect](v, outboxKey(k)) }

// Directive is the latest directive to an addressee.
func (v *View) Directive(a Address) (*events.Directive, bool) {
	return row[events.Directive](v, directiveKey(a))
}

// Digests are the digests of a migration as of the view's position.
func (v *View) Digests(migration string) (Digests, bool) {
	d, ok := row[Digests](v, digestsKey(migration))
	if !ok {
		return Digests{Migration: migration, Position: -1}, false
	}
	return *d, true
}

// Checkpoint is the checkpoint to append for a migration: the digests of its
// last milestone. The bool is false when an earlier checkpoint covers all that
// happened. Derive the event's id from the migration and the position, and look
// it up with Seen: the checkpoint may have been appended already.
func (v *View) Checkpoint(migration string) (events.Checkpoint, bool) {
	from, err := v.from()
	if err != nil {
		return events.Checkpoint{}, false
	}
	now, _ := v.Digests(migration)
	m, err := lastMilestone(from, migration, v.meta.Applied)
	v.keep(err)
	c := events.Checkpoint{Position: m.at, Log: m.Log.String(), State: m.State.String()}
	return c, err == nil && m.Plain > now.Sealed
}

// PositionAt is the last position of the log as it was at a time: the first
// record with a later broker time and all after it are left out.
func (v *View) PositionAt(t time.Time) (int64, error) {
	from, err := v.from()
	if err != nil {
		return 0, err
	}
	position := v.meta.Applied
	err = scan(from, timeKey(t.UnixMilli()+1), newKey(spaceTime).end(), func(_, value []byte) error {
		first, err := lastNumber(value)
		if err != nil {
			return err
		}
		position = first - 1
		return errEnough
	})
	return position, err
}
