package replicator

import (
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// TestLimiterKeepsTheBound: whatever is taken when, it is never more than the
// bound's part of the time, a bucketful and the last piece; and nobody waits for
// longer than it takes.
func TestLimiterKeepsTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(1000, 1e6).Draw(t, "rate")
		l, k := newLimiter(func() {}), limit{migration: "m"}
		now, total, last := time.Duration(0), 0, 0
		l.set(map[limit]float64{k: rate}, 0)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond
			n, wait := l.left(1<<20, now, k)
			require.True(t, wait == 0 || n == 0)
			if wait > 0 {
				require.LessOrEqual(t, wait, time.Duration(float64(last)/rate*float64(time.Second))+tokenTime+2*time.Millisecond)
				later, more := l.left(1<<20, now+wait, k)
				require.Zero(t, more, "it waits long enough")
				require.Positive(t, later)
				now += wait
			}
			last = rapid.IntRange(1, 300_000).Draw(t, "bytes")
			l.taken(last, now, k)
			total += last
		}
		require.LessOrEqual(t, float64(total-last), rate*(now.Seconds()+tokenTime.Seconds())+1)
	})
}

// TestLimiterChanges: bounds come, change and go while it runs; several of them
// are kept at once.
func TestLimiterChanges(t *testing.T) {
	told := 0
	l := newLimiter(func() { told++ })
	a, b := limit{migration: "m"}, limit{migration: "m", cluster: "c"}
	l.set(nil, 0)
	require.Zero(t, told)
	n, wait := l.left(500, 0, a, b)
	require.Equal(t, 500, n)
	require.Zero(t, wait)
	l.set(map[limit]float64{a: 1000, b: 100}, 0)
	l.set(map[limit]float64{a: 1000, b: 100}, 0)
	require.Equal(t, 1, told)
	n, _ = l.left(500, time.Second, a, b)
	require.Equal(t, 100, n, "the tighter one counts")
	l.taken(150, time.Second, a, b)
	_, wait = l.left(500, time.Second, a, b)
	require.Equal(t, time.Second+time.Millisecond, wait, "50 are owed, and half a bucketful is wanted")
	n, _ = l.left(500, time.Second, a)
	require.Equal(t, 500, n, "what is under another bound goes on")
	l.set(map[limit]float64{a: 1000, b: 1000}, time.Second)
	_, wait = l.left(500, time.Second, a, b)
	require.Less(t, wait, time.Second, "a higher bound shortens the wait")
	l.set(map[limit]float64{a: 1000}, time.Second)
	n, _ = l.left(500, time.Second, a, b)
	require.Equal(t, 500, n)
	l.set(map[limit]float64{a: 0}, 10*time.Second)
	l.taken(5000, 10*time.Second, a)
	_, wait = l.left(500, 20*time.Second, a)
	require.Equal(t, time.Hour, wait, "no partition, no bytes")
}

// TestWorkersTakeTheirPart: a bound is divided by the partitions that it is for.
func TestWorkersTakeTheirPart(t *testing.T) {
	w := idleWorker(t, nil)
	order := func(topic, source, target string, partitions int32) {
		w.orders.apply(events.Directive{
			SourceCluster: source, Migration: "m", Addressee: events.ToCopy(topic), AtLeast: Version,
			Copy: &events.CopyOrder{Run: true, Source: source, Topic: topic, Partitions: partitions, Target: target},
		})
	}
	order("a", "s", "t1", 6)
	order("b", "s", "t2", 2)
	require.Empty(t, w.rates())
	for _, p := range []int32{0, 1, 2} {
		w.owned[events.CopyKey{Migration: "m", Topic: "a", Partition: p}] = &partition{}
	}
	w.orders.apply(events.Directive{Migration: "m", Addressee: events.ToPool("m"), Pool: &events.PoolOrder{Rates: []events.Rate{
		{BytesPerSecond: 800}, {Cluster: "s", BytesPerSecond: 80}, {Cluster: "t1", BytesPerSecond: 60}, {Cluster: "t2", BytesPerSecond: 20},
		{Cluster: "unknown", BytesPerSecond: 5}, {Cluster: "unbound"},
	}}})
	require.Equal(t, map[limit]float64{
		{"m", ""}: 300, {"m", "s"}: 30, {"m", "t1"}: 30, {"m", "t2"}: 0, {"m", "unknown"}: 0,
	}, w.rates())
}

// TestReaderKeepsBounds: a migration that has had its bytes rests while another
// goes on; alone it rests with its session as it is.
func TestReaderKeepsBounds(t *testing.T) {
	w := idleWorker(t, nil)
	l, to := idleLink(w), newLink(w, "target")
	r := newReader(l, 1)
	p, b := attached(t, w, l, "a", 0, nil, nil)
	p.target = to
	p.sit(r)
	next(r)
	b.source.dense(batch.None, 3)
	w.limits.set(map[limit]float64{{"m", "target"}: 1000}, w.now())
	_, err := r.hand(&wire.FetchResult{SessionID: 5, Partitions: []wire.FetchedPartition{{Topic: "a", HighWatermark: 3, LastStable: 3, Records: b.source.fetch(0, 1000).records}}})
	require.NoError(t, err)
	most, pause := r.regulate()
	require.Zero(t, most)
	require.Positive(t, pause)
	require.LessOrEqual(t, pause, time.Minute)
	require.Equal(t, 1, r.session.Len())
	other, _ := attached(t, w, l, "b", 0, r, nil)
	r.review()
	most, _ = r.regulate()
	require.Equal(t, w.cfg.FetchBytes, most)
	require.Equal(t, 1, r.session.Len(), "it has left the session")
	other.rise()
	r.review()
	w.limits.set(nil, w.now())
	most, _ = r.regulate()
	require.Equal(t, w.cfg.FetchBytes, most)
	require.Equal(t, 1, r.session.Len(), "and is back")
}

// TestThrottle: a bound on a migration slows it down while another goes on, and
// is lifted while the worker runs.
func TestThrottle(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 4, nil)
	fill(t, e.sourceAddr, o, 0, 1000, kgo.ProducerBatchCompression(kgo.NoCompression()))
	size := 0
	for p := range o.Partitions {
		for _, b := range e.batches(e.source, o.Topic, p) {
			size += len(b)
		}
	}
	rate := int64(size / 4)
	e.pool(events.PoolOrder{Rates: []events.Rate{{Cluster: "target", BytesPerSecond: rate}}})
	e.publish(o)
	began := time.Now()
	w := e.start(func(c *Config) { c.FetchBytes, c.PartitionBytes = 20_000, 10_000 })
	e.eventually("half is copied", func() bool { return e.workersWatermark() >= 2000 })
	require.Greater(t, time.Since(began), time.Second, "half of it takes two seconds, but for the bucket")
	require.Less(t, e.workersWatermark(), int64(4000))
	e.pool(events.PoolOrder{})
	lifted := time.Now()
	e.copied(o)
	t.Logf("the rest took %v", time.Since(lifted))
	require.Empty(t, w.limits.tokens)
	e.same(o)
}
