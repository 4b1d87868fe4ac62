package log

import (
	"context"
	"errors"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// identity notices that a topic was deleted and created again.
type identity struct {
	topic     string
	partition int32  // whose leader is asked
	id        string // as first seen or as asked for; "" before that
	checked   time.Time
}

// leaderTopicID asks the leader of a partition: it is known to be up, and it
// learns of another topic before it serves a record of it.
func leaderTopicID(ctx context.Context, c *cluster.Client, topic string, partition int32) (string, error) {
	leader, err := c.Leader(ctx, topic, partition)
	if err != nil {
		return "", err
	}
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = append(req.Topics, t)
	resp, err := cluster.Do[*kmsg.MetadataResponse](ctx, c, req, cluster.OnBroker(leader))
	if err != nil {
		return "", err
	}
	if len(resp.Topics) != 1 {
		return "", errors.New("metadata: the topic is not in the response")
	}
	return idText(resp.Topics[0].TopicID), kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// identityEvery bounds how long a recreated topic goes unnoticed where nothing
// is read from it.
const identityEvery = 250 * time.Millisecond

// check compares the topic's id, unless it did so a moment ago and nothing
// looks odd.
func (i *identity) check(ctx context.Context, c *cluster.Client, odd bool) error {
	if !odd && time.Since(i.checked) < identityEvery {
		return nil
	}
	id, err := leaderTopicID(ctx, c, i.topic, i.partition)
	if err != nil {
		id, err = topicID(ctx, c, i.topic)
	}
	if err != nil {
		return err
	}
	if i.id == "" {
		i.id = id
	}
	if id != i.id {
		return &TopicError{Err: ErrRecreated, Topic: i.topic, Want: i.id, Have: id}
	}
	i.checked = time.Now()
	return nil
}

// lost turns "offset out of range" into what it means for a reader at a
// position; start is the log's, for a caller that may go on from there.
func (i *identity) lost(ctx context.Context, c *cluster.Client, partition int32, position int64, cause error) (start int64, err error) {
	if !errors.Is(cause, cluster.ErrOffsetOutOfRange) {
		return 0, missing(i.topic, cause)
	}
	if err := i.check(ctx, c, true); err != nil {
		return 0, err
	}
	start, err = startOf(ctx, c, i.topic, partition)
	if err != nil {
		return 0, err
	}
	end, err := endOf(ctx, c, i.topic, partition)
	if err != nil {
		return 0, err
	}
	return start, &TopicError{Err: ErrTruncated, Topic: i.topic, Partition: partition, Position: position, Start: start, End: end}
}
