package replicator

import (
	"testing"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// next is the reader's next request.
func next(r *reader) *wire.Fetch {
	f := &wire.Fetch{MaxBytes: 1 << 20}
	r.review()
	r.regulate()
	r.session.Next(f)
	return f
}

// holding says that nobody may fetch now.
func holding(r *reader) bool {
	most, _ := r.regulate()
	return most == 0
}

// grant answers a request with a session and nothing else.
func grant(r *reader) {
	res := &wire.FetchResult{SessionID: 5}
	for s := range r.seats {
		res.Partitions = append(res.Partitions, wire.FetchedPartition{Topic: s.p.key.Topic, Partition: s.p.key.Partition})
	}
	_, _ = r.session.Answered(res)
}

// TestReaderHandsOut: an answer is copied, goes to whoever has the seat, and
// what a partition wants then is said in the next request.
func TestReaderHandsOut(t *testing.T) {
	w := idleWorker(t, nil)
	l := idleLink(w)
	r := newReader(l, 1)
	a, ab := attached(t, w, l, "a", 0, r, nil)
	b, _ := attached(t, w, l, "a", 1, r, nil)
	ab.source.dense(batch.None, 3)
	require.Len(t, next(r).Topics[0].Partitions, 2)
	data := ab.source.fetch(0, 1000).records
	size, err := r.hand(&wire.FetchResult{SessionID: 5, Partitions: []wire.FetchedPartition{
		{Topic: "a", Partition: 0, HighWatermark: 3, LastStable: 3, Records: data},
		{Topic: "a", Partition: 1, HighWatermark: 9, LastStable: 0},
		{Topic: "other", Partition: 1, Code: 3},
	}})
	require.NoError(t, err)
	require.Equal(t, len(data), size)
	require.EqualValues(t, 3, a.core.queue.position)
	require.Equal(t, len(data), l.buffer.used)
	require.Equal(t, len(data), w.buffer.used)
	for i := range data {
		data[i] = 0xff // the buffer is used again
	}
	it, ok := a.core.send(0, 1)
	require.True(t, ok)
	require.NoError(t, it.bytes.Check())
	f := next(r)
	require.Equal(t, []wire.FetchTopic{{Topic: "a", Partitions: []wire.FetchPartition{{Partition: 0, Offset: 3, MaxBytes: 1 << 20}}}}, f.Topics)

	_, err = r.hand(&wire.FetchResult{SessionID: 5, Partitions: []wire.FetchedPartition{{Topic: "a", Partition: 1, Code: 1}}})
	require.NoError(t, err)
	require.EqualValues(t, 0, *b.beyond)
	require.Nil(t, b.seat, "a partition in error leaves its seat")
	require.Greater(t, b.fetchAfter, w.now())
	f = next(r)
	require.Equal(t, []wire.ForgetTopic{{Topic: "a", Partitions: []int32{1}}}, f.Forget)
	require.Len(t, r.seats, 1)

	b.sit(r)
	before := b.seat
	next(r)
	b.rise()
	b.sit(r) // while the request is under way
	_, err = r.hand(&wire.FetchResult{SessionID: 5, Partitions: []wire.FetchedPartition{{Topic: "a", Partition: 1, Code: 1}}})
	require.NoError(t, err)
	require.NotNil(t, b.seat, "the error was about a former seat")
	require.NotSame(t, before, b.seat)
	next(r)
	require.Len(t, r.seats, 2)

	_, err = r.hand(&wire.FetchResult{Code: 71})
	require.NoError(t, err, "the session is lost: another one begins")
	require.Equal(t, &wire.Session{ID: 5}, next(r).Session)
	grant(r)
	next(r)
	_, err = r.hand(&wire.FetchResult{Code: 35})
	require.Error(t, err)
	a.seat.release()
	require.Nil(t, a.seat)
	next(r)
	require.Len(t, r.seats, 1)
}

// TestReaderSkipsEmptyStretches: a partition with nothing left before its last
// stable offset goes on there.
func TestReaderSkipsEmptyStretches(t *testing.T) {
	w := idleWorker(t, nil)
	l := idleLink(w)
	r := newReader(l, 1)
	p, _ := attached(t, w, l, "a", 1, r, nil)
	next(r)
	_, err := r.hand(&wire.FetchResult{Partitions: []wire.FetchedPartition{{Topic: "a", Partition: 1, HighWatermark: 9, LastStable: 9}}})
	require.NoError(t, err)
	require.EqualValues(t, 9, p.core.queue.position)
}

// TestReaderLeavesOutWhoIsFull: a partition without room leaves the session and
// comes back when something of it was acknowledged.
func TestReaderLeavesOutWhoIsFull(t *testing.T) {
	w := idleWorker(t, nil)
	l := idleLink(w)
	r := newReader(l, 1)
	a, ab := attached(t, w, l, "a", 0, r, nil)
	attached(t, w, l, "a", 1, r, nil)
	a.core.buffer = 10
	next(r)
	ab.source.dense(batch.None, 3)
	_, err := r.hand(&wire.FetchResult{SessionID: 5, Partitions: []wire.FetchedPartition{
		{Topic: "a", Partition: 0, HighWatermark: 3, LastStable: 3, Records: ab.source.fetch(0, 1000).records}, {Topic: "a", Partition: 1}}})
	require.NoError(t, err)
	f := next(r)
	require.Equal(t, []wire.ForgetTopic{{Topic: "a", Partitions: []int32{0}}}, f.Forget)
	require.Len(t, r.crowded, 1)
	_, _ = r.session.Answered(&wire.FetchResult{SessionID: 5})
	it, _ := a.core.send(0, 1)
	a.answered(parcel{p: a, life: a.life, it: it}, answer{})
	f = next(r)
	require.Equal(t, []wire.FetchPartition{{Partition: 0, Offset: 3, MaxBytes: 1 << 20}}, f.Topics[0].Partitions)
	require.Empty(t, r.crowded)
	require.Zero(t, w.buffer.used)
}

// TestReaderHoldsUpLanes: partitions on their way to a target that has no room
// leave the session when others stay; when nobody may fetch, the session is
// left as it is.
func TestReaderHoldsUpLanes(t *testing.T) {
	w := idleWorker(t, func(c *Config) { c.TargetBuffer, c.Buffer = 100, 1000 })
	l, other := idleLink(w), idleLink(w)
	w.links.byName["source"] = l
	r := newReader(l, 1)
	l.readers[1] = r
	attached(t, w, l, "a", 0, r, nil)
	p, _ := attached(t, w, other, "b", 0, nil, nil)
	p.sit(r)
	next(r)
	grant(r)

	other.buffer.add(100)
	f := next(r)
	require.Equal(t, []wire.ForgetTopic{{Topic: "b", Partitions: []int32{0}}}, f.Forget)
	require.Equal(t, 1, r.session.Len())
	_, _ = r.session.Answered(&wire.FetchResult{SessionID: 5})
	r.touch(p.seat)
	require.Empty(t, next(r).Topics, "it stays out")
	_, _ = r.session.Answered(&wire.FetchResult{SessionID: 5})

	l.buffer.add(100)
	require.True(t, holding(r), "nobody may fetch")
	require.Equal(t, 1, r.session.Len())
	for len(r.wake) > 0 {
		<-r.wake
	}
	other.buffer.add(-20)
	require.Empty(t, r.wake)
	require.True(t, holding(r), "it stays full until a quarter is free")
	other.buffer.add(-5)
	require.Len(t, r.wake, 1, "the readers are told")
	require.False(t, holding(r))
	f = next(r)
	require.Equal(t, "b", f.Topics[0].Topic)
	require.Equal(t, []wire.ForgetTopic{{Topic: "a", Partitions: []int32{0}}}, f.Forget)

	w.buffer.add(1000)
	require.True(t, holding(r), "the worker has no room")
}

// TestReaderGivesBackMemory: the memory of one large answer is not kept for
// small ones.
func TestReaderGivesBackMemory(t *testing.T) {
	r := newReader(idleLink(idleWorker(t, nil)), 1)
	r.keep(make([]byte, 4<<20), 3<<20)
	require.NotNil(t, r.buf)
	r.keep(r.buf, 100)
	require.Nil(t, r.buf)
	r.keep(make([]byte, 1000), 0)
	require.NotNil(t, r.buf)
}

// TestLeads: only the partitions that another broker leads are sent away.
func TestLeads(t *testing.T) {
	topic := cluster.Topic{Partitions: []cluster.Partition{{ID: 0, Leader: 1}, {ID: 1, Leader: 2}, {ID: 2, Leader: -1}}}
	for p, want := range map[int32]bool{0: true, 1: false, 2: false, 3: false} {
		require.Equal(t, want, leads(topic, p, 1), p)
	}
}

// observeFetches lets see run for every Fetch request that the source gets.
func observeFetches(pair *embedded.Pair, see func(*kmsg.FetchRequest)) {
	pair.Source.Kfake().ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		see(req.(*kmsg.FetchRequest))
		pair.Source.Kfake().KeepControl()
		return nil, nil, false
	})
}

// TestSessionsAreIncremental: an idle worker says nothing about its partitions,
// and one that gets a record says something about one of them.
func TestSessionsAreIncremental(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	o := e.topic("orders", 50, nil)
	fill(t, e.sourceAddr, o, 0, 1)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	requests := make(chan int, 10_000)
	observeFetches(pair, func(req *kmsg.FetchRequest) {
		n := 0
		for _, topic := range req.Topics {
			n += len(topic.Partitions)
		}
		if req.SessionEpoch > 0 {
			requests <- n
		}
	})
	e.eventually("some requests that name nothing", func() bool { return <-requests+<-requests == 0 })
	fill(t, e.sourceAddr, events.CopyOrder{Topic: o.Topic, Partitions: 1}, 1, 1)
	e.eventually("a request that names one partition", func() bool { return <-requests == 1 })
	e.copied(o)
	e.same(o)
}

// TestSessionsAreLost: a broker that forgets its sessions, says so or answers
// nothing, costs a request.
func TestSessionsAreLost(t *testing.T) {
	for name, err := range map[string]*kerr.Error{"not found": kerr.FetchSessionIDNotFound, "another epoch": kerr.InvalidFetchSessionEpoch} {
		t.Run(name, func(t *testing.T) {
			e, pair := onKfake(t, embedded.Options{})
			o := e.topic("orders", 5, nil)
			e.publish(o)
			e.start(nil)
			for i := range 5 {
				fault := pair.Source.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, TopLevel: true, Err: err, Count: 1})
				fill(t, e.sourceAddr, o, i*10, 10)
				e.copied(o)
				e.eventually("the session was lost", func() bool { return fault.Hits() > 0 })
			}
			e.same(o)
			e.noStops()
			require.NotContains(t, e.logs.String(), "fetching failed")
		})
	}
}

// TestSourceWithoutSessions: with a broker of before fetch version 7 every
// request names everything.
func TestSourceWithoutSessions(t *testing.T) {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.Fetch), 6)
	e, _ := onKfake(t, embedded.Options{Source: embedded.Side{Extra: []kfake.Opt{kfake.MaxVersions(v)}}})
	o := e.topic("orders", 5, nil)
	fill(t, e.sourceAddr, o, 0, 100)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	fill(t, e.sourceAddr, o, 100, 100)
	e.copied(o)
	e.same(o)
}

// TestNobodyStarves: answers that are much too small for all partitions serve
// all of them in turn: the last one has begun before the first one is complete.
// The embedded broker prefers those that were served before.
func TestNobodyStarves(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	o := e.topic("orders", 20, nil)
	fill(t, e.sourceAddr, o, 0, 200, kgo.ProducerBatchMaxBytes(1200), kgo.ProducerBatchCompression(kgo.NoCompression()))
	ready := make(chan struct{})
	source := pair.Source.Kfake()
	source.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		source.SleepControl(func() { <-ready })
		return nil, nil, false
	})
	e.publish(o)
	w := e.start(func(c *Config) { c.PartitionBytes, c.FetchBytes, c.MergeBelow = 1000, 4000, 1 })
	e.eventually("all partitions have a seat", func() bool { return seated(w.Worker) == 20 })
	close(ready)
	e.eventually("all partitions have begun", func() bool {
		begun, complete := 0, 0
		for _, p := range w.partitions() {
			p.mu.Lock()
			if position := p.core.queue.position; position == 200 {
				complete++
			} else if position > 0 {
				begun++
			}
			p.mu.Unlock()
		}
		require.True(t, complete == 0 || complete+begun == 20, "%d are complete, and only %d others have begun", complete, begun)
		return begun+complete == 20
	})
	e.copied(o)
	e.same(o)
}

// seated counts the partitions that a reader asks for.
func seated(w *Worker) (n int) {
	for _, p := range w.partitions() {
		p.mu.Lock()
		if p.seat != nil {
			n++
		}
		p.mu.Unlock()
	}
	return n
}
