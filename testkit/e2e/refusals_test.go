package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/workload"
)

// badPlan is a plan file that cannot be, and what portage must say about it.
type badPlan struct {
	name, text string
	line       int
	says       []string // what is wrong, and the fix
}

// badPlans need the topics of refusesPlans.
func badPlans() []badPlan {
	head := "migration: bad\nsource: source\ntargets: [target]\n"
	return []badPlan{
		{"unknown topic", head + "topics:\n  - name: orders\n  - name: paymnets\n", 6, []string{`"paymnets" is not on source`, `did you mean "payments"`}},
		{"the source under another address", "migration: bad\nsource: source\ntargets: [mirror]\ntopics: [{name: orders}]\n", 3,
			[]string{`"mirror" is the source "source" under another name`, "name another cluster"}},
		{"no source", "migration: bad\ntargets: [target]\ntopics: [{name: orders}]\n", 0, []string{"source: missing", "name the cluster that the topics leave"}},
		{"a topic without a name", head + "topics:\n  - target: target\n", 5, []string{"topics[0].name: missing", "name the topic"}},
		{"other partitions on the target", head + "topics:\n  - name: orders\n  - name: narrow\n", 6, []string{`"narrow" has 1 partitions on target and 3 on source`, "target_name"}},
		{"records on the target", head + "topics:\n  - {name: orders, target_name: taken}\n", 5, []string{`"taken" exists on target and is not empty`, "target_name"}},
		{"unknown key", head + "topics: [{name: orders}]\npolcy: {quiet: 1s}\n", 5, []string{"polcy: unknown key", "mend its spelling"}},
		{"unknown cluster", "migration: bad\nsource: source\ntargets: [trget]\ntopics: [{name: orders}]\n", 3, []string{`"trget" is not in`, "mirror, source, target", `did you mean "target"?`}},
		{"a group that nobody knows", head + "topics: [{name: orders}]\ngroups: [billling]\n", 5, []string{`"billling" has neither members nor committed offsets`, "mend its name"}},
	}
}

// refusesPlans hands in plans that cannot be: each is refused with its line and a fix, and leaves no trace.
func refusesPlans(b *bench) {
	b.sections["mirror"] = fmt.Sprintf("{bootstrap: [%s]}", strings.ReplaceAll(b.bootstrap[source][0], "127.0.0.1", "localhost"))
	b.configure()
	for _, name := range []string{"orders", "payments", "narrow"} {
		b.topic(source, name, 3, nil)
	}
	b.topic(target, "narrow", 1, nil)
	b.topic(target, "taken", 3, nil)
	b.fill(target, workload.ProducerConfig{Generator: workload.GeneratorConfig{Producer: "others", Topics: []string{"taken"}, Keys: 3}, Count: 10})
	topics, end := b.topicsOf(target), b.logEnd()
	for _, p := range badPlans() {
		file := b.write("bad.yaml", p.text)
		says := p.says
		if p.line > 0 {
			says = append(says, fmt.Sprintf("line %d: ", p.line))
		}
		for _, verb := range []string{"preflight", "create"} {
			b.t.Logf("%s, %s", p.name, verb)
			b.refuse(refused, says, verb, "-f", file)
		}
	}
	require.Equal(b.t, topics, b.topicsOf(target), "no topic was created")
	require.Equal(b.t, end, b.logEnd(), "no event was appended")
	b.refuse(usage, []string{"no-such-file.yaml"}, "create", "-f", "no-such-file.yaml")
	b.refuse(refused, []string{`no migration "nothing"`}, "start", "nothing")
}

// logEnd is the position behind the last event.
func (b *bench) logEnd() int64 {
	b.t.Helper()
	end, err := log.End(b.t.Context(), b.state.client)
	require.NoError(b.t, err)
	return end
}

// TestRefusals hands in plans that cannot be.
func TestRefusals(t *testing.T) {
	b := embeddedBench(t)
	b.init()
	refusesPlans(b)
}
