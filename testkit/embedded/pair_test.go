package embedded

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, c *Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Bootstrap()...)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func TestPairHasTwoClustersWithTheirOwnNamesAndTopics(t *testing.T) {
	for _, brokers := range []int{1, 3} {
		t.Run(fmt.Sprint(brokers), func(t *testing.T) {
			pair := ForTest(t, Options{
				Brokers: brokers,
				Source:  Side{Topics: []Topic{{Name: "orders", Partitions: 4, Configs: map[string]string{"retention.ms": "1234"}}}},
				Target:  Side{Topics: []Topic{{Name: "other", Partitions: 1}}},
			})
			for cluster, topic := range map[*Cluster]string{pair.Source: "orders", pair.Target: "other"} {
				admin := kadm.NewClient(dial(t, cluster))
				meta, err := admin.Metadata(within(t, 10*time.Second))
				require.NoError(t, err)
				require.Equal(t, cluster.ID(), meta.Cluster)
				require.Len(t, meta.Brokers, brokers)
				require.Len(t, cluster.Bootstrap(), brokers)
				require.Equal(t, []string{topic}, meta.Topics.Names())
			}
			require.Equal(t, "source", pair.Source.Name())
			require.Equal(t, "target", pair.Target.Name())
			require.NotEqual(t, pair.Source.ID(), pair.Target.ID())
			configs, err := kadm.NewClient(dial(t, pair.Source)).DescribeTopicConfigs(within(t, 10*time.Second), "orders")
			require.NoError(t, err)
			require.Contains(t, fmt.Sprint(values(configs[0].Configs)), "retention.ms=1234")
		})
	}
}

func values(configs []kadm.Config) (all []string) {
	for _, c := range configs {
		all = append(all, c.Key+"="+c.MaybeValue())
	}
	return all
}

func TestTopicsAreNotCreatedByAsking(t *testing.T) {
	pair := ForTest(t, Options{})
	client := dial(t, pair.Source, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(1))
	err := client.ProduceSync(within(t, 10*time.Second), &kgo.Record{Topic: "nowhere", Value: []byte("x")}).FirstErr()
	require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
	require.Nil(t, pair.Source.Kfake().TopicInfo("nowhere"))
}

func TestSeedPlacesLeaders(t *testing.T) {
	leaders := func(seed uint64) (all []int32) {
		pair := ForTest(t, Options{Brokers: 3, Seed: seed})
		for i := range 6 {
			name := fmt.Sprintf("t%d", i)
			require.NoError(t, pair.Source.CreateTopic(Topic{Name: name, Partitions: 3}))
			for p := range int32(3) {
				all = append(all, pair.Source.Kfake().LeaderFor(name, p))
			}
		}
		return all
	}
	require.Equal(t, leaders(7), leaders(7))
	require.NotEqual(t, leaders(7), leaders(8))
	require.ElementsMatch(t, []int32{0, 1, 2}, leaders(7)[:3], "the partitions of one topic are spread over the brokers")
}

func TestSettingsReachTheBrokers(t *testing.T) {
	var log bytes.Buffer
	pair := ForTest(t, Options{
		Log:    &log,
		Source: Side{Extra: []kfake.Opt{kfake.MaxVersions(kversion.V2_8_0())}},
		Target: Side{Properties: map[string]string{"message.max.bytes": "4321"}},
	})
	versions, err := kadm.NewClient(dial(t, pair.Source)).ApiVersions(within(t, 10*time.Second))
	require.NoError(t, err)
	broker := versions[0]
	fetch, known := broker.KeyMaxVersion(int16(kmsg.Fetch))
	require.True(t, known)
	require.EqualValues(t, 12, fetch, "Kafka 2.8 speaks fetch up to version 12")
	configs, err := kadm.NewClient(dial(t, pair.Target)).DescribeBrokerConfigs(within(t, 10*time.Second), 0)
	require.NoError(t, err)
	require.Contains(t, values(configs[0].Configs), "message.max.bytes=4321")
}

func TestOptionsAreRefusedByName(t *testing.T) {
	_, err := Start(Options{Brokers: 2})
	require.ErrorIs(t, err, ErrBrokers)
	require.ErrorContains(t, err, "Options.Brokers is 2")
	_, err = Start(Options{Target: Side{Topics: []Topic{{Name: "a", Partitions: 1}, {Name: "b"}}}})
	require.ErrorContains(t, err, `Options.Target.Topics[1] is "b" with 0 partitions`)
}

func TestFailedStartLeavesNothingBehind(t *testing.T) {
	twice := []Topic{{Name: "a", Partitions: 1}, {Name: "a", Partitions: 1}}
	_, err := Start(Options{Target: Side{Topics: twice}})
	require.ErrorContains(t, err, "create topic a with 1 partitions on target")
	_, err = Start(Options{Source: Side{Extra: []kfake.Opt{kfake.Superuser("NO-SUCH", "u", "p")}}})
	require.ErrorContains(t, err, "start cluster source")
}

func TestStopTwice(t *testing.T) {
	pair, err := Start(Options{})
	require.NoError(t, err)
	pair.Stop()
	pair.Stop()
}
