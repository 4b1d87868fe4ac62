package demo

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/cmd/internal/operator"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listener takes the story and calls back once it says something.
type listener struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	says string
	then func()
}

// Write is io.Writer.
func (l *listener) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.buf.Write(b)
	if l.then != nil && strings.Contains(l.buf.String(), l.says) {
		l.then()
		l.then = nil
	}
	return n, err
}

func play(t *testing.T, plant string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out listener
	err := Run(ctx, Options{Plant: plant, Rate: 600, Out: &out, Logger: zerolog.Nop()})
	return out.buf.String(), err
}

// TestDemo: the story ends well, and tells every crossing, to the last event.
func TestDemo(t *testing.T) {
	out, err := play(t, "")
	require.NoError(t, err, out)
	for _, says := range []string{"readers staged→committed", "after a pause of", "migration completing→finished", "as live", "nothing found"} {
		require.Contains(t, out, says)
	}
	require.NotContains(t, out, "cannot be told")
}

// TestDemoPlant: a cheat of the workload is found and named, and nothing else.
func TestDemoPlant(t *testing.T) {
	out, err := play(t, "reprocess")
	require.ErrorIs(t, err, ErrFound, out)
	require.Contains(t, out, "FAULT reprocessed in group billing: 1")
	require.Equal(t, 1, strings.Count(out, "FAULT "), out)
}

// TestDemoInterrupted: whoever ends the demo in the middle of it waits for
// everything to end in order, and nothing is left.
func TestDemoInterrupted(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &listener{says: "── moving the producers", then: cancel}
	err := Run(ctx, Options{Rate: 600, Out: out, Logger: zerolog.Nop()})
	require.ErrorIs(t, err, context.Canceled, out.buf.String())
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestOptions: what is refused is named with what would be taken.
func TestOptions(t *testing.T) {
	for says, o := range map[string]Options{
		`--plant "weeds": use loss, duplicate, reorder or reprocess`: {Plant: "weeds", Rate: 1},
		"--rate 0: use 1 to 100000":                                  {},
		"--rate -5: use":                                             {Rate: -5},
		"--rate NaN: use":                                            {Rate: math.NaN()},
		"--rate 1e+06: use":                                          {Rate: 1e6},
	} {
		err := Run(t.Context(), o)
		require.ErrorIs(t, err, ErrOptions)
		require.ErrorContains(t, err, says)
	}
	require.NoError(t, Options{Rate: 1}.Validate())
}

// TestMarks: the interval of a crossing begins with the first request and ends
// with the last event of the group; what was refused is not told.
func TestMarks(t *testing.T) {
	var out bytes.Buffer
	journal, err := workload.OpenJournal(filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, err)
	defer journal.Close()
	d := &demo{Options: Options{Out: &out}, start: time.Now(), journal: journal}
	tell := func(kind events.Type, verdict fsm.Verdict, moves ...string) {
		d.tellNote(projector.Note{Note: fsm.Note{Stream: "group/billing", Type: kind, Verdict: verdict, Moves: moves}})
	}
	tell("GroupPlanned", fsm.Accepted, "readers none→on_source")
	tell("SwitchRequested", fsm.Refused)
	require.Empty(t, d.pauses)
	require.Empty(t, out.String())
	tell("SwitchRequested", fsm.Accepted, "readers on_source→preparing")
	require.Len(t, d.pauses, 1)
	from := d.pauses[0].From
	tell("HoldOrdered", fsm.Accepted, "readers preparing→holding")
	tell("SwitchCompleted", fsm.Accepted, "readers committed→on_target")
	require.Len(t, d.pauses, 1)
	require.Equal(t, from, d.pauses[0].From)
	require.Greater(t, d.pauses[0].To, from)
	require.Equal(t, 3, strings.Count(out.String(), "\n"))
	tell("SwitchRequested", fsm.Accepted, "readers on_source→preparing")
	require.Len(t, d.pauses, 1)
	require.Greater(t, d.pauses[0].From, from, "what counts is the attempt that led to the decision")
}

// TestInsist: a switch that was aborted is asked for again, once an attempt.
func TestInsist(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Topics: []embedded.Topic{{Name: "orders", Partitions: 1}}}})
	var out bytes.Buffer
	d := &demo{Options: Options{Out: &out}, start: time.Now(), pair: embeddedPair(pair)}
	o, err := d.newDesk(t.Context())
	defer o.close()
	require.NoError(t, err)
	source, target := events.ClusterRef{Name: sourceName, ID: pair.Source.ID()}, events.ClusterRef{Name: targetName, ID: pair.Target.ID()}
	p, err := plan.Parse([]byte("migration: demo\nsource: source\ntargets: [target]\ntopics: [{name: orders}]\ngroups: [billing]\n"))
	require.NoError(t, err)
	_, err = o.Commands.Create(t.Context(), &plan.Resolved{
		Plan: p, Source: source, Targets: []events.ClusterRef{target}, Hash: "h",
		Topics: []plan.ResolvedTopic{{Name: "orders", Body: events.TopicPlanned{Source: source, TopicID: "aa", Partitions: 1, Target: target, TargetTopic: "orders", ReplicationFactor: 1}}},
		Groups: []plan.ResolvedGroup{{Name: "billing", Body: events.GroupPlanned{Source: source, Target: target, Topics: []string{"orders"}}}},
	})
	require.NoError(t, err)
	ask := func(stream events.Stream, body events.Body) {
		t.Helper()
		_, err := o.Commands.Send(t.Context(), migration, stream, body)
		require.NoError(t, err)
	}
	portage := log.NewAppender(o.clusters[targetName], log.AppenderOptions{})
	happens := func(stream events.Stream, body events.Body) {
		t.Helper()
		e, err := events.New(operator.NewID(), migration, stream, events.Actor{Kind: events.Orchestrator, Name: "o"}, time.Now().UTC(), body)
		require.NoError(t, err)
		if k, _ := events.Lookup(e.Type); k.Class == events.Decision {
			one := uint64(1)
			e.Expects = &one // the plan was the first
		}
		_, err = portage.Append(t.Context(), e)
		require.NoError(t, err)
	}
	group := func() *fsm.Group {
		t.Helper()
		v, err := o.View(t.Context())
		require.NoError(t, err)
		defer v.Close()
		require.NoError(t, d.insist(t.Context(), o, v))
		now, err := o.View(t.Context())
		require.NoError(t, err)
		defer now.Close()
		g, ok := now.Group(migration, "billing")
		require.True(t, ok)
		return g
	}
	ask(events.MigrationStream, events.StartRequested{})
	happens("topic/orders", events.CopyStarted{})
	happens("topic/orders", events.TargetCreated{TopicID: "bb", Created: true})
	happens("topic/orders", events.CopySynced{Ends: []events.PartitionOffset{{Partition: 0}}})
	happens("group/billing", events.GuardHeld{Side: events.RouteTarget, MemberID: "g"})
	require.Zero(t, group().Standing.Epoch, "nothing was asked for yet")
	ask("group/billing", events.SwitchRequested{To: events.RouteTarget})
	require.EqualValues(t, 1, group().Standing.Epoch)
	ask("group/billing", events.AbortRequested{Code: "hold-expired", Reason: "too slow"})
	g := group()
	require.EqualValues(t, 2, g.Standing.Epoch)
	require.Equal(t, events.PhasePreparing, g.Readers)
	require.EqualValues(t, 2, group().Standing.Epoch, "one that is under way is left alone")
	require.Equal(t, 1, strings.Count(out.String(), "aborted (hold-expired): asking again"))
}
