package replicator

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// onKafka is an env on Apache Kafka: the older pinned version is the source, the
// newest the target.
func onKafka(t *testing.T) (*env, []*realkafka.Cluster) {
	t.Helper()
	quick := map[string]string{"group.min.session.timeout.ms": "500"}
	all := realkafka.AllForTest(t,
		realkafka.Options{Name: "source", Version: realkafka.Source},
		realkafka.Options{Name: "target", Version: realkafka.Target, Properties: quick})
	return newEnv(t, all[0].Bootstrap(realkafka.Internal), all[1].Bootstrap(realkafka.Internal)), all
}

// compacted makes a topic of which the log cleaner has removed records, and
// stops the cleaner then, so that the two sides can be compared.
func (e *env) compacted(name string) events.CopyOrder {
	e.t.Helper()
	o := e.topic(name, 1, map[string]string{
		"cleanup.policy": "compact", "segment.ms": "300", "min.cleanable.dirty.ratio": "0.001",
		"max.compaction.lag.ms": "1000", "delete.retention.ms": "100",
	})
	written := 0
	write := func() {
		k := kafka(e.t, e.sourceAddr, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
		defer k.Close()
		var all []*kgo.Record
		for range 30 {
			r := record(name, 0, written)
			r.Key, r.Timestamp = []byte(fmt.Sprint("key ", written%17)), time.Now()
			if written%13 == 5 {
				r.Value = nil
			}
			all = append(all, r)
			written++
		}
		require.NoError(e.t, k.ProduceSync(e.within(20*time.Second), all...).FirstErr())
	}
	e.eventually("the log cleaner has removed records", func() bool {
		write() // segments roll on an append only
		return len(readAll(e.t, e.source, e.sourceAddr, name, 0)) < written/2
	})
	require.NoError(e.t, e.source.AlterTopicConfigs(e.within(10*time.Second), name, map[string]string{"cleanup.policy": "delete"}, nil))
	return o
}

func TestRealCopy(t *testing.T) {
	e, _ := onKafka(t)
	orders := []events.CopyOrder{e.compacted("compacted")}
	for name, codec := range codecs {
		o := e.topic("t-"+name, 2, nil)
		fill(t, e.sourceAddr, o, 0, 400, kgo.ProducerBatchCompression(codec))
		orders = append(orders, o)
	}
	tx := e.topic("tx", 2, nil)
	transactions(t, e.sourceAddr, tx, 8)
	stamped := e.topic("stamped", 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	fill(t, e.sourceAddr, stamped, 0, 50)
	orders = append(orders, tx, stamped)
	for _, o := range orders {
		e.publish(o)
	}
	w := e.start(nil)
	e.copied(orders...)
	for i, o := range orders {
		e.same(o)
		o.VerifyCause = fmt.Sprint("cause-", i)
		for p, end := range e.ends(o) {
			o.Verify = append(o.Verify, events.PartitionOffset{Partition: p, Offset: end})
		}
		e.publish(o)
		for p := range o.Partitions {
			got := awaitEvent(e, func(ev events.Event, b events.PartitionVerified) bool {
				return ev.Cause == o.VerifyCause && b.Partition == p
			})
			require.Empty(t, got.Differs, o.Topic)
		}
	}
	w.stop(t)
}

func TestRealKill(t *testing.T) {
	e, _ := onKafka(t)
	killedHalfWay(e)
}

// TestRealBrokersDie kills the brokers of both sides in turn while records flow
// that are so old that a restarted broker no longer knows their producer. The
// target dies with a request in its hands: it is frozen until one was sent.
func TestRealBrokersDie(t *testing.T) {
	e, clusters := onKafka(t)
	source, target := clusters[0], clusters[1]
	o := e.topic("orders", 2, nil)
	fill(t, e.sourceAddr, o, 0, 10_000)
	e.publish(o)
	var doubts atomic.Int64
	e.start(func(c *Config) {
		c.PartitionBytes, c.MergeBelow = 30_000, 1 // many small requests
		c.Hooks.Doubt = func(events.CopyKey, string) { doubts.Add(1) }
	})
	e.eventually("the copy goes on", func() bool { return e.workersWatermark() > 0 })
	require.NoError(t, target.Pause(1))
	fill(t, e.sourceAddr, o, 10_000, 1000)
	require.NoError(t, target.Kill(1, syscall.SIGKILL))
	e.eventually("what was sent is in doubt", func() bool { return doubts.Load() > 0 })
	require.NoError(t, target.Restart(e.within(time.Minute), 1))

	at := e.workersWatermark()
	fill(t, e.sourceAddr, o, 11_000, 1000)
	e.eventually("the copy goes on", func() bool { return e.workersWatermark() > at })
	require.NoError(t, source.Kill(1, syscall.SIGKILL))
	require.NoError(t, source.Restart(e.within(time.Minute), 1))
	fill(t, e.sourceAddr, o, 12_000, 1000)
	e.copied(o)
	e.same(o)
}

func TestRealForeignWriter(t *testing.T) {
	e, _ := onKafka(t)
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	native(t, e.target, o.TargetTopic, "intruder", nil)
	fill(t, e.sourceAddr, o, 20, 20)
	got := awaitEvent(e, func(_ events.Event, b events.CopyStopped) bool { return true })
	require.Equal(t, CodeForeignWriter, got.Code, got.Reason)
}

func TestRealFrozenWorkers(t *testing.T) {
	e, _ := onKafka(t)
	frozen(t, e)
}

func TestRealRestart(t *testing.T) {
	e, _ := onKafka(t)
	afterRestart(t, e)
}
