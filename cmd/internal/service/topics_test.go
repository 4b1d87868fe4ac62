package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// manual is a plan whose steps after the copy wait for a person.
func manual(rest string) string {
	return "migration: m\nsource: source\ntargets: [target]\n" + rest +
		"steps: [{do: copy, approve: auto}, {do: readers, approve: manual}, {do: writers, approve: manual}, {do: finish, approve: manual}]\n"
}

// TestCancelWhileCopying deletes what portage created, and keeps what stood
// there before or what somebody else wrote to. No event follows.
func TestCancelWhileCopying(t *testing.T) {
	b := newBench(t)
	names := []string{"fresh", "standing", "written"}
	b.topics(b.pair.Source, 2, names...)
	b.topics(b.pair.Target, 2, "standing")
	for _, name := range names {
		b.write(b.source(), name, 1, numbered(0, 50)...)
	}
	gone := b.consume("billing", "one", "fresh")
	b.once("billing", numbered(0, 50))
	gone()
	stop := b.serve()
	b.create(manual("topics: [{name: fresh}, {name: standing}, {name: written}]\ngroups: [billing]\n"))
	b.until("all synced", func(m *fsm.Migration) bool { return m.Count.Synced == 3 })
	b.write(b.target(), "written", 0, "not a copy")
	b.send(events.MigrationStream, events.CancelRequested{Reason: "test"})
	b.until("cancelled", func(m *fsm.Migration) bool { return m.Phase == events.PhaseCancelled })

	require.False(t, b.exists(b.target(), "fresh"))
	require.True(t, b.exists(b.target(), "standing"))
	require.True(t, b.exists(b.target(), "written"))
	row := b.topic("written", func(t *fsm.Topic) bool { return t.Release != nil })
	require.Contains(t, row.Release.Note, "1 records that the copy did not write")
	g, err := b.target().DescribeGroup(t.Context(), "billing")
	require.NoError(t, err)
	require.Empty(t, g.Members, "the guard has left")
	b.calm()
	stop()
}

// TestCancelBeforeStart has nothing to undo.
func TestCancelBeforeStart(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	b.serve()
	b.plan(manual("topics: [{name: orders}]\n"))
	b.send(events.MigrationStream, events.CancelRequested{})
	b.until("cancelled", func(m *fsm.Migration) bool { return m.Phase == events.PhaseCancelled })
	require.False(t, b.exists(b.target(), "orders"))
}

// TestForeignTopicStays: a topic that somebody else created after the plan was
// made stops the copy by name; neither a retry nor a cancel touches it.
func TestForeignTopicStays(t *testing.T) {
	for name, c := range map[string]struct {
		partitions int32
		fill       bool
		why        string
	}{
		"other partitions": {partitions: 3, why: "3 partitions"},
		"records":          {partitions: 1, fill: true, why: "not empty"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.topics(b.pair.Source, 1, "orders", "fine")
			b.plan(manual("topics: [{name: orders}, {name: fine}]\n"))
			b.topics(b.pair.Target, c.partitions, "orders")
			if c.fill {
				b.write(b.target(), "orders", 0, "theirs")
			}
			b.serve()
			b.send(events.MigrationStream, events.StartRequested{})
			stopped := b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseStopped })
			require.Contains(t, stopped.Stop.Reason, c.why)
			b.topic("fine", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
			b.send(events.TopicStream("orders"), events.RetryRequested{})
			b.topic("orders", func(t *fsm.Topic) bool { return t.Stop != nil && t.Stop.Position > stopped.Stop.Position })
			b.send(events.MigrationStream, events.CancelRequested{})
			b.until("cancelled", func(m *fsm.Migration) bool { return m.Phase == events.PhaseCancelled })
			require.True(t, b.exists(b.target(), "orders"))
			require.False(t, b.exists(b.target(), "fine"))
		})
	}
}

// TestRetry: what kept a topic from being created is mended, a person retries,
// and the copy goes on.
func TestRetry(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	b.write(b.source(), "orders", 0, numbered(0, 20)...)
	b.plan(manual("topics: [{name: orders}]\n"))
	b.topics(b.pair.Target, 2, "orders")
	b.serve()
	b.send(events.MigrationStream, events.StartRequested{})
	b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseStopped })
	require.NoError(t, b.target().DeleteTopic(t.Context(), "orders"))
	b.send(events.TopicStream("orders"), events.RetryRequested{})
	row := b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
	require.True(t, row.Target.Created)
}

// TestRecreatedTarget: a target topic that was deleted and created again is not
// the one that was copied to. It stops the copy, and a cancel leaves it.
func TestRecreatedTarget(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	b.write(b.source(), "orders", 0, numbered(0, 20)...)
	b.serve()
	b.create(manual("topics: [{name: orders}]\n"))
	b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
	require.NoError(t, b.target().DeleteTopic(t.Context(), "orders"))
	b.topics(b.pair.Target, 1, "orders")
	b.write(b.source(), "orders", 0, numbered(20, 40)...)
	stopped := b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseStopped })
	b.send(events.TopicStream("orders"), events.RetryRequested{})
	again := b.topic("orders", func(t *fsm.Topic) bool { return t.Stop != nil && t.Stop.Position > stopped.Stop.Position })
	require.Contains(t, again.Stop.Reason, "deleted and created again")
	b.send(events.MigrationStream, events.CancelRequested{})
	b.until("cancelled", func(m *fsm.Migration) bool { return m.Phase == events.PhaseCancelled })
	require.True(t, b.exists(b.target(), "orders"))
}

// TestPause: a paused migration copies nothing, a resumed one goes on.
func TestPause(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	b.write(b.source(), "orders", 0, numbered(0, 20)...)
	b.serve()
	b.create(manual("topics: [{name: orders}]\n"))
	b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
	b.send(events.MigrationStream, events.PauseRequested{Reason: "test"})
	end := int64(20)
	for begun, rests := time.Now(), false; !rests; rests = b.rests("orders", end) { // a worker obeys when it reads
		require.Less(t, time.Since(begun), patience, "it is copied on")
		b.write(b.source(), "orders", 0, numbered(int(end), int(end)+1)...)
		end++
	}
	b.send(events.MigrationStream, events.ResumeRequested{})
	require.Eventually(t, func() bool { return b.end("orders") == end }, patience, 10*time.Millisecond)
}

// rests says that the target does not come to an end within a time in which it
// would if it were copied to.
func (b *bench) rests(topic string, end int64) bool {
	for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if b.end(topic) == end {
			return false
		}
	}
	return true
}

// writers is a plan of one topic whose writers move without approval.
func writers(policy string) string {
	return "migration: m\nsource: source\ntargets: [target]\ntopics: [{name: orders}]\n" +
		"steps: [{do: copy, approve: auto}, {do: readers, approve: auto}, {do: writers, approve: auto}, {do: finish, approve: manual}]\n" +
		"policy: {" + policy + "}\n"
}

// TestSilentProducer: a registered producer that never says good-bye is taken
// for gone once the source has stood still for the silent time. When it speaks
// again it is waited for again, and may be taken for gone once more.
func TestSilentProducer(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	b.serve()
	b.plan(writers("quiet: 200ms, silent: 600ms"))
	orders := events.TopicStream("orders")
	b.say(orders, 0, events.ProducerSeen{Incarnation: "i1", Instance: "p"})
	b.send(events.MigrationStream, events.StartRequested{})
	b.topic("orders", func(t *fsm.Topic) bool { return t.Writers == events.PhaseRolling })
	b.say(orders, 0, events.ProducerRouted{Incarnation: "i1", Route: events.RouteSource})
	b.topic("orders", func(t *fsm.Topic) bool { return len(t.Producers) == 1 && t.Producers[0].Silent })
	row := b.topic("orders", func(t *fsm.Topic) bool { return t.Retire == events.PhaseQuiet })
	require.Equal(t, events.PhaseOnTarget, row.Writers)
	b.calm()
	require.Equal(t, 1, b.counts(orders, "SwitchCommitted"))
}

// TestStrayWrite: a record that reaches a quiet source is reported and copied;
// the migration is not complete before the source is quiet again.
func TestStrayWrite(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 2, "orders")
	b.write(b.source(), "orders", 0, "first")
	b.serve()
	b.create(writers("quiet: 1500ms, silent: 2s"))
	b.topic("orders", func(t *fsm.Topic) bool { return t.Retire == events.PhaseQuiet })
	b.write(b.source(), "orders", 1, "stray", "stray too")
	b.topic("orders", func(t *fsm.Topic) bool { return t.Strays == 1 && t.Retire == events.PhaseDraining })
	_, err := b.desk.Commands.Send(t.Context(), "m", events.MigrationStream, events.CompleteRequested{})
	var refused *commands.Refused
	require.True(t, errors.As(err, &refused), "%v", err)
	require.ErrorContains(t, err, "quiet")
	row := b.topic("orders", func(t *fsm.Topic) bool { return t.Retire == events.PhaseQuiet })
	require.Equal(t, []events.PartitionOffset{{Partition: 0, Offset: 1}, {Partition: 1, Offset: 2}}, row.Ends)
	b.send(events.MigrationStream, events.Approved{Step: 3})
	b.until("the end", func(m *fsm.Migration) bool { return m.Phase == events.PhaseFinished })
	require.Equal(t, 1, b.counts(events.TopicStream("orders"), "StrayWrite"))
	b.calm()
}

// TestCheckpoints: after every thousand events the orchestrator seals the
// digests, once.
func TestCheckpoints(t *testing.T) {
	b := newBench(t)
	var topics string
	for i := range 1010 {
		topics += fmt.Sprintf("  - name: t%d\n", i)
	}
	for i := range 1010 {
		require.NoError(t, b.pair.Source.CreateTopic(embedded.Topic{Name: fmt.Sprint("t", i), Partitions: 1}))
	}
	b.serveAs("here", noWorker)
	b.plan(manual("topics:\n" + topics))
	b.view("a checkpoint", func(v *projector.View) bool {
		d, ok := v.Digests("m")
		return ok && d.Sealed > 0
	})
	b.calm()
	require.Equal(t, 1, b.counts(events.MigrationStream, "Checkpoint"))
}

// TestLateOrchestrator: one that was held up between its decision to create a
// topic and the creation, while another one saw the migration cancelled, leaves
// nothing behind.
func TestLateOrchestrator(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	held, goOn := make(chan struct{}, 100), make(chan struct{})
	b.serveAs("late", noWorker, func(o *service.Options) {
		o.Clusters = func(ctx context.Context, name string) (*cluster.Client, error) {
			held <- struct{}{}
			<-goOn
			return b.client(ctx, name)
		}
	})
	b.create(manual("topics: [{name: orders}]\n"))
	<-held
	b.serveAs("prompt")
	b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
	b.send(events.MigrationStream, events.CancelRequested{})
	b.until("cancelled", func(m *fsm.Migration) bool { return m.Phase == events.PhaseCancelled })
	require.False(t, b.exists(b.target(), "orders"))
	close(goOn)
	b.view("the late event", func(v *projector.View) bool {
		notes, err := v.History("m", events.TopicStream("orders"), -1, projector.All)
		require.NoError(t, err)
		return slices.ContainsFunc(notes, func(n projector.Note) bool { return n.Type == "TargetCreated" && n.Verdict == fsm.Ignored })
	})
	require.Eventually(t, func() bool { return !b.exists(b.target(), "orders") }, patience, 10*time.Millisecond)
}
