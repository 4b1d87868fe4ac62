package log

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

func TestInitCreatesAndChecks(t *testing.T) {
	f := start(t, 3)
	ctx := within(t, 20*time.Second)
	_, err := Check(ctx, f.c)
	require.ErrorIs(t, err, ErrUnfit)
	require.Equal(t, 4, strings.Count(err.Error(), "run portage init"), "one line for each topic: %v", err)

	r, err := Init(ctx, f.c, InitOptions{})
	require.NoError(t, err)
	require.Len(t, r.Topics, 4)
	require.Empty(t, warnings(r))
	for _, topic := range r.Topics {
		require.True(t, topic.Created, topic.Name)
		require.Equal(t, 3, topic.ReplicationFactor, topic.Name)
	}
	topics, err := f.c.Topics(ctx, topicNames()...)
	require.NoError(t, err)
	require.Len(t, topics[events.TopicEvents].Partitions, 1)
	for _, name := range []string{events.TopicDirectives, events.TopicOffsets, events.TopicProgress} {
		require.Len(t, topics[name].Partitions, events.ControlPartitions, name)
	}
	configs, err := f.c.TopicConfigs(ctx, events.TopicEvents)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime", "min.insync.replicas": "2",
	} {
		require.Equal(t, want, configs[name].Value, name)
	}

	r, err = Init(ctx, f.c, InitOptions{})
	require.NoError(t, err)
	for _, topic := range r.Topics {
		require.False(t, topic.Created, "%s is there already", topic.Name)
	}
	r, err = Check(ctx, f.c)
	require.NoError(t, err)
	require.Len(t, r.Topics, 4)
}

func TestInitBySeveralAtOnce(t *testing.T) {
	f := start(t, 1)
	ctx := within(t, 20*time.Second)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = Init(ctx, f.c, InitOptions{}) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestInitReplicationFactor(t *testing.T) {
	f := start(t, 3)
	ctx := within(t, 20*time.Second)
	for _, wrong := range []int{-1, 4} {
		_, err := Init(ctx, f.c, InitOptions{ReplicationFactor: wrong})
		require.ErrorContains(t, err, "want 1 to 3")
	}
	r, err := Init(ctx, f.c, InitOptions{ReplicationFactor: 2})
	require.NoError(t, err)
	require.NotEmpty(t, warnings(r), "three brokers could hold three replicas")
	require.Contains(t, warnings(r)[0].String(), "replication factor is 2, want 3")
}

func TestInsync(t *testing.T) {
	for factor, want := range map[int]int{1: 1, 2: 1, 3: 2, 5: 2} {
		require.Equal(t, want, insync(factor), factor)
	}
}

// TestCheckNamesWhatIsWrong: every wrong setting is named with what it is, what
// it should be, and the fix; Init does not change it.
func TestCheckNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name       string
		topic      string
		partitions int32
		configs    map[string]string
		want       []string
	}{
		{"partitions of the events", events.TopicEvents, 3, nil, []string{"number of partitions is 3, want 1", "total order", "delete the topic while no migration is under way"}},
		{"partitions of the directives", events.TopicDirectives, 4, nil, []string{"number of partitions is 4, want 16"}},
		{"deleted by time", events.TopicEvents, 1, map[string]string{"cleanup.policy": "delete", "retention.ms": "86400000"},
			[]string{"cleanup.policy is delete, want compact", "retention.ms=86400000", "--entity-name portage.events --add-config cleanup.policy=compact"}},
		{"compacted and deleted", events.TopicOffsets, 16, map[string]string{"cleanup.policy": "compact,delete"}, []string{"cleanup.policy is compact,delete, want compact"}},
		{"writers' time", events.TopicEvents, 1, map[string]string{"message.timestamp.type": "CreateTime"},
			[]string{"message.timestamp.type is CreateTime, want LogAppendTime", "message.timestamp.type=LogAppendTime"}},
		{"small messages", events.TopicEvents, 1, map[string]string{"max.message.bytes": "1000"}, []string{"max.message.bytes is 1000, want 1048588"}},
		{"unclean elections", events.TopicDirectives, 16, map[string]string{"unclean.leader.election.enable": "true"},
			[]string{"unclean.leader.election.enable is true, want false", "acknowledged events"}},
		{"too many in sync", events.TopicEvents, 1, map[string]string{"min.insync.replicas": "2"}, []string{"min.insync.replicas is 2, want 1", "no write can ever succeed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, 1)
			ctx := within(t, 10*time.Second)
			configs := map[string]string{}
			for _, s := range specs() {
				if s.name == c.topic {
					configs = s.configs
				}
			}
			maps.Copy(configs, c.configs)
			require.NoError(t, f.c.CreateTopic(ctx, cluster.TopicSpec{Name: c.topic, Partitions: c.partitions, ReplicationFactor: 1, Configs: configs}))
			r, err := Init(ctx, f.c, InitOptions{})
			require.ErrorIs(t, err, ErrUnfit)
			for _, want := range append(c.want, c.topic) {
				require.ErrorContains(t, err, want)
			}
			problems := 0
			for _, topic := range r.Topics {
				problems += len(topic.Problems)
			}
			require.Equal(t, 1, problems, "nothing else is wrong: %v", err)
			have, err := f.c.TopicConfigs(ctx, c.topic)
			require.NoError(t, err)
			for _, name := range slices.Sorted(maps.Keys(c.configs)) {
				require.Equal(t, c.configs[name], have[name].Value, "Init changes nothing")
			}
		})
	}
}

func TestCheckWarns(t *testing.T) {
	f := start(t, 3)
	ctx := within(t, 10*time.Second)
	for _, s := range specs() {
		s.configs["min.insync.replicas"] = "1"
		s.configs["retention.ms"] = "604800000"
		require.NoError(t, f.c.CreateTopic(ctx, cluster.TopicSpec{Name: s.name, Partitions: s.partitions, ReplicationFactor: 3, Configs: s.configs}))
	}
	r, err := Check(ctx, f.c)
	require.NoError(t, err)
	require.Len(t, warnings(r), 8)
	require.Equal(t, "retention.ms", warnings(r)[0].Setting)
	require.Equal(t, "min.insync.replicas", warnings(r)[1].Setting)
}

// warnings are those of all topics.
func warnings(r Report) (all []Finding) {
	for _, t := range r.Topics {
		all = append(all, t.Warnings...)
	}
	return all
}
