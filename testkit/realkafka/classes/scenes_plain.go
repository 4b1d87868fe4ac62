package classes

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// began is the time of the first record of most scenes, in ms: old, and the same every time.
const began = 1_700_000_000_000

// at is a record of that time and some ms.
func at(ms int64, key, value []byte) *kgo.Record {
	return &kgo.Record{Timestamp: time.UnixMilli(began + ms), Key: key, Value: value}
}

// keyed is a record with a key and a value that tells it from others of that key, and that every codec makes smaller: clients
// in Go send a batch without compression if it would not.
func keyed(ms int64, key string) *kgo.Record {
	return at(ms, []byte(key), fmt.Appendf(nil, "%s at %d%s", key, ms, strings.Repeat(".", 60)))
}

// ordinary are records of all forms: without key, without value, with both empty, with headers.
func ordinary() []*kgo.Record {
	headed := at(16, []byte("headers"), bytes.Repeat([]byte("compress me "), 20))
	headed.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "b"}, {Key: "a", Value: []byte{}}}
	return []*kgo.Record{
		at(0, []byte("k"), []byte("v")), at(1, nil, []byte("no key")), at(4, []byte("tombstone"), nil), at(9, []byte{}, []byte{}), headed,
	}
}

// codec is a codec by its name in configurations.
type codec struct {
	name   string
	option kgo.CompressionCodec
}

func codecs() []codec {
	return []codec{
		{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()},
	}
}

// plainScenes are batches as a producer in Go sends them.
func plainScenes() []Scene {
	return []Scene{{
		Name: "pass", About: "a batch of each codec, by an idempotent producer in Go", Versions: Sources(),
		write: func(ctx context.Context, t Topic) error {
			for _, c := range codecs() {
				if err := t.put(ctx, ordinary(), kgo.ProducerBatchCompression(c.option)); err != nil {
					return err
				}
			}
			return nil
		},
	}, {
		Name: "no-producer-id", About: "a batch without idempotence", Versions: Sources(),
		write: func(ctx context.Context, t Topic) error {
			return t.put(ctx, ordinary(), kgo.DisableIdempotentWrite())
		},
	}, {
		Name: "append-time", About: "LogAppendTime, a batch of each codec", Versions: Sources(),
		Source: map[string]string{"message.timestamp.type": "LogAppendTime"},
		write: func(ctx context.Context, t Topic) error {
			for _, c := range codecs() {
				if err := t.put(ctx, ordinary(), kgo.ProducerBatchCompression(c.option)); err != nil {
					return err
				}
			}
			return nil
		},
	}}
}

// javaScenes are batches as Kafka's own code compresses them: the broker's, which its Java clients share, and a client's.
func javaScenes() (all []Scene) {
	for _, c := range codecs()[1:] {
		all = append(all, Scene{
			Name: "java-" + c.name, About: "compressed with " + c.name + " by the broker, whose code is that of the Java clients", Versions: Sources(),
			Source: map[string]string{"compression.type": c.name},
			write:  func(ctx context.Context, t Topic) error { return t.put(ctx, ordinary()) },
		})
	}
	return append(all, Scene{
		Name: "java-producer", About: "Kafka's console producer with snappy: xerial framing", Versions: Sources(), write: consoleProducer,
	})
}

func consoleProducer(ctx context.Context, t Topic) error {
	cmd, err := realkafka.Command(ctx, t.Version, "kafka.tools.ConsoleProducer", "--bootstrap-server", t.Bootstrap[0], "--topic", t.Name,
		"--compression-codec", "snappy", "--property", "parse.key=true", "--property", "key.separator=:")
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader("a:first\nb:second second second second\nc:\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("console producer: %w\n%s", err, out)
	}
	return nil
}

// noise are bytes that no codec makes smaller, the same every time.
func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// sizeScenes are batches that are too large or very small.
func sizeScenes() []Scene {
	const limit = 600
	narrow := map[string]string{"max.message.bytes": fmt.Sprint(limit)}
	return []Scene{{
		Name: "too-large", About: "batches over the target's max.message.bytes, records that fit alone", Versions: Sources(),
		Target: narrow, Limits: Limits{MaxBytes: limit}, write: largeBatches,
	}, {
		Name: "too-large-record", About: "a record that no batch for the target can hold", Versions: Sources(),
		Target: narrow, Limits: Limits{MaxBytes: limit}, Stops: "raise max.message.bytes of the target topic to",
		write: func(ctx context.Context, t Topic) error {
			if err := t.put(ctx, ordinary()); err != nil {
				return err
			}
			return t.put(ctx, []*kgo.Record{keyed(20, "a"), at(21, []byte("b"), noise(limit, 1)), keyed(22, "c")})
		},
	}, {
		Name: "tiny", About: "batches of one record, which are merged, about a large one, which is not", Versions: Sources(),
		Limits: Limits{MergeBelow: 200, MergeUpTo: 500}, write: tinyBatches,
	}}
}

// largeBatches writes a batch of each kind of two codecs that splits into several.
func largeBatches(ctx context.Context, t Topic) error {
	for _, c := range []codec{codecs()[0], codecs()[3]} {
		var records []*kgo.Record
		for i := range uint64(8) {
			records = append(records, at(int64(i), nil, noise(150, i)))
		}
		if err := t.put(ctx, records, kgo.ProducerBatchCompression(c.option)); err != nil {
			return err
		}
	}
	return nil
}

// tinyBatches writes batches of one record by one producer in two codecs.
func tinyBatches(ctx context.Context, t Topic) error {
	for i := range int64(12) {
		records := []*kgo.Record{keyed(i, fmt.Sprint("k", i%3))}
		if i == 8 {
			records = []*kgo.Record{at(i, nil, noise(300, 1))}
		}
		if err := t.put(ctx, records, kgo.ProducerBatchCompression(codecs()[i%2*3].option)); err != nil {
			return err
		}
	}
	return nil
}

// pageScenes are fetches that begin and end within batches.
func pageScenes() []Scene {
	return []Scene{{
		Name: "partial", About: "a fetch from within a batch, one that ends within a batch, and one of a large batch alone", Versions: Sources(),
		pages: []ask{{2, 1 << 20}, {0, 700}, {13, 1 << 20}, {5, 100}},
		write: func(ctx context.Context, t Topic) error {
			for range 3 {
				if err := t.put(ctx, ordinary()); err != nil {
					return err
				}
			}
			return nil
		},
	}}
}
