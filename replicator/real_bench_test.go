package replicator

import (
	"context"
	"flag"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

var benchMB = flag.Int("replicator.mb", 0, "copy so many MB from broker to broker in TestRealThroughput; 0 skips it")

// TestRealThroughput measures a copy of uncompressed records of 1 KB in eight
// partitions: MB/s, and CPU seconds of this process per GB.
func TestRealThroughput(t *testing.T) {
	if *benchMB == 0 {
		t.Skip("a measurement: run with -replicator.mb 1000")
	}
	e, _ := onKafka(t)
	o := e.topic("bulk", 8, nil)
	k := kafka(t, e.sourceAddr, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProducerBatchMaxBytes(200_000), kgo.MaxBufferedRecords(50_000), kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	value := make([]byte, 1000)
	for i := range *benchMB * 1000 {
		k.Produce(context.Background(), &kgo.Record{Topic: o.Topic, Partition: int32(i % 8), Value: value, Timestamp: time.Now()}, nil)
	}
	require.NoError(t, k.Flush(context.Background()))
	k.Close()
	ends, err := e.source.ListOffsets(context.Background(), o.Topic, []int32{0, 1, 2, 3, 4, 5, 6, 7}, cluster.Latest)
	require.NoError(t, err)
	w := e.start(func(c *Config) {
		d := Config{Control: c.Control, Clusters: c.Clusters, Name: c.Name, Log: c.Log}
		*c = d
	})
	e.publish(o)
	e.eventually("the copy begins", func() bool { return e.workersWatermark() > 0 })
	cpu, start, from := cpuSeconds(), time.Now(), e.workersWatermark()
	total := int64(0)
	for _, end := range ends {
		total += end
	}
	e.eventually("the copy ends", func() bool { return e.workersWatermark() == total })
	took, mb := time.Since(start).Seconds(), float64(total-from)/1000
	t.Logf("%.0f MB in %.1f s: %.0f MB/s, %.2f CPU-s per GB", mb, took, mb/took, (cpuSeconds()-cpu)/mb*1000)
	w.stop(t)
}

func cpuSeconds() float64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// TestRealLatency measures how long it takes from the append on the source to
// the append on the target, by the brokers' clocks, at 1,000 one-record batches
// per second.
func TestRealLatency(t *testing.T) {
	if *benchMB == 0 {
		t.Skip("a measurement: run with -replicator.mb 1000")
	}
	e, _ := onKafka(t)
	stamp := map[string]string{"message.timestamp.type": "LogAppendTime"}
	o := e.topic("steady", 1, stamp)
	require.NoError(t, e.target.AlterTopicConfigs(e.within(10*time.Second), o.TargetTopic, stamp, nil))
	e.publish(o)
	e.start(func(c *Config) {
		*c = Config{Control: c.Control, Clusters: c.Clusters, Name: c.Name, Log: c.Log}
	})
	fill(t, e.sourceAddr, o, 0, 1)
	e.copied(o)
	writer := kafka(t, e.sourceAddr, kgo.ProducerLinger(0))
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		<-tick.C
		writer.Produce(context.Background(), &kgo.Record{Topic: o.Topic, Value: make([]byte, 100)}, nil)
	}
	require.NoError(t, writer.Flush(e.within(time.Minute)))
	e.copied(o)
	from, to := readAll(t, e.source, e.sourceAddr, o.Topic, 0), readAll(t, e.target, e.targetAddr, o.TargetTopic, 0)
	require.Equal(t, len(from), len(to))
	var took []time.Duration
	for i := range from {
		took = append(took, to[i].Timestamp.Sub(from[i].Timestamp))
	}
	slices.Sort(took)
	t.Logf("%d records: p50 %v, p99 %v, max %v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}
