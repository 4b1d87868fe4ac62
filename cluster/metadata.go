package cluster

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"

	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is a member of the cluster.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string
}

// Address is where clients reach the broker.
func (b Broker) Address() string { return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))) }

// Topic is what the cluster's metadata says about a topic.
type Topic struct {
	Name string
	// ID tells a topic from another that was created later under its name. It is zero on brokers before 2.8.
	ID         [16]byte
	Internal   bool
	Partitions []Partition // by ID
}

// Partition is a partition of a Topic.
type Partition struct {
	ID       int32
	Leader   int32 // −1: none now
	Replicas []int32
	ISR      []int32
	Offline  []int32
	// LeaderEpoch rises with every change of leader; −1 when the broker does not say.
	LeaderEpoch int32
	// Err is set when the partition has a problem, for example no leader.
	Err error
}

// Brokers returns the brokers that are up, by id, and the id of the controller.
func (c *Client) Brokers(ctx context.Context) ([]Broker, int32, error) {
	resp, err := c.metadata(ctx, []string{})
	if err != nil {
		return nil, -1, err
	}
	brokers := make([]Broker, len(resp.Brokers))
	for i, b := range resp.Brokers {
		brokers[i] = Broker{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: deref(b.Rack)}
	}
	slices.SortFunc(brokers, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	return brokers, resp.ControllerID, nil
}

func (c *Client) controller(ctx context.Context) (int32, error) {
	resp, err := c.metadata(ctx, []string{})
	if err != nil {
		return -1, err
	}
	return resp.ControllerID, nil
}

// Topics returns the named topics, or without names all that the principal may see (an empty list of names that is not nil
// means none). Unknown topics are absent. The leaders that it learns are remembered for Leader.
func (c *Client) Topics(ctx context.Context, names ...string) (map[string]Topic, error) {
	resp, err := c.metadata(ctx, names)
	if err != nil {
		return nil, err
	}
	topics := make(map[string]Topic, len(resp.Topics))
	var errs []error
	for i := range resp.Topics {
		t, err := c.topic(&resp.Topics[i])
		switch {
		case errors.Is(err, ErrUnknownTopic):
		case err != nil:
			errs = append(errs, err)
		default:
			topics[t.Name] = t
		}
	}
	c.remember(topics)
	return topics, errors.Join(errs...)
}

// metadata asks for topics: nil for all, empty for none.
func (c *Client) metadata(ctx context.Context, names []string) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	if names != nil {
		req.Topics = make([]kmsg.MetadataRequestTopic, len(names))
		for i, name := range names {
			req.Topics[i] = kmsg.NewMetadataRequestTopic()
			req.Topics[i].Topic = kmsg.StringPtr(name)
		}
	}
	// From version 1 on an empty list means none, from 4 on asking does not create topics.
	resp, err := c.send(ctx, -1, req, wire.Range{Min: 4, Max: wire.AnyVersion().Max})
	if err != nil {
		return nil, err
	}
	r := resp.(*kmsg.MetadataResponse)
	c.rememberBrokers(r.Brokers)
	return r, nil
}

func (c *Client) rememberBrokers(brokers []kmsg.MetadataResponseBroker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range brokers {
		c.brokers[b.NodeID] = Broker{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: deref(b.Rack)}
	}
}

func (c *Client) topic(t *kmsg.MetadataResponseTopic) (Topic, error) {
	name := deref(t.Topic)
	if t.ErrorCode != 0 {
		return Topic{}, c.refused(t.ErrorCode, failure{api: "Metadata", broker: -1, kind: topicResource, name: name})
	}
	topic := Topic{Name: name, ID: t.TopicID, Internal: t.IsInternal, Partitions: make([]Partition, len(t.Partitions))}
	for i, p := range t.Partitions {
		part := Partition{ID: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR, Offline: p.OfflineReplicas}
		// A replica on a dead broker (9) is no problem for clients.
		if p.ErrorCode != 0 && p.ErrorCode != 9 {
			part.Err = c.refused(p.ErrorCode, failure{api: "Metadata", broker: -1, kind: topicResource, name: name, partition: p.Partition, hasPart: true})
		}
		topic.Partitions[i] = part
	}
	slices.SortFunc(topic.Partitions, func(a, b Partition) int { return cmp.Compare(a.ID, b.ID) })
	return topic, nil
}

func (c *Client) remember(topics map[string]Topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, t := range topics {
		c.leaders[name] = t
	}
}

// Forget drops what is remembered about a topic, after its leaders have moved. Fetch, Produce and the methods built on
// them do so by themselves.
func (c *Client) Forget(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.leaders, topic)
}

// Leader returns the broker that leads a partition, from memory if it was looked up before. It waits a moment for a
// partition without a leader.
func (c *Client) Leader(ctx context.Context, topic string, partition int32) (leader int32, err error) {
	err = c.settle(ctx, func() error {
		leader, err = c.leader(ctx, topic, partition)
		return err
	})
	return leader, err
}

func (c *Client) leader(ctx context.Context, topic string, partition int32) (int32, error) {
	t, err := c.known(ctx, topic)
	if err != nil {
		return -1, err
	}
	return c.leaderIn(t, topic, partition)
}

// known is what is remembered about a topic, else what the metadata says now; without partitions if there is none.
func (c *Client) known(ctx context.Context, topic string) (Topic, error) {
	if t, ok := c.remembered(topic); ok {
		return t, nil
	}
	topics, err := c.Topics(ctx, topic)
	return topics[topic], err
}

// leaderIn finds the leader of a partition. What is remembered of the topic is dropped if there is none.
func (c *Client) leaderIn(t Topic, topic string, partition int32) (int32, error) {
	code := int16(3) // UNKNOWN_TOPIC_OR_PARTITION
	if i, ok := slices.BinarySearchFunc(t.Partitions, partition, func(p Partition, id int32) int { return cmp.Compare(p.ID, id) }); ok {
		if leader := t.Partitions[i].Leader; leader >= 0 {
			return leader, nil
		}
		code = 5 // LEADER_NOT_AVAILABLE
	}
	c.Forget(topic)
	return -1, c.refused(code, failure{api: "Metadata", broker: -1, kind: topicResource, name: topic, partition: partition, hasPart: true})
}

func (c *Client) remembered(topic string) (Topic, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.leaders[topic]
	return t, ok
}
