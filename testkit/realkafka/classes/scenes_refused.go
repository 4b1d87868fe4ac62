package classes

import (
	"context"
	"time"

	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// refusedScenes are batches that look well and that the target does not take.
func refusedScenes() []Scene {
	return []Scene{{
		Name: "null-key", About: "a record without a key for a compacted target", Versions: Sources(),
		Target: map[string]string{"cleanup.policy": "compact"}, Stops: "87", Code: 87,
		write: func(ctx context.Context, t Topic) error {
			if err := t.put(ctx, keysOf("k", 0, 0, 1)); err != nil {
				return err
			}
			return t.put(ctx, ordinary())
		},
	}, {
		Name: "future", About: "timestamps of tomorrow, which Kafka 4 does not take", Versions: Sources(),
		Stops: "32", Code: 32,
		write: func(ctx context.Context, t Topic) error {
			r := keyed(0, "k")
			r.Timestamp = time.Now().Add(24 * time.Hour)
			return t.put(ctx, []*kgo.Record{r})
		},
	}}
}

// oldScenes are messages of the formats before batches. Only brokers before 3.0 write them, when a topic asks for it.
func oldScenes() (all []Scene) {
	for format, version := range []string{"0.9.0", "0.10.2"} {
		name := []string{"format-0", "format-1"}[format]
		all = append(all, Scene{
			Name: name, About: "message.format.version is " + version, Versions: []string{realkafka.Oldest},
			Source: map[string]string{"message.format.version": version}, Stops: "message format", write: oldFormat(kgo.NoCompression()),
		}, Scene{
			Name: name + "-gzip", About: "message.format.version is " + version + ", compressed", Versions: []string{realkafka.Oldest},
			Source: map[string]string{"message.format.version": version}, Stops: "message format", write: oldFormat(kgo.GzipCompression()),
		})
	}
	return all
}

// oldFormat writes records that fit into old messages: without headers and without a producer id.
func oldFormat(c kgo.CompressionCodec) func(context.Context, Topic) error {
	return func(ctx context.Context, t Topic) error {
		return t.put(ctx, keysOf("k", 0, 0, 1, 2), kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(c))
	}
}
