package group_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster/group"
)

func at(n int32, offset int64, metadata string) group.Offset {
	return group.Offset{Partition: group.Partition{Topic: "orders", ID: n}, At: offset, Metadata: metadata}
}

func testCommitsAndReads(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	first := a.assigned(8)
	done, err := a.Commit(ctx(t), first.Generation, at(0, 5, "position=3"), at(7, 9, ""))
	require.NoError(t, err)
	require.NoError(t, done.Err(name))
	got, err := a.Offsets(ctx(t), map[string][]int32{"orders": {0, 1, 7}})
	require.NoError(t, err)
	require.Equal(t, map[int32]group.Stored{0: {At: 5, LeaderEpoch: -1, Metadata: "position=3"}, 1: {At: -1, LeaderEpoch: -1}, 7: {At: 9, LeaderEpoch: -1}}, got["orders"])
	all, err := a.Offsets(ctx(t), nil)
	require.NoError(t, err)
	require.Len(t, all["orders"], 2)

	done, err = a.Commit(ctx(t), first.Generation, at(0, 6, string(make([]byte, 4097))), at(1, 1, ""))
	require.NoError(t, err)
	if s.version != "" { // the embedded broker has no limit
		require.EqualValues(t, 12, done.Results[0].Code)
		require.Zero(t, done.Results[1].Code, "the other partition is committed all the same")
	}

	b := join(t, s, quick(name, group.Open(agent("b"), "orders")))
	second := b.assigned(4)
	require.Equal(t, second.Generation, a.assigned(4).Generation)
	done, err = a.Commit(ctx(t), first.Generation, at(0, 7, ""))
	require.NoError(t, err)
	require.ErrorIs(t, done.Err(name), group.ErrGeneration)
	require.False(t, done.Unknown)
	require.NoError(t, a.Leave(ctx(t)))
	done, err = a.Commit(ctx(t), second.Generation, at(0, 8, ""))
	require.NoError(t, err)
	require.ErrorIs(t, done.Err(name), group.ErrUnknownMember)
	_, err = a.Offsets(ctx(t), nil)
	require.ErrorIs(t, err, group.ErrNotMember)
}

func testConfirm(t *testing.T, s site) {
	name := fresh()
	cfg := quick(name, group.Open(agent("a"), "orders"))
	cfg.Heartbeat, cfg.Session = time.Second, 10*time.Second
	a := join(t, s, cfg)
	first := a.assigned(8)
	for range 3 {
		asked := time.Now()
		l, err := a.Confirm(ctx(t))
		require.NoError(t, err)
		require.Equal(t, first.Generation, l.Generation)
		require.False(t, l.Sent.Before(asked), "the heartbeat was sent after the question")
	}
	require.NoError(t, a.Leave(ctx(t)))
	_, err := a.Confirm(ctx(t))
	require.ErrorIs(t, err, group.ErrNotMember)
	a.Close()
	_, err = a.Confirm(ctx(t))
	require.ErrorIs(t, err, group.ErrClosed)
	require.ErrorIs(t, a.Leave(ctx(t)), group.ErrClosed)
}

func testEviction(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	first := a.assigned(8)
	other := join(t, s, quick(name, group.Open(agent("b"), "orders")))
	other.assigned(4)
	require.NoError(t, evict(ctx(t), s, name, a.Status().MemberID))
	lost, _ := await[group.Lost](a, 0, nil)
	require.ErrorIs(t, lost.Why, group.ErrUnknownMember)
	require.Equal(t, first.MemberID, lost.MemberID)
	require.False(t, lost.Final)
	require.NotEqual(t, first.MemberID, a.assigned(4).MemberID)
}

// testMirror has a member with the same incarnation in two groups; the second follows the first.
func testMirror(t *testing.T, s site) {
	source, target := fresh(), fresh()
	g := guard(t, s, target, false)
	_, err := g.Wait(ctx(t))
	require.NoError(t, err)
	names := []string{"a", "b", "c"}
	var here, there []*actor
	for _, n := range names {
		here = append(here, join(t, s, quick(source, group.Open(agent(n), "orders"))))
		there = append(there, join(t, s, quick(target, group.Closed(agent(n), "orders"))))
	}
	same := func() bool {
		n := 0
		for i := range here {
			from, to := here[i].Status(), there[i].Status()
			if !from.Assigned || !to.Assigned || !from.Assignment.Equal(to.Assignment) {
				return false
			}
			n += to.Assignment.Len()
		}
		return n == 8
	}
	for i := range here {
		go func() {
			for e := range follow(here[i]) {
				who := agent(names[i])
				who.Wants, who.WantsGeneration = e.Assignment.Partitions, e.Generation
				if there[i].Rejoin(group.Closed(who, "orders")) != nil {
					return
				}
			}
		}()
	}
	require.Eventually(t, same, 30*time.Second, 10*time.Millisecond, "the target mirrors the source")
}

// follow yields the assignments of a member as they come, until it is closed.
func follow(a *actor) func(func(group.Assigned) bool) {
	return func(yield func(group.Assigned) bool) {
		for i := 0; ; {
			a.mu.Lock()
			events, news := a.events, a.news
			a.mu.Unlock()
			for ; i < len(events); i++ {
				if e, is := events[i].(group.Assigned); is && !yield(e) {
					return
				}
			}
			select {
			case <-news:
			case <-a.done:
				return
			}
		}
	}
}

func testWorkers(t *testing.T, s site) {
	name := fresh()
	worker := func(incarnation string) *actor {
		cfg := quick(name, group.Workers(group.Identity{Kind: group.KindWorker, Incarnation: incarnation}))
		cfg.Inventory = func(context.Context, []string) (group.Inventory, error) {
			return group.Inventory{Units: []string{"orders/0", "orders/1", "orders/2", "payments/0"}}, nil
		}
		return join(t, s, cfg)
	}
	a := worker("a")
	require.Len(t, a.assigned(4).Assignment.Units, 4)
	b := worker("b")
	one, two := a.assigned(2), b.assigned(2)
	require.NotContains(t, two.Assignment.Units, one.Assignment.Units[0])
	a.Close() // dies without leaving
	require.Len(t, b.assigned(4).Assignment.Units, 4)
}

func testSessionTooLong(t *testing.T, s site) {
	cfg := quick(fresh(), group.Open(agent("a"), "orders"))
	cfg.Session = 50 * time.Millisecond
	cfg.Heartbeat = 10 * time.Millisecond
	a := join(t, s, cfg)
	r, _ := await[group.Refused](a, 0, nil)
	require.EqualValues(t, 26, r.Why.Code)
	require.ErrorContains(t, r.Why, "group.min.session.timeout.ms")
}

func testCloseWhileJoining(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	a.assigned(8)
	a.hold.Store(true)
	b := join(t, s, quick(name, group.Open(agent("b"), "orders")))
	await[group.RebalanceNeeded](a, 0, nil) // b waits at the barrier
	start := time.Now()
	b.Close()
	require.Less(t, time.Since(start), 2*time.Second)
}

func testLeaveWhileJoining(t *testing.T, s site) {
	name := fresh()
	a := join(t, s, quick(name, group.Open(agent("a"), "orders")))
	first := a.assigned(8)
	a.hold.Store(true)
	b := join(t, s, quick(name, group.Open(agent("b"), "orders")))
	await[group.RebalanceNeeded](a, 0, nil)
	require.NoError(t, b.Leave(ctx(t)))
	a.Ready(first.Generation)
	require.Equal(t, first.MemberID, a.assigned(8).MemberID)
}
