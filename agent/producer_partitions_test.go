package agent

import (
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

// TestProducerGrowth: partitions that a topic gets are written to without a restart, by name and by key.
func TestProducerGrowth(t *testing.T) {
	p := newPlant(t)
	cfg := p.config()
	cfg.MetadataMaxAge = 20 * time.Millisecond
	producer := p.start(cfg)
	send(t, producer, 5)
	require.NoError(t, p.source().GrowTopic(t.Context(), "orders", 5))
	last := int32(4)
	require.Eventually(t, func() bool {
		ack, err := producer.Send(t.Context(), Message{Value: []byte("v"), Partition: &last})
		return err == nil && ack.Partition == last && ack.Offset == 0
	}, 30*time.Second, 5*time.Millisecond)
	used := map[int32]bool{}
	for i := range byte(50) {
		ack, err := producer.Send(t.Context(), Message{Key: []byte{i}})
		require.NoError(t, err)
		used[ack.Partition] = true
	}
	require.Len(t, used, 5)
}

// TestProducerGrowthWhileMoved: a producer of the source does not write to partitions that would not be copied, from the order to
// move on; before, it does.
func TestProducerGrowthWhileMoved(t *testing.T) {
	p := newPlant(t)
	cfg := p.config()
	cfg.MetadataMaxAge = time.Hour
	producer := p.start(cfg)
	send(t, producer, 1)
	require.NoError(t, p.source().GrowTopic(t.Context(), "orders", 4))
	writable := func() int32 {
		n, err := producer.count(t.Context(), producer.route)
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 4, writable())
	moving := &events.TopicOrder{Route: events.RouteSource, Level: events.LevelRestart, Partitions: 3}
	producer.heard(events.Directive{Position: 20, Topic: moving})
	require.EqualValues(t, 3, writable())
	producer.heard(events.Directive{Position: 10, Topic: &events.TopicOrder{Route: events.RouteSource, Partitions: 3}})
	require.EqualValues(t, 3, writable(), "an older directive changes nothing")
	producer.heard(events.Directive{Position: 30})
	require.EqualValues(t, 3, writable(), "nor does one without an order")
	producer.heard(events.Directive{Position: 30, Topic: &events.TopicOrder{Route: events.RouteSource, Partitions: 3}})
	require.EqualValues(t, 4, writable(), "the switch was called off")
}

// TestNextCount: never later than the age allows, and not all at once.
func TestNextCount(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		d := nextCount(time.Minute)
		require.Greater(t, d, 29*time.Second)
		require.LessOrEqual(t, d, time.Minute)
		seen[d] = true
	}
	require.Greater(t, len(seen), 50)
}
