package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicSpec describes a topic to create.
type TopicSpec struct {
	Name string
	// Partitions and ReplicationFactor: 0 or −1 leave it to the cluster's defaults (Kafka 2.4).
	Partitions        int32
	ReplicationFactor int16
	Configs           map[string]string
}

const codeNotController = 41

// CreateTopic creates a topic and waits (at most Config.Settle) until the leaders of its partitions answer. An existing
// topic is an ErrTopicExists.
func (c *Client) CreateTopic(ctx context.Context, spec TopicSpec) error {
	req := spec.request(c.cfg.RequestTimeout)
	err := c.onController(ctx, func() error {
		resp, err := Do[*kmsg.CreateTopicsResponse](ctx, c, req, OnController())
		if err != nil || len(resp.Topics) != 1 {
			return orMissing(err, "CreateTopics")
		}
		r := resp.Topics[0]
		return c.topicVerdict("CreateTopics", spec.Name, r.ErrorCode, r.ErrorMessage)
	})
	c.Forget(spec.Name)
	if err != nil {
		return err
	}
	c.awaitLeaders(ctx, spec.Name)
	return nil
}

func (s TopicSpec) request(timeout time.Duration) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(timeout.Milliseconds())
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = s.Name, orDefault(s.Partitions), orDefault(s.ReplicationFactor)
	for _, name := range slices.Sorted(maps.Keys(s.Configs)) {
		cfg := kmsg.NewCreateTopicsRequestTopicConfig()
		cfg.Name, cfg.Value = name, kmsg.StringPtr(s.Configs[name])
		t.Configs = append(t.Configs, cfg)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// GrowTopic raises the number of a topic's partitions; a lower one is an error
// of code 37 (INVALID_PARTITIONS).
func (c *Client) GrowTopic(ctx context.Context, name string, partitions int32) error {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = int32(c.cfg.RequestTimeout.Milliseconds())
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = name, partitions
	req.Topics = append(req.Topics, t)
	err := c.onController(ctx, func() error {
		resp, err := Do[*kmsg.CreatePartitionsResponse](ctx, c, req, OnController())
		if err != nil || len(resp.Topics) != 1 {
			return orMissing(err, "CreatePartitions")
		}
		return c.topicVerdict("CreatePartitions", name, resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
	})
	c.Forget(name)
	if err != nil {
		return err
	}
	c.awaitLeaders(ctx, name)
	return nil
}

// DeleteTopic deletes a topic; an unknown one is an ErrUnknownTopic.
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = int32(c.cfg.RequestTimeout.Milliseconds())
	req.TopicNames = []string{name} // up to version 5
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, t)
	defer c.Forget(name)
	return c.onController(ctx, func() error {
		resp, err := Do[*kmsg.DeleteTopicsResponse](ctx, c, req, OnController())
		if err != nil || len(resp.Topics) != 1 {
			return orMissing(err, "DeleteTopics")
		}
		r := resp.Topics[0]
		return c.topicVerdict("DeleteTopics", name, r.ErrorCode, r.ErrorMessage)
	})
}

// onController repeats f while the controller moves.
func (c *Client) onController(ctx context.Context, f func() error) error {
	for attempt := 0; ; attempt++ {
		err := f()
		if code, _ := Code(err); code != codeNotController || attempt == 8 || !pause(ctx, attempt) {
			return err
		}
	}
}

func (c *Client) topicVerdict(api, name string, code int16, message *string) error {
	if code == 0 {
		return nil
	}
	return c.refused(code, failure{api: api, broker: -1, kind: topicResource, name: name, message: deref(message)})
}

// awaitLeaders waits until every leader of a topic just created knows that it is one. The topic exists already, so what
// goes wrong here (a missing DESCRIBE, the end of the context) is no failure.
func (c *Client) awaitLeaders(ctx context.Context, name string) {
	var partitions []int32
	err := c.settle(ctx, func() error {
		topics, err := c.Topics(ctx, name)
		if err != nil {
			return err
		}
		t, ok := topics[name]
		if !ok {
			return c.refused(3, failure{api: "Metadata", broker: -1, kind: topicResource, name: name})
		}
		partitions = partitions[:0]
		for _, p := range t.Partitions {
			partitions = append(partitions, p.ID)
		}
		return nil
	})
	if err == nil {
		_, err = c.ListOffsets(ctx, name, partitions, Latest)
	}
	if err != nil {
		c.cfg.Log.Debug().Err(err).Str("cluster", c.name).Str("topic", name).Msg("created; its leaders do not answer yet")
	}
}

func orDefault[N int32 | int16](n N) N {
	if n == 0 {
		return -1
	}
	return n
}

// orMissing is err, or the complaint that the response lacks what was asked for.
func orMissing(err error, api string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("the %s response does not answer what was asked", api)
}
