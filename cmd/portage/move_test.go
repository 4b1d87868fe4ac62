package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestStepOf: a step by its name, its index, or as the one that waits.
func TestStepOf(t *testing.T) {
	m := &fsm.Migration{Name: "m", Phase: events.PhaseRunning, Plan: &events.MigrationCreated{Steps: []events.Step{{Do: "copy"}, {Do: "readers"}, {Do: "writers"}}}}
	for step, want := range map[string]int{"readers": 1, "writers": 2, "2": 2, "9": 9} {
		got, err := stepOf(m, step)
		require.NoError(t, err)
		require.Equal(t, want, got, step)
	}
	_, err := stepOf(m, "reader")
	require.EqualError(t, err, `--step "reader": the steps of "m" are copy, readers, writers`)
	require.Equal(t, exitUsage, exitCode(err))
	m.Plan = nil
	_, err = stepOf(m, "")
	require.Equal(t, exitRefused, exitCode(err))
}

// TestApproveAhead: a later step is approved by its name, and an index that is none
// is refused with what is possible.
func TestApproveAhead(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	d.ok("start", "m")
	d.refused("there is no step 9 in the plan (possible now: portage pause m", "approve", "m", "--step", "9")
	d.ok("approve", "m", "--step", "writers", "--note", "the window is open")
	require.Contains(t, d.ok("history", "m", "--full")+d.ok("events", "m", "--full"), "the window is open")
	d.refused("there is no migration", "approve", "n")
}

// TestWithoutNames: switch takes all that are on the source; where there are none
// it says so.
func TestWithoutNames(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1}, embedded.Topic{Name: "clicks", Partitions: 1})
	d.group("billing", "orders")
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: orders}, {name: clicks}]\n"))
	d.ok("start", "m")
	d.refused(`no group of "m" is on the source: `+"`portage status m`", "switch", "readers", "m")
	out, code := d.portage("switch", "writers", "m")
	require.Equal(t, exitRefused, code)
	require.Contains(t, out, "topic/orders")
	require.Contains(t, out, "topic/clicks", "each is judged")
	for _, what := range []string{"readers", "writers"} {
		d.refused(`there is no migration "n"`, "switch", what, "n")
	}
	d.refused(`migration "m" has no topic "order": did you mean "orders"?`, "abort", "m", "--topic", "order")
	d.refused("has no group", "abort", "m", "--group", "billing")
}

// TestReasons: only commands whose event keeps a reason take one.
func TestReasons(t *testing.T) {
	d := newDesk(t)
	for _, verb := range []string{"start", "resume", "complete"} {
		out, code := d.portage(verb, "m", "--reason", "because")
		require.Equal(t, exitUsage, code, out)
	}
	d.ok("init")
	for _, verb := range []string{"pause", "cancel"} {
		d.refused("there is no migration", verb, "m", "--reason", "because")
	}
}

// TestTypedCommandsExist: what refusals and why tell people to type is a verb.
func TestTypedCommandsExist(t *testing.T) {
	d, found := newDesk(t), 0
	for _, k := range events.Catalogue() {
		for _, stream := range []events.Stream{events.MigrationStream, "topic/orders", "group/billing"} {
			r := &commands.Refused{Migration: "m", Type: "X", Stream: stream, Possible: []events.Type{k.Type}}
			_, typed, _ := strings.Cut(r.Error(), "(possible now: portage ")
			typed = strings.TrimSuffix(typed, ")")
			if typed == "" || !slices.Contains(k.Streams, stream.Kind()) {
				continue
			}
			found++
			words := strings.Fields(typed)
			verb := words[:1]
			if words[0] == "switch" {
				verb = words[:2]
			}
			out, code := d.portage(append(verb, "--help")...)
			require.Zero(t, code, out)
			require.Contains(t, out, "portage "+strings.Join(verb, " ")+" MIGRATION", typed)
		}
	}
	require.GreaterOrEqual(t, found, 10)
}
