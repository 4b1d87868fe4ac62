package projector

import (
	"encoding/json"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/portage-kafka/portage/events"
)

// table holds the rows of one space that a fold has touched: read once, changed
// in memory, written once per batch.
type table[K comparable, V any] struct {
	key func(K) key
	// owner is the migration whose state digest covers the row; nil for rows
	// in no digest.
	owner func(K) string
	cells map[K]*cell[V]
	// changed are the keys to write, in the order in which they changed first.
	changed []K
}

// cell is one row. Values are never modified, only replaced.
type cell[V any] struct {
	value *V // as folded, nil for none
	// stored is the row as written last, nil for none; hash is its hash where
	// the table is covered by a digest.
	stored *V
	hash   Sum
	dirty  bool
}

func newTable[K comparable, V any](key func(K) key, owner func(K) string) *table[K, V] {
	return &table[K, V]{key: key, owner: owner, cells: make(map[K]*cell[V])}
}

// at is the cell of a key, read from the store when it is touched first.
func (t *table[K, V]) at(from getter, k K) (*cell[V], error) {
	if c, ok := t.cells[k]; ok {
		return c, nil
	}
	c := new(cell[V])
	sk := t.key(k)
	raw, err := get(from, sk)
	if err != nil {
		return nil, err
	}
	if raw != nil {
		c.value = new(V)
		if err := json.Unmarshal(raw, c.value); err != nil {
			return nil, fmt.Errorf("the row %q of the store cannot be read: %w", sk, err)
		}
		c.stored = c.value
		if t.owner != nil {
			c.hash = rowHash(sk, raw)
		}
	}
	t.cells[k] = c
	return c, nil
}

// get is the row of a key, nil for none.
func (t *table[K, V]) get(from getter, k K) (*V, error) {
	c, err := t.at(from, k)
	if err != nil {
		return nil, err
	}
	return c.value, nil
}

// put replaces the row of a key; nil takes it away.
func (t *table[K, V]) put(from getter, k K, v *V) error {
	c, err := t.at(from, k)
	if err != nil {
		return err
	}
	c.value = v
	if !c.dirty {
		c.dirty = true
		t.changed = append(t.changed, k)
	}
	return nil
}

// flush writes the changed rows into the batch and brings the sums of their
// owners up to date.
func (t *table[K, V]) flush(b *pebble.Batch, sum func(owner string) (*Sum, error), each func(k K, before, after *V) error) error {
	for _, k := range t.changed {
		c := t.cells[k]
		before := c.stored
		if err := t.flushRow(b, k, c, sum); err != nil {
			return err
		}
		if each == nil {
			continue
		}
		if err := each(k, before, c.value); err != nil {
			return err
		}
	}
	t.changed = t.changed[:0]
	return nil
}

func (t *table[K, V]) flushRow(b *pebble.Batch, k K, c *cell[V], sum func(owner string) (*Sum, error)) error {
	sk := t.key(k)
	raw, err := write(b, sk, c.value)
	if err != nil {
		return err
	}
	if t.owner != nil {
		s, err := sum(t.owner(k))
		if err != nil {
			return err
		}
		if c.stored != nil {
			s.sub(c.hash)
		}
		if raw != nil {
			c.hash = rowHash(sk, raw)
			s.add(c.hash)
		}
	}
	c.stored, c.dirty = c.value, false
	return nil
}

// write sets or deletes a row and returns what was set.
func write[V any](b *pebble.Batch, k key, v *V) ([]byte, error) {
	if v == nil {
		return nil, b.Delete(k, nil)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the row %q: %w", k, err)
	}
	return raw, b.Set(k, raw, nil)
}

// trim forgets all rows when they have become many. Nothing may be unwritten.
func (t *table[K, V]) trim(most int) {
	if len(t.cells) > most {
		clear(t.cells)
	}
}

// Address names the addressee of directives on a source cluster.
type Address struct {
	SourceCluster string
	Addressee     events.Addressee
}

// Partition is the partition of portage.directives that holds the addressee.
func (a Address) Partition() int32 {
	return events.DirectiveKey{SourceCluster: a.SourceCluster, Addressee: a.Addressee}.Partition()
}
