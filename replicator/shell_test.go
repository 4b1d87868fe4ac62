package replicator

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

// These tests look at the shells without a cluster: what they ask for, and what
// they do with the answers.

// idleWorker is a worker that is not running.
func idleWorker(t *testing.T, edit func(*Config)) *Worker {
	t.Helper()
	c := validConfig()
	if edit != nil {
		edit(&c)
	}
	w, err := New(c)
	require.NoError(t, err)
	return w
}

func idleLink(w *Worker) *link {
	l := newLink(w, "cluster")
	l.Client = &cluster.Client{}
	return l
}

// attached is a partition without a keeper, copying, with a reader and a stream.
func attached(t *testing.T, w *Worker, l *link, topic string, number int32, r *reader, s *stream) (*partition, *bench) {
	b := newBench(t, nil)
	p := &partition{
		w: w, key: events.CopyKey{Migration: "m", Topic: topic, Partition: number}, core: b.core,
		run: context.Background(), source: l, target: l, stream: s,
		job: &job{Directive: events.Directive{Position: 7, Migration: "m", Copy: &events.CopyOrder{Run: true, Topic: topic, TargetTopic: topic + "-copy", Partitions: 4}}},
	}
	b.settle()
	if r != nil {
		p.sit(r)
	}
	return p, b
}

func TestStreamCollects(t *testing.T) {
	w := idleWorker(t, func(c *Config) { c.RequestBytes = 500 })
	l := idleLink(w)
	s := newStream(l, 1)
	var parts []*partition
	for i := range int32(4) {
		p, b := attached(t, w, l, "a", 3-i, nil, s)
		b.source.dense(batch.None, 5)
		p.core.fetched(0, b.source.fetch(0, 1000))
		s.ready(p)
		s.ready(p) // once is enough
		parts = append(parts, p)
	}
	require.Len(t, s.queue, 4)
	require.Empty(t, s.collect(0), "not within the lease")
	require.Len(t, s.queue, 4, "but later")
	got := s.collect(w.now() + time.Hour)
	require.Len(t, got, 3, "until the request is full")
	require.Equal(t, []int32{1, 2, 3}, []int32{got[0].p.key.Partition, got[1].p.key.Partition, got[2].p.key.Partition})
	require.Equal(t, "a-copy", got[0].topic)
	s.remove(parts[3])
	require.Empty(t, s.collect(w.now()+time.Hour))

	res := &wire.ProduceResult{Partitions: []wire.ProducedPartition{
		{Topic: "a-copy", Partition: 1, Base: 0},
		{Topic: "a-copy", Partition: 2, Code: 42, Records: []wire.RecordError{{Index: 1, Message: "no key"}}},
	}}
	s.hand(got, res, nil)
	by := map[int32]*core{}
	for _, p := range parts {
		by[p.key.Partition] = p.core
	}
	require.EqualValues(t, 5, by[1].records)
	require.Equal(t, halted, by[2].phase)
	require.Contains(t, by[2].stop.reason, "no key")
	require.Equal(t, rechecking, by[3].phase, "what is not answered is in doubt")
	require.Equal(t, "message", messageOf(wire.ProducedPartition{Message: "message", Records: []wire.RecordError{{Message: "x"}}}))
}

func TestStreamHandsErrorsOut(t *testing.T) {
	var doubts []string
	w := idleWorker(t, func(c *Config) {
		c.Hooks.Doubt = func(k events.CopyKey, why string) { doubts = append(doubts, k.String()+": "+why) }
	})
	l := idleLink(w)
	s := newStream(l, 1)
	p, b := attached(t, w, l, "a", 0, nil, s)
	b.source.dense(batch.None, 5)
	p.core.fetched(0, b.source.fetch(0, 1000))
	s.ready(p)
	got := s.collect(w.now() + time.Hour)
	s.hand(got, nil, errors.New("reset"))
	require.Equal(t, []string{"m/a/0: no answer: reset"}, doubts)
	require.Nil(t, p.stream, "it goes back to the keeper")
	s.hand(got, nil, errors.New("again"))
	require.Len(t, doubts, 1)
}

func TestOrderOfAPartition(t *testing.T) {
	w := idleWorker(t, nil)
	l := idleLink(w)
	with := func(position int64, edit func(*job)) *job {
		j := job{Directive: events.Directive{Position: position, Migration: "m", AtLeast: "0.1", Copy: &events.CopyOrder{Run: true, Topic: "a", TargetTopic: "a-copy", Partitions: 4}}}
		if edit != nil {
			edit(&j)
		}
		return &j
	}
	t.Run("pause and resume", func(t *testing.T) {
		p, _ := attached(t, w, l, "a", 0, newReader(l, 1), nil)
		p.order(with(8, func(j *job) { j.paused = true }))
		require.True(t, p.core.paused)
		require.Nil(t, p.seat)
		p.order(with(9, nil))
		require.False(t, p.core.paused)
		task, _ := p.next()
		require.NotNil(t, task.run, "it is attached again")
	})
	t.Run("not wanted any more", func(t *testing.T) {
		p, _ := attached(t, w, l, "a", 0, nil, nil)
		p.order(nil)
		require.True(t, p.core.paused)
	})
	t.Run("an older or equal order does not restart", func(t *testing.T) {
		p, _ := attached(t, w, l, "a", 0, nil, nil)
		p.core.halt(CodeFailed, 1, 2, "because")
		p.order(with(7, nil))
		require.False(t, p.again)
		require.Equal(t, PartitionStatus{Key: p.key, Phase: "halted", Code: CodeFailed, Reason: "because"}, p.status())
	})
	t.Run("a newer one restarts what is halted, once nothing is on its way", func(t *testing.T) {
		p, b := attached(t, w, l, "a", 0, nil, nil)
		b.source.dense(batch.None, 2)
		b.fetch()
		it, _ := p.core.send(0, 1)
		p.core.halt(CodeFailed, 1, 2, "because")
		p.order(with(8, nil))
		task, _ := p.next()
		require.Nil(t, task.run)
		w.keepers.take()
		p.answered(parcel{p: p, it: it}, answer{})
		require.Equal(t, []*partition{p}, w.keepers.take(), "the last answer pokes")
		task, _ = p.next()
		require.NotNil(t, task.hand)
		nothing, _ := p.next()
		require.Equal(t, []bool{true, true}, []bool{nothing.run == nil, nothing.hand == nil}, "one task at a time")
		require.Equal(t, claiming, p.core.phase)
		require.Equal(t, 1, p.life)
	})
	t.Run("another target restarts, too", func(t *testing.T) {
		p, _ := attached(t, w, l, "a", 0, nil, nil)
		p.order(with(8, func(j *job) { j.Copy.TargetTopicID = "ff" }))
		require.True(t, p.again)
		p.next()
		require.Equal(t, claiming, p.core.phase)
	})
	t.Run("a later release is needed", func(t *testing.T) {
		p, _ := attached(t, w, l, "a", 0, nil, nil)
		p.order(with(8, func(j *job) { j.tooNew, j.paused = true, true }))
		task, _ := p.next()
		require.Nil(t, task.run)
		require.Nil(t, task.hand)
	})
}

func TestDenialsAreBornForAWhile(t *testing.T) {
	w := idleWorker(t, func(c *Config) { c.Patience = time.Minute })
	p, _ := attached(t, w, idleLink(w), "a", 0, nil, nil)
	denied := onTarget(&cluster.Error{Code: 29})
	require.Positive(t, p.failed(denied))
	require.Equal(t, copying, p.core.phase)
	d := p.denied[targetSide]
	d.since -= 2 * time.Minute
	p.denied[targetSide] = d
	p.failed(onSource(&cluster.Error{Code: 29}))
	p.failed(fmt.Errorf("control: %w", &cluster.Error{Code: 29}))
	require.Equal(t, copying, p.core.phase, "the other side, or the control cluster")
	p.failed(denied)
	require.Equal(t, halted, p.core.phase)
	require.Equal(t, CodeUnauthorized, p.core.stop.code)

	p, _ = attached(t, w, idleLink(w), "a", 0, nil, nil)
	p.denied = map[side]denial{sourceSide: {since: -time.Hour, last: -time.Hour}} // long ago
	p.failed(onSource(&cluster.Error{Code: 29}))
	require.Equal(t, copying, p.core.phase)
}

func TestBackoff(t *testing.T) {
	for failures, limit := range map[int]time.Duration{0: 50 * time.Millisecond, 1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 5: 800 * time.Millisecond, 50: 5 * time.Second} {
		for range 50 {
			d := backoff(failures)
			require.LessOrEqual(t, d, limit)
			require.GreaterOrEqual(t, d, limit/2)
		}
	}
}

func TestTopicIdentity(t *testing.T) {
	w := idleWorker(t, nil)
	l := idleLink(w)
	p, _ := attached(t, w, l, "a", 0, nil, nil)
	id := [16]byte{1, 2}
	const hexID = "01020000000000000000000000000000"
	require.Empty(t, p.mismatch(l, "a", hexID, cluster.Topic{ID: id}, true))
	require.Empty(t, p.mismatch(l, "a", "", cluster.Topic{ID: id}, true), "the directive does not say")
	require.Empty(t, p.mismatch(l, "a", hexID, cluster.Topic{}, true), "the broker does not say")
	require.Contains(t, p.mismatch(l, "a", hexID, cluster.Topic{ID: [16]byte{9}}, true), "was deleted and created again: it had the id 0102")
	for range patience - 1 {
		require.Empty(t, p.mismatch(l, "a", hexID, cluster.Topic{}, false))
	}
	require.Empty(t, p.mismatch(l, "a", hexID, cluster.Topic{ID: id}, true), "it was there after all")
	for range patience - 1 {
		require.Empty(t, p.mismatch(l, "a", hexID, cluster.Topic{}, false))
	}
	require.Contains(t, p.mismatch(l, "a", hexID, cluster.Topic{}, false), "is not on cluster")
}

func TestPublisherWaitsForTheInterval(t *testing.T) {
	w := idleWorker(t, nil)
	p, b := attached(t, w, idleLink(w), "a", 0, nil, nil)
	p.core.publishEvery = time.Hour
	pub := w.publisher
	pub.mark(p)
	due, _ := pub.due()
	require.Empty(t, due)
	require.Empty(t, pub.dirty, "clean partitions are forgotten")
	b.source.dense(batch.None, 2)
	b.fetch()
	it, a, _ := b.send()
	p.core.answered(it, a)
	p.follow()
	due, wait := pub.due()
	require.Empty(t, due, "not so soon after the first block")
	require.Greater(t, wait, time.Minute)
	awaited := *p.job
	awaited.awaited = true
	p.order(&awaited)
	_, wait = pub.due()
	require.LessOrEqual(t, wait, awaitedEvery, "a switch waits for it")
	require.Len(t, pub.wake, 1, "whoever sleeps until then is woken")
	p.order(&job{Directive: p.job.Directive})
	_, wait = pub.due()
	require.Greater(t, wait, time.Minute)
	p.core.publishEvery = 0
	due, _ = pub.due()
	require.Equal(t, []*partition{p}, due)
	_, ok := p.publication(true)
	require.True(t, ok)
	_, ok = p.publication(true)
	require.False(t, ok, "one at a time")
	due, wait = pub.due()
	require.Empty(t, due)
	require.LessOrEqual(t, wait, time.Millisecond)
}

func TestProgressOfAPartition(t *testing.T) {
	w := idleWorker(t, nil)
	p, b := attached(t, w, idleLink(w), "a", 0, nil, nil)
	_, ok := p.progress()
	require.False(t, ok, "nothing was fetched yet")
	b.source.dense(batch.None, 2)
	b.run()
	got, ok := p.progress()
	require.True(t, ok)
	require.Equal(t, []int64{2, 2, 2}, []int64{got.Watermark, got.HighWatermark, got.Records})
	require.Equal(t, "w", got.Worker)
	_, ok = p.progress()
	require.False(t, ok, "nothing has moved")
	p.reportedAt -= repeatProgress
	_, ok = p.progress()
	require.True(t, ok, "from time to time it is repeated")
}

func TestStreamsKeepTheirPartitions(t *testing.T) {
	w := idleWorker(t, func(c *Config) { c.Streams = 3 })
	l := idleLink(w)
	ctx, cancel := context.WithCancel(context.Background())
	seen := map[*stream]bool{}
	for i := range int32(50) {
		s := l.stream(ctx, 1, "a", i)
		require.Same(t, s, l.stream(ctx, 1, "a", i))
		require.NotSame(t, s, l.stream(ctx, 2, "a", i))
		seen[s] = true
	}
	require.Len(t, seen, 3)
	r := l.reader(ctx, 1)
	require.Same(t, r, l.reader(ctx, 1))
	cancel()
	w.links.wait()
}
