package agent

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	eventlog "github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// plant is a pair of clusters with a topic of three partitions on both sides
// and the control topics on the target.
type plant struct {
	t       *testing.T
	pair    *embedded.Pair
	control *cluster.Client
}

func newPlant(t *testing.T) *plant {
	topics := []embedded.Topic{{Name: "orders", Partitions: 3}}
	p := &plant{t: t, pair: embedded.ForTest(t, embedded.Options{Seed: 1, Source: embedded.Side{Topics: topics}, Target: embedded.Side{Topics: []embedded.Topic{{Name: "orders-eu", Partitions: 3}}}})}
	var err error
	p.control, err = cluster.Open(t.Context(), "target", cluster.Config{Bootstrap: p.pair.Target.Bootstrap()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.control.Close() })
	_, err = eventlog.Init(t.Context(), p.control, eventlog.InitOptions{})
	require.NoError(t, err)
	return p
}

func (p *plant) source() *cluster.Client {
	c, err := cluster.Open(p.t.Context(), "source", cluster.Config{Bootstrap: p.pair.Source.Bootstrap()})
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (p *plant) config() ProducerConfig {
	return ProducerConfig{
		Topic: "orders", Instance: "web-0", Home: "source", Control: "target",
		Clusters: map[string]cluster.Config{"source": {Bootstrap: p.pair.Source.Bootstrap()}, "target": {Bootstrap: p.pair.Target.Bootstrap()}},
	}
}

func (p *plant) producer(opts ...ProducerOption) *Producer {
	p.t.Helper()
	return p.start(p.config(), opts...)
}

func (p *plant) start(cfg ProducerConfig, opts ...ProducerOption) *Producer {
	p.t.Helper()
	producer, err := NewProducer(cfg, opts...)
	require.NoError(p.t, err)
	p.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(p.t, producer.Close(ctx))
	})
	return producer
}

// publish puts a directive for the topic's producers in force.
func (p *plant) publish(position int64, phase events.Phase, route string) {
	p.t.Helper()
	d := events.Directive{
		SourceCluster: p.pair.Source.ID(), Addressee: events.ToProducers("orders"), Position: position, Migration: "m",
		Stream: "topic/orders", Version: 3, Epoch: 1, Phase: phase, AtLeast: "0.1",
		Topic: &events.TopicOrder{Route: route, Source: "source", Target: "target", TargetTopic: "orders-eu", Partitions: 3},
	}
	require.NoError(p.t, eventlog.NewDirectives(p.control, eventlog.Options{}).Publish(p.t.Context(), d))
}

// events are the types of what was appended so far.
func (p *plant) events() (types []string) {
	r := eventlog.NewReader(p.control, 0)
	for {
		page, err := r.Next(p.t.Context(), 0, 0)
		require.NoError(p.t, err)
		for _, rec := range page.Records {
			require.Nil(p.t, rec.Refusal)
			types = append(types, string(rec.Event.Type))
		}
		if page.Next >= page.End {
			return types
		}
	}
}

func (p *plant) count(c *embedded.Cluster, topic string) (n int) {
	require.NoError(p.t, oracle.ReadTopic(p.t.Context(), workload.ClusterConfig{Name: "c", Bootstrap: c.Bootstrap()}, topic, func(*kgo.Record) { n++ }))
	return n
}

func send(t *testing.T, p *Producer, n int) (acks []Ack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i := range n {
		ack, err := p.Send(ctx, Message{Key: fmt.Append(nil, "k", i%5), Value: fmt.Append(nil, "v", i)})
		require.NoError(t, err)
		acks = append(acks, ack)
	}
	return acks
}

// TestProducerAtHome: without a migration a producer writes to its home and
// tells nobody; one that begins later hears of it.
func TestProducerAtHome(t *testing.T) {
	p := newPlant(t)
	producer := p.producer()
	for _, ack := range send(t, producer, 20) {
		require.Equal(t, "source", ack.Cluster)
		require.Equal(t, "orders", ack.Topic)
	}
	require.Empty(t, p.events())
	p.publish(4, events.PhaseOnSource, events.RouteSource)
	require.Eventually(t, func() bool { return len(p.events()) == 2 }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, []string{"ProducerSeen", "ProducerRouted"}, p.events())
	p.publish(9, events.PhaseRolling, events.RouteTarget)
	require.Equal(t, "source", send(t, producer, 1)[0].Cluster, "the route holds for the life of the process")
	require.NoError(t, producer.Close(t.Context()))
	require.Equal(t, []string{"ProducerSeen", "ProducerRouted", "ProducerLeft"}, p.events())
	require.Equal(t, 21, p.count(p.pair.Source, "orders"))
	_, err := producer.Send(t.Context(), Message{Value: []byte("late")})
	require.ErrorIs(t, err, ErrClosed)
}

// TestProducerLostAcks: an acknowledgement that is lost never makes two records
// of one.
func TestProducerLostAcks(t *testing.T) {
	p := newPlant(t)
	producer := p.producer()
	send(t, producer, 1)
	p.pair.Source.LoseAcks(kmsg.Produce, 7)
	send(t, producer, 30)
	require.Equal(t, 31, p.count(p.pair.Source, "orders"))
}

// TestProducerOnTarget: a producer that starts on the target waits until the
// copy has passed what the source had, and then writes there.
func TestProducerOnTarget(t *testing.T) {
	p := newPlant(t)
	before := p.producer()
	send(t, before, 3)
	require.NoError(t, before.Close(t.Context()))
	p.publish(0, events.PhaseRolling, events.RouteTarget)

	offsets := eventlog.NewOffsets(p.control, eventlog.Options{})
	for n := range int32(3) { // a copy that was begun anew since
		require.NoError(t, offsets.PublishBlock(t.Context(), events.CopyKey{Migration: "m", Topic: "orders", Partition: n}, events.Block{Recopies: 7, Runs: []byte{1, 0, 0, 0, 3}, Watermark: 9}))
	}
	producer := p.producer()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := producer.Send(ctx, Message{Value: []byte("early")})
	require.ErrorContains(t, err, "not ready")
	for n := range int32(3) {
		require.NoError(t, offsets.PublishBlock(t.Context(), events.CopyKey{Migration: "m", Topic: "orders", Partition: n}, events.Block{OwnerEpoch: 1, Runs: []byte{1, 0, 0, 0, 3}, Watermark: 3}))
	}
	ack := send(t, producer, 1)[0]
	require.Equal(t, Ack{Cluster: "target", Topic: "orders-eu", Partition: ack.Partition, Offset: 0}, ack)
	require.Equal(t, []string{"ProducerSeen", "ProducerRouted"}, p.events())
	require.Equal(t, 1, p.count(p.pair.Target, "orders-eu"))
}

// TestProducerRefusals: what a broker does not take fails alone, and the others
// get through, in order.
func TestProducerRefusals(t *testing.T) {
	p := newPlant(t)
	producer := p.producer()
	send(t, producer, 1)
	first := int32(0)
	results := make(chan error, 3)
	for _, size := range []int{10, 3 << 20, 10} {
		require.NoError(t, producer.SendAsync(t.Context(), Message{Value: make([]byte, size), Partition: &first}, func(_ Ack, err error) { results <- err }))
	}
	require.NoError(t, <-results)
	require.Error(t, <-results)
	require.NoError(t, <-results)
	outside := int32(9)
	_, err := producer.Send(t.Context(), Message{Partition: &outside})
	require.ErrorContains(t, err, "3 partitions")
	require.NoError(t, producer.Flush(t.Context()))
}

func TestProducerConfig(t *testing.T) {
	c := ProducerConfig{Codec: "lzma", Home: "a", Control: "b"}
	err := c.Validate()
	require.ErrorContains(t, err, "Topic")
	require.ErrorContains(t, err, "lzma")
	require.ErrorContains(t, err, `not "a"`)
}
