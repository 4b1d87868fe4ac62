package projector

import (
	"encoding/json"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// dumb is the fold in maps, obviously right: no cache, no batches, digests
// summed up from nothing. The store is compared with it.
type dumb struct {
	machines   *fsm.Machines
	migrations map[string]*fsm.Migration
	topics     map[named]*fsm.Topic
	groups     map[named]*fsm.Group
	claims     map[fsm.ClaimKey]fsm.Claim
	outbox     map[fsm.OutboxKey]fsm.Effect
	directives map[Address]events.Directive
	seen       map[named]int64
	notes      []Note
	log        map[string]events.Digest
}

func newDumb() *dumb {
	return &dumb{
		machines: fsm.New(), migrations: map[string]*fsm.Migration{}, topics: map[named]*fsm.Topic{}, groups: map[named]*fsm.Group{},
		claims: map[fsm.ClaimKey]fsm.Claim{}, outbox: map[fsm.OutboxKey]fsm.Effect{}, directives: map[Address]events.Directive{},
		seen: map[named]int64{}, log: map[string]events.Digest{},
	}
}

func (d *dumb) Migration(name string) (*fsm.Migration, bool) {
	m, ok := d.migrations[name]
	return m, ok
}

func (d *dumb) Topic(migration, topic string) (*fsm.Topic, bool) {
	t, ok := d.topics[named{migration, topic}]
	return t, ok
}

func (d *dumb) Group(migration, group string) (*fsm.Group, bool) {
	g, ok := d.groups[named{migration, group}]
	return g, ok
}

func (d *dumb) Claim(k fsm.ClaimKey) (fsm.Claim, bool) {
	c, ok := d.claims[k]
	return c, ok
}

func (d *dumb) Seen(migration, id string) (int64, bool) {
	at, ok := d.seen[named{migration, id}]
	return at, ok
}

func (d *dumb) fold(rec events.Record) fsm.Outcome {
	out := d.machines.Step(d, rec)
	d.notes = append(d.notes, Note{Note: out.Note, Time: rec.Time})
	if _, seen := d.Seen(rec.Event.Migration, rec.Event.ID); !seen && (rec.Refusal == nil || !rec.Refusal.Foreign) {
		d.seen[named{rec.Event.Migration, rec.Event.ID}] = rec.Position
		d.log[rec.Event.Migration] = d.log[rec.Event.Migration].Extend(rec.Event)
	}
	if out.Migration != nil {
		d.migrations[out.Migration.Name] = out.Migration
	}
	for _, t := range out.Topics {
		d.topics[named{t.Migration, t.Topic}] = t
	}
	for _, g := range out.Groups {
		d.groups[named{g.Migration, g.Group}] = g
	}
	for _, c := range out.Claims {
		d.claims[c.Key] = c.Claim
	}
	for _, dir := range out.Directives {
		d.directives[Address{dir.SourceCluster, dir.Addressee}] = dir
	}
	for _, c := range out.Outbox {
		delete(d.outbox, c.Key)
		if c.Effect != nil {
			d.outbox[c.Key] = *c.Effect
		}
	}
	return out
}

// state is the state digest of a migration.
func (d *dumb) state(migration string) Sum {
	var s Sum
	add := func(k key, v any) {
		raw, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		s.add(rowHash(k, raw))
	}
	if m, ok := d.migrations[migration]; ok {
		add(migrationKey(migration), m)
	}
	for k, t := range d.topics {
		if k.migration == migration {
			add(topicKey(k.migration, k.name), t)
		}
	}
	for k, g := range d.groups {
		if k.migration == migration {
			add(groupKey(k.migration, k.name), g)
		}
	}
	for k, e := range d.outbox {
		if k.Migration == migration {
			add(outboxKey(k), e)
		}
	}
	return s
}
