package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestEmpty: where nothing is there yet, it says so and what comes next.
func TestEmpty(t *testing.T) {
	d := newDesk(t)
	d.ok("init")
	require.Equal(t, "there is no migration yet: `portage plan` drafts one, the log is empty\n", d.ok("status"))
	require.Equal(t, "the log is empty\n", d.ok("events"))
	require.Equal(t, "no foreign and no repeated records\n", d.ok("events", "--odd"))
	require.Equal(t, "no event has the id \"x\"\n", d.ok("events", "--id", "x"))
	out, code := d.portage("events", "m")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, `there is no migration "m"`)
}

// TestStreams: a stream that is none, or not there, is told apart from one of which
// nothing has moved.
func TestStreams(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	require.Contains(t, d.ok("history", "m", "--stream", "topic/orders"), "copy none→planned")
	for stream, says := range map[string]string{
		"orders": "is no stream: they are migration, topic/NAME and group/NAME", "topic/order": `has no topic "order": did you mean "orders"?`, "group/orders": "has no group",
	} {
		out, code := d.portage("history", "m", "--stream", stream)
		require.Equal(t, exitFailed, code, out)
		require.Contains(t, out, says)
	}
	require.Contains(t, d.ok("status", "--at", "2000-01-01T00:00:00Z"), "there is no migration yet")
}

// TestKinds: get says what there is to get.
func TestKinds(t *testing.T) {
	kinds := rowKinds()
	for args, says := range map[string]string{
		"":              "get what? There are digests, directives",
		"migraton m":    "did you mean migration",
		"weather":       "there are digests, directives",
		"topics":        "takes the name of a migration, have 0",
		"topic m":       "takes the names of a migration and of one of its rows, have 1",
		"directives m":  "takes no name, have 1",
		"effects m n o": "takes at most the name of a migration, have 3",
	} {
		err := fits(kinds, strings.Fields(args))
		require.ErrorContains(t, err, says, args)
		require.Equal(t, exitUsage, exitCode(err))
	}
	require.NoError(t, fits(kinds, []string{"topic", "m", "orders"}))
}

// TestEffectsHaveNames: as the log's own rows do.
func TestEffectsHaveNames(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	d.ok("start", "m")
	for _, args := range [][]string{{"get", "effects", "-o", "json"}, {"get", "effects", "m", "-o", "json"}} {
		var open []map[string]any
		require.NoError(t, json.Unmarshal([]byte(d.ok(args...)), &open))
		require.Len(t, open, 1)
		require.Equal(t, "m", open[0]["migration"])
		require.Equal(t, "start-copies", open[0]["kind"])
		require.Equal(t, "migration", open[0]["axis"])
	}
}

// TestControlTable: init shows what is wrong, and programs read the same names.
func TestControlTable(t *testing.T) {
	f := log.Finding{Topic: "portage.events", Setting: "cleanup.policy", Have: "delete", Want: "compact", Why: "facts would vanish", Fix: "alter it"}
	table := controlTable(log.Report{Topics: []log.TopicReport{{Name: "portage.events", ReplicationFactor: 1, Problems: []log.Finding{f}, Warnings: []log.Finding{f}}}})
	require.Len(t, table.rows, 3)
	require.Equal(t, "problem", table.rows[1][1])
	require.Equal(t, "warning", table.rows[2][1])
	require.Contains(t, table.rows[1][3], "cleanup.policy is delete, want compact (facts would vanish): alter it")
	raw, err := json.Marshal(table.value)
	require.NoError(t, err)
	require.JSONEq(t, `[{"name":"portage.events","created":false,"replication_factor":1,
		"problems":[{"setting":"cleanup.policy","have":"delete","want":"compact","why":"facts would vanish","fix":"alter it"}],
		"warnings":[{"setting":"cleanup.policy","have":"delete","want":"compact","why":"facts would vanish","fix":"alter it"}]}]`, string(raw))
}

// TestNotes: what a row says of itself in the last column.
func TestNotes(t *testing.T) {
	aborted := &fsm.Abort{Code: "stranger", Reason: "kcat is in"}
	require.Equal(t, "out-of-range: retention", topicNote(&fsm.Topic{Stop: &fsm.Stop{Code: "out-of-range", Reason: "retention"}}))
	require.Equal(t, "out-of-range: retention (and 2 more)", topicNote(&fsm.Topic{Stop: &fsm.Stop{Code: "out-of-range", Reason: "retention"}, MoreStops: make([]fsm.Stop, 2)}))
	require.Equal(t, "aborted: kcat is in", topicNote(&fsm.Topic{Writers: events.PhaseOnSource, Abort: aborted}))
	require.Empty(t, topicNote(&fsm.Topic{Writers: events.PhaseRolling, Abort: aborted}), "another attempt is under way")
	rightless := &fsm.Topic{Copy: events.PhaseSynced, Target: &events.TargetCreated{ACLs: events.CopiedACLs{Note: "not copied, grant them by hand: denied"}}}
	require.Equal(t, "ACLs: not copied, grant them by hand: denied", topicNote(rightless))
	rightless.Copy = events.PhaseReleased
	require.Empty(t, topicNote(rightless))
	group := &fsm.Group{Readers: events.PhaseOnSource, Abort: aborted, Topics: []events.GroupTopic{{Topic: "a"}, {Topic: "b"}}}
	require.Equal(t, "aborted (stranger): kcat is in", groupNote(group))
	group.Abort = nil
	require.Equal(t, "a, b", groupNote(group))
	group.Abandoned = make([]events.TopicOffset, 2)
	require.Equal(t, "2 records left behind by handlers", groupNote(group))
}

// TestWhyNote: nothing to wait for is not nothing to say.
func TestWhyNote(t *testing.T) {
	require.Equal(t, "m is finished: nothing is left to do", whyNote(&fsm.Migration{Name: "m", Phase: events.PhaseFinished}, nil))
	require.Contains(t, whyNote(&fsm.Migration{Name: "m", Phase: events.PhaseRunning}, nil), "portage serve")
}

// TestBound: what --at takes.
func TestBound(t *testing.T) {
	for text, want := range map[string]string{"1200": "position 1200", "2026-01-31T08:30:00Z": "2026-01-31T08:30:00Z", "2026-01-31T09:30:00.5+01:00": "2026-01-31T08:30:00.5Z"} {
		b, err := parseBound(text)
		require.NoError(t, err)
		require.Equal(t, want, b.String())
	}
	for _, text := range []string{"-1", "yesterday", "08:30", "", time.Kitchen} {
		_, err := parseBound(text)
		require.ErrorContains(t, err, "--at")
	}
}
