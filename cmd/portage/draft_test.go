package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestPlanForm: what the help shows is a plan, and the one of the package's
// documentation.
func TestPlanForm(t *testing.T) {
	shown, err := plan.Parse([]byte(planForm))
	require.NoError(t, err)
	source, err := os.ReadFile("../../commands/plan/doc.go")
	require.NoError(t, err)
	var documented strings.Builder
	for line := range strings.Lines(string(source)) {
		if rest, ok := strings.CutPrefix(line, "//\t"); ok {
			documented.WriteString(rest)
		}
	}
	other, err := plan.Parse([]byte(documented.String()))
	require.NoError(t, err)
	one, err := shown.Marshal()
	require.NoError(t, err)
	two, err := other.Marshal()
	require.NoError(t, err)
	require.Equal(t, string(two), string(one))
	d := newDesk(t)
	require.Contains(t, d.ok("plan", "--help"), planForm)
}

// TestDraft: a draft goes to standard output or to a file that is not there yet,
// and says what is in it.
func TestDraft(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1}, embedded.Topic{Name: "clicks", Partitions: 1})
	d.group("billing", "orders")
	file := filepath.Join(d.dir, "plan.yaml")
	require.Contains(t, d.ok("plan", "m", "--source", "old", "--target", "new"), "migration: m\n")
	require.Contains(t, d.ok("plan", "m", "--source", "old", "--target", "new", "-f", file), "2 topics, 1 groups (billing). Review it, then: portage preflight -f "+file)
	require.Contains(t, d.ok("plan", "m", "--source", "old", "--target", "new", "--topic", "clicks", "-f", filepath.Join(d.dir, "clicks.yaml")), "1 topics, no consumer group reads them")
	require.Contains(t, d.ok("plan", "m", "--source", "old", "--target", "new", "-f", filepath.Join(d.dir, "json.yaml"), "-o", "json"), `"groups": 1`)
	_, err := plan.Parse([]byte(d.read(file)))
	require.NoError(t, err)
}

func (d *desk) read(file string) string {
	raw, err := os.ReadFile(file)
	require.NoError(d.t, err)
	return string(raw)
}

// TestDraftRefused: what is mistyped is told, with what may have been meant, and
// nothing is written.
func TestDraftRefused(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	d.group("billing", "orders")
	kept := d.write("kept.yaml", "mine")
	file := filepath.Join(d.dir, "plan.yaml")
	for says, c := range map[string]struct {
		code int
		args []string
	}{
		`cluster "odl" is not in`:                         {exitUsage, []string{"--source", "odl", "--target", "new"}},
		`which has new, old: did you mean "new"?`:         {exitUsage, []string{"--source", "old", "--target", "newer"}},
		"name the clusters with --source and --target":    {exitUsage, []string{"--source", "old"}},
		`topic "order" is not on old: did you mean`:       {exitRefused, []string{"--source", "old", "--target", "new", "--topic", "order"}},
		`group "bil" has neither members nor committed`:   {exitRefused, []string{"--source", "old", "--target", "new", "--group", "bil"}},
		`targets[0]: "old" is the source: name another`:   {exitRefused, []string{"--source", "old", "--target", "old"}},
		kept + " is there and is kept: name another file": {exitFailed, []string{"--source", "old", "--target", "new", "-f", kept}},
		"no such file or directory":                       {exitFailed, []string{"--source", "old", "--target", "new", "-f", filepath.Join(d.dir, "no", "plan.yaml")}},
	} {
		args := append([]string{"plan", "m"}, c.args...)
		if !strings.Contains(strings.Join(args, " "), "-f") {
			args = append(args, "-f", file)
		}
		out, code := d.portage(args...)
		require.Equal(t, c.code, code, "%v: %s", args, out)
		require.Contains(t, out, says, "%v", args)
		require.NoFileExists(t, file)
	}
	require.Equal(t, "mine", d.read(kept))
	require.ErrorContains(t, writeNew(kept, nil), "is kept", "also one that came in between")
}
