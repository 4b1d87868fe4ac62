package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestPreflightGuardsCreate: what fails is shown with its fix and keeps a migration
// from being created, unless somebody insists.
func TestPreflightGuardsCreate(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	d.group("connect-sink", "orders")
	d.ok("init")
	file := d.write("plan.yaml", onePlan+"groups: [connect-sink]\n")
	for verb, says := range map[string]string{"preflight": "1 checks fail", "create": "1 pre-flight checks fail: nothing was created"} {
		out, code := d.portage(verb, "-f", file)
		require.Equal(t, exitRefused, code, out)
		require.Contains(t, out, says)
		require.Contains(t, out, "leave the group out")
	}
	require.Zero(t, d.events())
	var found []map[string]any
	out, code := d.portage("preflight", "-f", file, "-o", "json")
	require.Equal(t, exitRefused, code)
	require.NoError(t, json.NewDecoder(strings.NewReader(out)).Decode(&found))
	for _, f := range found {
		for _, name := range []string{"check", "name", "subject", "severity", "evidence"} {
			require.Contains(t, f, name)
		}
	}
	require.Contains(t, d.ok("preflight", "-f", d.write("fine.yaml", onePlan)), "no check fails. Next: portage create -f")
	require.Contains(t, d.ok("create", "-f", file, "--despite-preflight"), "migration m created")
}

// TestPlanFilesThatAreNone: without a file, or without one that can be read, a verb
// says what it wants.
func TestPlanFilesThatAreNone(t *testing.T) {
	d := newDesk(t)
	for _, verb := range []string{"preflight", "create"} {
		out, code := d.portage(verb)
		require.Equal(t, exitUsage, code)
		require.Contains(t, out, "name the plan file with -f")
		out, code = d.portage(verb, "-f", "nowhere.yaml")
		require.Equal(t, exitUsage, code)
		require.Contains(t, out, "nowhere.yaml")
		out, code = d.portage(verb, "-f", d.write("tabs.yaml", "migration: m\n\tsource: old\n"))
		require.Equal(t, exitRefused, code)
		require.Contains(t, out, "tabs.yaml:\nline 2: ")
	}
}
