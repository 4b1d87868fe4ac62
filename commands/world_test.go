package commands_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// world is a log in memory with a real projector over it.
type world struct {
	t       *testing.T
	records []events.Record
	store   *projector.Store
	fold    *projector.Projector
	cmds    *commands.Commands
	ids     int
	// before is called once before the next append of a command: somebody who
	// is faster. failFold and failAppend make the next calls fail.
	before     func()
	failFold   error
	failAppend error
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	var err error
	w.store, err = projector.Open(projector.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	w.fold, err = projector.New(projector.Config{Store: w.store, Log: projector.Log{
		ClusterID: "C",
		TopicID:   func(context.Context) (string, error) { return "id", nil },
		End:       func(context.Context) (int64, error) { return int64(len(w.records)), nil },
		Reader:    func(from int64, _ string) projector.Reader { return &reader{w, from} },
	}})
	require.NoError(t, err)
	w.cmds, err = commands.New(w.config())
	require.NoError(t, err)
	return w
}

func (w *world) config() commands.Config {
	return commands.Config{
		Append: w.append, Fold: w.view, Actor: events.Actor{Kind: events.Operator, Name: "me"},
		NewID: w.id, Now: func() time.Time { return time.Unix(1700000000, 0) },
	}
}

func (w *world) id() string {
	w.ids++
	return fmt.Sprintf("id-%d", w.ids)
}

type reader struct {
	w  *world
	at int64
}

func (r *reader) Next(context.Context, int, time.Duration) (log.Page, error) {
	p := log.Page{Records: r.w.records[r.at:], Next: int64(len(r.w.records)), End: int64(len(r.w.records))}
	r.at = p.Next
	return p, nil
}

func (w *world) view(ctx context.Context) (*projector.View, error) {
	if err := w.failFold; err != nil && w.before == nil {
		return nil, err
	}
	if _, err := w.fold.CatchUp(ctx); err != nil {
		return nil, err
	}
	return w.store.View(), nil
}

func (w *world) append(_ context.Context, es []events.Event) (positions []int64, err error) {
	if w.before != nil {
		before := w.before
		w.before = nil
		before()
	}
	if w.failAppend != nil {
		return nil, w.failAppend
	}
	for _, e := range es {
		raw, err := events.Encode(e)
		require.NoError(w.t, err)
		rec := events.Record{Position: int64(len(w.records)), Time: time.Unix(1700000000, 0)}
		rec.Event, rec.Body, rec.Refusal = events.Decode([]byte(e.Key("n").String()), raw)
		w.records = append(w.records, rec)
		positions = append(positions, rec.Position)
	}
	return positions, nil
}

// look hands a view to f.
func (w *world) look(f func(v *projector.View)) {
	v, err := w.view(w.t.Context())
	require.NoError(w.t, err)
	f(v)
	require.NoError(w.t, v.Close())
}

// said appends events of a good run on a stream of migration m, by whoever
// writes them.
func (w *world) said(stream events.Stream, bodies ...events.Body) {
	w.t.Helper()
	for _, body := range bodies {
		kind, _ := events.Lookup(body.EventType())
		e, err := events.New(w.id(), "m", stream, events.Actor{Kind: kind.Writers[0], Name: "test"}, time.Unix(1, 0).UTC(), body)
		require.NoError(w.t, err)
		w.look(func(v *projector.View) {
			standing, _ := commands.StandingOf(v, "m", stream)
			if kind.Class == events.Command || kind.Class == events.Decision {
				e.Expects = &standing.Version
			}
			if kind.Epoch {
				e.Epoch = standing.Epoch
				if e.Type == "SwitchRequested" {
					e.Epoch++
				}
			}
			if topic, ok := v.Topic("m", stream.Name()); ok && topic.Verify != nil {
				e.Cause = topic.Verify.Cause
			}
		})
		at, err := w.append(w.t.Context(), []events.Event{e})
		require.NoError(w.t, err)
		w.look(func(v *projector.View) {
			note, ok := v.Note(at[0])
			require.True(w.t, ok)
			require.Equal(w.t, fsm.Accepted, note.Verdict, "%s: %s", e.Type, note.Reason)
		})
	}
}

// resolved is a plan of one topic of two partitions and one group.
func resolved(migration string) *plan.Resolved {
	p, err := plan.Parse([]byte("migration: " + migration + "\nsource: old\ntargets: [new]\ntopics: [{name: orders}]\ngroups: [billing]\n"))
	if err != nil {
		panic(err)
	}
	source, target := events.ClusterRef{Name: "old", ID: "S"}, events.ClusterRef{Name: "new", ID: "T"}
	return &plan.Resolved{
		Plan: p, Source: source, Targets: []events.ClusterRef{target}, Hash: "h",
		Topics: []plan.ResolvedTopic{{Name: "orders", Body: events.TopicPlanned{Source: source, TopicID: "aa", Partitions: 2, Target: target, TargetTopic: "orders", ReplicationFactor: 1}}},
		Groups: []plan.ResolvedGroup{{Name: "billing", Body: events.GroupPlanned{Source: source, Target: target, Topics: []string{"orders"}}}},
	}
}

// created is a world with migration m, planned.
func created(t *testing.T) *world {
	w := newWorld(t)
	_, err := w.cmds.Create(t.Context(), resolved("m"))
	require.NoError(t, err)
	return w
}

var errDown = errors.New("the brokers are away")

const (
	orders  = events.Stream("topic/orders")
	billing = events.Stream("group/billing")
)
