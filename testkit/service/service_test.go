package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	eventlog "github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a pair of clusters with topics at home, the control topics on the target, and a configuration that names them.
type stage struct {
	t    *testing.T
	pair *embedded.Pair
	dir  string
}

func newStage(t *testing.T, topics ...string) *stage {
	s := &stage{t: t, dir: t.TempDir()}
	var list []embedded.Topic
	for _, name := range topics {
		list = append(list, embedded.Topic{Name: name, Partitions: 2})
	}
	s.pair = embedded.ForTest(t, embedded.Options{Source: embedded.Side{Topics: list}})
	c, err := cluster.Open(t.Context(), "target", cluster.Config{Bootstrap: s.pair.Target.Bootstrap()})
	require.NoError(t, err)
	_, err = eventlog.Init(t.Context(), c, eventlog.InitOptions{})
	require.NoError(t, err)
	require.NoError(t, c.Close())
	s.configure(map[string]any{"control": "target", "cache": "of no interest to a service", "clusters": map[string]any{
		"source": map[string]any{"bootstrap": s.pair.Source.Bootstrap()}, "target": map[string]any{"bootstrap": s.pair.Target.Bootstrap()},
	}})
	return s
}

func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) configure(what map[string]any) {
	raw, err := yaml.Marshal(what)
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(s.file("portage.yaml"), raw, 0o600))
}

// args are those that both kinds of service need, and more.
func (s *stage) args(kind, instance string, more ...string) []string {
	return append([]string{kind, "--config", s.file("portage.yaml"), "--instance", instance, "--journal", s.file(instance)}, more...)
}

// until runs a service until its journal is as wanted, and returns the journal once the service has ended.
func (s *stage) until(args []string, instance string, enough func([]workload.Entry) bool) []workload.Entry {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- run(ctx, zerolog.Nop(), args) }()
	require.Eventually(s.t, func() bool {
		entries, err := workload.ReadFiles(s.file(instance))
		return err == nil && enough(entries)
	}, 60*time.Second, 10*time.Millisecond)
	cancel()
	require.NoError(s.t, <-done)
	entries, err := workload.ReadFiles(s.file(instance))
	require.NoError(s.t, err)
	return entries
}

// place is a record as both journals know it.
type place struct {
	workload.ID
	workload.Place
}

func count(entries []workload.Entry, kind workload.Kind, group string) map[place]int {
	out := map[place]int{}
	for _, e := range entries {
		if e.Kind == kind && e.Group == group {
			out[place{e.ID, e.Place}]++
		}
	}
	return out
}

// What a producing service writes to its topics, two groups of a consuming service handle once each, and both journals agree on
// where it stands.
func TestServices(t *testing.T) {
	s := newStage(t, "orders", "clicks")
	produced := s.until(s.args("produce", "web-0", "--run", "r", "--producer", "web-0.1", "--rate", "500", "--codec", "lz4", "--keys", "5",
		"--tombstones", "7", "--topic", "orders", "--topic", "clicks", "--topic", "orders"), "web-0",
		func(all []workload.Entry) bool { return len(all) >= 60 })
	sent := count(produced, workload.KindSent, "")
	require.Len(t, sent, len(produced), "every record was acknowledged, once")

	of := map[string]int{}
	for p := range sent {
		of[p.Topic]++
	}
	require.Greater(t, of["orders"], of["clicks"], "a topic that is named twice is written more often")
	want := 2*of["orders"] + of["clicks"]
	handled := s.until(s.args("consume", "billing-0", "--label", "b", "--group", "billing=orders,clicks", "--group", "audit=orders",
		"--latency", "100us", "--jitter", "100us", "--commit", "50ms", "--session", "6s"), "billing-0",
		func(all []workload.Entry) bool {
			return len(count(all, workload.KindHandled, "billing"))+len(count(all, workload.KindHandled, "audit")) >= want
		})
	for group, topics := range map[string]string{"billing": "orders clicks", "audit": "orders"} {
		got := count(handled, workload.KindHandled, group)
		for p, times := range got {
			require.Equal(t, 1, times, "%s: %v", group, p)
			require.Equal(t, 1, sent[p], "%s: %v was not sent", group, p)
			require.Contains(t, topics, p.Topic)
		}
	}
	require.Len(t, count(handled, workload.KindHandled, "billing"), len(sent))
	require.Len(t, count(handled, workload.KindHandled, "audit"), of["orders"])
}

// A record without an answer at the end is journaled as unknown, and the service says which it was.
func TestProduceUnanswered(t *testing.T) {
	s := newStage(t, "orders")
	j, err := workload.OpenJournal(s.file("j"))
	require.NoError(t, err)
	p := produceFlags{run: "r", producer: "p", topics: list{"orders"}}
	g, err := p.generator(j)
	require.NoError(t, err)
	var out bytes.Buffer
	sender := &sender{generator: g, log: zerolog.New(&out)}
	record := g.Next(time.Now())
	sender.answered(record, agent.Ack{}, agent.ErrUnanswered)
	sender.answered(g.Next(time.Now()), agent.Ack{Cluster: "source", Topic: "orders", Offset: 7}, nil)
	require.NoError(t, j.Close())
	entries, err := workload.ReadFiles(s.file("j"))
	require.NoError(t, err)
	require.Equal(t, []workload.Kind{workload.KindUnknown, workload.KindSent}, []workload.Kind{entries[0].Kind, entries[1].Kind})
	require.EqualValues(t, 7, entries[1].Offset)
	require.Contains(t, out.String(), record.ID.String())
}

// Every wrong use ends with an error that names what is wrong, and leaves nothing running: not even the services that were made
// before the one that cannot be.
func TestWrongUse(t *testing.T) {
	s := newStage(t, "orders")
	broken := s.file("broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("clusters: ["), 0o600))
	produce := func(more ...string) []string {
		return s.args("produce", "web-0", append([]string{"--run", "r", "--producer", "p"}, more...)...)
	}
	for want, args := range map[string][]string{
		"usage: service":                        nil,
		`not "serve"`:                           {"serve"},
		"flag provided but not defined":         {"consume", "--what"},
		`"more" is no flag`:                     produce("--topic", "orders", "more"),
		"--group is required":                   s.args("consume", "a"),
		`--group "billing": want NAME=`:         s.args("consume", "a", "--group", "billing"),
		`--group "=orders": want NAME=`:         s.args("consume", "a", "--group", "=orders"),
		"--instance and --journal":              {"consume", "--group", "g=t"},
		"read the clusters":                     {"produce", "--instance", "a", "--journal", s.file("a"), "--config", s.file("none"), "--rate", "1"},
		"broken.yaml":                           s.args("consume", "a", "--group", "g=t", "--config", broken),
		"no such file or directory":             s.args("consume", "a", "--group", "g=t", "--journal", s.file("no/folder")),
		"--rate 0: want more than 0":            produce("--rate", "0"),
		"--rate 2e+06: want more than 0":        produce("--rate", "2e6"),
		"Topics is empty":                       produce(),
		`field Codec is "lzma"`:                 produce("--topic", "orders", "--codec", "lzma"),
		`field Clusters has ["source" "target`:  produce("--topic", "orders", "--home", "elsewhere"),
		"a session must last for at least":      s.args("consume", "a", "--group", "g=orders", "--session", "1s"),
		"field Topics is empty or has an empty": s.args("consume", "a", "--group", "g=orders", "--group", "h=orders,"),
		"Latency, Jitter and PlantAt":           s.args("consume", "a", "--group", "g=orders", "--latency", "-1s"),
	} {
		t.Run(strings.ReplaceAll(want, "/", " "), func(t *testing.T) {
			require.ErrorContains(t, run(t.Context(), zerolog.Nop(), args), want)
		})
	}
}

// A flag that may be repeated shows its values, and an instance is its own label unless told otherwise.
func TestFlags(t *testing.T) {
	c, err := parseConsume([]string{"--instance", "a", "--group", "g=t", "--group", "h=u,v"})
	require.NoError(t, err)
	require.Equal(t, "a", c.label)
	require.Equal(t, "g=t, h=u,v", fmt.Sprint(&c.groups))
	groups, err := parseGroups(c.groups)
	require.NoError(t, err)
	require.Equal(t, []group{{"g", []string{"t"}}, {"h", []string{"u", "v"}}}, groups)
	require.Equal(t, seed("a"), seed("a"))
	require.NotEqual(t, seed("a"), seed("b"))
}
