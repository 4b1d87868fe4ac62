package fsm_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// witness watches a fold and knows what must hold whatever is folded.
type witness struct {
	t       require.TestingT
	decided map[string]string // stream and epoch → what ended the attempt
	crossed map[string]bool   // streams whose clients were told to use the target
	told    map[events.Addressee]int64
	moves   map[string]int
	last    string // the rows as they were written
}

func newWitness(t require.TestingT, moves map[string]int) *witness {
	return &witness{t: t, decided: map[string]string{}, crossed: map[string]bool{}, told: map[events.Addressee]int64{}, moves: moves}
}

// TestAnyLog folds event soups and holds every step to the rules. rapid prints
// the seed of a failure.
func TestAnyLog(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		boil(t, rt, rapid.Uint64().Draw(rt, "seed"), rapid.SampledFrom([]int{500, 300, 100, 30, 10, 3, 1}).Draw(rt, "events"), map[string]int{})
	})
}

// TestSoupIsThick holds the soups to getting far: the same ones on every run.
func TestSoupIsThick(t *testing.T) {
	moves := make(map[string]int)
	for _, seed := range []uint64{4, 24, 25, 33, 36} { // between them these get everywhere
		boil(t, t, seed, 800, moves)
	}
	for _, move := range []string{
		"readers staged→committed", "readers holding→on_source", "writers rolling→committed", "writers arming→on_source",
		"copy verified→synced", "copy stopped→creating", "copy clearing→creating", "copy copying→creating", "migration running→cancelling", "retirement quiet→draining", "migration completing→finished",
	} {
		require.Contains(t, moves, move)
	}
}

// boil folds a soup under a witness and counts the transitions.
func boil(t *testing.T, found require.TestingT, seed uint64, length int, moves map[string]int) {
	w := newWorld()
	w.watch = newWitness(found, moves)
	w.watch.last = w.dump(found)
	s := &soup{world: w, rng: rand.New(rand.NewPCG(seed, 0)), t: t}
	if s.pick(4) > 0 {
		w.plan(t, "m", soupPlans["m"])
	}
	for range length {
		if s.pick(15) == 0 {
			s.burst()
			continue
		}
		e := s.draw()
		s.written = append(s.written, e)
		w.apply(t, e)
	}
}

// step steps a record and checks what follows.
func (v *witness) step(w *world, rec events.Record) fsm.Outcome {
	rows, open := w.all(), w.openMigrations()
	out := w.machines.Step(w, rec)
	require.Equal(v.t, out, w.machines.Step(w, rec), "the same step gives another outcome")
	require.Equal(v.t, v.last, w.dump(v.t), "Step has changed the rows that it read")
	v.note(v.t, rec, out)
	v.fresh(v.t, rows, out)
	v.versions(v.t, w, rec, out)
	v.pure(v.t, w, rec, out)
	v.decision(v.t, rec, out)
	v.directives(v.t, rec, out, open)
	if topic, ok := w.Topic(rec.Event.Migration, rec.Event.Stream.Name()); ok && rec.Event.Type == "TopicFinished" && out.Note.Verdict == fsm.Accepted {
		require.Empty(v.t, topic.Unproven())
	}
	for _, m := range out.Note.Moves {
		v.moves[m]++
	}
	return out
}

// rows checks what the rows say together, and remembers them.
func (v *witness) rows(w *world, out fsm.Outcome) {
	if out.Note.Verdict != fsm.Accepted {
		return
	}
	v.last = w.dump(v.t)
	w.recount(v.t)
	w.claimed(v.t)
	w.outboxed(v.t)
}

// note: every event is accounted for, and what did not count changes nothing.
func (*witness) note(t require.TestingT, rec events.Record, out fsm.Outcome) {
	n := out.Note
	require.Equal(t, rec.Position, n.Position)
	require.Equal(t, rec.Event.ID, n.ID)
	require.Contains(t, []fsm.Verdict{fsm.Accepted, fsm.Ignored, fsm.Refused}, n.Verdict)
	require.Equal(t, n.Verdict != fsm.Accepted, n.Reason != "", "a reason says why an event did not count: %+v", n)
	if n.Verdict != fsm.Accepted {
		require.Equal(t, fsm.Outcome{Note: n, First: out.First}, out, "an event that did not count changes something")
		require.Empty(t, n.Moves)
	}
}

// fresh: rows are new values.
func (*witness) fresh(t require.TestingT, rows []any, out fsm.Outcome) {
	require.False(t, out.Migration != nil && slices.Contains(rows, any(out.Migration)))
	for _, row := range out.Topics {
		require.False(t, slices.Contains(rows, any(row)), "%s is the row that was read", row.Topic)
	}
	for _, row := range out.Groups {
		require.False(t, slices.Contains(rows, any(row)), "%s is the row that was read", row.Group)
	}
}

// versions rise by one with an accepted command, decision or abort, of the
// event's stream alone.
func (*witness) versions(t require.TestingT, w *world, rec events.Record, out fsm.Outcome) {
	kind, _ := events.Lookup(rec.Event.Type)
	check := func(stream events.Stream, after fsm.Standing) {
		before, epoch := w.standing(rec.Event.Migration, stream)
		want := before
		if stream == rec.Event.Stream && kind.Class.Versioned() {
			want++
		}
		require.Equal(t, want, after.Version, "version of %s after %s", stream, rec.Event.Type)
		if rec.Event.Type == "SwitchRequested" && stream == rec.Event.Stream {
			epoch++
		}
		require.Equal(t, epoch, after.Epoch, "epoch of %s after %s", stream, rec.Event.Type)
	}
	if out.Migration != nil {
		check(events.MigrationStream, out.Migration.Standing)
	}
	for _, row := range out.Topics {
		check(events.TopicStream(row.Topic), row.Standing)
	}
	for _, row := range out.Groups {
		check(events.GroupStream(row.Group), row.Standing)
	}
	if out.Note.Verdict == fsm.Accepted && kind.Class.Versioned() {
		written := out.Migration != nil || len(out.Topics)+len(out.Groups) > 0
		require.True(t, written, "%s was accepted and raised no version", rec.Event.Type)
	}
}

// pure: what agents judge for themselves is accepted by version, epoch and
// phase alone. This is the dumb second version of the rule.
func (*witness) pure(t require.TestingT, w *world, rec events.Record, out fsm.Outcome) {
	e := rec.Event
	var fits bool
	version, epoch := w.standing(e.Migration, e.Stream)
	current := e.Expects != nil && *e.Expects == version && e.Epoch == epoch
	group, isGroup := w.Group(e.Migration, e.Stream.Name())
	topic, isTopic := w.Topic(e.Migration, e.Stream.Name())
	onGroup, onTopic := isGroup && e.Stream.Kind() == events.OfGroup, isTopic && e.Stream.Kind() == events.OfTopic
	switch {
	case e.Type == "SwitchCommitted" && onGroup:
		fits = current && group.Readers == events.PhaseStaged
	case e.Type == "WritersRolling" && onTopic:
		fits = current && topic.Writers == events.PhaseArming
	case e.Type == "AbortRequested" && onGroup:
		undecided := []events.Phase{events.PhasePreparing, events.PhaseHolding, events.PhaseDrained, events.PhaseCut, events.PhaseStaged}
		fits = e.Epoch == epoch && slices.Contains(undecided, group.Readers)
	case e.Type == "AbortRequested" && onTopic:
		fits = e.Epoch == epoch && topic.Writers == events.PhaseArming
	default:
		return
	}
	fits = fits && out.First && rec.Refusal == nil
	require.Equal(t, fits, out.Note.Verdict == fsm.Accepted, "%s: an agent would judge otherwise: %s", e.Type, out.Note.Reason)
}

// decision: at most one per stream and epoch, none after an abort.
func (v *witness) decision(t require.TestingT, rec events.Record, out fsm.Outcome) {
	e := rec.Event
	if out.Note.Verdict != fsm.Accepted || e.Type != "SwitchCommitted" && e.Type != "AbortRequested" {
		return
	}
	attempt := fmt.Sprintf("%s/%s/%d", e.Migration, e.Stream, e.Epoch)
	require.Empty(t, v.decided[attempt], "attempt %s ends a second time, by %s", attempt, e.Type)
	v.decided[attempt] = string(e.Type)
}

// directives are such as agents and workers accept, rise in position per
// addressee, come from open migrations and never send anybody back.
func (v *witness) directives(t require.TestingT, rec events.Record, out fsm.Outcome, open []string) {
	for _, d := range out.Directives {
		_, err := events.EncodeDirective(d)
		require.NoError(t, err)
		require.Contains(t, open, d.Migration)
		require.Equal(t, rec.Position, d.Position)
		last, told := v.told[d.Addressee]
		require.True(t, !told || last < d.Position, "%s is told twice at %d", d.Addressee, d.Position)
		v.told[d.Addressee] = d.Position
		var target bool
		switch {
		case d.Group != nil:
			target = d.Group.Order == events.OrderTarget
		case d.Topic != nil:
			target = d.Topic.Route == events.RouteTarget
		default:
			continue
		}
		at := d.Migration + "/" + string(d.Stream)
		require.True(t, target || !v.crossed[at], "%s is told to go back to the source: both clusters would be used", d.Addressee)
		v.crossed[at] = target
	}
}

func (w *world) all() (list []any) {
	for _, m := range w.migrations {
		list = append(list, m)
	}
	for _, r := range w.topics {
		list = append(list, r)
	}
	for _, r := range w.groups {
		list = append(list, r)
	}
	return list
}

func (w *world) openMigrations() (names []string) {
	for _, m := range w.migrations {
		if !m.Over() {
			names = append(names, m.Name)
		}
	}
	return names
}

func (w *world) dump(t require.TestingT) string {
	raw, err := json.Marshal([]any{w.migrations, flat(w.topics), flat(w.groups)})
	require.NoError(t, err)
	return string(raw)
}

// claimed: what an open migration has planned is claimed by it, on both sides.
func (w *world) claimed(t require.TestingT) {
	for _, row := range w.topics {
		if !w.migrations[row.Migration].Over() {
			for _, k := range []fsm.ClaimKey{{row.Plan.Source.ID, events.OfTopic, row.Topic}, {row.Plan.Target.ID, events.OfTopic, row.Plan.TargetTopic}} {
				require.Equal(t, row.Migration, w.claims[k].Migration, "%+v", k)
			}
		}
	}
	for _, row := range w.groups {
		if !w.migrations[row.Migration].Over() {
			for _, side := range []string{row.Plan.Source.ID, row.Plan.Target.ID} {
				require.Equal(t, row.Migration, w.claims[fsm.ClaimKey{Cluster: side, Kind: events.OfGroup, Name: row.Group}].Migration)
			}
		}
	}
}

// outboxed: an open effect belongs to the phase that its axis is in.
func (w *world) outboxed(t require.TestingT) {
	for k, eff := range w.outbox {
		require.Equal(t, w.phase(k.Migration, k.Stream, k.Axis), eff.Phase, "%+v wants %s", k, eff.Kind)
	}
}
