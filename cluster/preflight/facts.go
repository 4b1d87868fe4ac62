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
	configs map[string]map[string]cluster.ConfigValue // of topics of the source
	existed map[string]map[string]cluster.ConfigValue // of target topics, by cluster/topic
	topics  map[string]map[string]cluster.Topic
	brokers map[string]map[string]cluster.ConfigValue
}

func newFacts(s Subject) *facts {
	return &facts{
		Subject: s, configs: make(map[string]map[string]cluster.ConfigValue), existed: make(map[string]map[string]cluster.ConfigValue),
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

// targetNumber is a number that the target topic of a pair has, or would have by
// the brokers' default (brokerName), and where it is from. What the source topic
// sets itself goes along, so it is of interest only where that sets nothing.
func (f *facts) targetNumber(ctx context.Context, p Pair, name, brokerName string) (n int64, where string, ok bool, err error) {
	if _, exists, err := f.existing(ctx, p); err != nil {
		return 0, "", false, err
	} else if exists {
		have, err := f.targetConfigs(ctx, p)
		if err != nil {
			return 0, "", false, err
		}
		n, err := strconv.ParseInt(have[name].Value, 10, 64)
		return n, p.TargetTopic + " there has it", err == nil, nil
	}
	n, ok, err = f.brokerNumber(ctx, p.Target, brokerName)
	return n, "the default of " + p.Target.Name(), ok, err
}

// targetConfigs are the settings of a target topic that is there.
func (f *facts) targetConfigs(ctx context.Context, p Pair) (map[string]cluster.ConfigValue, error) {
	key := p.Target.Name() + "/" + p.TargetTopic
	have, ok := f.existed[key]
	if !ok {
		var err error
		if have, err = p.Target.TopicConfigs(ctx, p.TargetTopic); err != nil {
			return nil, fmt.Errorf("configs of %s: %w", p.TargetTopic, err)
		}
		f.existed[key] = have
	}
	return have, nil
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
