package replicator

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// record makes the i-th record: keys and values of all kinds, old timestamps.
func record(topic string, partition int32, i int) *kgo.Record {
	r := &kgo.Record{
		Topic: topic, Partition: partition, Value: []byte(fmt.Sprintf("value %d of %s/%d %0*d", i, topic, partition, i%200, 0)),
		Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)*7),
	}
	if i%3 > 0 {
		r.Key = []byte(fmt.Sprintf("key %d", i))
	}
	if i%7 == 3 && r.Key != nil {
		r.Value = nil
	}
	if i%5 == 0 {
		r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte{byte(i)}}, {Key: "h", Value: nil}, {Key: "", Value: []byte{}}}
	}
	return r
}

// fill writes n records to every partition, some in a batch.
func fill(t *testing.T, addr []string, o events.CopyOrder, from, n int, opts ...kgo.Opt) {
	t.Helper()
	k := kafka(t, addr, append([]kgo.Opt{kgo.ProducerLinger(2 * time.Millisecond), kgo.ProducerBatchMaxBytes(20_000)}, opts...)...)
	defer k.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for i := from; i < from+n; i++ {
		for p := range o.Partitions {
			k.Produce(ctx, record(o.Topic, p, i), func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	require.NoError(t, k.Flush(ctx))
}

// transactions writes committed and aborted transactions, interleaved.
func transactions(t *testing.T, addr []string, o events.CopyOrder, rounds int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var k [2]*kgo.Client
	for i := range k {
		k[i] = kafka(t, addr, kgo.TransactionalID(fmt.Sprintf("%s-%d", o.Topic, i)), kgo.ProducerLinger(0))
		defer k[i].Close()
	}
	for round := range rounds {
		for i := range k {
			require.NoError(t, k[i].BeginTransaction())
		}
		for n := range 3 {
			for i := range k {
				require.NoError(t, k[i].ProduceSync(ctx, record(o.Topic, int32(n)%o.Partitions, 1000*round+10*n+i)).FirstErr())
			}
		}
		for i := range k {
			require.NoError(t, k[i].EndTransaction(ctx, kgo.TransactionEndTry((round+i)%3 != 0)))
		}
	}
}

func TestCopiesEverything(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{Brokers: 3})
	var orders []events.CopyOrder
	for name, codec := range codecs {
		o := e.topic("t-"+name, 3, nil)
		fill(t, e.sourceAddr, o, 0, 300, kgo.ProducerBatchCompression(codec))
		orders = append(orders, o)
	}
	tx := e.topic("tx", 2, nil)
	transactions(t, e.sourceAddr, tx, 6)
	stamped := e.topic("stamped", 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	fill(t, e.sourceAddr, stamped, 0, 50)
	orders = append(orders, tx, stamped)
	for _, o := range orders {
		e.publish(o)
	}
	w := e.start(nil)
	e.copied(orders...)
	for _, o := range orders {
		fill(t, e.sourceAddr, o, 1000, 20) // and what comes while it runs
	}
	e.copied(orders...)
	for _, o := range orders {
		e.same(o)
	}
	require.Empty(t, e.events(), "nothing was stopped")
	w.stop(t)
}

// TestMapThatASwitchWaitsFor: what a group that stands still waits for is
// published without the usual pause.
func TestMapThatASwitchWaitsFor(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	e.publish(o)
	w := e.start(func(c *Config) { c.PublishEvery = time.Hour })
	e.eventually("the copy runs", func() bool { return len(w.Status()) == 1 && w.Status()[0].Phase == "copying" })
	fill(t, e.sourceAddr, o, 0, 20)
	e.eventually("the records are on the target", func() bool { return len(e.targetBatches(o.TargetTopic, 0)) > 0 })
	at, _, _ := e.published(one("orders"))
	require.Zero(t, at, "nobody waits for more")
	e.position++
	require.NoError(t, e.directives.Publish(e.within(30*time.Second), events.Directive{
		SourceCluster: e.source.ID(), Addressee: events.ToGroup("billing"), Position: e.position, Migration: "m", Stream: events.GroupStream("billing"),
		Phase: events.PhaseHolding, AtLeast: Version, Group: &events.GroupOrder{
			Order: events.OrderHold, Source: "source", Target: "target", Topics: []events.GroupTopic{{Topic: o.Topic, TargetTopic: o.TargetTopic, Partitions: 1}},
		},
	}))
	e.copied(o)
}

func TestCompactedSource(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	o := e.topic("compacted", 1, map[string]string{"cleanup.policy": "compact", "segment.bytes": "1000"})
	k := kafka(t, e.sourceAddr, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	put := func(n int) {
		for i := range n {
			r := record(o.Topic, 0, i)
			r.Key = []byte(fmt.Sprint("key ", i%(7+i%3)))
			require.NoError(t, k.ProduceSync(context.Background(), r, record(o.Topic, 0, 3*i+1)).FirstErr())
		}
	}
	put(60)
	pair.Source.Kfake().Compact()
	before := readAll(t, e.source, e.sourceAddr, o.Topic, 0)
	require.Less(t, len(before), 120, "records are gone")
	e.publish(o)
	w := e.start(nil)
	e.copied(o)
	e.same(o)
	put(30)
	e.copied(o)
	pair.Source.Kfake().Compact() // images without an origin from here on
	require.Less(t, len(readAll(t, e.source, e.sourceAddr, o.Topic, 0)), len(readAll(t, e.target, e.targetAddr, o.TargetTopic, 0)))
	w.kill()
	put(10)
	e.start(nil)
	e.copied(o)
	o.Verify, o.VerifyCause = []events.PartitionOffset{{Offset: e.ends(o)[0]}}, "cause"
	e.publish(o)
	got := awaitEvent(e, func(_ events.Event, b events.PartitionVerified) bool { return true })
	require.Empty(t, got.Differs)
	require.EqualValues(t, len(readAll(t, e.source, e.sourceAddr, o.Topic, 0)), got.Records)
	e.noStops()
}
