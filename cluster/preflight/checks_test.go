package preflight

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestSettings plants one setting at a time on the topic or on the target.
func TestSettings(t *testing.T) {
	type config = map[string]string
	for name, c := range map[string]struct {
		target            config
		plant             func(*scene)
		check             int
		severity          Severity
		subject, evidence string
	}{
		"a bound of the topic's own": {target: config{"log.message.timestamp.before.max.ms": "3600000"},
			plant: func(s *scene) { s.again("orders", config{"message.timestamp.difference.max.ms": "1000"}) }},
		"no records from the future": {target: config{"log.message.timestamp.after.max.ms": "3600000"},
			plant: func(s *scene) { s.writeAt(time.Now().Add(30 * time.Minute)) }},
		"a bound of the topic's own that is none": {target: config{"log.message.timestamp.before.max.ms": "3600000"},
			plant: func(s *scene) {
				s.again("orders", config{"message.timestamp.before.max.ms": "9223372036854775807"})
			}},
		"more in sync than replicas": {plant: func(s *scene) { s.again("orders", config{"min.insync.replicas": "2"}) },
			check: 11, severity: Failure, subject: "orders", evidence: "1 replicas on new, min.insync.replicas would be 2 (the topic's own): no write would be acknowledged"},
		"more in sync by default": {target: config{"min.insync.replicas": "3"},
			check: 11, severity: Failure, subject: "orders", evidence: "min.insync.replicas would be 3 (the default of new)"},
		"a size of the topic that is there": {plant: func(s *scene) { s.topic(s.pair.Target, "orders", 2, config{"max.message.bytes": "1000"}) },
			check: 4, severity: Failure, subject: "orders", evidence: "is 1048588 on old (a default) and would be 1000 on new (orders there has it)"},
		"more in sync where the topic is": {plant: func(s *scene) { s.topic(s.pair.Target, "orders", 2, config{"min.insync.replicas": "2"}) },
			check: 11, severity: Failure, subject: "orders", evidence: "min.insync.replicas would be 2 (orders there has it)"},
		"defaults overridden where the topic is": {target: config{"message.max.bytes": "1000"}, plant: func(s *scene) { s.topic(s.pair.Target, "orders", 2, config{"max.message.bytes": "2000000"}) }},
		"compaction by default": {target: config{"log.cleanup.policy": "compact"},
			check: 8, severity: Failure, subject: "orders", evidence: "cleanup.policy is delete on old (a default) and would be compact on new once the migration is finished"},
		"shorter retention by default": {target: config{"log.retention.ms": "3600000"},
			check: 8, severity: Warning, subject: "orders", evidence: "retention.ms is 604800000 on old (a default) and would be 3600000 on new"},
		"longer retention by default": {target: config{"log.retention.ms": "-1", "log.retention.hours": "1"}},
		"less space by default": {target: config{"log.retention.bytes": "1000"},
			check: 8, severity: Warning, subject: "orders", evidence: "retention.bytes is -1 on old (a default) and would be 1000 on new"},
		"what is kept is the topic's own": {target: config{"log.cleanup.policy": "compact", "log.retention.ms": "1", "log.retention.bytes": "1"},
			plant: func(s *scene) {
				s.again("orders", config{"cleanup.policy": "delete", "retention.ms": "86400000", "retention.bytes": "5000"})
			}},
		"auto-creation": {target: config{"auto.create.topics.enable": "true"},
			check: 14, severity: Warning, subject: "new", evidence: "auto.create.topics.enable is true"},
		"no auto-creation": {target: config{"auto.create.topics.enable": "false"}},
		"compacted on both": {plant: func(s *scene) {
			s.again("orders", config{"cleanup.policy": "compact"})
			s.topic(s.pair.Target, "orders", 2, config{"cleanup.policy": "compact,delete"})
		}},
		"collision in the plan": {plant: func(s *scene) {
			s.topic(s.pair.Source, "a.b", 1, nil)
			s.topic(s.pair.Source, "b", 1, nil)
			s.Pairs = append(s.Pairs, Pair{Topic: "a.b", Target: s.Control, TargetTopic: "a.b"}, Pair{Topic: "b", Target: s.Control, TargetTopic: "a_b"})
		}, check: 15, severity: Failure, subject: "b", evidence: `"a_b" collides on new with "a.b", which is there or planned`},
		"an application of Streams": {plant: func(s *scene) { s.topic(s.pair.Source, "billing-totals-changelog", 1, nil) },
			check: 25, severity: Failure, subject: "group billing", evidence: "topic billing-totals-changelog shows that the group is an application of Kafka Streams"},
		"a topic of Connect": {plant: func(s *scene) {
			s.topic(s.pair.Source, "connect-offsets", 2, nil)
			s.Pairs[0].Topic = "connect-offsets"
		}, check: 25, severity: Failure, subject: "connect-offsets", evidence: "internal topic of Kafka Streams or Kafka Connect"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, c.target)
			if c.plant != nil {
				c.plant(s)
			}
			if c.check == 0 {
				for _, f := range s.run().Findings {
					require.Equal(t, Pass, f.Severity, "%+v", f)
				}
				return
			}
			s.finds(c.check, c.severity, c.subject, c.evidence)
		})
	}
}

// TestRetentionInAnyUnit: brokers say it in milliseconds, else in minutes, else
// in hours, as Kafka reads them.
func TestRetentionInAnyUnit(t *testing.T) {
	s := newScene(t, nil)
	for _, c := range []struct{ ms, minutes, hours, evidence string }{
		{"3600000", "1", "1", "would be 3600000 on new"},
		{"", "30", "900", "would be 1800000 on new"},
		{"", "", "2", "would be 7200000 on new"},
		{"", "", "168", ""},
		{"", "-1", "2", ""},
		{"", "", "", ""},
	} {
		f := newFacts(s.Subject)
		f.brokers["new"] = map[string]cluster.ConfigValue{"log.retention.ms": {Value: c.ms}, "log.retention.minutes": {Value: c.minutes}, "log.retention.hours": {Value: c.hours}}
		found, err := f.shorterTime(t.Context(), s.Pairs[0])
		require.NoError(t, err)
		require.Equal(t, c.evidence != "", found != nil, "%+v", c)
		if found != nil {
			require.Contains(t, found.Evidence, c.evidence)
		}
	}
}

// TestFewerReplicas: fewer copies than on the source are a warning, as many are none.
func TestFewerReplicas(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{Brokers: 3, Source: embedded.Side{Topics: []embedded.Topic{{Name: "orders", Partitions: 1}}}})
	s := &scene{t: t, pair: pair}
	s.Source = s.open("old", pair.Source)
	target := s.open("new", pair.Target)
	f := newFacts(Subject{Source: s.Source, Pairs: []Pair{{Topic: "orders", Target: target, TargetTopic: "orders", ReplicationFactor: 2}}})
	out, err := replication(t.Context(), f)
	require.NoError(t, err)
	require.Len(t, out, 1)
	require.Equal(t, Warning, out[0].Severity)
	require.Equal(t, "3 replicas on old, 2 on new", out[0].Evidence)
	f.Pairs[0].ReplicationFactor = 3
	out, err = replication(t.Context(), f)
	require.NoError(t, err)
	require.Empty(t, out)
}

// TestTrouble: what the metadata says of partitions. kfake has no replicas that
// lag, so the facts are planted.
func TestTrouble(t *testing.T) {
	s := newScene(t, nil)
	f := newFacts(s.Subject)
	f.topics["old"] = map[string]cluster.Topic{"orders": {Name: "orders", Partitions: []cluster.Partition{
		{ID: 0, Leader: 1, Replicas: []int32{1, 2}, ISR: []int32{1, 2}},
		{ID: 1, Leader: 1, Replicas: []int32{1, 2, 3}, ISR: []int32{1}},
		{ID: 2, Leader: -1, Replicas: []int32{1}},
		{ID: 3, Leader: 2, Replicas: []int32{2}, ISR: []int32{2}, Err: kerr.LeaderNotAvailable},
	}}}
	out, err := trouble(t.Context(), f)
	require.NoError(t, err)
	var lines []string
	for _, o := range out {
		lines = append(lines, fmt.Sprintf("%s %s: %s", o.Severity, o.Subject, o.Evidence))
	}
	require.Equal(t, []string{
		"warning orders/1: 1 of 3 replicas are in sync",
		"failure orders/2: the partition has no leader: it cannot be copied",
		"failure orders/3: the partition has no leader: it cannot be copied",
	}, lines)
}

// TestOldBrokers: the versions that a cluster offers.
func TestOldBrokers(t *testing.T) {
	versions := kversion.V2_8_0()
	versions.SetMaxKeyVersion(int16(kmsg.Produce), 2)
	versions.SetMaxKeyVersion(int16(kmsg.Fetch), 3)
	pair := embedded.ForTest(t, embedded.Options{Target: embedded.Side{Extra: []kfake.Opt{kfake.MaxVersions(versions)}}})
	s := &scene{t: t, pair: pair}
	f := newFacts(Subject{Source: s.open("old", pair.Source), Pairs: []Pair{{Target: s.open("new", pair.Target)}}})
	out, err := apis(t.Context(), f)
	require.NoError(t, err)
	require.Len(t, out, 2)
	require.Equal(t, Finding{
		Subject: "new", Severity: Failure, Evidence: "broker 0 offers Produce up to version 2, needed is 3", Fix: "upgrade the cluster to Kafka 0.11 or later",
	}, out[0])
	require.Contains(t, out[1].Evidence, "offers Fetch up to version 3, needed is 4")
}

func (s *scene) admin() *kadm.Client {
	c, err := kgo.NewClient(kgo.SeedBrokers(s.pair.Source.Bootstrap()...))
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return kadm.NewClient(c)
}

func (s *scene) commit(partition int32, at int64, metadata string) {
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "orders", Partition: partition, At: at, LeaderEpoch: -1, Metadata: metadata})
	committed, err := s.admin().CommitOffsets(s.t.Context(), "billing", offsets)
	require.NoError(s.t, err)
	require.NoError(s.t, committed.Error())
}

// TestOffsets: where a group stands against what the source holds.
func TestOffsets(t *testing.T) {
	s := newScene(t, nil)
	for range 5 {
		s.write(s.pair.Source, "orders", "")
	}
	s.commit(0, 5, "")
	require.Empty(t, s.run().Failures())
	for _, f := range s.run().Findings {
		require.Equal(t, Pass, f.Severity, "%+v", f)
	}

	s.commit(0, 9, "")
	s.finds(24, Failure, "group billing, orders/0", "the group has committed 9, the partition ends at 5")

	s.commit(0, 1, "")
	var until kadm.Offsets
	until.AddOffset("orders", 0, 3, -1)
	deleted, err := s.admin().DeleteRecords(t.Context(), until)
	require.NoError(t, err)
	require.NoError(t, deleted.Error())
	s.finds(24, Warning, "group billing, orders/0", "the group has committed 1, the partition begins at 3: 2 offsets were deleted before the group read them")

	s.commit(0, 4, "bitmap:7")
	s.finds(24, Warning, "group billing, orders/0", "the offset is committed with 8 bytes of metadata")
}

// TestGroupsOfOtherKinds: members that no switch can hold.
func TestGroupsOfOtherKinds(t *testing.T) {
	s := newScene(t, nil)
	source := s.pair.Source.Kfake()
	source.ControlKey(int16(kmsg.ListGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		source.KeepControl()
		resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
		g := kmsg.NewListGroupsResponseGroup()
		g.Group, g.ProtocolType, g.GroupType = "billing", "consumer", "consumer"
		resp.Groups = append(resp.Groups, g)
		return resp, nil, true
	})
	s.finds(24, Failure, "group billing", "consumer protocol of KIP-848")

	s = newScene(t, nil)
	source = s.pair.Source.Kfake()
	source.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		source.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
		g := kmsg.NewDescribeGroupsResponseGroup()
		g.Group, g.State, g.ProtocolType = "billing", "Stable", "connect"
		g.Members = append(g.Members, kmsg.NewDescribeGroupsResponseGroupMember())
		resp.Groups = append(resp.Groups, g)
		return resp, nil, true
	})
	s.finds(24, Failure, "group billing", `1 members of protocol type "connect"`)
}

// TestFaults: whatever request is refused, every check has a finding, the ones
// that could not look say so with the cause, and none of them passes.
func TestFaults(t *testing.T) {
	for key, blind := range map[kmsg.Key][]int{
		kmsg.DescribeConfigs: {4, 7, 8, 9, 11, 14, 31, 32},
		kmsg.ListOffsets:     {13, 15, 24},
		kmsg.DescribeLogDirs: {22},
		kmsg.ListGroups:      {24},
		kmsg.DescribeGroups:  {24},
		kmsg.OffsetFetch:     {24},
	} {
		t.Run(key.Name(), func(t *testing.T) {
			s := newScene(t, nil)
			s.topic(s.pair.Target, "orders", 2, nil)
			s.commit(0, 0, "")
			for _, side := range []*embedded.Cluster{s.pair.Source, s.pair.Target} {
				side.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{key}, Count: -1, Err: kerr.ClusterAuthorizationFailed})
			}
			var cannot []int
			seen := map[int]bool{}
			for _, f := range s.run().Findings {
				seen[f.Check] = true
				if f.Severity == Failure {
					require.Contains(t, f.Evidence, "cannot look: ", "%+v", f)
					require.Contains(t, f.Evidence, "CLUSTER_AUTHORIZATION_FAILED", "%+v", f)
					cannot = append(cannot, f.Check)
				}
			}
			require.Equal(t, blind, cannot)
			require.Len(t, seen, len(checks()))
		})
	}
}

// TestDownCluster: a cluster that is away makes failures, not passes, within
// the time that its callers give.
func TestDownCluster(t *testing.T) {
	s := newScene(t, nil)
	s.pair.Source.Cut()
	defer s.pair.Source.Heal()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Run(ctx, s.Subject)
	require.NoError(t, err)
	for _, number := range []int{1, 2, 4, 12, 13, 22, 24, 29} {
		i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Check == number })
		require.Equal(t, Failure, r.Findings[i].Severity, "%+v", r.Findings[i])
	}
}

// TestFewControlReplicas: on three brokers the control topics have three.
func TestFewControlReplicas(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{Brokers: 3})
	s := &scene{t: t, pair: pair}
	c := s.open("new", pair.Target)
	f := newFacts(Subject{Source: s.open("old", pair.Source), Control: c, ControlTopics: []string{"one", "three"}})
	for name, rf := range map[string]int16{"one": 1, "three": 3} {
		require.NoError(t, c.CreateTopic(t.Context(), cluster.TopicSpec{Name: name, Partitions: 2, ReplicationFactor: rf, Configs: map[string]string{"cleanup.policy": "compact"}}))
	}
	out, err := controlTopics(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, []Finding{{Subject: "one", Severity: Warning, Evidence: "partition 0 has 1 replicas, the cluster 3 brokers", Fix: "raise the replication factor to 3"}}, out)
}

// TestReleases: the level of metadata.version that brokers support tells their
// release.
func TestReleases(t *testing.T) {
	for level, want := range map[int16]string{10: "the brokers run Kafka 3.5", 13: "the brokers run Kafka 3.6", 20: ""} {
		s := newScene(t, nil)
		target := s.pair.Target.Kfake()
		target.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
			target.KeepControl()
			resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
			feature := kmsg.NewApiVersionsResponseSupportedFeature()
			feature.Name, feature.MinVersion, feature.MaxVersion = "metadata.version", 1, level
			resp.SupportedFeatures = append(resp.SupportedFeatures, feature)
			for key, most := range map[int16]int16{int16(kmsg.Produce): 9, int16(kmsg.Fetch): 12, int16(kmsg.Metadata): 12, int16(kmsg.ApiVersions): 3} {
				k := kmsg.NewApiVersionsResponseApiKey()
				k.ApiKey, k.MaxVersion = key, most
				resp.ApiKeys = append(resp.ApiKeys, k)
			}
			return resp, nil, true
		})
		out, err := versions(t.Context(), newFacts(Subject{Source: s.Source, Pairs: []Pair{{Target: s.open("fresh", s.pair.Target)}}}))
		require.NoError(t, err)
		if want == "" {
			require.Empty(t, out)
			continue
		}
		require.Len(t, out, 1)
		require.Equal(t, "fresh", out[0].Subject)
		require.Contains(t, out[0].Evidence, want)
	}
}
