package main

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

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
	require.Equal(t, "[]\n", d.ok("why", "m", "-o", "json"))
	require.Equal(t, "[]\n", d.ok("get", "groups", "m", "-o", "json"))
	for _, args := range [][]string{
		{"status", "n"}, {"history", "n"}, {"why", "n"}, {"replay", "n"}, {"get", "migration", "n"}, {"get", "topics", "n"}, {"get", "groups", "n"},
		{"get", "topic", "m", "n"}, {"get", "group", "m", "n"}, {"get", "effects", "n"}, {"get", "digests", "n"},
	} {
		out, code := d.portage(args...)
		require.Equal(t, exitFailed, code, "%v: %s", args, out)
		require.Contains(t, out, "there is no", "%v", args)
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

// TestDoctor: what is wrong with each cluster, in a line each.
func TestDoctor(t *testing.T) {
	d := newDesk(t)
	out, code := d.portage("doctor")
	require.Equal(t, exitFailed, code)
	require.Contains(t, line(t, out, "new"), "portage.events: the topic is missing")
	require.Contains(t, line(t, out, "new"), "portage.progress", "all findings stand in the cluster's line")
	require.Contains(t, out, "Least privileges")

	d.ok("init")
	locked := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Extra: []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "admin", "right")}}})
	d.configure(fmt.Sprintf("  locked: {bootstrap: [%q], sasl: {mechanism: PLAIN, username: admin, password: 'literal:guessed'}}\n", locked.Source.Bootstrap()[0]))
	out, code = d.portage("doctor")
	require.Equal(t, exitPermission, code, out)
	require.Contains(t, line(t, out, "locked"), "password")
	require.NotContains(t, out, "guessed", "a secret is never shown")

	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	d.configure(fmt.Sprintf("  away: {bootstrap: [%q]}\n", address))
	out, code = d.portage("doctor")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, line(t, out, "away"), address)
	require.Contains(t, line(t, out, "old"), d.pair.Source.ID(), "the others are looked at all the same")
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

// configure adds a cluster to the two of the desk.
func (d *desk) configure(more string) {
	d.write("portage.yaml", fmt.Sprintf("control: new\ndata: %s\nclusters:\n  old: {bootstrap: [%q]}\n  new: {bootstrap: [%q]}\n%s",
		filepath.Join(d.dir, "data"), d.pair.Source.Bootstrap()[0], d.pair.Target.Bootstrap()[0], more))
}

// line is a table's line that begins with a word.
func line(t *testing.T, out, word string) string {
	t.Helper()
	for l := range strings.Lines(out) {
		if strings.HasPrefix(l, word+" ") {
			return l
		}
	}
	require.Failf(t, "no such line", "%s in:\n%s", word, out)
	return ""
}
