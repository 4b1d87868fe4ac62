package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/portage-kafka/portage/agent"
	"github.com/stretchr/testify/require"
)

// TestGrowth: a topic gets partitions, and a consumer that is alone reads them from their starts, though it begins at the end,
// without a restart and with nothing handled twice.
func TestGrowth(t *testing.T) {
	for _, start := range []agent.Start{agent.Earliest, agent.Latest} {
		t.Run(string(start), func(t *testing.T) {
			e := newEnv(t, 1)
			cfg := e.consumerConfig("a")
			cfg.Start, cfg.MetadataMaxAge = start, 50*time.Millisecond
			c := e.start(cfg)
			e.eventually(func() bool { return len(c.State().Reading) == 1 }, "nothing is read")
			e.send(5)
			e.allHandled()
			for e.parts = 2; e.parts < 4; e.parts++ {
				require.NoError(t, e.s.GrowTopic(e.ctx, testTopic, e.parts))
				e.send(5)
				e.allHandled()
			}
			e.parts--
			require.Len(t, c.State().Reading, 3)
			require.NoError(t, c.halt())
			for p, at := range e.committed(e.s, testTopic) {
				require.EqualValues(t, e.sent[p], at, "partition %d", p)
			}
		})
	}
}

// TestGrowthShared: of several instances that ask each rejoins once for a growth at most, and all have their share of what was
// added.
func TestGrowthShared(t *testing.T) { growShared(t, newEnv(t, 2)) }

// TestRealGrowthShared is TestGrowthShared on Apache Kafka.
func TestRealGrowthShared(t *testing.T) {
	e, _ := onKafka(t, 2)
	growShared(t, e)
}

func growShared(t *testing.T, e *env) {
	var all []*running
	for _, name := range []string{"a", "b"} {
		cfg := e.consumerConfig(name)
		cfg.MetadataMaxAge = 50 * time.Millisecond
		all = append(all, e.start(cfg))
	}
	shares := func(n int) func() bool {
		return func() bool { return len(all[0].State().Reading) == n && len(all[1].State().Reading) == n }
	}
	e.eventually(shares(1), "partitions are not shared")
	e.send(5)
	e.allHandled()
	for n := range int32(3) {
		e.parts = 4 + 2*n
		require.NoError(t, e.s.GrowTopic(e.ctx, testTopic, e.parts))
		e.send(5)
		e.eventually(shares(int(e.parts)/2), "added partitions are not shared")
		e.allHandled()
	}
	e.mu.Lock()
	rejoined := 0
	for _, n := range e.notices {
		if strings.HasPrefix(n.Text, "partitions were added: ") {
			rejoined++
		}
	}
	e.mu.Unlock()
	require.GreaterOrEqual(t, rejoined, 3)
	require.LessOrEqual(t, rejoined, 6)
	for _, c := range all {
		require.NoError(t, c.halt())
	}
}

// TestGrowthOnTarget: what is added after a crossing is read, too.
func TestGrowthOnTarget(t *testing.T) {
	e := newEnv(t, 1)
	o := e.orchestra()
	o.begin()
	cfg := e.consumerConfig("a")
	cfg.MetadataMaxAge = 50 * time.Millisecond
	a := e.start(cfg)
	e.eventually(func() bool { return len(a.State().Reading) == 1 }, "nothing is read")
	e.send(5)
	o.prepare(1)
	o.holdNow(1)
	o.cross()
	e.eventually(func() bool { return a.State().Reading[agent.TopicPartition{Topic: testTopic}] == "target" }, "does not cross")
	o.finish()
	require.NoError(t, e.c.GrowTopic(e.ctx, testTarget, 2))
	e.append(e.c, testTarget, 1, "0", "1", "2")
	e.parts, e.sent[1] = 2, 3
	e.allHandled()
	require.NoError(t, a.halt())
}
