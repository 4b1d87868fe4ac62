package log

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func report(watermark int64) events.Progress {
	return events.Progress{Worker: "w-1", Watermark: watermark, HighWatermark: watermark}
}

func at(partition int32) events.CopyKey {
	return events.CopyKey{Migration: "move", Topic: "orders", Partition: partition}
}

// await reads until a report with the watermark comes.
func await(t *testing.T, tail *ProgressTail, watermark int64) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for {
		records, _, err := tail.Next(ctx, time.Second)
		if err != nil {
			require.True(t, cluster.Retriable(err), "%v", err)
		}
		for _, r := range records {
			require.NoError(t, r.Refusal)
			if r.Progress.Watermark == watermark {
				return
			}
		}
	}
}

func TestFollowerSeesWhatIsThereAndWhatComes(t *testing.T) {
	f := ready(t, 3)
	ctx := within(t, 20*time.Second)
	g := NewProgress(f.c, Options{})
	reports := map[events.CopyKey]events.Progress{}
	for p := range int32(50) {
		reports[at(p)] = report(int64(p))
	}
	require.NoError(t, g.PublishAll(ctx, reports))
	tail := g.Tail(nil)
	defer tail.Close()
	got := map[events.CopyKey]events.Progress{}
	for _, r := range drain(t, tail) {
		require.Equal(t, r.Key.ControlPartition(), r.Partition)
		got[r.Key] = r.Progress
	}
	require.Equal(t, reports, got)
	records, caughtUp, err := tail.Next(ctx, 0)
	require.NoError(t, err)
	require.Empty(t, records)
	require.True(t, caughtUp)
	require.NoError(t, g.Publish(ctx, at(7), report(1000)))
	await(t, tail, 1000)
}

func TestFollowerOfNothing(t *testing.T) {
	f := ready(t, 1)
	tail := NewProgress(f.c, Options{}).Tail([]int32{3, 5})
	defer tail.Close()
	require.Empty(t, drain(t, tail))
	none := NewProgress(f.c, Options{}).Tail([]int32{})
	defer none.Close()
	require.Empty(t, drain(t, none))
}

func TestFollowerCloses(t *testing.T) {
	f := ready(t, 3)
	never := NewProgress(f.c, Options{}).Tail(nil)
	require.NoError(t, never.Close(), "though it was never used")
	require.NoError(t, never.Close())
	polling := NewProgress(f.c, Options{}).Tail(nil)
	drain(t, polling)
	begin := time.Now()
	require.NoError(t, polling.Close())
	require.Less(t, time.Since(begin), 5*time.Second, "long polls do not hold it up")
	full := NewProgress(f.c, Options{}).Tail(nil) // nobody takes what it reads
	_, _, err := full.Next(within(t, 5*time.Second), 0)
	require.NoError(t, err)
	require.NoError(t, full.Close())
}

func TestFollowerHonoursTheContext(t *testing.T) {
	f := ready(t, 1)
	tail := NewProgress(f.c, Options{}).Tail([]int32{0})
	defer tail.Close()
	drain(t, tail)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, caughtUp, err := tail.Next(ctx, time.Hour)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, caughtUp)
}

// TestFollowerSurvivesMovesAndFailures: no record is lost and none comes twice.
func TestFollowerSurvivesMovesAndFailures(t *testing.T) {
	f := ready(t, 3)
	ctx := within(t, 60*time.Second)
	g := NewProgress(f.c, Options{})
	part := at(0).ControlPartition()
	tail := g.Tail([]int32{part})
	defer tail.Close()
	next := int64(0)
	for i := range int64(20) {
		switch i % 4 {
		case 1:
			require.NoError(t, f.MoveTopicPartition(events.TopicProgress, part, int32(i%3)))
		case 2:
			f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition})
		case 3:
			f.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errWire, true })
		}
		require.NoError(t, g.Publish(ctx, at(0), report(i)))
		for next <= i {
			records, _, err := tail.Next(ctx, time.Second)
			if err != nil {
				require.True(t, cluster.Retriable(err), "%v", err)
			}
			for _, r := range records {
				require.Equal(t, next, r.Progress.Watermark)
				next++
			}
		}
	}
}

func TestFollowerReportsFailuresAndGoesOn(t *testing.T) {
	f := ready(t, 1)
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: 2})
	tail := NewProgress(f.c, Options{}).Tail([]int32{0})
	defer tail.Close()
	ctx := within(t, 10*time.Second)
	_, _, err := tail.Next(ctx, 5*time.Second)
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.ErrorContains(t, err, events.TopicProgress)
	for {
		_, caughtUp, err := tail.Next(ctx, time.Second)
		if caughtUp {
			break
		}
		if err != nil {
			require.ErrorIs(t, err, cluster.ErrUnauthorized)
		}
	}
}

func TestFollowerNoticesARecreatedTopic(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	g := NewProgress(f.c, Options{})
	require.NoError(t, g.Publish(ctx, at(0), report(1)))
	tail := g.Tail(nil)
	defer tail.Close()
	require.Len(t, drain(t, tail), 1)
	recreate(t, f, events.TopicProgress)
	var err error
	for !errors.Is(err, ErrRecreated) {
		require.NoError(t, ctx.Err())
		_, _, err = tail.Next(ctx, time.Second)
	}
	_, _, err = tail.Next(ctx, time.Second)
	require.ErrorIs(t, err, ErrRecreated, "it lasts")
}

func TestFollowerWithoutTopic(t *testing.T) {
	f := start(t, 1)
	tail := NewProgress(f.c, Options{}).Tail(nil)
	defer tail.Close()
	ctx := within(t, 20*time.Second)
	_, _, err := tail.Next(ctx, 10*time.Second)
	require.ErrorIs(t, err, ErrMissing)
	_, err = Init(ctx, f.c, InitOptions{})
	require.NoError(t, err)
	for caughtUp := false; !caughtUp; {
		_, caughtUp, err = tail.Next(ctx, time.Second)
		if err != nil {
			require.ErrorIs(t, err, ErrMissing, "until it is there")
		}
	}
}

// TestFollowerGoesPastCompaction: what compaction took (on the embedded broker
// the start of the log, too) is gone past, not an error.
func TestFollowerGoesPastCompaction(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	g := NewProgress(f.c, Options{})
	for i := range int64(10) {
		require.NoError(t, g.Publish(ctx, at(0), report(i)))
	}
	part := at(0).ControlPartition()
	tail := g.Tail([]int32{part})
	defer tail.Close()
	f.Compact()
	records := drain(t, tail)
	require.NotEmpty(t, records)
	require.EqualValues(t, 9, records[len(records)-1].Progress.Watermark)

	s := scanner{c: f.c, topic: identity{topic: events.TopicProgress}, partition: part, begun: true}
	n := 0
	require.NoError(t, s.toEnd(ctx, func() {}, func(cluster.Record) { n++ }))
	require.Positive(t, n, "a position below the start moves there")
}

func TestFollowerBelowTheStart(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	g := NewProgress(f.c, Options{})
	for i := range int64(5) {
		require.NoError(t, g.Publish(ctx, at(0), report(i)))
	}
	part := at(0).ControlPartition()
	tail := g.Tail([]int32{part})
	defer tail.Close()
	tail.parts[0].begun, tail.parts[0].goal = true, 5
	require.NoError(t, f.DeleteRecords(events.TopicProgress, part, 3))
	records := drain(t, tail)
	require.Len(t, records, 2)
	require.EqualValues(t, 3, records[0].Progress.Watermark)
}

func TestScannerNoticesATruncatedTopic(t *testing.T) {
	f := ready(t, 1)
	s := scanner{c: f.c, topic: identity{topic: events.TopicProgress}, begun: true, next: 7}
	err := s.toEnd(within(t, 5*time.Second), func() {}, func(cluster.Record) {})
	require.ErrorIs(t, err, ErrTruncated)
}
