package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/realkafka"
)

// TestRealPreflight: between Apache Kafka of every pinned release and the newest
// nothing is found where nothing is wrong, and what is planted is, by its number.
func TestRealPreflight(t *testing.T) {
	for _, version := range realkafka.Pinned() {
		t.Run(version, func(t *testing.T) {
			all := realkafka.AllForTest(t, realkafka.Options{Name: "old", Version: version}, realkafka.Options{Name: "new", Version: realkafka.Target})
			source, target := all[0].Bootstrap(realkafka.Internal), all[1].Bootstrap(realkafka.Internal)
			s := Subject{Source: dial(t, "old", source), Control: dial(t, "new", target), Groups: []string{"billing"}, ControlTopics: []string{control}}
			create(t, s.Control, control, 1, map[string]string{"cleanup.policy": "compact"})
			for name, c := range planted() {
				t.Run(name, func(t *testing.T) {
					topic := "orders-" + strings.ReplaceAll(name, " ", "-")
					create(t, s.Source, topic, 2, nil)
					s.Pairs = []Pair{{Topic: topic, Target: s.Control, TargetTopic: topic, ReplicationFactor: 1}}
					old := producer(t, source)
					require.NoError(t, old.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr())
					if c.plant != nil {
						c.plant(t, s, old, target)
					}
					r, err := Run(t.Context(), s)
					require.NoError(t, err)
					found := map[int]Finding{}
					for _, f := range r.Findings {
						if f.Severity != Pass {
							found[f.Check] = f
						}
					}
					require.Len(t, found, map[bool]int{true: 1}[c.check != 0], "%+v", found)
					require.Equal(t, c.severity, found[c.check].Severity)
					require.Contains(t, found[c.check].Evidence, c.evidence)
				})
			}
		})
	}
}

type planting struct {
	plant    func(t *testing.T, s Subject, old *kgo.Client, target []string)
	check    int
	severity Severity
	evidence string
}

// planted are hazards that only real brokers have as they are in the field.
func planted() map[string]planting {
	there := func(configs map[string]string) func(*testing.T, Subject, *kgo.Client, []string) {
		return func(t *testing.T, s Subject, _ *kgo.Client, _ []string) {
			create(t, s.Control, s.Pairs[0].TargetTopic, 2, configs)
		}
	}
	return map[string]planting{
		"nothing":        {},
		"an empty topic": {plant: there(nil)},
		"a small limit":  {plant: there(map[string]string{"max.message.bytes": "1000"}), check: 4, severity: Failure, evidence: "would be 1000 on new"},
		"compacted":      {plant: there(map[string]string{"cleanup.policy": "compact"}), check: 9, severity: Failure, evidence: "cleanup.policy=compact"},
		"in sync":        {plant: there(map[string]string{"min.insync.replicas": "2"}), check: 11, severity: Failure, evidence: "would be 2"},
		"with records": {
			plant: func(t *testing.T, s Subject, _ *kgo.Client, target []string) {
				create(t, s.Control, s.Pairs[0].TargetTopic, 2, nil)
				require.NoError(t, producer(t, target).ProduceSync(t.Context(), &kgo.Record{Topic: s.Pairs[0].TargetTopic, Value: []byte("v")}).FirstErr())
			}, check: 15, severity: Failure, evidence: "is not empty (end 1)",
		},
		"other partitions": {
			plant: func(t *testing.T, s Subject, _ *kgo.Client, _ []string) {
				create(t, s.Control, s.Pairs[0].TargetTopic, 3, nil)
			}, check: 29, severity: Failure, evidence: "2 partitions on old, 3 on new",
		},
		"beyond the end": {
			plant: func(t *testing.T, s Subject, old *kgo.Client, _ []string) {
				var at kadm.Offsets
				at.Add(kadm.Offset{Topic: s.Pairs[0].Topic, Partition: 0, At: 7, LeaderEpoch: -1})
				done, err := kadm.NewClient(old).CommitOffsets(t.Context(), "billing", at)
				require.NoError(t, err)
				require.NoError(t, done.Error())
			}, check: 24, severity: Failure, evidence: "has committed 7, the partition ends at 1",
		},
		"a transaction": {
			plant: func(t *testing.T, s Subject, old *kgo.Client, _ []string) {
				k, err := kgo.NewClient(append(old.Opts(), kgo.TransactionalID("open "+s.Pairs[0].Topic))...)
				require.NoError(t, err)
				t.Cleanup(k.Close)
				require.NoError(t, k.BeginTransaction())
				require.NoError(t, k.ProduceSync(t.Context(), &kgo.Record{Topic: s.Pairs[0].Topic, Value: []byte("v")}).FirstErr())
			}, check: 13, severity: Warning, evidence: "holds back 1 offsets (last stable 1, high watermark 2)",
		},
	}
}

func dial(t *testing.T, name string, bootstrap []string) *cluster.Client {
	c, err := cluster.Open(t.Context(), name, cluster.Config{Bootstrap: bootstrap})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func create(t *testing.T, c *cluster.Client, name string, partitions int32, configs map[string]string) {
	t.Helper()
	require.NoError(t, c.CreateTopic(t.Context(), cluster.TopicSpec{Name: name, Partitions: partitions, ReplicationFactor: 1, Configs: configs}))
}

// producer writes to partition 0.
func producer(t *testing.T, bootstrap []string) *kgo.Client {
	k, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}
