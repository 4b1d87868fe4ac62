package group_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/cluster/group/grouptest"
)

// run starts a member on the model, with a way to fail its requests.
func run(t *testing.T, cfg group.Config, fail func(kmsg.Request) error) *group.Member {
	t.Helper()
	server := &modelServer{b: grouptest.New(grouptest.Options{}), waiting: map[uint64]chan kmsg.Response{}}
	cfg.Group, cfg.Heartbeat, cfg.Session = "g", 10*time.Millisecond, time.Second
	cfg.Offer = group.Open(agent("a"), "orders")
	if cfg.Inventory == nil {
		cfg.Inventory = func(context.Context, []string) (group.Inventory, error) {
			return group.Inventory{Counts: map[string]int32{"orders": 2}}, nil
		}
	}
	m, err := group.Run(func(ctx context.Context, r kmsg.Request, v int16) (kmsg.Response, error) {
		if fail != nil {
			if err := fail(r); err != nil {
				return nil, err
			}
		}
		return server.call(ctx, r, v)
	}, cfg)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

func awaitAssigned(t *testing.T, m *group.Member) group.Status {
	t.Helper()
	require.Eventually(t, func() bool { return m.Lease().Holds(time.Now()) }, 10*time.Second, time.Millisecond)
	return m.Status()
}

// TestUnreadEventsDelayNothing: heartbeats and commits go on for an owner that does not read; reports of retries do not pile up.
func TestUnreadEventsDelayNothing(t *testing.T) {
	var mu sync.Mutex
	failures := 0
	m := run(t, group.Config{Backoff: time.Microsecond}, func(r kmsg.Request) error {
		mu.Lock()
		defer mu.Unlock()
		if _, join := r.(*kmsg.JoinGroupRequest); join && failures < 2000 {
			failures++
			return errors.New("not today")
		}
		return nil
	})
	s := awaitAssigned(t, m)
	done, err := m.Commit(ctx(t), s.Generation, at(0, 1, ""))
	require.NoError(t, err)
	require.NoError(t, done.Err("g"))
	_, err = m.Confirm(ctx(t))
	require.NoError(t, err)
	require.NoError(t, m.Leave(ctx(t)))
	retries, last := 0, group.Event(nil)
	for last == nil {
		switch e := (<-m.Events()).(type) {
		case group.Retrying:
			retries++
		case group.Left:
			last = e
		}
	}
	require.Greater(t, retries, 10)
	require.Less(t, retries, 500)
}

// TestHooksSeeEverything: requests with their errors, events in order.
func TestHooksSeeEverything(t *testing.T) {
	var mu sync.Mutex
	ops, kinds := map[string]int{}, []string{}
	failed := false
	m := run(t, group.Config{Hooks: group.Hooks{
		Request: func(op string, took time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			ops[op]++
			failed = failed || err != nil
			require.GreaterOrEqual(t, took, time.Duration(0))
		},
		Event: func(e group.Event) {
			mu.Lock()
			defer mu.Unlock()
			switch e.(type) {
			case group.Joined:
				kinds = append(kinds, "joined")
			case group.Assigned:
				kinds = append(kinds, "assigned")
			}
		},
	}}, func(r kmsg.Request) error {
		if _, sync := r.(*kmsg.SyncGroupRequest); sync {
			mu.Lock()
			defer mu.Unlock()
			if ops["sync"] == 0 {
				return errors.New("lost")
			}
		}
		return nil
	})
	awaitAssigned(t, m)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{"joined", "assigned"}, kinds)
	require.Equal(t, 2, ops["join"], "one for the member id, one with it")
	require.Equal(t, 2, ops["sync"], "the first was lost")
	require.True(t, failed)
	require.Positive(t, ops["heartbeat"])
}

// TestCallsEndWithTheirContext: what is undecided is reported as such, and those behind it go on.
func TestCallsEndWithTheirContext(t *testing.T) {
	block := make(chan struct{})
	var once sync.Once
	m := run(t, group.Config{}, func(r kmsg.Request) error {
		if _, commit := r.(*kmsg.OffsetCommitRequest); commit {
			<-block
		}
		return nil
	})
	defer once.Do(func() { close(block) })
	s := awaitAssigned(t, m)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done, err := m.Commit(short, s.Generation, at(0, 1, ""))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, done.Unknown)
	once.Do(func() { close(block) })
	done, err = m.Commit(ctx(t), s.Generation, at(0, 2, ""))
	require.NoError(t, err)
	require.NoError(t, done.Err("g"))
	got, err := m.Offsets(ctx(t), nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, got["orders"][0].At)
}

// TestInputsAndEvents: an owner with a loop of its own uses Do, and gets its answers as events.
func TestInputsAndEvents(t *testing.T) {
	m := run(t, group.Config{}, nil)
	s := awaitAssigned(t, m)
	m.Do(group.Commit{ID: 1, Generation: s.Generation, Offsets: []group.Offset{at(1, 5, "x")}})
	m.Do(group.Confirm{ID: 2})
	var got []uint64
	for len(got) < 2 {
		switch e := (<-m.Events()).(type) {
		case group.Committed:
			require.NoError(t, e.Err("g"))
			got = append(got, e.ID)
		case group.Confirmed:
			require.NoError(t, e.Err)
			got = append(got, e.ID)
		}
	}
	require.ElementsMatch(t, []uint64{1, 2}, got)
	m.Do(group.Fetch{ID: 3})
	for {
		if e, ok := (<-m.Events()).(group.Fetched); ok {
			require.EqualValues(t, 5, e.Offsets["orders"][1].At)
			break
		}
	}
	m.Close()
	_, open := <-m.Events()
	require.False(t, open)
	m.Do(group.Leave{}) // nobody is there
	require.ErrorContains(t, m.Rejoin(group.Offer{}), "Offer.Type is empty")
}

// TestInventoryThatHangs is asked again, and ends with the member.
func TestInventoryThatHangs(t *testing.T) {
	asked := make(chan struct{}, 10)
	m := run(t, group.Config{Request: 20 * time.Millisecond, Inventory: func(ctx context.Context, topics []string) (group.Inventory, error) {
		require.Equal(t, []string{"orders"}, topics)
		asked <- struct{}{}
		<-ctx.Done()
		return group.Inventory{}, ctx.Err()
	}}, nil)
	<-asked
	<-asked
	require.Equal(t, "syncing", m.Status().Phase)
}

// TestBadConfigs: neither members nor guards start with one.
func TestBadConfigs(t *testing.T) {
	_, err := group.Run(nil, group.Config{})
	require.ErrorContains(t, err, "Config.Group is empty")
	_, err = group.NewGuard(nil, group.GuardConfig{Group: "g", Session: time.Hour})
	require.ErrorContains(t, err, "guard: group \"g\": Session is 1h0m0s")
}
