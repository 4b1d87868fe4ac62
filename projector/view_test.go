package projector

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// looked is a view of a log that went far, with the dumb fold of it.
func looked(t *testing.T) (*world, *Store, *View) {
	t.Helper()
	w := newWorld(5, 2, 3, 15)
	s := memory(t)
	catchUp(t, s, newFakeLog(w.write(800)))
	return w, s, view(t, s)
}

func TestViewStaysAsItWas(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	l := newFakeLog(w.write(20))
	s := memory(t)
	p := catchUp(t, s, l)
	before := view(t, s)
	then := prefixOf(w.records, 19)
	l.set(w.write(50))
	_, err := p.CatchUp(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 19, before.Applied())
	requireEqual(t, then, before)
	require.EqualValues(t, 69, view(t, s).Applied())
}

func TestNotes(t *testing.T) {
	w, _, v := looked(t)
	for _, want := range w.fold.notes {
		have, ok := v.Note(want.Position)
		require.True(t, ok)
		require.Equal(t, want, have)
	}
	_, ok := v.Note(w.at)
	require.False(t, ok)
	of := func(keep func(Note) bool) (all []Note) {
		for _, n := range w.fold.notes {
			if keep(n) {
				all = append(all, n)
			}
		}
		return all
	}
	have, err := v.Notes("m0", 100, 255, All) // 255: the last byte of a key is 0xff
	require.NoError(t, err)
	require.Equal(t, of(func(n Note) bool { return n.Migration == "m0" && n.Position >= 100 && n.Position <= 255 }), have)
	have, err = v.Notes("m0", 0, math.MaxInt64, 5)
	require.NoError(t, err)
	require.Equal(t, of(func(n Note) bool { return n.Migration == "m0" })[:5], have)

	stream := events.GroupStream("m1/g1")
	want := of(func(n Note) bool { return n.Migration == "m1" && n.Stream == stream })
	require.Greater(t, len(want), 5)
	have, err = v.History("m1", stream, -1, All)
	require.NoError(t, err)
	require.Equal(t, want, have)
	have, err = v.History("m1", stream, want[1].Position, 2)
	require.NoError(t, err)
	require.Equal(t, want[2:4], have)
}

func TestNotesByID(t *testing.T) {
	w, _, v := looked(t)
	for k, at := range w.fold.seen {
		have, err := v.NotesByID(k.name)
		require.NoError(t, err)
		require.Len(t, have, 1)
		require.Equal(t, at, have[0].Position)
		require.Equal(t, k.migration, have[0].Migration)
	}
	have, err := v.NotesByID("nobody's")
	require.NoError(t, err)
	require.Empty(t, have)
}

func TestOutboxAndDirectives(t *testing.T) {
	w, _, v := looked(t)
	for k, want := range w.fold.outbox {
		have, ok := v.Effect(k)
		require.True(t, ok)
		require.Equal(t, want, *have)
	}
	_, ok := v.Effect(fsm.OutboxKey{Migration: "m0", Stream: "nothing"})
	require.False(t, ok)
	of, err := v.OutboxOf("m0")
	require.NoError(t, err)
	require.NotEmpty(t, of)
	for _, o := range of {
		require.Equal(t, "m0", o.Key.Migration)
	}
	rest, err := v.OutboxOf("m1")
	require.NoError(t, err)
	require.Len(t, w.fold.outbox, len(of)+len(rest))

	all, err := v.Directives()
	require.NoError(t, err)
	require.Len(t, all, len(w.fold.directives))
	for _, d := range all {
		one, ok := v.Directive(Address{d.SourceCluster, d.Addressee})
		require.True(t, ok)
		require.Equal(t, d, one)
	}
	half := w.at / 2
	later, err := v.DirectivesAfter(half)
	require.NoError(t, err)
	require.NotEmpty(t, later)
	require.Len(t, later, len(slices.DeleteFunc(all, func(d *events.Directive) bool { return d.Position <= half })))
}

func TestHealth(t *testing.T) {
	w, _, v := looked(t)
	h := v.Health()
	require.Equal(t, w.at-1, h.Applied)
	require.Equal(t, Layout, h.Layout)
	require.Equal(t, fsm.Version, h.Machines)
	require.EqualValues(t, len(w.records), h.Tally.Accepted+h.Tally.Ignored+h.Tally.Refused)
	var latest time.Time
	for _, rec := range w.records {
		if rec.Time.After(latest) {
			latest = rec.Time
		}
	}
	require.Equal(t, latest, h.Time)
	_, ok := v.Digests("nobody")
	require.False(t, ok)
}

// TestTryIsWhatWouldBe compares a dry run with the real one.
func TestTryIsWhatWouldBe(t *testing.T) {
	w, s, v := looked(t)
	before := *w.fold
	stream, body := w.plausible("m0")
	e := w.event("m0", stream, body)
	again := e
	late := w.event("m0", events.MigrationStream, events.PauseRequested{})
	*late.Expects += 7
	outs, err := v.Try(e, again, late)
	require.NoError(t, err)
	require.True(t, outs[0].First)
	require.Equal(t, fsm.Ignored, outs[1].Note.Verdict)
	require.Contains(t, outs[1].Note.Reason, "repeats the event at position")
	require.Equal(t, fsm.Refused, outs[2].Note.Verdict)
	require.Contains(t, outs[2].Note.Reason, "expects version")
	require.Equal(t, v.Applied(), s.Applied(), "nothing was folded")
	requireEqual(t, &before, v)

	out := w.fold.fold(asRecord(e, w.at))
	require.Equal(t, out.Note, outs[0].Note)
}

// TestTryPlans tries a whole plan: every event sees those before it.
func TestTryPlans(t *testing.T) {
	w := newWorld(1, 1, 5, 0)
	w.write(9)
	var es []events.Event
	for _, rec := range w.records {
		es = append(es, rec.Event)
	}
	v := view(t, memory(t))
	outs, err := v.Try(es...)
	require.NoError(t, err)
	for i, out := range outs {
		require.Equal(t, fsm.Accepted, out.Note.Verdict, out.Note.Reason)
		require.EqualValues(t, i, out.Note.Position)
	}
	require.Equal(t, events.PhasePlanned, outs[8].Migration.Phase)
	_, ok := v.Migration("m0")
	require.False(t, ok)
}

func TestTryOfWhatCannotBeWritten(t *testing.T) {
	w := newWorld(1, 1, 5, 0)
	v := view(t, memory(t))
	bad := w.event("m0", "nothing/x", events.PauseRequested{})
	ancient := w.event("m0", events.MigrationStream, events.PauseRequested{})
	ancient.At = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)
	outs, err := v.Try(bad, ancient)
	require.NoError(t, err)
	for _, out := range outs {
		require.Equal(t, fsm.Refused, out.Note.Verdict)
	}
	require.Contains(t, outs[0].Note.Reason, events.RefusedStream)
	require.Contains(t, outs[1].Note.Reason, "year")
}

// TestUnreadableRowsAreReported plants bytes that no release wrote.
func TestUnreadableRowsAreReported(t *testing.T) {
	_, s, _ := looked(t)
	bad := []byte("{")
	for _, k := range []key{
		migrationKey("bad"), topicKey("m0", "bad"), claimKey(fsm.ClaimKey{Cluster: "bad"}), digestsKey("bad"),
		noteKey(1 << 40), outboxKey(fsm.OutboxKey{Migration: "m9"}), recentKey(1<<40, Address{"S", "x"}), oddKey(1 << 40), milestoneKey("bad", 1),
	} {
		require.NoError(t, s.db.Set(k, bad, pebble.NoSync))
	}
	require.NoError(t, s.db.Set(newKey(spaceOutbox).str("m8"), bad, pebble.NoSync))
	for name, read := range map[string]func(v *View) error{
		"migration":  func(v *View) error { v.Migration("bad"); return v.Err() },
		"claim":      func(v *View) error { v.Claim(fsm.ClaimKey{Cluster: "bad"}); return v.Err() },
		"digests":    func(v *View) error { v.Digests("bad"); return v.Err() },
		"checkpoint": func(v *View) error { v.Checkpoint("bad"); return v.Err() },
		"note":       func(v *View) error { v.Note(1 << 40); return v.Err() },
		"topics":     func(v *View) error { _, err := v.Topics("m0"); return err },
		"digest all": func(v *View) error { _, err := v.AllDigests(); return err },
		"outbox":     func(v *View) error { _, err := v.OutboxOf("m9"); return err },
		"place":      func(v *View) error { _, err := v.OutboxOf("m8"); return err },
		"directives": func(v *View) error { _, err := v.DirectivesAfter(1 << 39); return err },
		"odd":        func(v *View) error { _, err := v.Odd(1<<39, All); return err },
		"try": func(v *View) error {
			e := newWorld(1, 1, 1, 0).event("bad", events.MigrationStream, events.PauseRequested{})
			_, err := v.Try(e)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := s.View()
			defer func() { require.NoError(t, v.Close()) }()
			require.Error(t, read(v))
		})
	}
}

func TestClosedViewSaysSo(t *testing.T) {
	_, s, _ := looked(t)
	v := s.View()
	require.NoError(t, v.Close())
	require.NoError(t, v.Close())
	_, ok := v.Topic("m0", "m0-t0")
	require.False(t, ok)
	_, ok = v.Seen("m0", "id-1")
	require.False(t, ok)
	_, ok = v.Note(1)
	require.False(t, ok)
	_, ok = v.Checkpoint("m0")
	require.False(t, ok)
	for _, read := range []func() error{
		func() error { _, err := v.Try(); return err },
		func() error { _, err := v.Outbox(); return err },
		func() error { _, err := v.DirectivesAfter(0); return err },
		func() error { _, err := v.Notes("", 0, 1, All); return err },
		func() error { _, err := v.NotesByID("x"); return err },
		func() error { _, err := v.AllDigests(); return err },
		func() error { _, err := v.PositionAt(time.Now()); return err },
		v.Err,
	} {
		require.ErrorIs(t, read(), ErrClosed)
	}
}

// TestFoldStopsAtUnreadableRows: an error of the store is never taken for a
// missing row.
func TestFoldStopsAtUnreadableRows(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	l := newFakeLog(w.write(20))
	s := memory(t)
	catchUp(t, s, l)
	require.NoError(t, s.db.Set(migrationKey("m0"), []byte("{"), pebble.NoSync))
	l.set(w.write(1))
	p, err := New(Config{Store: s, Log: l.Log()})
	require.NoError(t, err)
	_, err = p.CatchUp(t.Context())
	require.ErrorContains(t, err, "fold position 20")
	require.True(t, strings.Contains(err.Error(), "cannot be read"), err)
	require.EqualValues(t, 19, s.Applied())
}
