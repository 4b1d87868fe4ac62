package fsm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// TestScenarios runs the scripts of testdata. Their commands:
//
//	plan [migration=M] [topics=(NAME[:PARTITIONS],…)] [groups=(NAME:TOPIC[+TOPIC…],…)] [approve=auto]
//	     plans, seals and starts a migration; by default m, orders:2 and billing:orders
//	bring [migration=M]
//	     takes streams to phases by the events of a good run: lines of STREAM AXIS=PHASE
//	events
//	     appends events; the expected output is every note, directive and effect that follows
//	told
//	     shows the latest directives of some addressees (lines of ADDRESSEE) in full
//	row, rows
//	     shows some rows (lines of STREAM, or M STREAM) or all of them
//
// A line of events is
//
//	TYPE STREAM [migration=M] [by=ROLE] [name=N] [expects=N] [epoch=N] [cause=C] [id=ID] [BODY as JSON]
//
// What a line leaves out is as the stream wants it: expects is its version,
// epoch the one that it would accept, cause the order or the effect that is open.
func TestScenarios(t *testing.T) {
	eachScenario(t, func(t *testing.T, path string) { runScenario(t, path, newWorld()) })
}

// eachScenario runs a subtest for every file of testdata; folders there belong
// to other tools.
func eachScenario(t *testing.T, f func(t *testing.T, path string)) {
	files, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, file := range files {
		if !file.IsDir() {
			t.Run(file.Name(), func(t *testing.T) { f(t, filepath.Join("testdata", file.Name())) })
		}
	}
}

func runScenario(t *testing.T, path string, w *world) {
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		migration := "m"
		d.MaybeScanArgs(t, "migration", &migration)
		switch d.Cmd {
		case "plan":
			return w.plan(t, migration, planArgs(d))
		case "bring":
			return w.bring(t, migration, d.Input)
		case "events":
			return w.run(t, d.Input)
		case "told":
			return w.toldSome(t, d.Input)
		case "row":
			return w.showSome(t, d.Input)
		case "rows":
			return w.show(t)
		}
		t.Fatalf("unknown command %q", d.Cmd)
		return ""
	})
}

func (w *world) run(t *testing.T, script string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		out := w.apply(t, w.parse(t, line))
		fmt.Fprintf(&b, "%d %s %s %s", out.Note.Position, out.Note.Type, out.Note.Stream, out.Note.Verdict)
		if out.Note.Reason != "" {
			fmt.Fprintf(&b, ": %s", out.Note.Reason)
		}
		for _, f := range follows(t, out) {
			b.WriteString("\n    " + f)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// follows lists what an outcome brings beside its rows.
func follows(t *testing.T, out fsm.Outcome) (lines []string) {
	lines = append(lines, out.Note.Moves...)
	for _, d := range out.Directives {
		lines = append(lines, "tell "+brief(t, d))
	}
	for _, o := range out.Outbox {
		if o.Effect == nil {
			lines = append(lines, fmt.Sprintf("do %s %s: nothing", o.Key.Stream, o.Key.Axis))
		} else {
			lines = append(lines, fmt.Sprintf("do %s %s: %s (%s)", o.Key.Stream, o.Key.Axis, o.Effect.Kind, o.Effect.ID))
		}
	}
	return lines
}

// brief is a directive without what repeats the plan.
func brief(t *testing.T, d events.Directive) string {
	head := fmt.Sprintf("%s v%d e%d %s", d.Addressee, d.Version, d.Epoch, d.Phase)
	switch {
	case d.Group != nil:
		return fmt.Sprintf("%s: %s cut=%d leave=%v open=%v", head, d.Group.Order, len(d.Group.Cut), d.Group.LeaveSource, d.Group.Open)
	case d.Topic != nil:
		return fmt.Sprintf("%s: route=%s", head, d.Topic.Route)
	case d.Copy != nil:
		text := fmt.Sprintf("%s: run=%v shared=%v verify=%d", head, d.Copy.Run, d.Copy.Shared, len(d.Copy.Verify))
		if d.Copy.Recopies > 0 || d.Copy.Losses != nil {
			text += fmt.Sprintf(" recopies=%d losses=%v", d.Copy.Recopies, d.Copy.Losses)
		}
		return text
	case d.Pool != nil:
		if d.Pool.Rates != nil {
			return fmt.Sprintf("%s: paused=%v rates=%v", head, d.Pool.Paused, d.Pool.Rates)
		}
		return fmt.Sprintf("%s: paused=%v", head, d.Pool.Paused)
	}
	t.Fatal("empty directive")
	return ""
}

func (w *world) parse(t *testing.T, line string) events.Event {
	head, bodyText, _ := strings.Cut(line, "{")
	words := strings.Fields(head)
	require.GreaterOrEqual(t, len(words), 2, "line %q", line)
	w.ids++
	e := events.Event{
		ID: fmt.Sprintf("id-%d", w.ids), Migration: "m", Type: events.Type(words[0]), Stream: events.Stream(words[1]),
		Schema: 1, At: time.Unix(int64(w.ids), 0).UTC(), Body: json.RawMessage("{}"),
	}
	kind, known := events.Lookup(e.Type)
	e.Actor = events.Actor{Kind: events.Operator, Name: "test"}
	if known {
		e.Actor.Kind = kind.Writers[0]
	}
	if bodyText != "" {
		e.Body = json.RawMessage("{" + bodyText)
	}
	options := make(map[string]string)
	for _, word := range words[2:] {
		k, v, found := strings.Cut(word, "=")
		require.True(t, found, "word %q of line %q", word, line)
		options[k] = v
	}
	if m, ok := options["migration"]; ok {
		e.Migration = m
	}
	w.standard(&e)
	w.override(t, &e, options)
	return e
}

// standard sets expects, epoch and cause as the stream stands.
func (w *world) standard(e *events.Event) {
	kind, _ := events.Lookup(e.Type)
	version, epoch := w.standing(e.Migration, e.Stream)
	if kind.Class == events.Command || kind.Class == events.Decision {
		e.Expects = &version
	}
	if kind.Epoch {
		e.Epoch = epoch
		if e.Type == "SwitchRequested" {
			e.Epoch++
		}
	}
	switch topic, ok := w.Topic(e.Migration, e.Stream.Name()); {
	case ok && e.Type == "PartitionVerified" && topic.Verify != nil:
		e.Cause = topic.Verify.Cause
	case e.Stream.Kind() == events.OfGroup && kind.Class != events.Command:
		if eff, ok := w.outbox[fsm.OutboxKey{Migration: e.Migration, Stream: e.Stream, Axis: events.ReadersAxis}]; ok {
			e.Cause = eff.ID.String()
		}
	}
}

// override sets what a line says itself.
func (w *world) override(t *testing.T, e *events.Event, o map[string]string) {
	for k, v := range o {
		switch k {
		case "migration":
		case "by":
			e.Actor.Kind = events.ActorKind(v)
		case "name":
			e.Actor.Name = v
		case "id":
			e.ID = v
		case "cause":
			e.Cause = v
		case "epoch":
			n, err := strconv.ParseUint(v, 10, 32)
			require.NoError(t, err)
			e.Epoch = uint32(n)
		case "expects":
			n, err := strconv.ParseUint(v, 10, 64)
			require.NoError(t, err)
			e.Expects = &n
		default:
			t.Fatalf("unknown option %q", k)
		}
	}
}
