package driver

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/projector"
)

// queued takes the streams that are due now, by name.
func (r *rig) queued() (streams []string) {
	ready, _ := r.d.queue.take(time.Now(), 1000)
	for _, it := range ready {
		streams = append(streams, string(it.stream))
		r.d.queue.done(it, time.Time{})
	}
	slices.Sort(streams)
	return streams
}

// watched looks for changes behind a position once.
func (r *rig) watched(after int64, stands map[string]stand) int64 {
	r.t.Helper()
	v := r.store.View()
	defer func() { require.NoError(r.t, v.Close()) }()
	require.NoError(r.t, r.d.queueChanges(v, after, stands))
	return v.Applied()
}

// TestWatch: a driver that starts looks at everything; then at the streams that
// events concern, at those that look at these, and at everything when the
// migration comes to another step.
func TestWatch(t *testing.T) {
	r := newRig(t)
	stands := make(map[string]stand)
	require.EqualValues(t, -1, r.watched(-1, stands), "an empty log")
	r.begin([]string{"billing", "audit"}, "orders", "payments")
	all := []string{"group/audit", "group/billing", "migration", "topic/orders", "topic/payments"}
	after := r.watched(-1, stands)
	require.Equal(t, all, r.queued())
	require.Empty(t, r.queued())

	r.does(orders, "CopyStarted")
	after = r.watched(after, stands)
	require.Equal(t, []string{"group/audit", "group/billing", "migration", "topic/orders"}, r.queued(), "the groups that read the topic that moved")
	r.say(events.Agent, events.GroupStream("audit"), 0, events.AgentSeen{Instance: "one", Incarnation: "i1"})
	after = r.watched(after, stands)
	require.Equal(t, []string{"group/audit", "migration"}, r.queued(), "nothing has moved")
	r.does(orders, "TargetCreated")
	r.copied("orders")
	r.does(orders, "CopySynced")
	r.created("payments")
	after = r.watched(after, stands)
	r.queued()
	r.copied("payments")
	r.does(events.TopicStream("payments"), "CopySynced")
	after = r.watched(after, stands)
	require.Equal(t, all, r.queued(), "the next step may begin")
	r.say(events.Orchestrator, events.GroupStream("billing"), 0, events.GuardHeld{Side: events.RouteTarget, MemberID: "g", Generation: 1})
	r.say(events.Operator, events.GroupStream("billing"), 1, events.SwitchRequested{To: events.RouteTarget})
	after = r.watched(after, stands)
	require.Equal(t, []string{"group/billing", "migration", "topic/orders", "topic/payments"}, r.queued(), "the topics of the group that moved")

	at, err := r.log.Append(t.Context(), r.refusedEvent())
	require.NoError(t, err)
	require.NoError(t, r.store.Wait(t.Context(), at))
	r.watched(after, stands)
	require.Empty(t, r.queued(), "what was refused concerns nobody")
}

// refusedEvent is a command that does not fit.
func (r *rig) refusedEvent() events.Event {
	e, err := events.New("refused", "m", events.MigrationStream, events.Actor{Kind: events.Operator, Name: "tester"}, time.Now().UTC(), events.StartRequested{})
	require.NoError(r.t, err)
	version := uint64(1000)
	e.Expects = &version
	return e
}

// TestWatchEnds: with the context, and with a store that is of no use any more.
func TestWatchEnds(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.d.watch(ctx) }()
	cancel()
	require.NoError(t, <-done)
	go func() { done <- r.d.watch(t.Context()) }()
	require.NoError(t, r.store.Close())
	require.ErrorIs(t, <-done, projector.ErrClosed)
	require.ErrorIs(t, r.d.watch(t.Context()), projector.ErrClosed)
}

// TestTail: maps are kept as workers publish them, and what is no map is passed
// over.
func TestTail(t *testing.T) {
	r := newRig(t)
	r.d.maps = newMapStore()
	k := events.CopyKey{Migration: "m", Topic: "orders"}
	require.NoError(t, log.NewOffsets(r.target(), log.Options{}).PublishBlock(t.Context(), k, blockOf(t, 0, 0, 0)))
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- r.d.tailOffsets(ctx) }()
	require.Eventually(t, r.d.maps.isWhole, patience, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	r.d.takeMap(log.OffsetsRecord{Refusal: context.Canceled})
	hole := blockOf(t, 3, 30, 30)
	r.d.takeMap(log.OffsetsRecord{Key: events.OffsetsKey{Copy: k}, Block: &hole})
	require.True(t, r.d.maps.isWhole())
}

// TestRunEndsWithTheMaps: a topic of maps that was deleted and created again
// ends the driver by name: what it knew is not true any more.
func TestRunEndsWithTheMaps(t *testing.T) {
	r := newRig(t)
	r.d.maps = newMapStore()
	done := make(chan error, 1)
	go func() { done <- r.d.Run(t.Context()) }()
	require.Eventually(t, r.d.maps.isWhole, patience, time.Millisecond)
	require.NoError(t, r.target().DeleteTopic(t.Context(), events.TopicOffsets))
	_, err := log.Init(t.Context(), r.target(), log.InitOptions{})
	require.NoError(t, err)
	err = <-done
	require.ErrorIs(t, err, log.ErrRecreated)
	require.True(t, strings.Contains(err.Error(), events.TopicOffsets), "%v", err)
}
