package log

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// InitOptions say how [Init] creates control topics.
type InitOptions struct {
	// ReplicationFactor of the topics; 0 is 3, or all brokers where there are
	// fewer.
	ReplicationFactor int
}

// Report is what Init and Check found.
type Report struct {
	Topics []TopicReport
}

// TopicReport is about one control topic.
type TopicReport struct {
	Name              string
	Created           bool // by this Init
	ReplicationFactor int
	// Problems must be solved before portage can work, Warnings should be.
	Problems, Warnings []Finding
}

// Finding is a setting of a control topic that is not as it should be.
type Finding struct {
	Topic, Setting, Have, Want string
	// Why says what goes wrong, Fix what to do.
	Why, Fix string
}

// String puts it in one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s is %s, want %s (%s): %s", f.Topic, f.Setting, f.Have, f.Want, f.Why, f.Fix)
}

// err joins the problems of all topics into an ErrUnfit.
func (r Report) err() error {
	var errs []error
	for _, t := range r.Topics {
		for _, p := range t.Problems {
			errs = append(errs, fmt.Errorf("%w: %s", ErrUnfit, p))
		}
	}
	return errors.Join(errs...)
}

// spec is how a control topic is to be.
type spec struct {
	name       string
	partitions int32
	// configs are set when the topic is created.
	configs map[string]string
}

// specs are the control topics. All are compacted and nothing else; retention
// is unlimited beside that, for the day on which somebody sets another cleanup
// policy. The events carry the brokers' time, so that no writer's clock can move a position in
// time travel. The others hold the latest value of each key: small segments
// let the cleaner reach older ones within the hour, which keeps a start from
// scratch short.
func specs() []spec {
	state := func(name string) spec {
		return spec{name: name, partitions: events.ControlPartitions, configs: map[string]string{
			"cleanup.policy": "compact", "retention.ms": "-1", "retention.bytes": "-1",
			"unclean.leader.election.enable": "false", "compression.type": "producer",
			"segment.bytes": "33554432", "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.1",
		}}
	}
	return []spec{
		{name: events.TopicEvents, partitions: 1, configs: map[string]string{
			"cleanup.policy": "compact", "retention.ms": "-1", "retention.bytes": "-1",
			"unclean.leader.election.enable": "false", "compression.type": "producer",
			"message.timestamp.type": "LogAppendTime", "max.message.bytes": strconv.Itoa(batchLimit),
		}},
		state(events.TopicDirectives), state(events.TopicOffsets), state(events.TopicProgress),
	}
}

// Init creates the control topics that are missing and checks all of them. It
// changes no topic that exists. It may be repeated, and run by several at once.
func Init(ctx context.Context, c *cluster.Client, o InitOptions) (Report, error) {
	have, err := c.Topics(ctx, topicNames()...)
	if err != nil {
		return Report{}, fmt.Errorf("read the control topics: %w", err)
	}
	factor, err := o.factor(ctx, c)
	if err != nil {
		return Report{}, err
	}
	created := make(map[string]bool)
	for _, s := range specs() {
		if _, found := have[s.name]; found {
			continue
		}
		if err := create(ctx, c, s, factor); err != nil && !errors.Is(err, cluster.ErrTopicExists) {
			return Report{}, fmt.Errorf("create %s with %d partitions and replication factor %d: %w", s.name, s.partitions, factor, err)
		} else if err == nil {
			created[s.name] = true
		}
	}
	r, err := Check(ctx, c)
	for i := range r.Topics {
		r.Topics[i].Created = created[r.Topics[i].Name]
	}
	return r, err
}

func topicNames() []string {
	var names []string
	for _, s := range specs() {
		names = append(names, s.name)
	}
	return names
}

// factor is the replication factor to create topics with.
func (o InitOptions) factor(ctx context.Context, c *cluster.Client) (int, error) {
	brokers, _, err := c.Brokers(ctx)
	if err != nil {
		return 0, fmt.Errorf("count the brokers: %w", err)
	}
	switch f := o.ReplicationFactor; {
	case f == 0:
		return min(3, len(brokers)), nil
	case f < 0 || f > len(brokers):
		return 0, fmt.Errorf("replication factor %d: want 1 to %d, the number of brokers of cluster %q", f, len(brokers), c.Name())
	default:
		return f, nil
	}
}

func create(ctx context.Context, c *cluster.Client, s spec, factor int) error {
	s.configs["min.insync.replicas"] = strconv.Itoa(insync(factor))
	return c.CreateTopic(ctx, cluster.TopicSpec{
		Name: s.name, Partitions: s.partitions, ReplicationFactor: int16(factor), Configs: s.configs,
	})
}

// insync is the min.insync.replicas that a replication factor allows without
// making one broker's absence stop all writes: 2 of 3, else 1.
func insync(factor int) int { return max(1, min(2, factor-1)) }
