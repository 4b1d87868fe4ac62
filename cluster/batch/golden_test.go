package batch_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Two other implementations of the format judge ours, in both directions: franz-go and kafka-go.

var goldenTime = time.UnixMilli(1_700_000_000_123)

func goldenRecords() []batch.Record {
	records := []batch.Record{
		{Key: []byte("k"), Value: []byte("v")},
		{Key: nil, Value: []byte("null key")},
		{Key: []byte("tombstone"), Value: nil},
		{Key: []byte{}, Value: []byte{}},
		{Key: []byte("headers"), Value: bytes.Repeat([]byte("compress me "), 500), Headers: []batch.Header{{Key: "a", Value: []byte("1")}, {Key: "b", Value: nil}, {Key: "a", Value: []byte("2")}}},
	}
	for i := range records {
		records[i].Offset = int64(i)
		records[i].Timestamp = goldenTime.Add(time.Duration(i*i) * time.Millisecond).UnixMilli()
	}
	return records
}

// null and empty are told apart where both sides can.
func plain(records []batch.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = fmt.Sprintf("%d@%d %q/%v %q/%v", r.Offset, r.Timestamp, r.Key, r.Key == nil, r.Value, r.Value == nil)
		for _, h := range r.Headers {
			out[i] += fmt.Sprintf(" %s=%q", h.Key, h.Value)
		}
	}
	return out
}

func kgoRecords(topic string) []*kgo.Record {
	var out []*kgo.Record
	for _, r := range goldenRecords() {
		k := &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Timestamp)}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		out = append(out, k)
	}
	return out
}

var kgoCodecs = map[batch.Codec]kgo.CompressionCodec{
	batch.None: kgo.NoCompression(), batch.Gzip: kgo.GzipCompression(), batch.Snappy: kgo.SnappyCompression(),
	batch.LZ4: kgo.Lz4Compression(), batch.Zstd: kgo.ZstdCompression(),
}

func TestFranzGoBatches(t *testing.T) {
	for codec, option := range kgoCodecs {
		k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
		require.NoError(t, err)
		var sent [][]byte
		k.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			for _, topic := range req.(*kmsg.ProduceRequest).Topics {
				for _, p := range topic.Partitions {
					sent = append(sent, slices.Clone(p.Records))
				}
			}
			return nil, nil, false
		})
		cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ProducerBatchCompression(option), kgo.ProducerLinger(50*time.Millisecond))
		require.NoError(t, err)
		require.NoError(t, cl.ProduceSync(t.Context(), kgoRecords("t")...).FirstErr())
		cl.Close()
		k.Close()

		require.Len(t, sent, 1, "one batch")
		b, rest := batch.Split(sent[0])
		require.Empty(t, rest)
		require.NoError(t, b.Check())
		require.Equal(t, codec, b.Codec())
		class, _ := batch.Classify(b, batch.Case{})
		require.Equal(t, batch.Pass, class)
		got, err := b.Records()
		require.NoError(t, err)
		require.Equal(t, plain(goldenRecords()), plain(got), "%s", codec)
	}
}

func TestFranzGoReadsOurBatches(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	require.NoError(t, err)
	defer k.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics("t"))
	require.NoError(t, err)
	defer cl.Close()
	var want []batch.Record
	for i := range 5 {
		b, err := batch.Build(batch.Spec{Codec: batch.Codec(i)}, goldenRecords())
		require.NoError(t, err)
		produceRaw(t, cl, b)
		for _, r := range goldenRecords() {
			r.Offset = int64(len(want))
			want = append(want, r)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []batch.Record
	for len(got) < len(want) && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			one := batch.Record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				one.Headers = append(one.Headers, batch.Header{Key: h.Key, Value: h.Value})
			}
			got = append(got, one)
		})
	}
	require.Equal(t, plain(want), plain(got))
}

func produceRaw(t *testing.T, cl *kgo.Client, b batch.Batch) {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "t"
	topic.Partitions = []kmsg.ProduceRequestTopicPartition{{Partition: 0, Records: b}}
	req.Topics = append(req.Topics, topic)
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), cl)
	require.NoError(t, err)
	for _, m := range meta.Topics {
		if m.Topic != nil && *m.Topic == "t" {
			req.Topics[0].TopicID = m.TopicID
		}
	}
	resp, err := req.RequestWith(t.Context(), cl)
	require.NoError(t, err)
	require.Zero(t, resp.Topics[0].Partitions[0].ErrorCode)
}

// kafka-go writes snappy in xerial framing, as Java does.
func TestKafkaGoBatches(t *testing.T) {
	for _, codec := range []batch.Codec{batch.None, batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd} {
		var in []protocol.Record
		for _, r := range goldenRecords() {
			one := protocol.Record{Time: time.UnixMilli(r.Timestamp)}
			if r.Key != nil {
				one.Key = protocol.NewBytes(r.Key)
			}
			if r.Value != nil {
				one.Value = protocol.NewBytes(r.Value)
			}
			for _, h := range r.Headers {
				one.Headers = append(one.Headers, protocol.Header{Key: h.Key, Value: h.Value})
			}
			in = append(in, one)
		}
		set := protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(kafka.Compression(codec)), Records: protocol.NewRecordReader(in...)}
		var out bytes.Buffer
		_, err := set.WriteTo(&out)
		require.NoError(t, err)
		b := batch.Batch(out.Bytes()[4:])
		require.Equal(t, codec, b.Codec())
		if codec == batch.Snappy {
			require.Equal(t, []byte("\x82SNAPPY\x00"), b.Payload()[:8], "this is the framed kind")
		}
		got, err := b.Records()
		require.NoError(t, err)
		require.Equal(t, plain(goldenRecords()), plain(got), "%s", codec)
	}
}

func TestKafkaGoReadsOurBatches(t *testing.T) {
	for codec := range kgoCodecs {
		b, err := batch.Build(batch.Spec{Codec: codec}, goldenRecords())
		require.NoError(t, err)
		require.Equal(t, plain(goldenRecords()), plain(kafkaGoDecode(t, b)), "%s", codec)
	}
}

func kafkaGoDecode(t *testing.T, b batch.Batch) []batch.Record {
	t.Helper()
	var set protocol.RecordSet
	_, err := set.ReadFrom(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)))
	require.NoError(t, err)
	read := func(x protocol.Bytes) []byte {
		if x == nil {
			return nil
		}
		y, err := protocol.ReadAll(x)
		require.NoError(t, err)
		if y == nil {
			y = []byte{}
		}
		return y
	}
	var out []batch.Record
	for {
		r, err := set.Records.ReadRecord()
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		one := batch.Record{Offset: r.Offset, Timestamp: r.Time.UnixMilli(), Key: read(r.Key), Value: read(r.Value)}
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, batch.Header{Key: h.Key, Value: h.Value})
		}
		out = append(out, one)
	}
}

// A batch without compression, byte by byte, written down by hand from the protocol documentation.
func TestBytes(t *testing.T) {
	b, err := batch.Build(batch.Spec{Producer: &batch.Producer{ID: 0x1122, Epoch: 3, Sequence: 4}}, []batch.Record{
		{Timestamp: 0x0100, Key: []byte("k"), Value: []byte("v")},
		{Timestamp: 0x0103, Value: []byte("w"), Headers: []batch.Header{{Key: "h", Value: nil}}},
	})
	require.NoError(t, err)
	want := []byte{
		0, 0, 0, 0, 0, 0, 0, 0, // base offset
		0, 0, 0, 49 + 9 + 11, // length
		0xff, 0xff, 0xff, 0xff, // leader epoch
		2,                          // magic
		b[17], b[18], b[19], b[20], // CRC: Check
		0, 0, // attributes
		0, 0, 0, 1, // last offset delta
		0, 0, 0, 0, 0, 0, 1, 0, // base timestamp
		0, 0, 0, 0, 0, 0, 1, 3, // max timestamp
		0, 0, 0, 0, 0, 0, 0x11, 0x22, 0, 3, 0, 0, 0, 4, // producer
		0, 0, 0, 2, // count
		16, 0, 0, 0, 2, 'k', 2, 'v', 0,
		20, 0, 6, 2, 1, 2, 'w', 2, 2, 'h', 1,
	}
	require.Equal(t, want, []byte(b))
	require.NoError(t, b.Check())
}
