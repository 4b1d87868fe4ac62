package driver

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestQueueOneAtATime: an item that is added while it is worked on is looked at
// again, and never twice at once.
func TestQueueOneAtATime(t *testing.T) {
	q := newQueue()
	it := item{"m", events.TopicStream("orders")}
	var running, most, looks atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.run(ctx, 4, func(context.Context, item) time.Time {
			most.Store(max(most.Load(), running.Add(1)))
			if looks.Add(1) == 3 {
				cancel()
			} else {
				q.addNow(it)
			}
			running.Add(-1)
			return time.Time{}
		})
	}()
	q.addNow(it)
	<-done
	require.EqualValues(t, 3, looks.Load())
	require.EqualValues(t, 1, most.Load())
}

// TestQueueOrder: what is due later waits, and an earlier time wins.
func TestQueueOrder(t *testing.T) {
	q := newQueue()
	now := time.Unix(100, 0)
	a, b := item{"m", "topic/a"}, item{"m", "topic/b"}
	q.add(a, now.Add(time.Second))
	q.add(a, now.Add(time.Minute))
	q.add(b, now)
	ready, next := q.take(now, 10)
	require.Equal(t, []item{b}, ready)
	require.Equal(t, now.Add(time.Second), next)
	ready, next = q.take(now.Add(time.Hour), 10)
	require.Equal(t, []item{a}, ready)
	require.True(t, next.IsZero())
	q.add(b, now)
	ready, _ = q.take(now, 10)
	require.Empty(t, ready, "b is still worked on")
	q.done(b, time.Time{})
	ready, _ = q.take(now, 10)
	require.Equal(t, []item{b}, ready)
}

// TestQueueFull: while more is due than there are workers, nothing is waited
// for but the end of a work; then the earliest comes first.
func TestQueueFull(t *testing.T) {
	q := newQueue()
	now := time.Unix(100, 0)
	first, second := item{"m", "topic/first"}, item{"m", "topic/second"}
	q.add(second, now.Add(-time.Second))
	q.add(first, now.Add(-time.Minute))
	ready, next := q.take(now, 1)
	require.Equal(t, []item{first}, ready)
	require.True(t, next.IsZero(), "a time in the past would spin")
	ready, next = q.take(now, 0)
	require.Empty(t, ready)
	require.True(t, next.IsZero())
	require.Equal(t, 2, q.size())
	q.done(first, now.Add(time.Hour))
	ready, next = q.take(now, 5)
	require.Equal(t, []item{second}, ready)
	require.Equal(t, now.Add(time.Hour), next)
}

// TestQueueFailing: migrations with something that fails get half of the workers,
// and all of them again once nothing fails; an item that fails counts once.
func TestQueueFailing(t *testing.T) {
	q := newQueue()
	q.failingAtOnce = 2
	now := time.Unix(100, 0)
	items := func(migration string) (all []item) {
		for _, topic := range []events.Stream{"topic/a", "topic/b", "topic/c"} {
			all = append(all, item{migration, topic})
			q.add(all[len(all)-1], now)
		}
		return all
	}
	dark := items("dark")
	q.mark(dark[0], true)
	q.mark(dark[0], true)
	ready, next := q.take(now, 4)
	require.Len(t, ready, 2, "two workers are kept for others")
	require.True(t, next.IsZero(), "the end of a work is what to wait for")
	fine := items("fine")
	others, _ := q.take(now, 2)
	require.Len(t, others, 2)
	require.Subset(t, fine, others)
	q.done(ready[0], time.Time{})
	again, _ := q.take(now, 1)
	require.Len(t, again, 1)
	q.done(again[0], now)
	q.mark(dark[0], false)
	last, _ := q.take(now, 4)
	require.Len(t, last, 2, "nothing fails any more")
}

// TestQueueTimes: what is due later is worked on then, sooner when it is made
// due sooner, and again when its work says so.
func TestQueueTimes(t *testing.T) {
	q := newQueue()
	ctx, cancel := context.WithCancel(t.Context())
	late, soon := item{"m", "topic/late"}, item{"m", "topic/soon"}
	worked := make(chan item, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.run(ctx, 2, func(_ context.Context, it item) time.Time {
			worked <- it
			if it == soon && len(worked) < 3 {
				return time.Now().Add(time.Millisecond)
			}
			return time.Time{}
		})
	}()
	q.add(late, time.Now().Add(time.Hour))
	q.add(soon, time.Now().Add(5*time.Millisecond))
	require.Equal(t, soon, <-worked)
	require.Equal(t, soon, <-worked, "its work asked for it")
	q.addNow(late)
	for it := range worked {
		if it == late {
			break
		}
	}
	cancel()
	<-done
}
