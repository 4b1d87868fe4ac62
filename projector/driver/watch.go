package driver

import (
	"context"
	"errors"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// stand is where a migration stands in its step list. When it changes, every
// stream of the migration may have something to do.
type stand struct {
	phase    events.Phase
	step     int
	awaiting bool
}

func standOf(m *fsm.Migration) stand {
	step, awaiting := m.StepIs()
	return stand{m.Phase, step, awaiting}
}

// watch queues every stream of every migration when the driver starts, and then
// the streams that events concern.
func (d *Driver) watch(ctx context.Context) error {
	after, stands := int64(-1), make(map[string]stand)
	for ctx.Err() == nil {
		view := d.cfg.Store.View()
		err := d.queueChanges(view, after, stands)
		after = view.Applied()
		if err := errors.Join(err, view.Close()); err != nil {
			return err
		}
		d.pub.poke()
		select {
		case <-ctx.Done():
		case <-d.cfg.Store.Changed(after):
			if err := d.cfg.Store.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Driver) queueChanges(view *projector.View, after int64, stands map[string]stand) error {
	if after >= 0 {
		return d.queueSince(view, after, stands)
	}
	all, err := view.Migrations()
	for _, m := range all {
		stands[m.Name] = standOf(m)
		err = errors.Join(err, d.queueMigration(view, m.Name))
	}
	return err
}

// queueMigration makes the migration and all its topics and groups due.
func (d *Driver) queueMigration(view *projector.View, name string) error {
	now := time.Now()
	d.queue.add(item{name, events.MigrationStream}, now)
	topics, err1 := view.Topics(name)
	for _, t := range topics {
		d.queue.add(item{name, events.TopicStream(t.Topic)}, now)
	}
	groups, err2 := view.Groups(name)
	for _, g := range groups {
		d.queue.add(item{name, events.GroupStream(g.Group)}, now)
	}
	return errors.Join(err1, err2)
}

// queueSince makes due what the events after a position concern: their streams,
// the streams that look at these, and everything of a migration that has come
// to another step. A migration of 10,000 topics costs no more than one of ten
// while it stands at a step.
func (d *Driver) queueSince(view *projector.View, after int64, stands map[string]stand) error {
	notes, err := view.Notes("", after+1, view.Applied(), projector.All)
	if err != nil {
		return err
	}
	touched := make(map[string]bool)
	for _, n := range notes {
		if n.Verdict != fsm.Accepted {
			continue
		}
		touched[n.Migration] = true
		d.queue.addNow(item{n.Migration, n.Stream})
		if len(n.Moves) > 0 {
			d.queueNeighbours(view, n.Migration, n.Stream)
		}
	}
	for name := range touched {
		m, ok := view.Migration(name)
		if !ok {
			continue
		}
		d.queue.addNow(item{name, events.MigrationStream})
		if now := standOf(m); stands[name] != now {
			stands[name] = now
			err = errors.Join(err, d.queueMigration(view, name))
		}
	}
	return errors.Join(err, view.Err())
}

// queueNeighbours makes due the groups that read a topic that has moved, or the
// topics of a group that has.
func (d *Driver) queueNeighbours(view *projector.View, migration string, s events.Stream) {
	switch s.Kind() {
	case events.OfTopic:
		if t, ok := view.Topic(migration, s.Name()); ok {
			for _, g := range t.Groups {
				d.queue.addNow(item{migration, events.GroupStream(g)})
			}
		}
	case events.OfGroup:
		if g, ok := view.Group(migration, s.Name()); ok {
			for _, t := range g.Topics {
				d.queue.addNow(item{migration, events.TopicStream(t.Topic)})
			}
		}
	}
}
