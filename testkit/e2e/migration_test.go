package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// TestMigration takes two topics with live groups and producers from one embedded cluster to the other, by the command line
// alone.
func TestMigration(t *testing.T) {
	b := embeddedBench(t)
	b.topic(source, "orders", 3, nil)
	b.topic(source, "payments", 2, nil)
	topics := []oracle.Topic{{Name: "orders"}, {Name: "payments", Target: "payments-eu"}}
	groups := []oracle.Group{{Name: "billing", Topics: []string{"orders", "payments"}}, {Name: "audit", Topics: []string{"orders"}}}
	b.fill(source, workload.ProducerConfig{Generator: workload.GeneratorConfig{Producer: "history", Topics: names(topics), Keys: 20, Headers: 2}, Count: 600, Codec: "lz4"})
	b.init()
	b.serve("")
	billing := consumers{groups: []string{"billing=orders,payments"}, latency: 3 * time.Millisecond}
	audit := consumers{groups: []string{"audit=orders"}, latency: time.Millisecond}
	b.consume("billing-0", billing)
	b.consume("billing-1", billing)
	b.consume("audit-0", audit)
	web := b.produce("web-0", producers{topics: names(topics), rate: 200, codec: "zstd"})
	b.reading("billing", "audit")

	plan := b.plan("m", []string{"orders", "payments→payments-eu"}, []string{"billing", "audit"}, "quiet: 300ms, silent: 5s")
	b.do("preflight", "-f", plan)
	b.do("create", "-f", plan)
	b.do("start", "m")
	b.approve("m", events.StepReaders)
	b.counted("m", "both groups on the target", func(c fsm.Count) bool { return c.Readers == 2 })
	b.approve("m", events.StepWriters)
	b.counted("m", "producers may move", func(c fsm.Count) bool { return c.Moved == 4 })
	web.stop()
	web = b.produce("web-0", producers{topics: names(topics), rate: 200, codec: "snappy"})
	b.counted("m", "the sources are quiet", func(c fsm.Count) bool { return c.Quiet == 2 })
	b.eventually("the producers write to the target", func() bool {
		return total(b.ends(target, "orders")) > total(b.ends(source, "orders")) && total(b.ends(target, "payments-eu")) > total(b.ends(source, "payments"))
	})
	web.stop()
	b.drained(topics, groups)
	b.do("complete", "m")
	b.phase("m", events.PhaseFinished)
	report := b.judge("m", verdict{topics: topics, groups: groups})
	for _, topic := range report.Topics {
		require.Greater(t, topic.Target, topic.Source, "producers of %s write to the target", topic.Topic)
	}
	b.replayed("m")
}
