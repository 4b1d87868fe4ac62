package agent

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/stretchr/testify/require"
)

// bench runs lanes without clusters.
type bench struct {
	t      *testing.T
	cfg    ConsumerConfig
	lease  atomic.Pointer[group.Lease]
	closed chan consume.LaneClosed
	hungry atomic.Int32
}

func newBench(t *testing.T, handler func(context.Context, Record) error) *bench {
	b := &bench{t: t, closed: make(chan consume.LaneClosed, 10)}
	b.cfg = ConsumerConfig{Handler: handler, RetryFirst: time.Millisecond, RetryMost: 4 * time.Millisecond, Buffer: 100}
	b.lease.Store(&group.Lease{Generation: 1, Sent: time.Now(), For: time.Hour})
	return b
}

func (b *bench) lane(id uint64, from int64, after *lane) *lane {
	var done <-chan struct{}
	if after != nil {
		done = after.done
	}
	l := newLane(b.t.Context(), consume.Lane{ID: id, Generation: 1, From: from, Partition: consume.Partition{Topic: "t"}}, &b.cfg, done)
	l.lease = func() group.Lease { return *b.lease.Load() }
	l.report = func(c consume.LaneClosed) { b.closed <- c }
	l.hungry = func() { b.hungry.Add(1) }
	go l.run()
	b.t.Cleanup(func() {
		l.stop()
		l.cancel()
		<-l.done
	})
	return l
}

func (b *bench) wait(what <-chan struct{}) {
	b.t.Helper()
	select {
	case <-what:
	case <-time.After(10 * time.Second):
		b.t.Fatal("nothing happens")
	}
}

func (b *bench) report() consume.LaneClosed {
	b.t.Helper()
	select {
	case c := <-b.closed:
		return c
	case <-time.After(10 * time.Second):
		b.t.Fatal("the lane does not close")
		return consume.LaneClosed{}
	}
}

func records(offsets ...int64) (list []batch.Record) {
	for _, o := range offsets {
		list = append(list, batch.Record{Offset: o, Value: []byte(strconv.FormatInt(o, 10))})
	}
	return list
}

func TestLaneHandlesInOrderAndPassesGaps(t *testing.T) {
	var got []int64
	all := make(chan struct{})
	b := newBench(t, func(_ context.Context, r Record) error {
		if got = append(got, r.Offset); r.Offset == 9 {
			close(all)
		}
		return nil
	})
	l := b.lane(1, 3, nil)
	l.put(chunk{records: records(3, 5), bytes: 60, next: 8}) // 4 was compacted away, 6 and 7 are markers
	l.put(chunk{records: records(8, 9), bytes: 60, next: 12})
	b.wait(all)
	require.Eventually(t, func() bool { return l.next.Load() == 12 }, time.Second, time.Millisecond)
	require.Equal(t, []int64{3, 5, 8, 9}, got)
	require.EqualValues(t, 2, b.hungry.Load(), "the fetcher hears of every chunk that is taken")
	l.stop()
	require.Equal(t, consume.LaneClosed{Lane: 1, Next: 12}, b.report())
}

// A failed record is handled again until it succeeds; a stop in between leaves it unhandled.
func TestLaneRetries(t *testing.T) {
	var calls atomic.Int32
	b := newBench(t, func(_ context.Context, r Record) error {
		if r.Offset == 1 {
			calls.Add(1)
			return errors.New("no")
		}
		return nil
	})
	l := b.lane(1, 0, nil)
	l.put(chunk{records: records(0, 1, 2), next: 3})
	require.Eventually(t, func() bool { return calls.Load() > 3 }, 10*time.Second, time.Millisecond)
	l.stop()
	require.Equal(t, consume.LaneClosed{Lane: 1, Next: 1}, b.report())
}

// Without a lease no record is started, and with one of another generation neither.
func TestLaneNeedsLease(t *testing.T) {
	var calls atomic.Int32
	b := newBench(t, func(context.Context, Record) error { calls.Add(1); return nil })
	for _, bad := range []group.Lease{{}, {Generation: 2, Sent: time.Now(), For: time.Hour}, {Generation: 1, Sent: time.Now().Add(-time.Minute), For: time.Second}} {
		b.lease.Store(&bad)
		l := b.lane(1, 0, nil)
		l.put(chunk{records: records(0), next: 1})
		require.Never(t, func() bool { return calls.Load() > 0 }, 30*time.Millisecond, 5*time.Millisecond)
		l.stop()
		require.Equal(t, consume.LaneClosed{Lane: 1, Next: 0}, b.report())
	}
	b.lease.Store(&group.Lease{Generation: 1, Sent: time.Now(), For: time.Hour})
	l := b.lane(2, 0, nil)
	l.put(chunk{records: records(0), next: 1})
	require.Eventually(t, func() bool { return calls.Load() == 1 }, 10*time.Second, time.Millisecond)
}

// An abandoned handler keeps every later lane of its partition waiting, also across one that came and went meanwhile.
func TestLaneWaitsForTheAbandoned(t *testing.T) {
	entered, release, second := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b := newBench(t, func(ctx context.Context, r Record) error {
		if r.Offset == 0 {
			close(entered)
			<-release
			return nil
		}
		close(second)
		return nil
	})
	zombie := b.lane(1, 0, nil)
	zombie.put(chunk{records: records(0, 1), next: 2})
	b.wait(entered)
	zombie.stop()
	zombie.abandon()
	zombie.abandon() // said once
	require.Equal(t, consume.LaneClosed{Lane: 1, Next: 0, Abandoned: true}, b.report())
	between := b.lane(2, 10, zombie)
	between.put(chunk{records: records(10), next: 11})
	between.stop()
	require.Equal(t, consume.LaneClosed{Lane: 2, Next: 10}, b.report())
	last := b.lane(3, 20, between)
	last.put(chunk{records: records(20), next: 21})
	select {
	case <-second:
		t.Fatal("a record was handled beside the abandoned one")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	b.wait(second)
	require.Zero(t, zombie.next.Load(), "an abandoned record counts for nothing")
	require.Empty(t, b.closed)
}

// A lane asks for more only while its buffer is less than half full, and not while it is being fetched or rests after a failure.
func TestLaneClaims(t *testing.T) {
	b := newBench(t, nil)
	l := newLane(t.Context(), consume.Lane{From: 7}, &b.cfg, nil)
	defer l.cancel()
	l.hungry = func() {}
	now := time.Now()
	w, ok := l.claim(now)
	require.True(t, ok)
	require.Equal(t, want{lane: l, leader: -1, offset: 7, room: 100}, w)
	_, ok = l.claim(now)
	require.False(t, ok, "it is being fetched")
	require.Zero(t, l.rests(now))
	l.put(chunk{records: records(7), bytes: 40, next: 8})
	l.release(3, time.Time{})
	w, ok = l.claim(now)
	require.True(t, ok)
	require.Equal(t, want{lane: l, leader: 3, offset: 8, room: 60}, w)
	l.put(chunk{records: records(8), bytes: 20, next: 9})
	l.release(3, time.Time{})
	_, ok = l.claim(now)
	require.False(t, ok, "more than half full")
	_, _ = l.take()
	l.release(-1, now.Add(time.Second))
	_, ok = l.claim(now)
	require.False(t, ok, "it rests")
	require.Equal(t, time.Second, l.rests(now))
	require.LessOrEqual(t, l.rests(now.Add(time.Second)), time.Duration(0), "it is due, and claimed by the same clock value")
	l.stop()
	_, ok = l.claim(now.Add(time.Minute))
	require.False(t, ok, "it is stopped")
	l.put(chunk{records: records(9), bytes: 20, next: 10})
	require.Equal(t, 20, l.bytes, "nothing is kept for a stopped lane")
}
