package replicator

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kept is a partition with an order, of a worker that is not running.
func kept(w *Worker, topic string) *partition {
	p := newPartition(context.Background(), w, events.CopyKey{Migration: "m", Topic: topic})
	p.order(&job{Directive: events.Directive{Position: 1, Copy: &events.CopyOrder{Run: true, Source: "s", Topic: topic, Target: topic}}})
	return p
}

// TestCrewsAreBounded: tasks for the same two clusters wait for one another, those
// for others do not, and those of a partition that is gone are not done at all.
func TestCrewsAreBounded(t *testing.T) {
	w := idleWorker(t, func(c *Config) { c.Starting = 2 })
	begun, release := make(chan string), make(chan struct{})
	chores := func(topic string) chore {
		return chore{p: kept(w, topic), run: func(context.Context) error {
			begun <- topic
			<-release
			return nil
		}}
	}
	w.keepers.enlist("a", chores("1"))
	w.keepers.enlist("a", chores("2"))
	w.keepers.enlist("a", chores("3"))
	gone := chores("gone")
	gone.p.close()
	w.keepers.enlist("a", gone)
	w.keepers.enlist("a", chores("4"))
	require.ElementsMatch(t, []string{"1", "2"}, []string{<-begun, <-begun})
	w.keepers.enlist("b", chores("other"))
	require.Equal(t, "other", <-begun, "another crew")
	require.Len(t, w.keepers.crews["a"].waiting, 3)
	release <- struct{}{}
	release <- struct{}{}
	release <- struct{}{}
	require.ElementsMatch(t, []string{"3", "4"}, []string{<-begun, <-begun})
	close(release)
	w.keepers.wait()
	require.Zero(t, w.keepers.crews["a"].busy)
}

// TestClosedPartitionsAreWaitedFor: what runs for a partition that was given away
// is told to end, and nothing new begins.
func TestClosedPartitionsAreWaitedFor(t *testing.T) {
	w := idleWorker(t, nil)
	p := kept(w, "a")
	running := make(chan struct{})
	var ended atomic.Bool
	w.keepers.enlist("a", chore{p: p, run: func(ctx context.Context) error {
		close(running)
		<-ctx.Done()
		ended.Store(true)
		return ctx.Err()
	}})
	<-running
	p.close()
	p.end()
	require.True(t, ended.Load())
	_, ok := p.start()
	require.False(t, ok)
	task, _ := p.next()
	require.Nil(t, task.hand)
	w.keepers.wait()
}

// TestFailedTasksArePaused: after a failure nothing is done for a while, but for
// a partition that the group has given again.
func TestFailedTasksArePaused(t *testing.T) {
	w := idleWorker(t, nil)
	p := kept(w, "a")
	begin := func() bool {
		t, _ := p.next()
		return t.hand != nil
	}
	require.True(t, begin())
	p.finished(errors.New("in vain"))
	require.False(t, begin())
	require.NotNil(t, p.timer, "it will be looked at again")
	p.renew(false)
	require.True(t, begin())
	require.Nil(t, p.timer)
	p.finished(nil)
	require.Zero(t, p.failures)
	require.True(t, begin())
	p.finished(errors.New("in vain"))
	require.False(t, begin())
	poked := func() bool { return len(w.keepers.take()) > 0 }
	poked()
	require.Eventually(t, poked, 10*time.Second, time.Millisecond, "the timer pokes")
	p.close()
	p.finished(nil)
	require.False(t, poked())
}

// TestPartitionsStartTogether: what many partitions need to know before they copy
// is asked for with few requests, whatever is asked for each.
func TestPartitionsStartTogether(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	var orders []events.CopyOrder
	for i := range 20 {
		o := e.topic(fmt.Sprint("t", i), 10, nil)
		orders = append(orders, o)
		e.publish(o)
	}
	fill(t, e.sourceAddr, orders[0], 0, 10)
	var asked atomic.Int64
	for _, side := range []*embedded.Cluster{pair.Source, pair.Target} {
		for _, key := range []kmsg.Key{kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch, kmsg.DescribeConfigs} {
			side.Kfake().ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
				side.Kfake().KeepControl()
				if l, ok := req.(*kmsg.ListOffsetsRequest); !ok || l.Topics[0].Topic != events.TopicOffsets {
					asked.Add(1)
				}
				return nil, nil, false
			})
		}
	}
	w := e.start(nil)
	e.eventually("all partitions are asked for", func() bool { return seated(w.Worker) == 200 })
	require.Less(t, asked.Load(), int64(300), "requests for 200 partitions; one by one they would be 600")
	e.copied(orders[0])
	e.same(orders[0])
}

// TestNobodyStopsWithoutALease: an owner that was frozen must not report what it
// believes about the target: another may have it by now. Given the partition
// again, it begins anew.
func TestNobodyStopsWithoutALease(t *testing.T) {
	w := idleWorker(t, nil)
	p, _ := attached(t, w, idleLink(w), "a", 0, nil, nil)
	p.core.halt(CodeDiverged, 1, 2, "because")
	task, _ := p.next()
	require.ErrorIs(t, task.run(context.Background()), errNoLease)
	p.finished(errNoLease)
	p.renew(true)
	task, _ = p.next()
	require.NotNil(t, task.hand)
	require.Equal(t, claiming, p.core.phase)
	require.False(t, p.core.paused)
}
