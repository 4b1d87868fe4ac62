package plan_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
)

const least = "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: orders}]\n"

func TestParseFillsInDefaults(t *testing.T) {
	p, err := plan.Parse([]byte(least))
	require.NoError(t, err)
	require.Equal(t, plan.ConsumersFirst, p.Strategy)
	require.Equal(t, plan.DefaultSteps(), p.Steps)
	require.Equal(t, []plan.Topic{{Name: "orders", Target: "new", TargetName: "orders"}}, p.Topics)
	require.Equal(t, plan.Policy{
		Prepare: time.Minute, Hold: 5 * time.Second, Straggler: events.StragglerAbort, MaxLag: 10000, Quiet: 10 * time.Second, Silent: 2 * time.Minute,
	}, p.Policy)
}

func TestSilentIsAtLeastQuiet(t *testing.T) {
	p, err := plan.Parse([]byte(least + "policy: {quiet: 5m}\n"))
	require.NoError(t, err)
	require.Equal(t, 5*time.Minute, p.Policy.Silent)
}

// TestDocumentedPlan parses the example of the package's documentation.
func TestDocumentedPlan(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	var example strings.Builder
	for line := range strings.SplitSeq(string(doc), "\n") {
		if rest, ok := strings.CutPrefix(line, "//\t"); ok {
			example.WriteString(rest + "\n")
		}
	}
	p, err := plan.Parse([]byte(example.String()))
	require.NoError(t, err)
	require.Equal(t, "orders-eu", p.Migration)
	require.Equal(t, []string{"billing", "shipping"}, p.Groups)
	require.Equal(t, plan.Topic{Name: "payments", Target: "new", TargetName: "payments-v2", ReplicationFactor: 3}, p.Topics[1])
	steps, policy := p.Steps, p.Policy
	p, err = plan.Parse([]byte(least))
	require.NoError(t, err)
	require.Equal(t, p.Steps, steps, "the documented steps are the default")
	require.Equal(t, p.Policy, policy, "the documented policy is the default")
}

// TestProblems: each problem with its line, its value and its fix.
func TestProblems(t *testing.T) {
	form := "see `portage plan --help` for the form of a plan"
	name := "use letters, digits, '.', '_' and '-', at most 100, not beginning with a dot"
	for what, c := range map[string]struct {
		file string
		want []string
	}{
		"nothing":        {"", []string{"the file is empty: write one with `portage plan`"}},
		"only a comment": {"# later\n", []string{"the file is empty: write one with `portage plan`"}},
		"null":           {"~\n", []string{"the file is empty: write one with `portage plan`"}},
		"two documents":  {least + "---\n" + least, []string{"the file has more than one document: one plan a file"}},
		"no plan":        {"- orders\n", []string{"line 1: cannot be read: write a plan: migration, source, targets, topics"}},
		"no YAML":        {"migration: m\ntopics: [\n", []string{"line 2: did not find expected node content: " + form}},
		"a tab":          {"migration: m\n\tsource: old\n", []string{"line 2: found a tab character that violates indentation: " + form}},
		"unknown keys": {least + "topic: x\npolicy: {hodl: 5s}\n", []string{
			"line 5: topic: unknown key: remove it, or mend its spelling", "line 6: hodl: unknown key: remove it, or mend its spelling",
		}},
		"a key twice": {least + "source: new\n", []string{"line 5: source: stands here and in line 2: remove one"}},
		"wrong types": {
			"migration: m\nsource: [old]\ntargets: new\ntopics:\n  - orders\n  - name: clicks\n    replication_factor: many\npolicy:\n  hold: soon\n  max_lag: lots\n", []string{
				"line 2: source: cannot be read: write text",
				`line 3: targets: "new" cannot be read: write a list of names, such as [a, b]`,
				`line 5: topics[0]: "orders" cannot be read: write a topic: {name: orders}`,
				`line 7: topics[1].replication_factor: "many" cannot be read: write a whole number`,
				`line 9: policy.hold: "soon" cannot be read: write a duration with a unit, such as 5s`,
				`line 10: policy.max_lag: "lots" cannot be read: write a whole number`,
			},
		},
		"wrong types of lists": {"migration: m\nsteps: {do: copy}\ntopics: orders\npolicy: fast\n", []string{
			"line 2: steps: cannot be read: write a list of steps: [{do: copy, approve: auto}, ...]",
			`line 3: topics: "orders" cannot be read: write a list of topics: [{name: orders}]`,
			`line 4: policy: "fast" cannot be read: write a policy: {hold: 5s, ...}`,
		}},
		"everything missing": {"owner: me\n", []string{
			`migration: "" is no name for a migration: ` + name, "source: missing: name the cluster that the topics leave",
			"targets: missing: name the clusters that the topics reach", "topics: missing: list the topics to move",
		}},
		"names": {"migration: orders eu\nsource: .old\ntargets: [new, new, 'n w']\nstrategy: fast\ntopics: [{name: orders, target: new}]\n", []string{
			`line 1: migration: "orders eu" is no name for a migration: ` + name,
			`line 2: source: ".old" is no name for a cluster: ` + name,
			`line 3: targets[1]: "new" is listed twice: remove one`,
			`line 3: targets[2]: "n w" is no name for a cluster: ` + name,
			`line 4: strategy: "fast" is unknown: use consumers-first`,
		}},
		"the source as target": {"migration: m\nsource: old\ntargets: [new, old]\ntopics: [{name: orders, target: old}]\n", []string{
			`line 3: targets[1]: "old" is the source: name another cluster`,
		}},
		"topics": {
			`migration: m
source: old
targets: [new, far]
topics:
  - name: orders
  - target: new
  - name: orders
    target: near
  - name: clicks
    target: new
    target_name: users
  - {name: users, target: new, replication_factor: -1}
  - {name: a b, target: new}
  - name: portage.events
    target: new
  - {name: __consumer_offsets, target: new}
  - {name: logs, target: new, target_name: portage.logs}
`, []string{
				"line 5: topics[0].target: missing: the plan has several targets: name one of new, far",
				"line 6: topics[1].name: missing: name the topic",
				`line 7: topics[2].name: topic "orders" is listed twice: remove one`,
				`line 8: topics[2].target: "near" is not among the targets: name one of new, far`,
				"line 12: topics[4].replication_factor: -1 is no replication factor: use 1 or more, or leave it out",
				`line 12: topics[4].target_name: topic "clicks" goes to new/users as well: give one of them another target_name`,
				`line 13: topics[5].name: "a b" is no name of a topic: use letters, digits, '.', '_' and '-', at most 249`,
				`line 14: topics[6].name: topic "portage.events" is internal: leave it out`,
				`line 16: topics[7].name: topic "__consumer_offsets" is internal: leave it out`,
				`line 17: topics[8].target_name: "portage.logs" is no name for a topic of yours: use letters, digits, '.', '_' and '-', at most 249, none of Kafka's or portage's own`,
			},
		},
		"groups": {least + "groups: [billing, '', billing, " + strings.Repeat("g", 1001) + "]\n", []string{
			"line 5: groups[1]: empty: name the consumer group", `line 5: groups[2]: group "billing" is listed twice: remove one`,
			"line 5: groups[3]: the name has 1001 bytes: portage moves groups with names of at most 1000",
		}},
		"too few steps": {least + "steps: [{do: copy, approve: auto}]\n", []string{
			"line 5: steps: 1 steps, consumers-first has 4: list copy, readers, writers and finish, or leave steps out",
		}},
		"steps": {least + "steps:\n- {do: copy, approve: auto}\n- {do: writers, approve: manual}\n- {do: readers, approve: never}\n- {do: finish}\n", []string{
			`line 7: steps[1].do: "writers", step 2 of consumers-first is "readers": keep the order copy, readers, writers, finish`,
			`line 8: steps[2].do: "readers", step 3 of consumers-first is "writers": keep the order copy, readers, writers, finish`,
			`line 8: steps[2].approve: "never": use manual or auto`,
			`line 9: steps[3].approve: "": use manual or auto`,
		}},
		"policy": {least + "policy:\n  prepare: 10ms\n  hold: 5ns\n  straggler: kill\n  max_lag: -1\n  quiet: 1m\n  silent: 30s\n", []string{
			"line 6: policy.prepare: 10ms is too short: use 1s or more, with its unit",
			"line 7: policy.hold: 5ns is too short: use 100ms or more, with its unit",
			`line 8: policy.straggler: "kill": use abort or proceed`,
			"line 9: policy.max_lag: -1 records: use 1 or more, or leave it out for 10000",
			"line 11: policy.silent: 30s is too short: use 1m0s or more, with its unit",
		}},
	} {
		t.Run(what, func(t *testing.T) {
			p, err := plan.Parse([]byte(c.file))
			require.Nil(t, p)
			var problems plan.Problems
			require.ErrorAs(t, err, &problems)
			require.Equal(t, strings.Join(c.want, "\n"), err.Error())
		})
	}
}

func TestTooLargeFile(t *testing.T) {
	_, err := plan.Parse(make([]byte, plan.MaxSize+1))
	require.EqualError(t, err, fmt.Sprintf("the file has %d bytes, a plan has at most %d", plan.MaxSize+1, plan.MaxSize))
}

// TestMarshalRoundTrip: what is written is read as the same plan.
func TestMarshalRoundTrip(t *testing.T) {
	for file, topics := range map[string]string{
		least + "owner: me\ngroups: [billing]\npolicy: {hold: 1500ms}\n":                                                             "topics:\n  - name: orders\ngroups:\n",
		"migration: m\nsource: old\ntargets: [new, far]\ntopics: [{name: a, target: far}, {name: b, target: new, target_name: c}]\n": "topics:\n  - name: a\n    target: far\n  - name: b\n    target: new\n    target_name: c\n",
	} {
		first, err := plan.Parse([]byte(file))
		require.NoError(t, err)
		raw, err := first.Marshal()
		require.NoError(t, err)
		require.Contains(t, string(raw), topics, "what is the default is left out")
		require.Contains(t, string(raw), "straggler: abort\n", "but for the policy, which people review")
		second, err := plan.Parse(raw)
		require.NoError(t, err)
		require.Equal(t, first.Topics, second.Topics)
		require.Equal(t, first.Policy, second.Policy)
		require.Equal(t, first.Groups, second.Groups)
	}
}

// FuzzParse: whatever the bytes, a plan or problems, never a panic; what parses
// can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte(least + "policy: &p {hold: 5s}\nsteps: [*p]\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("topics: [{<<: {name: x}}]\nmigration: !!binary aGk="))
	seeds, err := filepath.Glob("testdata/*.yaml")
	require.NoError(f, err)
	for _, s := range seeds {
		raw, err := os.ReadFile(s)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := plan.Parse(raw)
		if err != nil {
			var problems plan.Problems
			require.True(t, errors.As(err, &problems), "%T: %v", err, err)
			require.NotEmpty(t, problems)
			for _, one := range problems {
				require.NotEmpty(t, one.Reason)
				require.LessOrEqual(t, one.Line, strings.Count(string(raw), "\n")+strings.Count(string(raw), "\r")+strings.Count(string(raw), "\u2028")+strings.Count(string(raw), "\u2029")+strings.Count(string(raw), "\u0085")+2)
			}
			return
		}
		written, err := p.Marshal()
		require.NoError(t, err)
		again, err := plan.Parse(written)
		require.NoError(t, err, "%s", written)
		rewritten, err := again.Marshal()
		require.NoError(t, err)
		require.Equal(t, string(written), string(rewritten))
	})
}
