package agent

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// restless is a fetcher of lanes that are not run, and the alarms that it gives.
func restless(t *testing.T, lanes ...*lane) (*fetcher, *[]string) {
	var alarms []string
	f := newFetcher(nil, "source", nil, consumerOptions{}, func(_ *lane, text string) { alarms = append(alarms, text) })
	for _, l := range lanes {
		f.add(l)
		t.Cleanup(l.cancel)
	}
	return f, &alarms
}

func idleLane(t *testing.T, id uint64) *lane {
	cfg := &ConsumerConfig{Buffer: 100}
	l := newLane(t.Context(), consume.Lane{ID: id, Partition: consume.Partition{Topic: "t", ID: int32(id)}, Topic: "t-eu", From: 7}, cfg, nil)
	l.hungry = func() {}
	return l
}

// A plan claims each hungry lane once, by its leader, and says when the first of those that rest is due: never later, and not at
// once for what has nothing to wait for.
func TestPlan(t *testing.T) {
	fresh, led, resting, later, full := idleLane(t, 1), idleLane(t, 2), idleLane(t, 3), idleLane(t, 4), idleLane(t, 5)
	f, _ := restless(t, fresh, led, resting, later, full)
	now := time.Now()
	led.release(9, time.Time{})
	resting.release(9, now.Add(time.Second))
	later.release(-1, now.Add(2*time.Second))
	full.release(9, now.Add(-time.Second))
	full.put(chunk{bytes: 90, next: 8})

	polls, unknown, next := f.plan(now)
	require.Equal(t, map[int32][]want{9: {{lane: led, leader: 9, offset: 7, room: 100}}}, polls)
	require.Equal(t, []*lane{fresh}, unknown)
	require.Equal(t, time.Second, next)

	polls, unknown, next = f.plan(now.Add(time.Second))
	require.Equal(t, map[int32][]want{9: {{lane: resting, leader: 9, offset: 7, room: 100}}}, polls, "due at this very moment")
	require.Empty(t, unknown)
	require.Equal(t, time.Second, next)

	polls, unknown, next = f.plan(now.Add(3 * time.Second))
	require.Empty(t, polls)
	require.Equal(t, []*lane{later}, unknown)
	require.Equal(t, time.Minute, next, "a full lane is no reason to wake up")
}

// No more polls than fetchPolls go to a broker at a time; lanes beyond them stay hungry.
func TestPlanBoundsPolls(t *testing.T) {
	l := idleLane(t, 1)
	f, _ := restless(t, l)
	l.release(9, time.Time{})
	f.polls[9] = fetchPolls
	polls, _, _ := f.plan(time.Now())
	require.Empty(t, polls)
	f.polls[9]--
	polls, _, _ = f.plan(time.Now())
	require.Len(t, polls[9], 1)
	require.Equal(t, fetchPolls, f.polls[9])
}

// What can be read before a broken batch is handled; the partition then rests, and somebody is alarmed with the offset.
func TestDeliverCorrupt(t *testing.T) {
	l := idleLane(t, 1)
	f, alarms := restless(t, l)
	var seen []int
	f.seen.Fetched = func(_ string, records, _ int) { seen = append(seen, records) }
	good, bad := stored(t, 7, 0, nil, "a", "b"), stored(t, 9, 0, nil, "c")
	bad[len(bad)-1] ^= 1
	now := time.Now()
	w, claimed := l.claim(now)
	require.True(t, claimed)
	f.deliver(t.Context(), nil, 9, w, wire.FetchedPartition{Records: join(good, bad)})
	c, ok := l.take()
	require.True(t, ok)
	require.Equal(t, []string{"a", "b"}, valuesOf(c))
	require.Equal(t, []int{2}, seen)
	require.Len(t, *alarms, 1)
	require.Contains(t, (*alarms)[0], "t/1 on source stands still at 7: offset 9: ")
	require.Greater(t, l.rests(now), stuckPause-time.Second)
	_, claimed = l.claim(now)
	require.False(t, claimed)
	w, claimed = l.claim(now.Add(time.Minute))
	require.True(t, claimed)
	require.EqualValues(t, 9, w.offset, "it goes on behind what was read")
}

// Failures that time may cure rest briefly and alarm nobody.
func TestFailBriefly(t *testing.T) {
	l := idleLane(t, 1)
	f, alarms := restless(t, l)
	f.known["t-eu"] = true
	_, _ = l.claim(time.Now())
	f.fail(t.Context(), l, errors.New("connection reset"))
	require.Empty(t, *alarms)
	require.LessOrEqual(t, l.rests(time.Now()), fetchPause)
	require.EqualValues(t, -1, l.leader, "its leader is looked up anew")
	require.Empty(t, f.known)
	f.fail(t.Context(), l, batch.ErrCorrupt)
	require.Len(t, *alarms, 1)
}

// again repeats until it works, and a success counts whatever the context says by then.
func TestAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	require.NoError(t, again(ctx, zerolog.Nop(), "try", func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		cancel()
		return nil
	}))
	require.Equal(t, 3, calls)
	no := errors.New("no")
	err := again(ctx, zerolog.Nop(), "try", func() error { return no })
	require.ErrorIs(t, err, no)
	require.ErrorIs(t, err, context.Canceled)
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, again(ctx, zerolog.Nop(), "try", func() error { return no }), context.DeadlineExceeded)
}

// An event that no reader would accept is refused at once, with an alarm; the consumer goes on.
func TestRefusedEvent(t *testing.T) {
	p := newPlant(t)
	cfg := goodConsumer()
	cfg.Clusters = map[string]cluster.Config{"s": {Bootstrap: p.pair.Source.Bootstrap()}, "c": {Bootstrap: p.pair.Target.Bootstrap()}}
	var got []Notice
	c, err := NewConsumer(cfg, WithConsumerObserver(ConsumerObserver{Notice: func(n Notice) { got = append(got, n) }}))
	require.NoError(t, err)
	core, err := consume.New(c.cfg.core("x"))
	require.NoError(t, err)
	l := newLoop(c, core)
	defer func() { require.NoError(t, l.clusters.close()) }()
	defer l.cancel()
	_, err = l.control.append(t.Context(), events.Event{Type: "AgentSeen"})
	var refusal *events.Refusal
	require.ErrorAs(t, err, &refusal)
	l.append(events.Event{Type: "AgentSeen"})
	require.Len(t, got, 1)
	require.Equal(t, NoticeAlarm, got[0].Kind)
	require.Contains(t, got[0].Text, "event AgentSeen was refused: ")
}

// A membership that never came to be is left as soon as it is told to, and everything else waits for it.
func TestSeatNeverTaken(t *testing.T) {
	l := newLoop(&Consumer{}, nil)
	defer l.cancel()
	cfg := map[string]cluster.Config{"s": {Bootstrap: []string{"127.0.0.1:1"}, DialTimeout: 50 * time.Millisecond}}
	posted := make(chan consume.Input, 1)
	s := sit(l.ctx, &l.work, newClusters(cfg, zerolog.Nop()), consume.Join{Side: consume.Target, Cluster: "s"}, group.Config{}, time.Minute, func(in consume.Input) { posted <- in })
	s.tell(group.Confirm{ID: 1})
	require.Equal(t, []group.Input{group.Confirm{ID: 1}}, s.early)
	require.Zero(t, s.lease())
	s.tell(group.Leave{})
	require.Equal(t, consume.MemberEvent{Side: consume.Target, Event: group.Left{}}, <-posted)
	l.work.Wait()
}
