package main

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/testkit/embedded"
)

const onePlan = "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: orders}]\n"

// TestPrograms: what programs read is what stands in the log, and a list stays
// a list when nothing is in it.
func TestPrograms(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1}, embedded.Topic{Name: "clicks", Partitions: 1})
	d.ok("init")
	require.Equal(t, "[]\n", d.ok("status", "-o", "json"))
	require.Equal(t, "[]\n", d.ok("get", "migrations"))
	require.Equal(t, "[]\n", d.ok("events", "-o", "json"))
	d.ok("create", "-f", d.write("plan.yaml", "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: orders}, {name: clicks}]\n"))
	var receipts []struct {
		Event struct{ ID, Stream, Type string }
		Note  struct{ Verdict string }
	}
	out := d.ok("start", "m", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &receipts))
	require.Equal(t, "StartRequested", receipts[0].Event.Type)
	require.Equal(t, "accepted", receipts[0].Note.Verdict)
	require.Contains(t, out, `"type": "StartRequested"`, "names as in the log")
	require.Equal(t, "[]\n", d.ok("get", "groups", "m", "-o", "json"))
	for _, args := range [][]string{
		{"status", "n"}, {"history", "n"}, {"why", "n"}, {"replay", "n"}, {"get", "migration", "n"}, {"get", "topics", "n"}, {"get", "groups", "n"},
		{"get", "topic", "m", "n"}, {"get", "group", "m", "n"}, {"get", "effects", "n"}, {"get", "digests", "n"},
	} {
		out, code := d.portage(args...)
		require.Equal(t, exitFailed, code, "%v: %s", args, out)
		require.Regexp(t, "there is no migration|has no (topic|group)", out, "%v", args)
	}
	for _, args := range [][]string{{"migrations"}, {"migration", "m"}, {"topics", "m"}, {"topic", "m", "orders"}, {"effects"}, {"effects", "m"}, {"directives"}, {"digests"}, {"digests", "m"}} {
		require.NotEmpty(t, d.ok(append([]string{"get"}, args...)...))
	}
}

// TestEachIsJudged: of several streams, one that is refused keeps none back.
func TestEachIsJudged(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	out, code := d.portage("retry", "m", "orders", "clicks")
	require.Equal(t, exitRefused, code, out)
	require.Contains(t, out, "RetryRequested needs stopped")
	require.Contains(t, out, "clicks")
}

// TestReplayComparesDigests: replay says how many digests of the own projection
// are the same.
func TestReplayComparesDigests(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	d.ok("init")
	require.Contains(t, d.ok("replay"), "folded 0 events anew, no checkpoint differs; 0 digests")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	require.Contains(t, d.ok("replay"), "; 1 digests")
}

// TestTimeout: a cluster that takes connections and says nothing ends a verb
// after --timeout.
func TestTimeout(t *testing.T) {
	d := newDesk(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer mute.Close()
	d.write("portage.yaml", fmt.Sprintf("control: mute\nclusters:\n  mute: {bootstrap: [%q]}\n", mute.Addr()))
	out, code := d.portage("status", "--timeout", "200ms")
	require.Equal(t, exitTimeout, code, out)
	require.Contains(t, out, "mute", "it says which cluster")
}
