package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// values are the records of a target partition.
func (b *bench) values(topic string, partition int32) (list []string) {
	b.t.Helper()
	for at := int64(0); ; {
		page, err := b.target().Read(b.t.Context(), topic, partition, at, cluster.ReadOptions{Committed: true, MaxBytes: 1 << 20})
		require.NoError(b.t, err)
		for _, r := range page.Records {
			list = append(list, string(r.Value))
		}
		if page.Next <= at {
			return list
		}
		at = page.Next
	}
}

// holds waits until a target partition holds exactly these records.
func (b *bench) holds(topic string, partition int32, want []string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return len(b.values(topic, partition)) >= len(want) }, patience, 10*time.Millisecond)
	require.Equal(b.t, want, b.values(topic, partition))
}

// TestRecopy: a copy that somebody else has written to stops; copied anew it is
// exact, and what was published about the former copy is not taken for its.
func TestRecopy(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	b.write(b.source(), "orders", 0, numbered(0, 30)...)
	b.serve()
	b.create(manual("topics: [{name: orders}]\n"))
	b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
	b.write(b.target(), "orders", 0, "a stranger's")
	b.write(b.source(), "orders", 0, numbered(30, 35)...)
	stopped := b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseStopped })
	require.Equal(t, "foreign-writer", stopped.Stop.Code)

	for i := range int32(2) { // and from a copy that nothing is wrong with
		b.send(events.TopicStream("orders"), events.RecopyRequested{Reason: "test"})
		row := b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced && t.Recopies == i+1 })
		require.NotEqual(t, stopped.Target.TopicID, row.Target.TopicID)
		b.holds("orders", 0, numbered(0, 35))
	}
	b.write(b.source(), "orders", 0, numbered(35, 40)...)
	b.holds("orders", 0, numbered(0, 40))
}

// TestGrowingTopic: partitions that the source gets while it is copied are
// copied, too, and a group that reads it learns of them and crosses with all.
func TestGrowingTopic(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	b.write(b.source(), "orders", 0, numbered(0, 10)...)
	stop := b.consume("billing", "one", "orders")
	defer stop()
	b.once("billing", numbered(0, 10))
	b.serve()
	b.create(manual("topics: [{name: orders}]\ngroups: [billing]\n"))
	b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
	for n := int32(2); n < 4; n++ {
		require.NoError(t, b.source().GrowTopic(t.Context(), "orders", n))
		b.write(b.source(), "orders", n-1, numbered(int(n)*10, int(n)*10+10)...)
		b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced && t.Plan.Partitions == n })
		b.holds("orders", n-1, numbered(int(n)*10, int(n)*10+10))
	}
	b.once("billing", numbered(20, 40))
	b.send(events.MigrationStream, events.Approved{Step: 1})
	b.group("billing", func(g *fsm.Group) bool { return g.Readers == events.PhaseOnTarget })
	b.write(b.source(), "orders", 2, numbered(40, 45)...)
	b.once("billing", numbered(0, 10))
	b.once("billing", numbered(20, 45))
}

// TestAcceptedLoss: records that cannot be copied stop their partition; given
// up, the rest goes on, and the comparison of both sides knows of them.
func TestAcceptedLoss(t *testing.T) {
	b := newBench(t)
	b.topics(b.pair.Source, 1, "orders")
	b.write(b.source(), "orders", 0, numbered(0, 10)...)
	b.write(b.source(), "orders", 0, string(make([]byte, 900_000)))
	b.write(b.source(), "orders", 0, numbered(11, 20)...)
	require.NoError(t, b.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 1, Configs: map[string]string{"max.message.bytes": "1000"}}))
	b.serve()
	b.create(manual("topics: [{name: orders}]\n"))
	stopped := b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseStopped })
	require.Equal(t, []any{"refused-batch", int64(10), int64(11)}, []any{stopped.Stop.Code, stopped.Stop.From, stopped.Stop.To}, stopped.Stop.Reason)
	b.send(events.TopicStream("orders"), events.LossAccepted{Lost: events.Interval{From: 10, To: 11}, Reason: "test"})
	b.topic("orders", func(t *fsm.Topic) bool { return t.Copy == events.PhaseSynced })
	b.holds("orders", 0, append(numbered(0, 10), numbered(11, 20)...))

	b.send(events.TopicStream("orders"), events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
	b.until("the source is quiet", func(m *fsm.Migration) bool { return m.Count.Quiet == 1 })
	b.send(events.MigrationStream, events.CompleteRequested{})
	b.until("the end", func(m *fsm.Migration) bool { return m.Phase == events.PhaseFinished })
}
