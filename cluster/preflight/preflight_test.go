package preflight

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// control is the only control topic of these tests.
const control = "portage.events"

// scene is a migration of one topic between two embedded clusters, with which
// nothing is wrong.
type scene struct {
	t    *testing.T
	pair *embedded.Pair
	Subject
}

func newScene(t *testing.T, target map[string]string) *scene {
	pair := embedded.ForTest(t, embedded.Options{Seed: 1, Target: embedded.Side{Properties: target}})
	s := &scene{t: t, pair: pair}
	s.Source, s.Control = s.open("old", pair.Source), s.open("new", pair.Target)
	s.Pairs = []Pair{{Topic: "orders", Target: s.Control, TargetTopic: "orders", ReplicationFactor: 1}}
	s.Groups, s.ControlTopics = []string{"billing"}, []string{control}
	s.topic(pair.Source, "orders", 2, nil)
	s.topic(pair.Target, control, 1, map[string]string{"cleanup.policy": "compact"})
	return s
}

func (s *scene) open(name string, c *embedded.Cluster) *cluster.Client {
	client, err := cluster.Open(s.t.Context(), name, cluster.Config{Bootstrap: c.Bootstrap()})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, client.Close()) })
	return client
}

func (s *scene) topic(c *embedded.Cluster, name string, partitions int32, configs map[string]string) {
	require.NoError(s.t, c.CreateTopic(embedded.Topic{Name: name, Partitions: partitions, Configs: configs}))
}

// again makes the source topic anew with settings of its own.
func (s *scene) again(name string, configs map[string]string) {
	require.NoError(s.t, s.Source.DeleteTopic(s.t.Context(), name))
	s.topic(s.pair.Source, name, 2, configs)
}

// write appends one record; inside a transaction that stays open, if id is one.
func (s *scene) write(c *embedded.Cluster, topic, id string) {
	opts := []kgo.Opt{kgo.SeedBrokers(c.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if id != "" {
		opts = append(opts, kgo.TransactionalID(id))
	}
	producer, err := kgo.NewClient(opts...)
	require.NoError(s.t, err)
	s.t.Cleanup(producer.Close)
	if id != "" {
		require.NoError(s.t, producer.BeginTransaction())
	}
	require.NoError(s.t, producer.ProduceSync(s.t.Context(), &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr())
}

// writeAt appends a record of some time to the first partition of the source topic.
func (s *scene) writeAt(at time.Time) {
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.pair.Source.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(s.t, err)
	s.t.Cleanup(producer.Close)
	require.NoError(s.t, producer.ProduceSync(s.t.Context(), &kgo.Record{Topic: "orders", Value: []byte("v"), Timestamp: at}).FirstErr())
}

func (s *scene) run() Report {
	r, err := Run(s.t.Context(), s.Subject)
	require.NoError(s.t, err)
	return r
}

// finds wants exactly one finding beside what passed.
func (s *scene) finds(check int, severity Severity, subject, evidence string) {
	s.t.Helper()
	var odd []Finding
	for _, f := range s.run().Findings {
		if f.Severity != Pass {
			odd = append(odd, f)
		}
	}
	require.Len(s.t, odd, 1)
	f := odd[0]
	require.Equal(s.t, []any{check, severity, subject}, []any{f.Check, f.Severity, f.Subject}, "%+v", f)
	require.Contains(s.t, f.Evidence, evidence)
}

// TestAllPass: nothing wrong is one line a check, in the order of their numbers.
func TestAllPass(t *testing.T) {
	r := newScene(t, nil).run()
	require.Empty(t, r.Failures())
	var numbers []int
	for _, f := range r.Findings {
		require.Equal(t, Pass, f.Severity, "%+v", f)
		require.Equal(t, "old", f.Subject)
		require.Equal(t, "nothing found on 1 topics and 1 groups", f.Evidence)
		require.NotEmpty(t, f.Name)
		numbers = append(numbers, f.Check)
	}
	require.Equal(t, []int{1, 2, 4, 7, 8, 9, 11, 12, 13, 14, 15, 22, 24, 25, 29, 30, 31, 32}, numbers)
}

// TestTopics plants one hazard of a topic at a time: it is found, and nothing
// else is.
func TestTopics(t *testing.T) {
	type config = map[string]string
	for name, c := range map[string]struct {
		target            config
		plant             func(*scene)
		check             int
		severity          Severity
		subject, evidence string
	}{
		"message size": {target: config{"message.max.bytes": "1000000"},
			check: 4, severity: Failure, subject: "orders", evidence: "is 1048588 on old (a default) and would be 1000000 on new (the default of new)"},
		"append time": {plant: func(s *scene) { s.again("orders", config{"message.timestamp.type": "LogAppendTime"}) },
			check: 7, severity: Warning, subject: "orders", evidence: "append times"},
		"a setting of its own goes along": {target: config{"message.max.bytes": "1000000"}, plant: func(s *scene) { s.again("orders", config{"max.message.bytes": "2000000"}) }},
		"old records": {target: config{"log.message.timestamp.before.max.ms": "3600000"},
			check: 7, severity: Warning, subject: "orders", evidence: "message.timestamp.before.max.ms is 3600000 on new (a default): once the migration is finished, new records older than that are refused"},
		"records from the future": {target: config{"log.message.timestamp.after.max.ms": "3600000"}, plant: func(s *scene) { s.write(s.pair.Source, "orders", ""); s.writeAt(time.Now().Add(2 * time.Hour)) },
			check: 7, severity: Warning, subject: "orders", evidence: "record 1 of partition 0 is more than 1h0m0s in the future"},
		"an old message format": {plant: func(s *scene) { s.again("orders", config{"message.format.version": "0.10.2-IV0"}) },
			check: 32, severity: Failure, subject: "orders", evidence: "message.format.version is 0.10.2-IV0 on old"},
		"the message format of 0.11": {plant: func(s *scene) { s.again("orders", config{"message.format.version": "0.11.0-IV2"}) }},
		"compacted target": {plant: func(s *scene) { s.topic(s.pair.Target, "orders", 2, config{"cleanup.policy": "compact"}) },
			check: 9, severity: Failure, subject: "orders", evidence: "orders on new has cleanup.policy=compact, the source delete"},
		"open transaction": {plant: func(s *scene) { s.write(s.pair.Source, "orders", "tx") },
			check: 13, severity: Warning, subject: "orders/0", evidence: "holds back 1 offsets (last stable 0, high watermark 1)"},
		"metric names": {plant: func(s *scene) { s.Pairs[0].TargetTopic = "portage_events" },
			check: 15, severity: Failure, subject: "orders", evidence: `"portage_events" collides on new with "portage.events", which is there or planned`},
		"records there": {plant: func(s *scene) { s.topic(s.pair.Target, "orders", 2, nil); s.write(s.pair.Target, "orders", "") },
			check: 15, severity: Failure, subject: "orders", evidence: "orders/0 on new is not empty (end 1)"},
		"partitions": {plant: func(s *scene) { s.topic(s.pair.Target, "orders", 3, nil) },
			check: 29, severity: Failure, subject: "orders", evidence: "2 partitions on old, 3 on new"},
		"streams": {plant: func(s *scene) {
			s.topic(s.pair.Source, "app-x-changelog", 1, nil)
			s.Pairs[0].Topic = "app-x-changelog"
		},
			check: 25, severity: Failure, subject: "app-x-changelog", evidence: "Kafka Streams"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, c.target)
			if c.plant != nil {
				c.plant(s)
			}
			if c.check == 0 {
				require.Empty(t, s.run().Failures())
				return
			}
			s.finds(c.check, c.severity, c.subject, c.evidence)
		})
	}
}

// TestGroupsElsewhere: systems whose positions are not in the group.
func TestGroupsElsewhere(t *testing.T) {
	for group, what := range map[string]string{"connect-jdbc": "Kafka Connect", "spark-kafka-source-1": "Spark", "my-flink-job": "Flink", "billing": ""} {
		require.Equal(t, what, externalGroup(group))
	}
	s := newScene(t, nil)
	s.Groups = append(s.Groups, "connect-jdbc")
	s.finds(25, Failure, "group connect-jdbc", "Kafka Connect")
}

// TestOneClusterTwice: a target that is the source under another name is found.
func TestOneClusterTwice(t *testing.T) {
	s := newScene(t, nil)
	s.Pairs[0].Target, s.Pairs[0].TargetTopic = s.open("alias", s.pair.Source), "orders-eu"
	s.finds(30, Failure, "alias", "old and alias are the same cluster embedded-source")
}

// TestControlTopics: missing, uncompacted, and on the source.
func TestControlTopics(t *testing.T) {
	s := newScene(t, nil)
	s.ControlTopics = []string{control, "portage.offsets"}
	s.finds(31, Failure, "portage.offsets", "missing on new")

	s.topic(s.pair.Target, "portage.offsets", 1, nil)
	s.finds(31, Failure, "portage.offsets", "cleanup.policy is delete")

	s = newScene(t, nil)
	s.topic(s.pair.Source, control, 1, map[string]string{"cleanup.policy": "compact"})
	s.Control = s.Source
	s.finds(31, Failure, "old", "the control topics are on the source")
}

// TestDisk plants what the target's broker says of its disk.
func TestDisk(t *testing.T) {
	for name, c := range map[string]struct {
		free     int64
		code     int16
		severity Severity
		evidence string
	}{
		"too little":   {free: 1299, severity: Failure, evidence: "1299 bytes are free, the copy needs about 1300"},
		"untold":       {free: -1, severity: Warning, evidence: "the copy needs about 1300 bytes"},
		"broken":       {code: kerr.KafkaStorageError.Code, severity: Failure, evidence: "cannot look"},
		"not allowed":  {code: kerr.ClusterAuthorizationFailed.Code, severity: Failure, evidence: "the principal needs DESCRIBE on the cluster"},
		"just enough":  {free: 1300},
		"two replicas": {free: 1300 * 2, severity: ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			s.disk(s.pair.Source, 1000, 1<<40, 0)
			s.disk(s.pair.Target, 0, c.free, c.code)
			if name == "two replicas" {
				s.Pairs[0].ReplicationFactor = 2
			}
			if c.severity == "" {
				require.Empty(t, s.run().Failures())
				return
			}
			subject := "new"
			if c.code != 0 {
				subject = "old"
			}
			s.finds(22, c.severity, subject, c.evidence)
		})
	}
}

// disk lets a cluster tell that orders takes so many bytes and so many are free.
func (s *scene) disk(c *embedded.Cluster, size, free int64, code int16) {
	c.Kfake().ControlKey(int16(kmsg.DescribeLogDirs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.Kfake().KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
		dir := kmsg.NewDescribeLogDirsResponseDir()
		dir.UsableBytes, dir.ErrorCode = free, code
		topic, partition := kmsg.NewDescribeLogDirsResponseDirTopic(), kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		topic.Topic, partition.Size = "orders", size
		topic.Partitions = append(topic.Partitions, partition)
		dir.Topics = append(dir.Topics, topic)
		resp.Dirs = append(resp.Dirs, dir)
		return resp, nil, true
	})
}

// TestCannotLook: what was not seen is not safe, and the cause is named.
func TestCannotLook(t *testing.T) {
	s := newScene(t, nil)
	s.pair.Source.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Count: -1, Err: kerr.TopicAuthorizationFailed})
	s.finds(13, Failure, "old", "cannot look: ")

	s = newScene(t, nil)
	s.Pairs[0].Topic = "ordres"
	failed := s.run().Failures()
	require.NotEmpty(t, failed)
	for _, f := range failed {
		require.Contains(t, f.Evidence, "ordres", "%+v", f)
	}
}

// TestNoLogFolders: an old broker that may not tell answers with nothing.
func TestNoLogFolders(t *testing.T) {
	s := newScene(t, nil)
	s.pair.Target.Kfake().ControlKey(int16(kmsg.DescribeLogDirs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		return req.ResponseKind(), nil, true
	})
	s.finds(22, Failure, "old", "the broker shows no log folder")
}

// TestCancelled: the end of the context is an error, not a report.
func TestCancelled(t *testing.T) {
	s := newScene(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, s.Subject)
	require.ErrorIs(t, err, context.Canceled)
}

// TestHazard: MetadataVersion.java numbers 3.5-IV0 to IV2 9 to 11 and 3.6-IV0 to
// IV2 12 to 14.
func TestHazard(t *testing.T) {
	for level, want := range map[int16]string{8: "", 9: "3.5", 11: "3.5", 12: "3.6", 14: "3.6", 15: "", 21: ""} {
		require.Equal(t, want, releases(level), "level %d", level)
	}
	for _, c := range []struct {
		release string
		target  bool
		says    string
	}{{"3.6", true, "compressed"}, {"3.6", false, "ZooKeeper"}, {"3.5", true, "ZooKeeper"}} {
		evidence, fix := hazard(c.release, c.target)
		require.Contains(t, evidence, c.says)
		require.Contains(t, fix, "3.6.1")
	}
	evidence, _ := hazard("", true)
	require.Empty(t, evidence)
}
