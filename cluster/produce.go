package cluster

import (
	"context"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Produce sends record batches to the broker that leads their partitions. Refusals are in the result: see Refused.
func (c *Client) Produce(ctx context.Context, broker int32, p *wire.Produce) (*wire.ProduceResult, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout+p.Timeout)
	defer cancel()
	start := time.Now()
	res, err := c.wire.Produce(ctx, broker, p)
	c.report("Produce", broker, start, err)
	if err != nil {
		for _, t := range p.Topics {
			c.Forget(t.Topic)
		}
		return nil, c.wrap(err, failure{api: "Produce", broker: broker})
	}
	for _, part := range res.Partitions {
		c.forgetMoved(part.Topic, part.Code)
	}
	return res, nil
}

// Refused returns the typed error of a partition's result, nil if its batch is in the log.
func (c *Client) Refused(broker int32, p wire.ProducedPartition) error {
	if p.Code == 0 {
		return nil
	}
	message := p.Message
	for _, r := range p.Records {
		if r.Message != "" && message == "" {
			message = r.Message
		}
	}
	return c.refused(p.Code, failure{api: "Produce", broker: broker, kind: topicResource, name: p.Topic, partition: p.Partition, hasPart: true, message: message})
}

// forgetMoved drops a topic's leaders when a code says that they have changed.
func (c *Client) forgetMoved(topic string, code int16) {
	switch code {
	case 3, 5, 6, 9, 74, 75, 76, 100:
		c.Forget(topic)
	}
}

// Append sends one batch, waits until every in-sync replica has it, and returns the offset of its first record. Nothing
// is sent twice: on an error, Uncertain says whether the batch may be in the log all the same; with code 7 (timeout) base
// is its offset there.
func (c *Client) Append(ctx context.Context, topic string, partition int32, b batch.Batch) (base int64, err error) {
	leader, err := c.Leader(ctx, topic, partition)
	if err != nil {
		return -1, err
	}
	res, err := c.Produce(ctx, leader, &wire.Produce{Acks: -1, Timeout: c.cfg.RequestTimeout, Topics: []wire.ProduceTopic{
		{Topic: topic, Partitions: []wire.ProducePartition{{Partition: partition, Records: b}}}}})
	if err != nil {
		return -1, err
	}
	if len(res.Partitions) != 1 {
		return -1, c.wrap(orMissing(nil, "Produce"), failure{api: "Produce", broker: leader, kind: topicResource, name: topic})
	}
	return res.Partitions[0].Base, c.Refused(leader, res.Partitions[0])
}

// InitProducerID allocates a producer id that nobody had before, with epoch 0. It waits while a fresh broker fetches its
// block of ids (14).
func (c *Client) InitProducerID(ctx context.Context) (id int64, epoch int16, err error) {
	end := time.Now().Add(c.cfg.RequestTimeout)
	for attempt := 0; ; attempt++ {
		id, epoch, err = c.initProducerID(ctx)
		code, coded := Code(err)
		if !coded || !moving(code) || time.Now().After(end) || !pause(ctx, attempt) {
			return id, epoch, err
		}
	}
}

func (c *Client) initProducerID(ctx context.Context) (int64, int16, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch, req.TransactionTimeoutMillis = -1, -1, 60000
	resp, err := Do[*kmsg.InitProducerIDResponse](ctx, c, req)
	if err != nil {
		return -1, -1, err
	}
	if resp.ErrorCode != 0 {
		return -1, -1, c.refused(resp.ErrorCode, failure{api: "InitProducerID", broker: -1})
	}
	return resp.ProducerID, resp.ProducerEpoch, nil
}
