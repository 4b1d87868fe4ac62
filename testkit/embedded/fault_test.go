package embedded

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func withTopic(t *testing.T) *Pair {
	t.Helper()
	return ForTest(t, Options{Source: Side{Topics: []Topic{{Name: "orders", Partitions: 1}}}})
}

func end(t *testing.T, c *Cluster) int64 {
	t.Helper()
	info := c.Kfake().PartitionInfo("orders", 0)
	require.NotNil(t, info)
	return info.HighWatermark
}

// produceRequest is one record without a producer id: a retry of it is a second record.
func produceRequest(c *Cluster, value string) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = batchOf(value)
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = "orders", c.Kfake().TopicInfo("orders").TopicID
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	return req
}

func TestLostAckLeavesTheRecord(t *testing.T) {
	pair := withTopic(t)
	client := dial(t, pair.Source)
	handle := pair.Source.LoseAcks(kmsg.Produce, 1)
	broker := client.Broker(0)

	resp, err := broker.Request(within(t, 10*time.Second), produceRequest(pair.Source, "a"))
	require.NoError(t, err)
	code := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
	require.Equal(t, kerr.RequestTimedOut.Code, code)
	require.EqualValues(t, 1, end(t, pair.Source), "the work was done all the same")
	require.Equal(t, 1, handle.Hits())

	resp, err = broker.Request(within(t, 10*time.Second), produceRequest(pair.Source, "b"))
	require.NoError(t, err)
	require.Zero(t, resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode, "only one acknowledgement was to be lost")
	require.EqualValues(t, 2, end(t, pair.Source))
}

func TestCutAndHeal(t *testing.T) {
	pair := withTopic(t)
	client := dial(t, pair.Source, kgo.RetryTimeout(time.Second))
	require.NoError(t, client.Ping(within(t, 10*time.Second)))

	pair.Source.Cut()
	short, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	require.Error(t, client.Ping(short), "a cluster off the network answers nobody")
	require.NoError(t, dial(t, pair.Target).Ping(within(t, 10*time.Second)), "the other cluster is untouched")

	pair.Source.Heal()
	require.NoError(t, dial(t, pair.Source).Ping(within(t, 10*time.Second)))
	topics, err := kadm.NewClient(dial(t, pair.Source)).ListTopics(within(t, 10*time.Second))
	require.NoError(t, err)
	require.True(t, topics.Has("orders"), "data survives a cut")
}

func TestCutBreaksAWaitingRequest(t *testing.T) {
	pair := withTopic(t)
	client := dial(t, pair.Source)
	require.NoError(t, client.Ping(within(t, 10*time.Second)))
	arrived := make(chan struct{})
	pair.Source.Kfake().ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(arrived)
		pair.Source.Cut()
		return nil, nil, false
	})
	_, err := client.Broker(0).Request(within(t, 10*time.Second), kmsg.NewPtrMetadataRequest())
	require.Error(t, err)
	<-arrived
}
