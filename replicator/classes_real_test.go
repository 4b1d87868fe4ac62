package replicator

import (
	"maps"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/realkafka/classes"
	"github.com/stretchr/testify/require"
)

// TestRealClasses: a worker copies every class of batch from every source
// version, and the target's committed records are the source's; or the
// partition stops with a reason that names the fix. From one version with
// merging, which touches all small batches, from the other without.
func TestRealClasses(t *testing.T) {
	for _, version := range classes.Sources() {
		t.Run(version, func(t *testing.T) {
			all := realkafka.AllForTest(t,
				realkafka.Options{Name: "source", Version: version},
				realkafka.Options{Name: "target", Version: realkafka.Target, Properties: map[string]string{"group.min.session.timeout.ms": "500"}})
			e := newEnv(t, all[0].Bootstrap(realkafka.Internal), all[1].Bootstrap(realkafka.Internal))
			scenes := classes.Scenes(version)
			orders := make([]events.CopyOrder, len(scenes))
			for i, s := range scenes {
				orders[i] = e.stage(s, version)
				e.publish(orders[i])
			}
			w := e.start(func(c *Config) {
				if version == realkafka.Source {
					c.MergeBelow = 1
				}
			})
			for i, s := range scenes {
				if s.Stops == "" {
					e.copied(orders[i])
					e.same(orders[i])
					continue
				}
				e.stoppedBy(s, orders[i])
			}
			w.stop(t)
		})
	}
}

// stage makes a scene on the source and its topic on the target.
func (e *env) stage(s classes.Scene, version string) events.CopyOrder {
	e.t.Helper()
	require.NoError(e.t, s.Make(e.within(time.Minute), classes.Topic{Name: s.Name, Version: version, Bootstrap: e.sourceAddr, Client: e.source}))
	configs := map[string]string{"compression.type": "producer", "retention.ms": "-1"}
	maps.Copy(configs, s.Target)
	target := s.Name + "-copy"
	require.NoError(e.t, e.target.CreateTopic(e.within(30*time.Second), cluster.TopicSpec{Name: target, Partitions: 1, ReplicationFactor: 1, Configs: configs}))
	return events.CopyOrder{
		Run: true, Source: "source", Topic: s.Name, TopicID: topicID(e.t, e.source, s.Name), Partitions: 1,
		Target: "target", TargetTopic: target, TargetTopicID: topicID(e.t, e.target, target),
	}
}

// stoppedBy requires the copy to have stopped for the scene's reason, with all
// that stands before on the target.
func (e *env) stoppedBy(s classes.Scene, o events.CopyOrder) {
	e.t.Helper()
	got := awaitEvent(e, func(ev events.Event, _ events.CopyStopped) bool { return ev.Stream == events.TopicStream(o.Topic) })
	require.Equal(e.t, CodeRefusedBatch, got.Code, got.Reason)
	require.Contains(e.t, got.Reason, s.Stops)
	e.t.Logf("%s: %s", s.Name, got.Reason)
	want := readAll(e.t, e.source, e.sourceAddr, o.Topic, 0)
	had := readAll(e.t, e.target, e.targetAddr, o.TargetTopic, 0)
	require.LessOrEqual(e.t, int64(len(had)), got.From, "nothing of it is on the target")
	for i := range had {
		requireEqual(e.t, want[i], had[i])
	}
}
