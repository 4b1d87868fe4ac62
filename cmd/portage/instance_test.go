package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/testkit/embedded"
)

// static are the group.instance.id of the workers in their group.
func (d *desk) static() (list []string) {
	d.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(d.pair.Target.Bootstrap()...))
	require.NoError(d.t, err)
	defer c.Close()
	groups, err := kadm.NewClient(c).DescribeGroups(d.t.Context(), "portage-workers")
	require.NoError(d.t, err)
	for _, m := range groups["portage-workers"].Members {
		if m.InstanceID != nil {
			list = append(list, *m.InstanceID)
		}
	}
	return list
}

// TestInstance: a worker with a name is a static member, which keeps its place when
// it is stopped, and nobody else of that name starts meanwhile.
func TestInstance(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 2})
	d.ok("init")
	for verb, says := range map[string]string{"work": "working", "serve": "serving"} {
		name := "beside-" + verb
		p := d.run(verb, "--instance", name)
		require.Eventually(t, func() bool { return slices.Contains(d.static(), name) }, time.Minute, 10*time.Millisecond, "%s", &p.out)
		out, code := d.portage("work", "--instance", name)
		require.Equal(t, exitFailed, code)
		require.Contains(t, out, "another worker with --instance "+name+" runs here")
		require.Contains(t, out, "give each worker an instance of its own")
		require.Equal(t, exitDone, p.end(), p.out.String())
		require.Contains(t, d.static(), name, "it is expected back")
		again := d.run(verb, "--instance", name)
		require.Eventually(t, func() bool { return strings.Contains(again.out.String(), `"message":"`+says) }, time.Minute, 10*time.Millisecond, "%s", &again.out)
		require.Equal(t, exitDone, again.end(), again.out.String())
	}
}

// TestInstanceUsage: what cannot be an instance is told before anything is begun.
func TestInstanceUsage(t *testing.T) {
	d := newDesk(t)
	d.ok("init")
	for says, args := range map[string][]string{
		`--instance "../up": use letters`:                                   {"work", "--instance", "../up"},
		"--instance copy-1 is for the worker, which --no-worker leaves out": {"serve", "--no-worker", "--instance", "copy-1"},
	} {
		out, code := d.portage(args...)
		require.Equal(t, exitUsage, code, out)
		require.Contains(t, out, says)
	}
	d.write("data", "") // a file where the folder of the locks would be
	out, code := d.portage("work", "--instance", "copy-1")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "create the folder of the workers' locks")
}
