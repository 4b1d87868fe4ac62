package log

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// real is a control cluster of Apache Kafka with the control topics.
type real struct {
	*realkafka.Cluster
	c    *cluster.Client
	wire *cable
}

func startReal(t *testing.T, o realkafka.Options) *real {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // after all that follows is stopped
	k := realkafka.ForTest(t, o)
	w := &cable{}
	c, err := cluster.Open(within(t, time.Minute), "control", cluster.Config{
		Bootstrap: k.Bootstrap(realkafka.Internal), RequestTimeout: 2 * time.Second, BrokerRefresh: 100 * time.Millisecond, Dial: w.dial,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	r, err := Init(within(t, time.Minute), c, InitOptions{})
	require.NoError(t, err)
	require.Empty(t, warnings(r))
	return &real{Cluster: k, c: c, wire: w}
}

// compactSoon has the cleaner take what it may within moments.
func compactSoon(t *testing.T, c *cluster.Client, topic string) {
	t.Helper()
	require.NoError(t, c.AlterTopicConfigs(within(t, 30*time.Second), topic, map[string]string{
		"segment.ms": "300", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "500", "delete.retention.ms": "100",
	}, nil))
}

// TestRealCompactionKeepsEvents: forced compaction takes the first of a planted
// pair of foreign records that share a key, so the cleaner ran; every event
// stays at its position, the digest is the same, and so are the refusals.
func TestRealCompactionKeepsEvents(t *testing.T) {
	for _, version := range []string{realkafka.Source, realkafka.Target} {
		t.Run(version, func(t *testing.T) {
			f := startReal(t, realkafka.Options{Version: version})
			compactSoon(t, f.c, events.TopicEvents)
			a := NewAppender(f.c, AppenderOptions{})
			ctx := within(t, 2*time.Minute)
			_, err := a.AppendAll(ctx, eventsOf(t, 200))
			require.NoError(t, err)
			again := event(t, "e-0007") // a repeated append: the same id under another key
			_, err = a.Append(ctx, again)
			require.NoError(t, err)
			plant(t, f.c, events.TopicEvents, 0, batch.Record{Key: []byte("pair"), Value: []byte("1")})
			_, err = a.Append(ctx, event(t, "between"))
			require.NoError(t, err)
			plant(t, f.c, events.TopicEvents, 0, batch.Record{Key: []byte("pair"), Value: []byte("2")})
			before := all(t, f.c, 0)
			require.Len(t, before, 204)
			require.WithinDuration(t, time.Now(), before[0].Time, time.Minute, "the broker's time")

			after := before
			for i := 0; foreign(after) == 2; i++ {
				require.NoError(t, ctx.Err(), "the cleaner did not run")
				_, err := a.Append(ctx, event(t, fmt.Sprint("tick-", i))) // segments roll on an append only
				require.NoError(t, err)
				after = all(t, f.c, 0)
			}
			require.Equal(t, 1, foreign(after))
			n := len(before) - 1
			require.Equal(t, digestOf(before), digestOf(after[:n]))
			require.EqualValues(t, before[len(before)-1].Position, after[n-1].Position)
			kept := positionsOf(after)
			for id, position := range positionsOf(before) {
				require.Equal(t, position, kept[id], id)
			}
			require.Equal(t, copiesOf(before, "e-0007"), copiesOf(after, "e-0007"), "both copies stand where they stood")
		})
	}
}

func foreign(records []events.Record) (n int) {
	for _, r := range records {
		if r.Refusal != nil && r.Refusal.Foreign {
			n++
		}
	}
	return n
}

func copiesOf(records []events.Record, id string) (positions []int64) {
	for _, r := range records {
		if r.Event.ID == id {
			positions = append(positions, r.Position)
		}
	}
	return positions
}

// TestRealStaleDirective: the newest directive outlives forced compaction, a
// late writer of an older one, and the older keys' tombstones.
func TestRealStaleDirective(t *testing.T) {
	f := startReal(t, realkafka.Options{Version: realkafka.Target})
	compactSoon(t, f.c, events.TopicDirectives)
	ctx := within(t, 2*time.Minute)
	d := NewDirectives(f.c, Options{})
	for position := range int64(5) {
		require.NoError(t, d.Publish(ctx, order(position)))
	}
	require.NoError(t, d.Publish(ctx, order(9)))
	old, err := events.EncodeDirective(order(7))
	require.NoError(t, err)
	part := order(0).Key().Partition()
	plant(t, f.c, events.TopicDirectives, part, batch.Record{Timestamp: time.Now().UnixMilli(), Key: []byte(order(7).Key().String()), Value: old})
	for len(contents(t, f.c, events.TopicDirectives, part)) > 6 { // 5 directives, 9, 7, tombstones and marks: until the old ones are gone
		require.NoError(t, ctx.Err(), "the cleaner did not run")
		require.NoError(t, d.PublishMark(ctx, part, time.Now().UnixMilli()))
		require.EqualValues(t, 9, latest(t, NewDirectives(f.c, Options{}), "billing"))
	}
	require.NoError(t, d.Publish(ctx, order(10)))
	require.Equal(t, []int64{10}, keysOf(t, NewDirectives(f.c, Options{}), "billing"))
}

// TestRealTimeoutAfterTheWork: a follower in the in-sync set stands still, so an
// append ends in error 7 with the record in the leader's log, above the high
// watermark. Nothing is concluded, and nothing sent again, until the follower
// runs again.
func TestRealTimeoutAfterTheWork(t *testing.T) {
	f := startReal(t, realkafka.Options{Version: realkafka.Target, Brokers: 3, Properties: map[string]string{"broker.session.timeout.ms": "60000", "replica.lag.time.max.ms": "60000"}})
	ctx := within(t, 2*time.Minute)
	a := NewAppender(f.c, AppenderOptions{})
	_, err := a.Append(ctx, event(t, "first"))
	require.NoError(t, err)
	topics, err := f.c.Topics(ctx, events.TopicEvents)
	require.NoError(t, err)
	part := topics[events.TopicEvents].Partitions[0]
	var follower int
	for _, id := range part.ISR {
		if id != part.Leader {
			follower = int(id)
		}
	}
	sent := f.wire.sent()
	require.NoError(t, f.Pause(follower))
	done := make(chan int64, 1)
	go func() {
		defer close(done)
		at, err := a.Append(ctx, event(t, "second"))
		if err != nil {
			t.Errorf("append: %v", err)
			return
		}
		done <- at
	}()
	// The leader has the record, and nobody may read it.
	require.Eventually(t, func() bool {
		end, err := logEnd(ctx, f.c, events.TopicEvents, 0)
		return err == nil && end == 2
	}, 30*time.Second, 50*time.Millisecond)
	select {
	case at := <-done:
		require.Fail(t, "it came to a conclusion", "position %d", at)
	case <-time.After(5 * time.Second): // longer than the request's timeout: time for a wrong conclusion
	}
	require.Equal(t, sent+1, f.wire.sent(), "nothing was sent again")
	require.NoError(t, f.Resume(follower))
	require.EqualValues(t, 1, <-done)
	require.Len(t, all(t, f.c, 0), 2)
}

// TestRealAppendersRace: writers race while acknowledgements and requests are
// lost and the leader is killed. Every event is in the log, stands where its
// writer was told, in the writer's order; a follower of another topic loses
// nothing either.
func TestRealAppendersRace(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	f := startReal(t, realkafka.Options{Version: realkafka.Target, Brokers: 3})
	for range 60 {
		f.wire.then(line(random.IntN(3)))
	}
	ctx := within(t, 4*time.Minute)
	const writers, each = 4, 30
	positions := make([]map[string]int64, writers)
	begun := make(chan struct{}, writers*each)
	var wg sync.WaitGroup
	for w := range writers {
		positions[w] = make(map[string]int64)
		wg.Go(func() {
			a := NewAppender(f.c, AppenderOptions{Patience: 3 * time.Minute})
			for i := range each {
				id := fmt.Sprintf("w%d-%d", w, i)
				at, err := a.Append(ctx, event(t, id))
				if err != nil {
					t.Errorf("append %s: %v", id, err)
					return
				}
				positions[w][id] = at
				begun <- struct{}{}
			}
		})
	}
	wg.Go(func() { follows(ctx, t, f) })
	for range writers * each / 3 {
		<-begun
	}
	leader, err := f.c.Leader(ctx, events.TopicEvents, 0)
	require.NoError(t, err)
	require.NoError(t, f.Kill(int(leader), syscall.SIGKILL))
	require.NoError(t, f.Restart(ctx, int(leader)))
	wg.Wait()
	got := map[int64]string{}
	for _, r := range all(t, f.c, 0) {
		require.Nil(t, r.Refusal)
		got[r.Position] = r.Event.ID
	}
	for w := range writers {
		last := int64(-1)
		for i := range each {
			id := fmt.Sprintf("w%d-%d", w, i)
			require.Equal(t, id, got[positions[w][id]])
			require.Greater(t, positions[w][id], last)
			last = positions[w][id]
		}
	}
}

// follows publishes reports and awaits each, through whatever happens.
func follows(ctx context.Context, t *testing.T, f *real) {
	g := NewProgress(f.c, Options{Patience: 3 * time.Minute})
	tail := g.Tail(nil)
	next := int64(0)
	for i := range int64(40) {
		if err := g.Publish(ctx, at(0), report(i)); err != nil {
			t.Errorf("publish report %d: %v", i, err)
			break
		}
		for next <= i && ctx.Err() == nil {
			records, _, err := tail.Next(ctx, time.Second)
			if errors.Is(err, ErrTruncated) || errors.Is(err, ErrRecreated) {
				t.Errorf("follow: %v", err)
				return
			}
			for _, r := range records {
				if r.Progress.Watermark != next {
					t.Errorf("report %d came, %d is next", r.Progress.Watermark, next)
				}
				next++
			}
		}
	}
	if err := tail.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestRealRecreatedLog: only the topic id tells.
func TestRealRecreatedLog(t *testing.T) {
	f := startReal(t, realkafka.Options{Version: realkafka.Source})
	ctx := within(t, 2*time.Minute)
	_, err := NewAppender(f.c, AppenderOptions{}).AppendAll(ctx, eventsOf(t, 3))
	require.NoError(t, err)
	id, err := TopicID(ctx, f.c)
	require.NoError(t, err)
	r := NewReader(f.c, 0).Pin(id)
	page, err := r.Next(ctx, 0, 0)
	require.NoError(t, err)
	require.Len(t, page.Records, 3)
	require.NoError(t, f.c.DeleteTopic(ctx, events.TopicEvents))
	for err = errors.ErrUnsupported; err != nil; {
		require.NoError(t, ctx.Err())
		_, err = Init(ctx, f.c, InitOptions{})
	}
	_, err = NewAppender(f.c, AppenderOptions{}).AppendAll(ctx, eventsOf(t, 9))
	require.NoError(t, err)
	for err == nil || !errors.Is(err, ErrRecreated) {
		require.NoError(t, ctx.Err())
		page, err = r.Next(ctx, 0, 0)
		require.Empty(t, page.Records, "no record of the other log is handed out")
	}
}
