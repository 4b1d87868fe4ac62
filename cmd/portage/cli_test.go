package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/testkit/embedded"
)

// desk is a user's working folder with a configuration for two embedded
// clusters.
type desk struct {
	t    *testing.T
	dir  string
	pair *embedded.Pair
}

func newDesk(t *testing.T, topics ...embedded.Topic) *desk {
	d := &desk{t: t, dir: t.TempDir(), pair: embedded.ForTest(t, embedded.Options{Seed: 1, Source: embedded.Side{Topics: topics}})}
	d.configure("")
	return d
}

func (d *desk) write(name, text string) string {
	path := filepath.Join(d.dir, name)
	require.NoError(d.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// append adds lines to a file of the desk.
func (d *desk) append(name, text string) {
	raw, err := os.ReadFile(filepath.Join(d.dir, name))
	require.NoError(d.t, err)
	d.write(name, string(raw)+text)
}

// portage runs the command line and returns what it printed and its exit code.
func (d *desk) portage(args ...string) (string, int) {
	d.t.Helper()
	var out, errs bytes.Buffer
	a := newApp(&out, &errs)
	defer a.close()
	cmd := root(a)
	cmd.SetArgs(append([]string{"--config", filepath.Join(d.dir, "portage.yaml")}, args...))
	cmd.SetOut(&out)
	code := a.finish(cmd.ExecuteContext(d.t.Context()))
	return out.String() + errs.String(), code
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

// ok runs the command line and wants it to succeed.
func (d *desk) ok(args ...string) string {
	d.t.Helper()
	out, code := d.portage(args...)
	require.Zero(d.t, code, "portage %v: %s", args, out)
	return out
}

// refused runs the command line and wants a refusal that says so.
func (d *desk) refused(says string, args ...string) {
	d.t.Helper()
	before := d.events()
	out, code := d.portage(args...)
	require.Equal(d.t, exitRefused, code, "portage %v: %s", args, out)
	require.Contains(d.t, out, says)
	require.Equal(d.t, before, d.events(), "a refused command appends nothing")
}

func (d *desk) events() int {
	d.t.Helper()
	var notes []any
	require.NoError(d.t, json.Unmarshal([]byte(d.ok("events", "-o", "json")), &notes))
	return len(notes)
}

// group lets a group commit on a topic of the source.
func (d *desk) group(name, topic string) {
	c, err := kgo.NewClient(kgo.SeedBrokers(d.pair.Source.Bootstrap()...), kgo.ConsumerGroup(name), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	require.NoError(d.t, err)
	defer c.Close()
	d.produce(topic, 1)
	c.PollFetches(d.t.Context())
	require.NoError(d.t, c.CommitUncommittedOffsets(d.t.Context()))
}

// produce writes records to a topic of the source.
func (d *desk) produce(topic string, n int) {
	c, err := kgo.NewClient(kgo.SeedBrokers(d.pair.Source.Bootstrap()...))
	require.NoError(d.t, err)
	defer c.Close()
	for range n {
		require.NoError(d.t, c.ProduceSync(d.t.Context(), &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr())
	}
}

// TestOperator goes through the life of a migration at the desk, with no
// service running: everything can be asked for and looked at.
func TestOperator(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 2}, embedded.Topic{Name: "clicks", Partitions: 1})
	d.group("billing", "orders")
	require.Contains(t, d.ok("init"), "portage.events")
	require.Contains(t, d.ok("init"), "there", "a second init finds everything")
	require.Contains(t, d.ok("doctor"), d.pair.Source.ID())

	file := filepath.Join(d.dir, "plan.yaml")
	d.ok("plan", "m", "--source", "old", "--target", "new", "-f", file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "billing")
	require.NotContains(t, string(text), "portage.events")
	_, code := d.portage("plan", "m", "--source", "old", "--target", "new", "-f", file)
	require.Equal(t, exitFailed, code, "an existing plan is kept")
	require.Contains(t, d.ok("preflight", "-f", file), "cluster ids")

	require.Contains(t, d.ok("create", "-f", file), "migration m created: 2 topics, 1 groups")
	d.refused("belongs to migration", "create", "-f", d.write("again.yaml", "migration: other\nsource: old\ntargets: [new]\ntopics: [{name: orders}]\n"))
	d.refused("is planned, PauseRequested needs running", "pause", "m")
	d.refused("no migration", "start", "nothing")
	require.Contains(t, d.ok("why", "m"), "portage start m")
	_, code = d.portage("why", "m", "--detailed-exitcode")
	require.Equal(t, exitWaiting, code, "a person has to start it")
	d.ok("start", "m")
	d.refused("possible now", "start", "m")
	d.refused("not synced", "switch", "readers", "m")
	d.refused("writers move when it is synced", "switch", "writers", "m", "orders")
	d.refused("no step", "approve", "m")
	d.refused("switch attempt", "abort", "m", "--group", "billing")
	d.refused("RetryRequested needs stopped", "retry", "m", "orders")
	d.refused("groups are on the target", "complete", "m")
	d.ok("pause", "m", "--reason", "lunch")
	require.Contains(t, d.ok("why", "m"), "lunch")
	d.ok("resume", "m")

	require.Contains(t, d.ok("status"), "running")
	require.Contains(t, d.ok("status", "m"), "group/billing")
	require.Contains(t, d.ok("status", "m", "-o", "yaml"), "phase: running")
	require.Contains(t, d.ok("get", "group", "m", "billing"), "readers: on_source")
	require.Contains(t, d.ok("history", "m"), "planned→running")
	require.Contains(t, d.ok("status", "m", "--at", "3"), "planned", "as of the event that sealed the plan")
	require.Contains(t, d.ok("replay", "m"), "no checkpoint differs; 1 digests are those of this machine's projection")
	d.ok("cancel", "m")
	require.Contains(t, d.ok("status", "m"), "cancelling")
}

// TestBadPlans: each names the line and the fix, and nothing is created.
func TestBadPlans(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 2}, embedded.Topic{Name: "clicks", Partitions: 1})
	d.ok("init")
	require.NoError(t, d.pair.Target.CreateTopic(embedded.Topic{Name: "clicks", Partitions: 3}))
	for name, c := range map[string]struct{ plan, says string }{
		"unknown topic":      {"migration: m\nsource: old\ntargets: [new]\ntopics:\n  - name: ordres\n", `line 5: topics[0].name: topic "ordres" is not on old: did you mean "orders"?`},
		"unknown key":        {"migration: m\nsource: old\ntargets: [new]\ntopic: []\n", "line 4: topic: unknown key"},
		"missing field":      {"source: old\ntargets: [new]\ntopics: [{name: orders}]\n", "migration"},
		"partition mismatch": {"migration: m\nsource: old\ntargets: [new]\ntopics:\n  - name: clicks\n", "has 3 partitions on new and 1 on old"},
		"unknown cluster":    {"migration: m\nsource: old\ntargets: [newer]\ntopics: [{name: orders}]\n", `cluster "newer" is not in`},
		"unknown group":      {"migration: m\nsource: old\ntargets: [new]\ntopics: [{name: orders}]\ngroups: [billing]\n", "neither members nor committed offsets"},
	} {
		t.Run(name, func(t *testing.T) { d.refused(c.says, "create", "-f", d.write("plan.yaml", c.plan)) })
	}
	d.configure(fmt.Sprintf("  alias: {bootstrap: [%q]}\n", d.pair.Source.Bootstrap()[0]))
	d.refused(`"alias" is the source "old" under another name`, "create", "-f", d.write("plan.yaml", "migration: m\nsource: old\ntargets: [alias]\ntopics: [{name: orders}]\n"))
}

// TestTools: a command that another tool wrote is judged like any other.
func TestTools(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 2})
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: orders}]\n"))
	c, err := kgo.NewClient(kgo.SeedBrokers(d.pair.Target.Bootstrap()...))
	require.NoError(t, err)
	defer c.Close()
	say := func(id, body string) string {
		value := fmt.Sprintf(`{"id":%q,"migration":"m","stream":"migration","type":"StartRequested","schema":1,"at":"2026-01-01T00:00:00Z","actor":{"kind":"operator","name":"kcat"},%s"body":{}}`, id, body)
		require.NoError(t, c.ProduceSync(context.Background(), &kgo.Record{Topic: "portage.events", Key: []byte("m/migration/" + id + "/n"), Value: []byte(value)}).FirstErr())
		return d.ok("events", "--id", id)
	}
	require.Contains(t, say("late", `"expects":7,`), "refused")
	require.Contains(t, d.ok("events", "--id", "late"), "expects version 7")
	require.Contains(t, say("right", `"expects":1,`), "accepted")
	require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "portage.events", Key: []byte("noise"), Value: []byte("noise")}).FirstErr())
	require.Contains(t, d.ok("events", "--odd"), "refused")
}

func TestUsage(t *testing.T) {
	d := newDesk(t)
	d.ok("init")
	for _, args := range [][]string{{"start"}, {"status", "-o", "xml"}, {"abort", "m"}, {"create"}, {"plan", "m"}, {"--nonsense"}, {"get", "weather"}, {"get"}, {"get", "topic", "m"}, {"get", "directives", "m"},
		{"status", "--at", "yesterday"}, {"status", "m", "n"}, {"replay", "m", "n"}, {"events", "m", "n"}, {"statsu"}, {"switch", "reader", "m"}} {
		_, code := d.portage(args...)
		require.Equal(t, exitUsage, code, "%v", args)
	}
	require.Contains(t, d.ok("version"), "state machines")
	require.Contains(t, d.ok("switch"), "writers", "help says what there is")
	out, _ := d.portage("statsu")
	require.Contains(t, out, "did you mean status?", "%s", out)
}
