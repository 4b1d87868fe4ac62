package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// said appends an event as an orchestrator or a worker does, at a version of
// the topic's stream.
func (d *desk) said(c *cluster.Client, version uint64, body events.Body) {
	d.t.Helper()
	kind, ok := events.Lookup(body.EventType())
	require.True(d.t, ok)
	e, err := events.New(events.DeriveID(string(kind.Type), time.Now().String()), "m", events.TopicStream("orders"), events.Actor{Kind: kind.Writers[0], Name: "test"}, time.Now(), body)
	require.NoError(d.t, err)
	if kind.Class == events.Decision {
		e.Expects = &version
	}
	_, err = log.NewAppender(c, log.AppenderOptions{}).Append(d.t.Context(), e)
	require.NoError(d.t, err)
}

// copying is a desk with a topic that is being copied, and a client of the
// control cluster.
func copying(t *testing.T) (*desk, *cluster.Client) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 2})
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	d.ok("start", "m")
	c, err := cluster.Open(t.Context(), "new", cluster.Config{Bootstrap: d.pair.Target.Bootstrap()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	d.said(c, 1, events.CopyStarted{})
	d.said(c, 0, events.TargetCreated{TopicID: "bb", Created: true})
	return d, c
}

// TestLosses: what a stop names is given up, with a reason, and shown.
func TestLosses(t *testing.T) {
	d, c := copying(t)
	d.refused("partition 1 of orders is not stopped", "accept-loss", "m", "orders", "1", "--reason", "r")
	d.said(c, 0, events.CopyStopped{Partition: 1, Code: "out-of-range", From: 5, To: 9, Reason: "retention"})
	d.said(c, 0, events.CopyStopped{Partition: 0, Code: "refused-batch", From: 2, To: 3, Reason: "too large"})
	d.refused("has no topic", "accept-loss", "m", "clicks", "1", "--reason", "r")
	for _, bad := range [][]string{{"accept-loss", "m", "orders", "1"}, {"accept-loss", "m", "orders", "x", "--reason", "r"}, {"accept-loss", "m", "orders"}} {
		out, code := d.portage(bad...)
		require.Equal(t, exitUsage, code, out)
	}
	d.ok("accept-loss", "m", "orders", "1", "--reason", "test orders, says ann")
	d.ok("accept-loss", "m", "orders", "0", "--to", "6", "--reason", "the whole batch")
	require.Contains(t, d.ok("get", "topic", "m", "orders"), "losses:\n  - partition: 0\n    from: 2\n    to: 6\n  - partition: 1\n    from: 5\n    to: 9\n")
	require.Contains(t, d.ok("history", "m"), "copy stopped→creating")
	d.said(c, 0, events.TargetCreated{TopicID: "bb"})
	d.said(c, 0, events.CopyStopped{Partition: 0, Code: "recreated", From: 9, To: 9, Reason: "another id"})
	d.refused("partition 0 of orders is stopped with code recreated, which no loss of records would mend: `portage why m`", "accept-loss", "m", "orders", "0", "--reason", "r")
}

// TestRecopy: a copy that nobody has read is begun anew on request.
func TestRecopy(t *testing.T) {
	d, c := copying(t)
	d.ok("recopy", "m", "orders", "--reason", "a second writer")
	d.refused("clearing", "recopy", "m", "orders")
	d.said(c, 0, events.TargetDeleted{TopicID: "bb"})
	require.Contains(t, d.ok("get", "topic", "m", "orders"), "recopies: 1")
}

// TestThrottle: rates are set and taken away.
func TestThrottle(t *testing.T) {
	d, _ := copying(t)
	d.ok("throttle", "m", "20M")
	d.ok("throttle", "m", "5M", "--cluster", "old")
	require.Contains(t, d.ok("get", "migration", "m"), "rates:\n  - bytes_per_second: 20000000\n  - cluster: old\n    bytes_per_second: 5000000\n")
	require.Contains(t, d.ok("status", "m"), "it copies at most so many bytes per second: 20M, 5M with old\n")
	d.ok("throttle", "m", "none")
	d.ok("throttle", "m", "none", "--cluster", "old")
	require.NotContains(t, d.ok("status", "m"), "bytes per second")
	d.refused("has no part in the migration", "throttle", "m", "1M", "--cluster", "moon")
	_, code := d.portage("throttle", "m", "fast")
	require.Equal(t, exitUsage, code)
}

// end is where a topic of one partition ends.
func (d *desk) end(k *kgo.Client, topic string) int64 {
	ends, err := kadm.NewClient(k).ListEndOffsets(d.t.Context(), topic)
	require.NoError(d.t, err)
	o, ok := ends.Lookup(topic, 0)
	require.True(d.t, ok)
	return o.Offset
}

// TestPause: while a migration is paused its copy stands still, however much is
// written; afterwards it goes on where it was.
func TestPause(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	old, next := d.producer(d.pair.Source), d.producer(d.pair.Target)
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	d.ok("start", "m")
	d.serve()
	d.synced(1)
	written := 0
	write := func() {
		d.fill(old, "orders", 0, written, written+10)
		written += 10
	}
	write()
	d.ok("pause", "m", "--reason", "lunch")
	require.Eventually(t, func() bool {
		before := d.end(next, "orders")
		write()
		time.Sleep(300 * time.Millisecond) // a copy would have come in it
		return d.end(next, "orders") == before
	}, time.Minute, time.Millisecond, "the copy stands still")
	require.Less(t, d.end(next, "orders"), d.end(old, "orders"))
	d.ok("resume", "m")
	require.Eventually(t, func() bool { return d.end(next, "orders") == d.end(old, "orders") }, time.Minute, 10*time.Millisecond)
	require.Eventually(t, func() bool { // once the map is published
		return d.verified(exitDone, "verify", "m").Topics[0].Partitions[0].Records == int64(written)
	}, time.Minute, 10*time.Millisecond)
}

// TestLag: what workers said last about each partition is added up by topic.
func TestLag(t *testing.T) {
	d, c := copying(t)
	require.Regexp(t, `topic/orders +copying +unknown +on_source`, d.ok("status", "m", "--lag"))
	reports := log.NewProgress(c, log.Options{})
	report := func(migration string, partition int32, watermark int64) {
		k := events.CopyKey{Migration: migration, Topic: "orders", Partition: partition}
		require.NoError(t, reports.Publish(t.Context(), k, events.Progress{Worker: "w", Watermark: watermark, HighWatermark: 100, AtMillis: 1_700_000_000_000 + watermark}))
	}
	report("m", 1, 10)
	report("other", 0, 1)
	require.Regexp(t, `topic/orders +copying +90 \(of 1/2 partitions\) +on_source`, d.ok("status", "m", "--lag"))
	report("m", 0, 95)
	report("m", 1, 97)
	report("m", 1, 98)
	require.Regexp(t, `topic/orders +copying +7 +on_source`, d.ok("status", "m", "--lag"))
	require.Contains(t, d.ok("status", "m", "--lag", "-o", "yaml"), "lag:\n  orders:\n    offsets: 7\n    partitions: 2\n    oldest: ")
	require.NotContains(t, d.ok("status", "m"), "LAG")
	for _, args := range [][]string{{"status", "--lag"}, {"status", "m", "--lag", "--at", "1"}} {
		_, code := d.portage(args...)
		require.Equal(t, exitUsage, code, "%v", args)
	}
}

// TestTranslate: both directions, exactly; what is not copied is not guessed.
func TestTranslate(t *testing.T) {
	d, c := copying(t)
	out, code := d.portage("translate", "orders", "1", "5")
	require.Equal(t, exitWaiting, code, out)
	require.Contains(t, out, "not copied yet")

	m, err := offsetmap.New(0, 0)
	require.NoError(t, err)
	require.NoError(t, m.Append(offsetmap.Run{Source: 0, Target: 0, Count: 10}))
	require.NoError(t, m.Skip(12))
	require.NoError(t, m.Append(offsetmap.Run{Source: 12, Target: 10, Count: 5}))
	key := events.CopyKey{Migration: "m", Topic: "orders", Partition: 1}
	require.NoError(t, log.NewOffsets(c, log.Options{}).PublishBlock(t.Context(), key, events.Block{Runs: m.Pack(), Watermark: 17, TargetEnd: 15}))
	require.NoError(t, c.CreateTopic(t.Context(), cluster.TopicSpec{Name: "orders", Partitions: 2}))

	require.Regexp(t, `m +orders +1 +13 +11 +image +17`, d.ok("translate", "orders", "1", "13"))
	require.Regexp(t, `m +orders +1 +11 +10 +gap +17`, d.ok("translate", "orders", "1", "11"))
	require.Regexp(t, `m +orders +1 +17 +15 +frontier +17`, d.ok("translate", "orders", "1", "17"))
	require.Regexp(t, `m +orders +1 +14 +12 +image +17`, d.ok("translate", "orders", "1", "12", "--inverse"))
	require.Contains(t, d.ok("translate", "orders", "1", "13", "-o", "json"), `"kind": "image"`)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{exitWaiting, "not yet copied", []string{"orders", "1", "18"}},
		{exitWaiting, "not copied yet", []string{"orders", "0", "0"}},
		{exitUsage, "has 2 partitions", []string{"orders", "2", "0"}},
		{exitUsage, "numbers from 0", []string{"orders", "1", "x"}},
		{exitFailed, "no migration has a topic", []string{"clicks", "1", "0"}},
		{exitFailed, "no migration has a topic", []string{"orders", "1", "0", "--migration", "n"}},
	} {
		out, code := d.portage(append([]string{"translate"}, c.args...)...)
		require.Equal(t, c.code, code, "%v: %s", c.args, out)
		require.Contains(t, out, c.says)
	}
}
