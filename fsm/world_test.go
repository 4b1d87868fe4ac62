package fsm_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// world is the dumbest store of rows.
type world struct {
	machines   *fsm.Machines
	migrations map[string]*fsm.Migration
	topics     map[[2]string]*fsm.Topic
	groups     map[[2]string]*fsm.Group
	claims     map[fsm.ClaimKey]fsm.Claim
	seen       map[[2]string]int64
	outbox     map[fsm.OutboxKey]fsm.Effect
	directives map[events.Addressee]events.Directive
	position   int64
	ids        int
	outcomes   []fsm.Outcome
	watch      *witness // nil for nobody
}

func newWorld() *world {
	return &world{
		machines: fsm.New(), migrations: map[string]*fsm.Migration{}, topics: map[[2]string]*fsm.Topic{},
		groups: map[[2]string]*fsm.Group{}, claims: map[fsm.ClaimKey]fsm.Claim{}, seen: map[[2]string]int64{},
		outbox: map[fsm.OutboxKey]fsm.Effect{}, directives: map[events.Addressee]events.Directive{},
	}
}

func (w *world) Migration(name string) (*fsm.Migration, bool) {
	m, ok := w.migrations[name]
	return m, ok
}

func (w *world) Topic(migration, topic string) (*fsm.Topic, bool) {
	t, ok := w.topics[[2]string{migration, topic}]
	return t, ok
}

func (w *world) Group(migration, group string) (*fsm.Group, bool) {
	g, ok := w.groups[[2]string{migration, group}]
	return g, ok
}

func (w *world) Claim(k fsm.ClaimKey) (fsm.Claim, bool) {
	c, ok := w.claims[k]
	return c, ok
}

func (w *world) Seen(migration, id string) (int64, bool) {
	p, ok := w.seen[[2]string{migration, id}]
	return p, ok
}

// standing is the version and epoch that the next event of a stream names.
func (w *world) standing(migration string, s events.Stream) (version uint64, epoch uint32) {
	switch s.Kind() {
	case events.OfMigration:
		if m, ok := w.migrations[migration]; ok {
			return m.Standing.Version, m.Standing.Epoch
		}
	case events.OfTopic:
		if t, ok := w.Topic(migration, s.Name()); ok {
			return t.Standing.Version, t.Standing.Epoch
		}
	case events.OfGroup:
		if g, ok := w.Group(migration, s.Name()); ok {
			return g.Standing.Version, g.Standing.Epoch
		}
	}
	return 0, 0
}

// apply sends an event through the codec, steps it and stores what follows. The
// codec refuses to write what it would refuse to read: such events come from
// another tool.
func (w *world) apply(t testing.TB, e events.Event) fsm.Outcome { return w.step(w.record(t, e)) }

func (w *world) record(t testing.TB, e events.Event) events.Record {
	raw, err := events.Encode(e)
	if err != nil {
		raw = otherTool(t, e)
	}
	rec := events.Record{Position: w.position}
	rec.Event, rec.Body, rec.Refusal = events.Decode([]byte(e.Key("nonce").String()), raw)
	return rec
}

func otherTool(t testing.TB, e events.Event) []byte {
	fields := map[string]any{
		"id": e.ID, "migration": e.Migration, "stream": e.Stream, "type": e.Type, "schema": e.Schema, "at": e.At, "actor": e.Actor,
		"cause": e.Cause, "epoch": e.Epoch, "expects": e.Expects, "body": e.Body,
	}
	raw, err := json.Marshal(fields)
	require.NoError(t, err)
	return raw
}

// step steps a record at the next position and stores what follows.
func (w *world) step(rec events.Record) fsm.Outcome {
	rec.Position = w.position
	w.position++
	var out fsm.Outcome
	if w.watch == nil {
		out = w.machines.Step(w, rec)
	} else {
		out = w.watch.step(w, rec)
		defer func() { w.watch.rows(w, out) }()
	}
	w.outcomes = append(w.outcomes, out)
	if out.First {
		w.seen[[2]string{rec.Event.Migration, rec.Event.ID}] = rec.Position
	}
	if out.Migration != nil {
		w.migrations[out.Migration.Name] = out.Migration
	}
	for _, t := range out.Topics {
		w.topics[[2]string{t.Migration, t.Topic}] = t
	}
	for _, g := range out.Groups {
		w.groups[[2]string{g.Migration, g.Group}] = g
	}
	for _, c := range out.Claims {
		w.claims[c.Key] = c.Claim
	}
	for _, d := range out.Directives {
		w.directives[d.Addressee] = d
	}
	for _, o := range out.Outbox {
		if o.Effect == nil {
			delete(w.outbox, o.Key)
		} else {
			w.outbox[o.Key] = *o.Effect
		}
	}
	return out
}

// show prints all rows as JSON.
func (w *world) show(t *testing.T) string {
	var b strings.Builder
	for _, rows := range []any{w.migrations, flat(w.topics), flat(w.groups)} {
		raw, err := json.MarshalIndent(rows, "", " ")
		require.NoError(t, err)
		b.Write(raw)
		b.WriteString("\n")
	}
	return b.String()
}

// showSome prints the rows of streams as JSON, each in one line.
func (w *world) showSome(t *testing.T, input string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
		migration, stream, both := strings.Cut(line, " ")
		if !both {
			migration, stream = "m", line
		}
		raw, err := json.Marshal(w.row(migration, events.Stream(stream)))
		require.NoError(t, err)
		b.Write(append(raw, '\n'))
	}
	return b.String()
}

// toldSome prints directives as JSON, each in one line.
func (w *world) toldSome(t *testing.T, input string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
		d, ok := w.directives[events.Addressee(line)]
		require.True(t, ok, "nothing was said to %s", line)
		raw, err := events.EncodeDirective(d)
		require.NoError(t, err)
		b.Write(append(raw, '\n'))
	}
	return b.String()
}

// row is a stream's row, nil when there is none.
func (w *world) row(migration string, s events.Stream) any {
	switch s.Kind() {
	case events.OfTopic:
		if row, ok := w.Topic(migration, s.Name()); ok {
			return row
		}
	case events.OfGroup:
		if row, ok := w.Group(migration, s.Name()); ok {
			return row
		}
	default:
		if row, ok := w.Migration(migration); ok {
			return row
		}
	}
	return nil
}

func flat[V any](m map[[2]string]V) map[string]V {
	out := make(map[string]V)
	for k, v := range m {
		out[k[0]+"/"+k[1]] = v
	}
	return out
}
