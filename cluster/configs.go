package cluster

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConfigValue is the value of one setting.
type ConfigValue struct {
	Value string
	// Default says that the value is not set on the topic itself (of a topic), or is Kafka's own default (of a broker).
	Default bool
	// Sensitive values (passwords) are withheld by the broker: Value is empty.
	Sensitive bool
}

// TopicConfigs returns every setting of a topic.
func (c *Client) TopicConfigs(ctx context.Context, topic string) (map[string]ConfigValue, error) {
	return c.describeConfigs(ctx, kmsg.ConfigResourceTypeTopic, topic, kmsg.ConfigSourceDynamicTopicConfig, true)
}

// OwnConfigs are the settings that are not there by default.
func OwnConfigs(values map[string]ConfigValue) map[string]string {
	own := make(map[string]string)
	for name, v := range values {
		if !v.Default {
			own[name] = v.Value
		}
	}
	return own
}

// BrokerConfigs returns every setting of a broker.
func (c *Client) BrokerConfigs(ctx context.Context, broker int32) (map[string]ConfigValue, error) {
	return c.describeConfigs(ctx, kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(broker)), kmsg.ConfigSourceDefaultConfig, false, OnBroker(broker))
}

// describeConfigs: a value counts as default when (its source is not source) equals whenNot.
func (c *Client) describeConfigs(ctx context.Context, kind kmsg.ConfigResourceType, name string, source kmsg.ConfigSource, whenNot bool, opts ...CallOption) (map[string]ConfigValue, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	req.Resources = append(req.Resources, r)
	resp, err := Do[*kmsg.DescribeConfigsResponse](ctx, c, req, opts...)
	if err != nil || len(resp.Resources) != 1 {
		return nil, orMissing(err, "DescribeConfigs")
	}
	got := resp.Resources[0]
	if err := c.configVerdict("DescribeConfigs", kind, name, got.ErrorCode, got.ErrorMessage); err != nil {
		return nil, err
	}
	values := make(map[string]ConfigValue, len(got.Configs))
	for _, v := range got.Configs {
		isDefault := v.IsDefault // version 0
		if resp.Version >= 1 {
			isDefault = (v.Source != source) == whenNot
		}
		values[v.Name] = ConfigValue{Value: deref(v.Value), Default: isDefault, Sensitive: v.IsSensitive}
	}
	return values, nil
}

func (c *Client) configVerdict(api string, kind kmsg.ConfigResourceType, name string, code int16, message *string) error {
	if code == 0 {
		return nil
	}
	about := failure{api: api, broker: -1, kind: topicResource, name: name, message: deref(message)}
	if kind == kmsg.ConfigResourceTypeBroker {
		about.kind = "broker"
	}
	return c.refused(code, about)
}

// AlterTopicConfigs sets some settings of a topic and removes others; the rest stays (Kafka 2.3, KIP-339).
func (c *Client) AlterTopicConfigs(ctx context.Context, topic string, set map[string]string, remove []string) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	for _, name := range slices.Sorted(maps.Keys(set)) {
		r.Configs = append(r.Configs, alteration(name, kmsg.IncrementalAlterConfigOpSet, kmsg.StringPtr(set[name])))
	}
	for _, name := range remove {
		r.Configs = append(r.Configs, alteration(name, kmsg.IncrementalAlterConfigOpDelete, nil))
	}
	if len(r.Configs) == 0 {
		return nil
	}
	req.Resources = append(req.Resources, r)
	return c.onController(ctx, func() error {
		resp, err := Do[*kmsg.IncrementalAlterConfigsResponse](ctx, c, req, OnController())
		if err != nil || len(resp.Resources) != 1 {
			return orMissing(err, "IncrementalAlterConfigs")
		}
		got := resp.Resources[0]
		return c.configVerdict("IncrementalAlterConfigs", kmsg.ConfigResourceTypeTopic, topic, got.ErrorCode, got.ErrorMessage)
	})
}

func alteration(name string, op kmsg.IncrementalAlterConfigOp, value *string) kmsg.IncrementalAlterConfigsRequestResourceConfig {
	a := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	a.Name, a.Op, a.Value = name, op, value
	return a
}
