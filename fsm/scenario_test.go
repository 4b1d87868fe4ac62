package fsm_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// TestScenarios runs the scripts of testdata: each line is an event, the
// expected output is every note, directive and effect that follows. A line is
//
//	TYPE STREAM [migration=M] [by=ROLE] [name=N] [expects=N] [epoch=N] [cause=C] [id=ID] [BODY as JSON]
//
// expects defaults to the stream's version and epoch to what the stream would
// accept, so that scripts name them only where they matter.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "events":
				return w.run(t, d.Input)
			case "rows":
				return w.show(t)
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
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
		return fmt.Sprintf("%s: run=%v shared=%v verify=%d", head, d.Copy.Run, d.Copy.Shared, len(d.Copy.Verify))
	case d.Pool != nil:
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
	kind, ok := events.Lookup(e.Type)
	require.True(t, ok, "type of line %q", line)
	e.Actor = events.Actor{Kind: kind.Writers[0], Name: "test"}
	if bodyText != "" {
		e.Body = json.RawMessage("{" + bodyText)
	}
	options := make(map[string]string)
	for _, word := range words[2:] {
		k, v, found := strings.Cut(word, "=")
		require.True(t, found, "word %q of line %q", word, line)
		options[k] = v
	}
	w.fill(t, &e, kind, options)
	return e
}

// fill sets what the options say, and expects and epoch as the stream stands.
func (w *world) fill(t *testing.T, e *events.Event, kind events.Kind, o map[string]string) {
	if m, ok := o["migration"]; ok {
		e.Migration = m
	}
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
