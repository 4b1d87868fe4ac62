package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
)

// migration is the name of the one migration.
const migration = "many"

// topic is one topic on both sides.
type topic struct {
	name       string
	partitions int32
	source     cluster.Topic
	order      events.CopyOrder
}

// all are the partitions of the topic.
func (t topic) all() []int32 {
	list := make([]int32, t.partitions)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

// plan names the topics and shares the partitions among them.
func (o options) plan() (topics []topic) {
	for left := o.partitions; left > 0; left -= o.perTopic {
		topics = append(topics, topic{name: fmt.Sprintf("topic-%05d", len(topics)), partitions: int32(min(left, o.perTopic))})
	}
	return topics
}

// load creates all topics on both sides, with one record in each partition of the
// source.
func (b *bench) load(ctx context.Context) error {
	b.topics = b.opts.plan()
	for i := range b.topics {
		t := &b.topics[i]
		var to cluster.Topic
		var err error
		if t.source, err = create(ctx, b.source, *t); err != nil {
			return err
		}
		if to, err = create(ctx, b.target, *t); err != nil {
			return err
		}
		t.order = events.CopyOrder{
			Run: true, Source: "source", Topic: t.name, TopicID: hex.EncodeToString(t.source.ID[:]), Partitions: t.partitions,
			Target: "target", TargetTopic: t.name, TargetTopicID: hex.EncodeToString(to.ID[:]),
		}
	}
	return b.fill(ctx)
}

// fill writes a record to every partition of the source.
func (b *bench) fill(ctx context.Context) error {
	record, err := batch.Build(batch.Spec{}, []batch.Record{{Timestamp: time.Now().UnixMilli(), Key: []byte("key"), Value: make([]byte, 100)}})
	if err != nil {
		return err
	}
	for _, t := range b.topics {
		if err := send(ctx, b.source, t.source, record); err != nil {
			return err
		}
	}
	return nil
}

func create(ctx context.Context, c *cluster.Client, t topic) (cluster.Topic, error) {
	spec := cluster.TopicSpec{Name: t.name, Partitions: t.partitions, ReplicationFactor: 1, Configs: map[string]string{"compression.type": "producer"}}
	if err := c.CreateTopic(ctx, spec); err != nil {
		return cluster.Topic{}, err
	}
	have, err := c.Topics(ctx, t.name)
	return have[t.name], err
}

// send writes a batch to every partition, with one request to each leader.
func send(ctx context.Context, c *cluster.Client, t cluster.Topic, b batch.Batch) error {
	byLeader := map[int32][]wire.ProducePartition{}
	for _, p := range t.Partitions {
		byLeader[p.Leader] = append(byLeader[p.Leader], wire.ProducePartition{Partition: p.ID, Records: b})
	}
	for leader, parts := range byLeader {
		res, err := c.Produce(ctx, leader, &wire.Produce{Acks: -1, Timeout: 30 * time.Second, Topics: []wire.ProduceTopic{{Topic: t.Name, Partitions: parts}}})
		if err != nil {
			return err
		}
		var refused error
		for _, p := range res.Partitions {
			refused = errors.Join(refused, c.Refused(leader, p))
		}
		if refused != nil {
			return refused
		}
	}
	return nil
}
