package preflight

import (
	"context"
	"fmt"
	"strconv"

	"github.com/portage-kafka/portage/cluster"
)

// facts reads what several checks need once.
type facts struct {
	Subject
	configs map[string]map[string]cluster.ConfigValue
	topics  map[string]map[string]cluster.Topic
	brokers map[string]map[string]cluster.ConfigValue
}

func newFacts(s Subject) *facts {
	return &facts{
		Subject: s, configs: make(map[string]map[string]cluster.ConfigValue),
		topics: make(map[string]map[string]cluster.Topic), brokers: make(map[string]map[string]cluster.ConfigValue),
	}
}

// targets are the distinct target clusters.
func (f *facts) targets() (out []*cluster.Client) {
	seen := make(map[string]bool)
	for _, p := range f.Pairs {
		if !seen[p.Target.Name()] {
			seen[p.Target.Name()] = true
			out = append(out, p.Target)
		}
	}
	return out
}

// both are the source and the targets.
func (f *facts) both() []*cluster.Client { return append([]*cluster.Client{f.Source}, f.targets()...) }

// all are the topics of a cluster.
func (f *facts) all(ctx context.Context, c *cluster.Client) (map[string]cluster.Topic, error) {
	if have, ok := f.topics[c.Name()]; ok {
		return have, nil
	}
	topics, err := c.Topics(ctx)
	if err == nil {
		f.topics[c.Name()] = topics
	}
	return topics, err
}

// topicConfig is a setting of a topic of the source.
func (f *facts) topicConfig(ctx context.Context, topic, name string) (cluster.ConfigValue, error) {
	have, ok := f.configs[topic]
	if !ok {
		var err error
		if have, err = f.Source.TopicConfigs(ctx, topic); err != nil {
			return cluster.ConfigValue{}, fmt.Errorf("configs of %s: %w", topic, err)
		}
		f.configs[topic] = have
	}
	return have[name], nil
}

// brokerSetting is a setting of a cluster's first broker; ok is false when the
// broker does not have it.
func (f *facts) brokerSetting(ctx context.Context, c *cluster.Client, name string) (v cluster.ConfigValue, ok bool, err error) {
	have, found := f.brokers[c.Name()]
	if !found {
		list, _, err := c.Brokers(ctx)
		if err != nil {
			return v, false, err
		}
		if len(list) == 0 {
			return v, false, fmt.Errorf("cluster %s shows no brokers", c.Name())
		}
		if have, err = c.BrokerConfigs(ctx, list[0].ID); err != nil {
			return v, false, fmt.Errorf("settings of the brokers of %s: %w", c.Name(), err)
		}
		f.brokers[c.Name()] = have
	}
	v, ok = have[name]
	return v, ok, nil
}

// brokerNumber is a setting that is a number.
func (f *facts) brokerNumber(ctx context.Context, c *cluster.Client, name string) (n int64, ok bool, err error) {
	v, ok, err := f.brokerSetting(ctx, c, name)
	if err != nil || !ok {
		return 0, false, err
	}
	n, err = strconv.ParseInt(v.Value, 10, 64)
	return n, err == nil, nil
}

// topic is a topic of the source.
func (f *facts) topic(ctx context.Context, name string) (cluster.Topic, error) {
	all, err := f.all(ctx, f.Source)
	if err != nil {
		return cluster.Topic{}, err
	}
	t, ok := all[name]
	if !ok {
		return t, fmt.Errorf("topic %s is not on %s", name, f.Source.Name())
	}
	return t, nil
}

// existing is the target topic of a pair, where there is one already.
func (f *facts) existing(ctx context.Context, p Pair) (cluster.Topic, bool, error) {
	all, err := f.all(ctx, p.Target)
	t, ok := all[p.TargetTopic]
	return t, ok, err
}

// offsets asks a cluster for an offset of every partition of a topic.
func offsets(ctx context.Context, c *cluster.Client, t cluster.Topic, at int64) (map[int32]int64, error) {
	numbers := make([]int32, len(t.Partitions))
	for i, p := range t.Partitions {
		numbers[i] = p.ID
	}
	return c.ListOffsets(ctx, t.Name, numbers, at)
}

// replicas is the replication factor of a topic: the most that a partition has.
func replicas(t cluster.Topic) int {
	most := 1
	for _, p := range t.Partitions {
		most = max(most, len(p.Replicas))
	}
	return most
}
