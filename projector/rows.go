package projector

import (
	"encoding/binary"
	"errors"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// named is a topic or group of a migration.
type named struct{ migration, name string }

// overlay is the store with what a fold has changed on top: the reader of rows
// that Step is given. Not safe for concurrent use.
type overlay struct {
	from       getter
	migrations *table[string, fsm.Migration]
	topics     *table[named, fsm.Topic]
	groups     *table[named, fsm.Group]
	claims     *table[fsm.ClaimKey, fsm.Claim]
	outbox     *table[fsm.OutboxKey, fsm.Effect]
	directives *table[Address, events.Directive]
	// seen are the ids of this batch: migration and id.
	seen  map[named]int64
	fresh *novelty
	// err is the first error of the store: fsm.Rows has no room for it, so
	// whoever calls Step looks here afterwards.
	err error
}

func newOverlay(from getter) *overlay {
	own := func(k named) string { return k.migration }
	return &overlay{
		from:       from,
		migrations: newTable[string, fsm.Migration](migrationKey, func(name string) string { return name }),
		topics:     newTable[named, fsm.Topic](func(k named) key { return topicKey(k.migration, k.name) }, own),
		groups:     newTable[named, fsm.Group](func(k named) key { return groupKey(k.migration, k.name) }, own),
		claims:     newTable[fsm.ClaimKey, fsm.Claim](claimKey, nil),
		outbox:     newTable[fsm.OutboxKey, fsm.Effect](outboxKey, func(k fsm.OutboxKey) string { return k.Migration }),
		directives: newTable[Address, events.Directive](directiveKey, nil),
		seen:       make(map[named]int64),
	}
}

// keep remembers the first error.
func (o *overlay) keep(err error) { o.err = errors.Join(o.err, err) }

func look[K comparable, V any](o *overlay, t *table[K, V], k K) (*V, bool) {
	v, err := t.get(o.from, k)
	if err != nil {
		o.keep(err)
	}
	return v, v != nil
}

// Migration implements [fsm.Rows].
func (o *overlay) Migration(name string) (*fsm.Migration, bool) { return look(o, o.migrations, name) }

// Topic implements [fsm.Rows].
func (o *overlay) Topic(migration, topic string) (*fsm.Topic, bool) {
	return look(o, o.topics, named{migration, topic})
}

// Group implements [fsm.Rows].
func (o *overlay) Group(migration, group string) (*fsm.Group, bool) {
	return look(o, o.groups, named{migration, group})
}

// Claim implements [fsm.Rows].
func (o *overlay) Claim(k fsm.ClaimKey) (fsm.Claim, bool) {
	c, ok := look(o, o.claims, k)
	if !ok {
		return fsm.Claim{}, false
	}
	return *c, true
}

// Seen implements [fsm.Rows].
func (o *overlay) Seen(migration, id string) (int64, bool) {
	k := named{migration, id}
	if at, ok := o.seen[k]; ok {
		return at, true
	}
	if o.fresh.isNew(k) {
		return 0, false
	}
	at, ok, err := seen(o.from, migration, id)
	if err != nil {
		o.keep(err)
	}
	return at, ok
}

// seen reads the position of the first event with an id.
func seen(from getter, migration, id string) (int64, bool, error) {
	raw, err := get(from, seenKey(id, migration))
	if err != nil || len(raw) != 8 {
		return 0, false, err
	}
	return int64(binary.BigEndian.Uint64(raw)), true, nil
}

// apply puts what a step changed on top.
func (o *overlay) apply(out fsm.Outcome) error {
	if out.First {
		k := named{out.Note.Migration, out.Note.ID}
		o.seen[k] = out.Note.Position
		o.fresh.add(k)
	}
	var errs []error
	if out.Migration != nil {
		errs = append(errs, o.migrations.put(o.from, out.Migration.Name, out.Migration))
	}
	for _, t := range out.Topics {
		errs = append(errs, o.topics.put(o.from, named{t.Migration, t.Topic}, t))
	}
	for _, g := range out.Groups {
		errs = append(errs, o.groups.put(o.from, named{g.Migration, g.Group}, g))
	}
	for _, c := range out.Claims {
		errs = append(errs, o.claims.put(o.from, c.Key, &c.Claim))
	}
	for _, c := range out.Outbox {
		errs = append(errs, o.outbox.put(o.from, c.Key, c.Effect))
	}
	for _, d := range out.Directives {
		errs = append(errs, o.directives.put(o.from, Address{d.SourceCluster, d.Addressee}, &d))
	}
	return errors.Join(errs...)
}

// trim forgets rows when they have become many; the ids of the batch always.
func (o *overlay) trim(most int) {
	o.migrations.trim(most)
	o.topics.trim(most)
	o.groups.trim(most)
	o.claims.trim(most)
	o.outbox.trim(most)
	o.directives.trim(most)
	clear(o.seen)
}
