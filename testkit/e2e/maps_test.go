package e2e

import (
	"bytes"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/portage-kafka/portage/replicator"
	"github.com/portage-kafka/portage/testkit/oracle"
)

// logOffset is an offset of a partition of a topic.
type logOffset struct {
	topic     string
	partition int32
	offset    int64
}

// offsetMaps are the published maps of topics, by their offset 0; a partition of which nothing is published has
// none.
func (b *bench) offsetMaps(migration string, topics []string, partitions int32) map[logOffset]*offsetmap.Map {
	b.t.Helper()
	var keys []events.CopyKey
	for _, t := range topics {
		for p := range partitions {
			keys = append(keys, events.CopyKey{Migration: migration, Topic: t, Partition: p})
		}
	}
	all, err := log.NewOffsets(b.state.client, log.Options{}).LoadAll(b.t.Context(), keys)
	require.NoError(b.t, err)
	out := map[logOffset]*offsetmap.Map{}
	for k, loaded := range all {
		m, err := replicator.Map(loaded.Blocks, 0)
		if err != nil {
			b.t.Logf("the map of %s: %v", k, err)
		}
		out[logOffset{k.Topic, k.Partition, 0}] = &m
	}
	return out
}

// records reads a topic of a cluster whole.
func (b *bench) records(cluster, topic string) map[logOffset]*kgo.Record {
	b.t.Helper()
	out := map[logOffset]*kgo.Record{}
	require.NoError(b.t, oracle.ReadTopic(b.t.Context(), b.cluster(cluster), topic, func(r *kgo.Record) { out[logOffset{topic, r.Partition, r.Offset}] = r }))
	return out
}

// translate demands that every record of the source is where the map says, and that the way back leads to it. Topics
// have the same name on both sides.
func (b *bench) translate(migration string, topics []string, partitions int32) {
	b.t.Helper()
	maps := b.offsetMaps(migration, topics, partitions)
	for _, topic := range topics {
		from, to := b.records(source, topic), b.records(target, topic)
		for at, r := range from {
			m := maps[logOffset{topic, at.partition, 0}]
			image, err := m.Translate(at.offset, 0)
			require.NoError(b.t, err, "%v", at)
			require.Equal(b.t, offsetmap.Image, image.Kind, "%v", at)
			copied := to[logOffset{topic, at.partition, image.Offset}]
			require.NotNil(b.t, copied, "%v is to be at %d", at, image.Offset)
			require.True(b.t, bytes.Equal(r.Key, copied.Key) && bytes.Equal(r.Value, copied.Value), "%v is not the record at %d", at, image.Offset)
			back, err := m.Inverse(image.Offset, 0)
			require.NoError(b.t, err, "%v", at)
			require.Equal(b.t, at.offset, back.Offset, "the way back of %v", at)
		}
	}
}
