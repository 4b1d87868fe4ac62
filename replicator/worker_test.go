package replicator

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func one(topic string) events.CopyKey {
	return events.CopyKey{Migration: "m", Topic: topic, Partition: 0}
}

// targetBatches reads the target partition's batches.
func (e *env) targetBatches(topic string, partition int32) []batch.Batch {
	e.t.Helper()
	return e.batches(e.target, topic, partition)
}

// batches reads a partition's batches.
func (e *env) batches(c *cluster.Client, topic string, partition int32) []batch.Batch {
	e.t.Helper()
	ctx := e.within(20 * time.Second)
	l := &link{Client: c}
	end, err := settledEnd(ctx, l, topic, partition)
	require.NoError(e.t, err)
	var all []batch.Batch
	for next := int64(0); next < end; {
		got, err := readRaw(ctx, l, topic, partition, next, false)
		require.NoError(e.t, err)
		for b, rest := batch.Split(got.Records); b != nil; b, rest = batch.Split(rest) {
			all = append(all, b)
			next = b.NextOffset()
		}
	}
	return all
}

func TestKilledHalfWay(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	killedHalfWay(e)
}

// killedHalfWay kills one worker after the other while records flow.
func killedHalfWay(e *env) {
	o := e.topic("orders", 3, nil)
	e.publish(o)
	stop := make(chan struct{})
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; ; i += 50 {
			select {
			case <-stop:
				return
			default:
				fill(e.t, e.sourceAddr, o, i, 50)
			}
		}
	}()
	for n := int64(1); n <= 3; n++ {
		w := e.start(func(c *Config) { c.PublishEvery = time.Duration(n) * 50 * time.Millisecond })
		e.eventually("the worker copies", func() bool {
			_, blocks, claims := e.published(one("orders"))
			return len(claims) >= int(n) && len(blocks) > 0 && blocks[len(blocks)-1].OwnerEpoch == int32(n-1) && blocks[len(blocks)-1].Sequence >= 100
		})
		w.kill()
	}
	close(stop)
	<-written
	w := e.start(nil)
	e.copied(o)
	e.same(o)
	_, _, claims := e.published(one("orders"))
	require.GreaterOrEqual(e.t, len(claims), 3, "every owner claims")
	w.stop(e.t)
}

func TestRestartResumesExactly(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 2, nil)
	fill(t, e.sourceAddr, o, 0, 500)
	e.publish(o)
	w := e.start(nil)
	e.copied(o)
	w.stop(t)
	before := len(e.targetBatches(o.TargetTopic, 0))
	fill(t, e.sourceAddr, o, 500, 100)
	w = e.start(nil)
	e.copied(o)
	w.stop(t)
	e.same(o)
	for i, b := range e.targetBatches(o.TargetTopic, 0) {
		require.Equal(t, i >= before, b.Producer().Epoch == 1, "the second owner raised the epoch and wrote only what was new")
	}
}

func TestTwoWorkersShare(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{Brokers: 3})
	o := e.topic("orders", 8, nil)
	fill(t, e.sourceAddr, o, 0, 50)
	e.publish(o)
	a := e.start(nil)
	e.copied(o)
	require.Len(t, a.Status(), 8)
	b := e.start(nil)
	e.eventually("the partitions are shared", func() bool { return len(a.Status()) == 4 && len(b.Status()) == 4 })
	fill(t, e.sourceAddr, o, 50, 50)
	e.copied(o)
	more := e.topic("more", 4, nil) // what is ordered later is shared, too
	fill(t, e.sourceAddr, more, 0, 50)
	e.publish(more)
	e.eventually("the partitions are shared", func() bool { return len(a.Status()) == 6 && len(b.Status()) == 6 })
	e.copied(more)
	a.stop(t)
	e.eventually("the partitions are taken over", func() bool { return len(b.Status()) == 12 })
	fill(t, e.sourceAddr, o, 100, 50)
	e.copied(o)
	e.same(o)
	e.same(more)
	more.Run = false
	e.publish(more)
	e.eventually("a topic that is no longer copied is let go", func() bool { return len(b.Status()) == 8 })
	require.Empty(t, e.events())
}

// native writes one record of somebody else.
func native(t *testing.T, c *cluster.Client, topic, value string, p *batch.Producer) {
	t.Helper()
	b, err := batch.Build(batch.Spec{Producer: p}, []batch.Record{{Timestamp: time.Now().UnixMilli(), Value: []byte(value)}})
	require.NoError(t, err)
	_, err = c.Append(context.Background(), topic, 0, b)
	require.NoError(t, err)
}

func TestForeignWriterStopsThePartition(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o, other := e.topic("orders", 1, nil), e.topic("other", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	e.publish(other)
	w := e.start(nil)
	e.copied(o)
	native(t, e.target, o.TargetTopic, "intruder", &batch.Producer{ID: 4711})
	fill(t, e.sourceAddr, o, 20, 20)
	got := awaitEvent(e, func(_ events.Event, b events.CopyStopped) bool { return true })
	require.Equal(t, CodeForeignWriter, got.Code)
	require.Contains(t, got.Reason, "producer id 4711 has written to the target at offsets 20 to 20")
	require.EqualValues(t, 20, got.From)
	fill(t, e.sourceAddr, other, 0, 20)
	e.copied(other)
	e.same(other)
	s := w.Status()
	require.Equal(t, "halted", s[0].Phase)
	require.Equal(t, CodeForeignWriter, s[0].Code)
	require.Equal(t, "copying", s[1].Phase)
}

func TestSharedModeExpectsOtherWriters(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	w := e.start(nil)
	e.copied(o)
	o.Shared = true
	d := e.publishAt(o, 3)
	got := awaitEvent(e, func(ev events.Event, b events.CopyShared) bool {
		return ev.Epoch == 3 && ev.Cause == fmt.Sprintf("directive/%d", d.Position) && ev.Actor.Kind == events.Worker
	})
	require.Zero(t, got.Partition)
	native(t, e.target, o.TargetTopic, "native", nil)
	fill(t, e.sourceAddr, o, 20, 20)
	e.copied(o)
	w.kill()
	native(t, e.target, o.TargetTopic, "native", nil)
	fill(t, e.sourceAddr, o, 40, 20)
	e.start(nil)
	e.copied(o)
	var copied []string
	for _, r := range readAll(t, e.target, e.targetAddr, o.TargetTopic, 0) {
		if string(r.Value) != "native" {
			copied = append(copied, string(r.Value))
		}
	}
	want := readAll(t, e.source, e.sourceAddr, o.Topic, 0)
	require.Equal(t, len(want), len(copied))
	for i, r := range want {
		require.Equal(t, string(r.Value), copied[i])
	}
}

func TestLostAcknowledgements(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	o := e.topic("orders", 2, nil)
	e.publish(o)
	e.start(nil)
	for i := range 20 {
		if i%4 == 0 {
			pair.Target.LoseAcks(kmsg.Produce, 1+i%3)
		}
		fill(t, e.sourceAddr, o, i*20, 20)
	}
	e.copied(o)
	e.same(o)
	e.noStops()
}

func TestRetentionOvertakesTheCopy(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 50)
	e.publish(o)
	w := e.start(nil)
	e.copied(o)
	w.stop(t)
	fill(t, e.sourceAddr, o, 50, 50)
	deleteRecords(t, e.source, o.Topic, 70)
	e.start(nil)
	got := awaitEvent(e, func(_ events.Event, b events.CopyStopped) bool { return true })
	require.Equal(t, events.CopyStopped{Partition: 0, Code: CodeOutOfRange, From: 50, To: 70,
		Reason: "the source's retention has removed offsets 50 to 69 before they were copied"}, got)
}

func TestCopyBeginsAtTheLogStart(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 50)
	deleteRecords(t, e.source, o.Topic, 33)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	e.same(o)
	require.Len(t, readAll(t, e.target, e.targetAddr, o.TargetTopic, 0), 17)
}

func deleteRecords(t *testing.T, c *cluster.Client, topic string, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Partition, rp.Offset = 0, before
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	leader, err := c.Leader(context.Background(), topic, 0)
	require.NoError(t, err)
	resp, err := cluster.Do[*kmsg.DeleteRecordsResponse](context.Background(), c, req, cluster.OnBroker(leader))
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode))
}

func TestRecreatedTopicsStop(t *testing.T) {
	for _, side := range []string{"source", "target"} {
		t.Run(side, func(t *testing.T) {
			e, _ := onKfake(t, embedded.Options{})
			o := e.topic("orders", 1, nil)
			fill(t, e.sourceAddr, o, 0, 20)
			e.publish(o)
			e.start(nil)
			e.copied(o)
			c, name := e.source, o.Topic
			if side == "target" {
				c, name = e.target, o.TargetTopic
			}
			ctx := e.within(10 * time.Second)
			require.NoError(t, c.DeleteTopic(ctx, name))
			require.NoError(t, c.CreateTopic(ctx, cluster.TopicSpec{Name: name, Partitions: 1, ReplicationFactor: 1}))
			got := awaitEvent(e, func(_ events.Event, b events.CopyStopped) bool { return true })
			require.Equal(t, CodeRecreated, got.Code, got.Reason)
			require.Contains(t, got.Reason, "topic "+name+" on cluster "+side+" was deleted and created again")
		})
	}
}

func TestDeletedTopicStops(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	require.NoError(t, e.source.DeleteTopic(e.within(10*time.Second), o.Topic))
	got := awaitEvent(e, func(_ events.Event, b events.CopyStopped) bool { return true })
	require.Equal(t, CodeRecreated, got.Code, got.Reason)
	require.Contains(t, got.Reason, "topic orders is not on cluster source any more")
}

// TestAddedPartitionsAreReported: while the copy is the only writer the topic
// may grow, and does so again; afterwards each partition beyond the plan is a stop.
func TestAddedPartitionsAreReported(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	for _, n := range []int32{2, 4} {
		require.NoError(t, e.source.GrowTopic(t.Context(), o.Topic, n))
		awaitEvent(e, func(_ events.Event, b events.PartitionsAdded) bool { return b.Partitions == n })
	}
}

func TestPartitionsAddedTooLateStop(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	o.Shared = true
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	w := e.start(nil)
	e.copied(o)
	require.NoError(t, e.source.GrowTopic(t.Context(), o.Topic, 3))
	for p := int32(1); p < 3; p++ {
		got := awaitEvent(e, func(_ events.Event, b events.CopyStopped) bool { return b.Partition == p })
		require.Equal(t, CodeAdded, got.Code)
		require.Equal(t, []int64{0, math.MaxInt64}, []int64{got.From, got.To}, "whatever is written to it")
		require.Contains(t, got.Reason, "the source topic has 3 partitions, the plan has 1")
	}
	fill(t, e.sourceAddr, o, 20, 20)
	e.copied(o)
	require.Equal(t, "copying", w.Status()[0].Phase, "the others go on")
}

// TestAddedPartitionsAreSaidAgain: what is said about new partitions may be
// refused, as when the writers begin to move in that moment; so each order is
// told anew, but for partitions that were given up.
func TestAddedPartitionsAreSaidAgain(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	require.NoError(t, e.source.GrowTopic(t.Context(), o.Topic, 2))
	awaitEvent(e, func(_ events.Event, b events.PartitionsAdded) bool { return b.Partitions == 2 })

	stopsUnder := func(d events.Directive, p int32) func(events.Event, events.CopyStopped) bool {
		return func(ev events.Event, b events.CopyStopped) bool {
			return ev.Cause == job{Directive: d}.cause() && b.Partition == p
		}
	}
	o.Shared = true
	awaitEvent(e, stopsUnder(e.publish(o), 1))

	o.Losses = []events.Interval{{Partition: 1, From: 0, To: math.MaxInt64}}
	given := e.publish(o)
	require.NoError(t, e.source.GrowTopic(t.Context(), o.Topic, 3))
	awaitEvent(e, stopsUnder(given, 2))
	for _, r := range e.events() {
		stop, is := r.Body.(events.CopyStopped)
		require.False(t, is && stopsUnder(given, 1)(r.Event, stop), "it was given up")
	}
}

func TestStoppedPartitionResumesOnANewerDirective(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	require.NoError(t, e.target.AlterTopicConfigs(e.within(10*time.Second), o.TargetTopic, map[string]string{"max.message.bytes": "200"}, nil))
	big := record(o.Topic, 0, 100)
	big.Value = make([]byte, 1000)
	k := kafka(t, e.sourceAddr, kgo.ProducerBatchCompression(kgo.NoCompression()))
	require.NoError(t, k.ProduceSync(e.within(10*time.Second), big).FirstErr())
	fill(t, e.sourceAddr, o, 20, 20)
	e.publish(o)
	w := e.start(nil)
	got := awaitEvent(e, func(_ events.Event, b events.CopyStopped) bool { return true })
	require.Equal(t, CodeRefusedBatch, got.Code)
	require.EqualValues(t, 20, got.From)
	require.EqualValues(t, 21, got.To)
	require.Contains(t, got.Reason, "raise max.message.bytes of the target topic")
	require.Len(t, readAll(t, e.target, e.targetAddr, o.TargetTopic, 0), 20, "everything before it was copied, split to fit")
	require.NoError(t, e.target.AlterTopicConfigs(e.within(10*time.Second), o.TargetTopic, map[string]string{"max.message.bytes": "1000000"}, nil))
	e.publish(o)
	e.copied(o)
	e.same(o)
	require.Equal(t, "copying", w.Status()[0].Phase)
}

func TestPauseAndResume(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	w := e.start(nil)
	e.copied(o)
	e.pool(events.PoolOrder{Paused: true})
	e.eventually("the pause is obeyed", func() bool {
		p := w.partitions()[0]
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.core.paused && p.seat == nil
	})
	fill(t, e.sourceAddr, o, 20, 20)
	require.Never(t, func() bool { at, _, _ := e.published(one("orders")); return at > 20 }, 200*time.Millisecond, 20*time.Millisecond)
	e.pool(events.PoolOrder{})
	e.copied(o)
	e.same(o)
}

func TestVerifies(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 2, nil)
	transactions(t, e.sourceAddr, o, 4)
	fill(t, e.sourceAddr, o, 0, 50)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	ends := e.ends(o)
	o.VerifyCause = "cause-1"
	for p := range o.Partitions {
		o.Verify = append(o.Verify, events.PartitionOffset{Partition: p, Offset: ends[p]})
	}
	e.publish(o)
	for p := range o.Partitions {
		got := awaitEvent(e, func(ev events.Event, b events.PartitionVerified) bool {
			return b.Partition == p && ev.Cause == "cause-1"
		})
		require.Empty(t, got.Differs)
		require.Len(t, got.Digest, 64)
		require.Equal(t, ends[p], got.UpTo)
		require.EqualValues(t, len(readAll(t, e.source, e.sourceAddr, o.Topic, p)), got.Records)
	}
}

func TestProgressIsReported(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	e.publish(o)
	latest := make(chan events.Progress, 1000)
	e.start(func(c *Config) { c.Hooks.Progress = func(_ events.CopyKey, p events.Progress) { latest <- p } })
	e.copied(o)
	e.eventually("a report of the end", func() bool {
		p := <-latest
		return p.Watermark == 20 && p.HighWatermark == 20 && p.Records == 20 && p.Worker != "" && p.Bytes > 0
	})
}
