package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/workload"
)

// TestRealStranger lets a tool that knows nothing of portage write commands to portage.events, and people hand in plans that
// cannot be, on Apache Kafka.
func TestRealStranger(t *testing.T) {
	b := realBench(t, realkafka.Options{}, realkafka.Options{})
	b.init()
	byHand(b)
	refusesPlans(b)
}

// kcat writes one record with librdkafka's command-line tool.
func (b *bench) kcat(topic, key, value string) {
	b.t.Helper()
	cmd := exec.Command("kcat", "-P", "-b", b.bootstrap[target][0], "-t", topic, "-K", "|")
	cmd.Stdin = strings.NewReader(key + "|" + value + "\n")
	out, err := cmd.CombinedOutput()
	require.NoError(b.t, err, "kcat is needed to write as a stranger would (apt install kcat): %s", out)
}

// command writes a command to portage.events: JSON in the envelope that package events describes, under a key of its own.
func (b *bench) command(id, migration, kind string, expects int, body string) {
	b.t.Helper()
	b.kcat(events.TopicEvents, fmt.Sprintf("%s/migration/%s/%s", migration, id, "by-hand"), fmt.Sprintf(
		`{"id":%q,"migration":%q,"stream":"migration","expects":%d,"type":%q,"schema":1,"at":"2026-01-31T08:30:00Z","actor":{"kind":"operator","name":"kcat"},"body":%s}`,
		id, migration, expects, kind, body))
}

// verdictOf is what `portage events --id` says became of an event.
func (b *bench) verdictOf(id string) (verdict, reason string) {
	b.t.Helper()
	var notes []fsm.Note
	b.json(&notes, "events", "--id", id)
	require.Len(b.t, notes, 1, "event %s", id)
	return string(notes[0].Verdict), notes[0].Reason
}

// byHand starts, pauses and resumes a migration with kcat, and writes what does not fit.
func byHand(b *bench) {
	t := b.t
	b.topic(source, "letters", 2, nil)
	b.fill(source, workload.ProducerConfig{Generator: workload.GeneratorConfig{Producer: "post", Topics: []string{"letters"}, Keys: 5}, Count: 100})
	b.do("create", "-f", b.plan("hand", []string{"letters"}, nil, "quiet: 1s"))
	serve := b.serve("")

	b.command("early", "hand", "ResumeRequested", 1, "{}")
	verdict, reason := b.verdictOf("early")
	require.Equal(t, "refused", verdict)
	require.Contains(t, reason, "planned", "the reason names the phase")

	b.command("start", "hand", "StartRequested", 1, "{}")
	verdict, reason = b.verdictOf("start")
	require.Equal(t, "accepted", verdict, reason)
	b.counted("hand", "its topic synced", func(c fsm.Count) bool { return c.Synced == 1 })

	b.command("late", "hand", "PauseRequested", 1, "{}")
	verdict, reason = b.verdictOf("late")
	require.Equal(t, "refused", verdict)
	require.Contains(t, reason, "expects version 1", "somebody else was first")

	b.command("pause", "hand", "PauseRequested", 2, `{"reason":"lunch"}`)
	verdict, reason = b.verdictOf("pause")
	require.Equal(t, "accepted", verdict, reason)
	b.phase("hand", events.PhasePaused)
	require.Contains(t, b.do("why", "hand"), "lunch")
	b.command("again", "hand", "PauseRequested", 3, `{"reason":"lunch"}`)
	verdict, reason = b.verdictOf("again")
	require.Equal(t, "refused", verdict)
	require.Contains(t, reason, "paused")

	b.command("typo", "hand", "ResumeRequestd", 3, "{}")
	verdict, reason = b.verdictOf("typo")
	require.NotEqual(t, "accepted", verdict)
	require.Contains(t, reason, "ResumeRequestd")
	b.kcat(events.TopicEvents, "hand/migration/other-id/x", `{"id":"mismatch","migration":"hand","stream":"migration"}`)
	b.kcat(events.TopicEvents, "note", "please resume")
	var odd []json.RawMessage
	b.json(&odd, "events", "--odd")
	require.Len(t, odd, 2, "foreign records are listed")

	b.command("resume", "hand", "ResumeRequested", 3, "{}")
	verdict, reason = b.verdictOf("resume")
	require.Equal(t, "accepted", verdict, reason)
	b.phase("hand", events.PhaseRunning)
	b.replayed("hand")
	serve.stop()
}
