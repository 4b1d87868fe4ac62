package service_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// TestTopicsOnly takes topics without groups from the plan to the end: created,
// copied while they are written to, writers moved, compared, finished.
func TestTopicsOnly(t *testing.T) {
	b := newBench(t)
	names := []string{"orders", "payments"}
	for _, name := range names {
		require.NoError(t, b.pair.Source.CreateTopic(embedded.Topic{Name: name, Partitions: 3, Configs: map[string]string{"retention.ms": "3600000"}}))
	}
	entries := t.TempDir() + "/journal"
	journal, err := workload.OpenJournal(entries)
	require.NoError(t, err)
	source := workload.ClusterConfig{Name: "source", Bootstrap: b.pair.Source.Bootstrap()}
	producer, err := workload.NewProducer(workload.ProducerConfig{
		Generator: workload.GeneratorConfig{Run: "r", Producer: "p", Topics: names, Keys: 20, Headers: 2, Journal: journal},
		Cluster:   source, Rate: 2000, Count: 6000, Codec: "lz4",
	})
	require.NoError(t, err)
	defer producer.Close()
	sent := make(chan error, 1)
	go func() { sent <- producer.Run(t.Context()) }()

	stop := b.serve()
	defer stop()
	b.create("migration: m\nsource: source\ntargets: [target]\ntopics: [{name: orders}, {name: payments, target_name: payments-eu}]\n" +
		"steps: [{do: copy, approve: auto}, {do: readers, approve: auto}, {do: writers, approve: manual}, {do: finish, approve: manual}]\n" +
		"policy: {quiet: 300ms, silent: 1s}\n")
	b.until("all synced", func(m *fsm.Migration) bool { return m.Count.Synced == 2 })
	require.NoError(t, <-sent)
	b.send(events.MigrationStream, events.Approved{Step: 2})
	b.until("the source is quiet", func(m *fsm.Migration) bool { return m.Count.Quiet == 2 })
	b.send(events.MigrationStream, events.Approved{Step: 3})
	b.until("the end", func(m *fsm.Migration) bool { return m.Phase == events.PhaseFinished })

	require.NoError(t, journal.Close())
	all, err := workload.ReadFiles(entries)
	require.NoError(t, err)
	report, err := oracle.Judge(t.Context(), oracle.Config{
		Run: "r", Source: source, Target: workload.ClusterConfig{Name: "target", Bootstrap: b.pair.Target.Bootstrap()},
		Topics: []oracle.Topic{{Name: "orders"}, {Name: "payments", Target: "payments-eu"}}, Entries: all,
	})
	require.NoError(t, err)
	require.True(t, report.OK(), report.Table())

	configs, err := b.clusters["target"].TopicConfigs(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, "3600000", configs["retention.ms"].Value)
	replayed, err := projector.Replay(t.Context(), service.LogOf(b.clusters["target"]), "m")
	require.NoError(t, err)
	v, err := b.desk.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	live, _ := v.Digests("m")
	require.Equal(t, live, replayed.Digests[0])

	_, err = b.desk.Commands.Send(t.Context(), "m", events.MigrationStream, events.CancelRequested{})
	var refused *commands.Refused
	require.True(t, errors.As(err, &refused), "%v", err)
}

// TestServeRefuses: what keeps an orchestrator from starting is named.
func TestServeRefuses(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{Seed: 1})
	empty, err := cluster.Open(t.Context(), "target", cluster.Config{Bootstrap: pair.Target.Bootstrap()})
	require.NoError(t, err)
	defer empty.Close()
	require.ErrorContains(t, service.Serve(t.Context(), service.Options{Control: empty}), "run portage init")

	b := newBench(t)
	o := b.options("here", noWorker, func(o *service.Options) { o.Dir = t.TempDir() })
	other, err := projector.Open(projector.Options{Dir: o.Dir})
	require.NoError(t, err)
	require.ErrorIs(t, service.Serve(t.Context(), o), projector.ErrLocked)
	require.NoError(t, other.Close())
	o.Host = ""
	require.ErrorContains(t, service.Serve(t.Context(), o), "named orchestrator")
	o.Host, o.Listen = "here", "nowhere:port"
	require.ErrorContains(t, service.Serve(t.Context(), o), "listen for metrics and health")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, service.Serve(ended, o), "an end that was asked for")
	require.NoError(t, service.Work(ended, o))
}

// TestWorkerFails: a worker that cannot run keeps nothing else from going on; it
// begins anew again and again, and ends when it is told to.
func TestWorkerFails(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	var failed atomic.Int32
	stop := b.serveAs("here", func(o *service.Options) {
		o.Incarnation = "" // refused
		o.Logger = o.Logger.Hook(zerolog.HookFunc(func(_ *zerolog.Event, _ zerolog.Level, message string) {
			if message == "the worker has failed and begins anew" {
				failed.Add(1)
			}
		}))
	})
	b.create(manual("topics: [{name: orders}]\n"))
	b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
	require.Eventually(t, func() bool { return failed.Load() >= 2 }, patience, 10*time.Millisecond)
	stop()
}

// TestHealth: an orchestrator is ready while it can fold, a worker once the
// workers' group has told it what to copy; both count what they do.
func TestHealth(t *testing.T) {
	b := newBench(t)
	address := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		return l.Addr().String()
	}
	get := func(address, path string) (int, string) {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			return 0, ""
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	serving, working := address(), address()
	b.serveAs("here", noWorker, func(o *service.Options) { o.Listen = serving })
	b.workAs(func(o *service.Options) { o.Listen = working })
	for _, a := range []string{serving, working} {
		require.Eventually(t, func() bool { code, _ := get(a, "/readyz"); return code == http.StatusOK }, patience, 10*time.Millisecond)
		code, body := get(a, "/metrics")
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, body, "portage_")
	}
	ready := func(code int) func() bool {
		return func() bool { got, _ := get(serving, "/readyz"); return got == code }
	}
	b.pair.Target.Cut()
	require.Eventually(t, ready(http.StatusServiceUnavailable), patience, 10*time.Millisecond, "the log cannot be read")
	b.pair.Target.Heal()
	require.Eventually(t, ready(http.StatusOK), patience, 10*time.Millisecond)
}

// TestCrashPoint: the process is ended at the first append of the kind, before
// or after it, and at no other.
func TestCrashPoint(t *testing.T) {
	var killed []string
	for _, point := range []string{"before:CutTaken", "after:CutTaken", "", "CutTaken"} {
		before, after := service.CrashPoint(point, func() { killed = append(killed, point) })
		for _, kind := range []events.Type{"DrainProven", "CutTaken", "CutTaken"} {
			before(events.Event{Type: kind})
			count := len(killed)
			after(events.Event{Type: kind})
			require.Equal(t, point == "after:CutTaken" && kind == "CutTaken" && count == 1, len(killed) > count)
		}
	}
	require.Equal(t, []string{"before:CutTaken", "after:CutTaken"}, killed)
}
