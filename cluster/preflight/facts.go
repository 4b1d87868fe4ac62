package preflight

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

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

// brokerNumber is a number among the settings of a cluster's first broker; ok
// is false when the broker does not have the setting.
func (f *facts) brokerNumber(ctx context.Context, c *cluster.Client, name string) (n int64, ok bool, err error) {
	have, found := f.brokers[c.Name()]
	if !found {
		list, _, err := c.Brokers(ctx)
		if err != nil {
			return 0, false, err
		}
		if len(list) == 0 {
			return 0, false, fmt.Errorf("cluster %s shows no brokers", c.Name())
		}
		if have, err = c.BrokerConfigs(ctx, list[0].ID); err != nil {
			return 0, false, err
		}
		f.brokers[c.Name()] = have
	}
	v, there := have[name]
	if !there {
		return 0, false, nil
	}
	n, err = strconv.ParseInt(v.Value, 10, 64)
	return n, err == nil, nil
}

// numbers are the partitions of a topic of the source.
func (f *facts) numbers(ctx context.Context, topic string) ([]int32, error) {
	all, err := f.all(ctx, f.Source)
	if err != nil {
		return nil, err
	}
	t, ok := all[topic]
	if !ok {
		return nil, fmt.Errorf("topic %s is not on %s", topic, f.Source.Name())
	}
	out := make([]int32, len(t.Partitions))
	for i, p := range t.Partitions {
		out[i] = p.ID
	}
	return out, nil
}

// releases maps the highest metadata.version level that a broker supports to
// Kafka's release (MetadataVersion.java); the level does not show the patch
// release.
func releases(level int16) string {
	switch {
	case level >= 9 && level <= 11:
		return "3.5"
	case level >= 12 && level <= 14:
		return "3.6"
	}
	return ""
}

// release is the feature release of a KRaft cluster if it is one of those that
// matter here, else "".
func release(ctx context.Context, c *cluster.Client) (string, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "portage", "1"
	resp, err := cluster.Do[*kmsg.ApiVersionsResponse](ctx, c, req)
	if err != nil {
		return "", err
	}
	for _, feature := range resp.SupportedFeatures {
		if feature.Name == "metadata.version" {
			return releases(feature.MaxVersion), nil
		}
	}
	return "", nil
}
