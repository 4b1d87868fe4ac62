package agent_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/stretchr/testify/require"
)

// onKafka is an env on Apache Kafka: the older pinned version is the source, the newest the target.
func onKafka(t *testing.T, parts int32) (*env, []*realkafka.Cluster) {
	all := realkafka.AllForTest(t,
		realkafka.Options{Name: "source", Version: realkafka.Source}, realkafka.Options{Name: "target", Version: realkafka.Target})
	source, target := all[0].Bootstrap(realkafka.Internal), all[1].Bootstrap(realkafka.Internal)
	for i, topic := range []string{testTopic, testTarget} {
		c, err := cluster.Open(t.Context(), all[i].Name(), cluster.Config{Bootstrap: [][]string{source, target}[i]})
		require.NoError(t, err)
		require.NoError(t, c.CreateTopic(t.Context(), cluster.TopicSpec{Name: topic, Partitions: parts, ReplicationFactor: 1}))
		require.NoError(t, c.Close())
	}
	return newEnvAt(t, parts, source, target), all
}

// TestRealSwitch is TestSwitch on Apache Kafka, with 8 instances and 64 partitions.
func TestRealSwitch(t *testing.T) {
	const instances, parts = 8, 64
	e, _ := onKafka(t, parts)
	o := e.orchestra()
	o.begin()
	var all []*running
	for i := range instances {
		all = append(all, e.start(e.consumerConfig(fmt.Sprintf("i%d", i))))
	}
	reading := func(on string) bool {
		n := 0
		for _, r := range all {
			for _, at := range r.State().Reading {
				if at == on {
					n++
				}
			}
		}
		return n == parts
	}
	e.eventually(func() bool { return reading("source") }, "partitions are not shared")
	e.send(5)
	o.prepare(instances)
	e.send(5)
	o.holdNow(instances)
	e.send(2)
	o.cross()
	e.eventually(func() bool { return reading("target") }, "the target is not read")
	e.allHandled()
	o.finish()
	e.eventually(func() bool {
		return !slices.ContainsFunc(all, func(r *running) bool { return r.State().SourceMember != "" })
	}, "the source is not left")
	e.send(1)
	e.copy()
	e.allHandled()
	o.report(t, instances)
	for _, r := range all {
		require.NoError(t, r.halt())
	}
}

// report prints how long the instances were paused, and what of it was theirs.
func (o *orchestra) report(t *testing.T, instances int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var pauses, drain, stage, resume []time.Duration
	obeyed := map[string]time.Time{}
	for _, n := range o.notices {
		switch n.Kind {
		case agent.NoticeObeyed:
			obeyed[n.instance+" "+strings.Fields(n.Text)[1]] = n.at
		case agent.NoticeResumed:
			pauses = append(pauses, n.Pause)
			resume = append(resume, n.at.Sub(obeyed[n.instance+" target,"]))
		}
	}
	for _, r := range o.log() {
		instance, _, _ := strings.Cut(r.Event.Actor.Name, "-")
		switch r.Event.Type {
		case "Drained":
			drain = append(drain, r.Event.At.Sub(obeyed[instance+" hold,"]))
		case "Staged":
			stage = append(stage, r.Event.At.Sub(obeyed[instance+" stage,"]))
		}
	}
	require.Len(t, pauses, instances)
	for name, list := range map[string][]time.Duration{"paused, with a test as orchestrator": pauses, "hold to Drained": drain, "stage to Staged": stage, "target to open": resume} {
		slices.Sort(list)
		t.Logf("%s: median %v, longest %v", name, list[len(list)/2].Round(time.Millisecond/10), list[len(list)-1].Round(time.Millisecond/10))
	}
}

// TestRealRestart: the source is killed and comes back while an instance consumes and while it is held.
func TestRealRestart(t *testing.T) {
	e, brokers := onKafka(t, 2)
	o := e.orchestra()
	o.hold = 30 * time.Second
	o.begin()
	a := e.start(e.consumerConfig("a"))
	e.send(5)
	e.allHandled()
	e.eventually(func() bool { at := e.committed(e.s, testTopic); return at[0] == 5 && at[1] == 5 }, "what was handled is not committed")
	require.NoError(t, brokers[0].Kill(1, os.Kill))
	require.NoError(t, brokers[0].Restart(e.ctx, 1))
	e.send(5)
	e.allHandled()
	o.prepare(1)
	o.holdNow(1)
	require.NoError(t, brokers[1].Kill(1, os.Kill))
	require.NoError(t, brokers[1].Restart(e.ctx, 1))
	e.send(5)
	o.cross()
	e.allHandled()
	require.Equal(t, events.OrderTarget, a.State().Order)
	require.NoError(t, a.halt())
}
