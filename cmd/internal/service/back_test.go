package service_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// automatic is a plan of orders and billing of which nothing waits for a person.
func automatic(migration, source, target, topic string) string {
	return "migration: " + migration + "\nsource: " + source + "\ntargets: [" + target + "]\n" +
		"topics: [{name: orders, target_name: " + topic + "}]\ngroups: [billing]\n" +
		"steps: [{do: copy, approve: auto}, {do: readers, approve: auto}, {do: writers, approve: auto}, {do: finish, approve: auto}]\n" +
		"policy: {prepare: 2m, hold: 30s, quiet: 300ms, silent: 1s}\n"
}

// TestThereAndBack moves a group to another cluster and home again, by a second
// migration that takes over what the first one has left behind: its guard in the
// group at home.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	pair, third := embedded.ForTest(t, embedded.Options{Seed: 1}), embedded.ForTest(t, embedded.Options{Seed: 2})
	b := benchOn(t, "control", map[string][]string{"source": pair.Source.Bootstrap(), "target": pair.Target.Bootstrap(), "control": third.Target.Bootstrap()})
	b.work()
	stop := b.serve()
	leave := b.there()
	b.until("the end", isFinished)
	leave()
	stop()
	b.serve()
	b.back()
}

// there takes billing from the source to the target. Its instance is stopped by
// the function returned.
func (b *bench) there() (leave func()) {
	b.t.Helper()
	b.make(b.source(), "orders")
	b.write(b.source(), "orders", 0, numbered(0, 20)...)
	b.write(b.source(), "orders", 1, numbered(20, 40)...)
	leave = b.consume("billing", "one", "orders")
	b.once("billing", numbered(0, 40))
	b.create(automatic("m", "source", "target", "orders"))
	b.group("billing", isOnTarget)
	b.write(b.source(), "orders", 0, numbered(100, 110)...)
	b.once("billing", numbered(100, 110))
	return leave
}

// back takes billing from the target to the source again, to a topic of another
// name. Its instances live on the target by now, as people have them do.
func (b *bench) back() {
	b.t.Helper()
	b.migration = "n"
	b.consumeFrom("target", "billing", "one", "orders")
	b.write(b.target(), "orders", 1, numbered(200, 210)...)
	b.once("billing", numbered(200, 210))
	b.create(automatic("n", "target", "source", "orders-back"))
	b.until("the end", isFinished)
	b.write(b.source(), "orders-back", 1, numbered(300, 310)...)
	b.once("billing", slices.Concat(numbered(0, 40), numbered(100, 110), numbered(200, 210), numbered(300, 310)))
}

func isFinished(m *fsm.Migration) bool { return m.Phase == events.PhaseFinished }

// make makes a topic of two partitions.
func (b *bench) make(at *cluster.Client, topic string) {
	b.t.Helper()
	require.NoError(b.t, at.CreateTopic(b.t.Context(), cluster.TopicSpec{Name: topic, Partitions: 2, ReplicationFactor: 1}))
}
