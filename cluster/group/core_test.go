package group

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster/group/grouptest"
)

// TestLeaseStartsWhenTheHeartbeatWasSent, not when it was answered: in between the broker's clock runs already.
func TestLeaseStartsWhenTheHeartbeatWasSent(t *testing.T) {
	w := newWorld(grouptest.Options{})
	w.counts["orders"] = 1
	n, err := w.add("a", valid())
	require.NoError(t, err)
	w.do(n, Start{})
	w.run(100 * time.Millisecond)
	w.hop = time.Second // two seconds to the answer
	w.run(5 * time.Second)
	l := n.core.Lease()
	require.Positive(t, l.Sent)
	require.GreaterOrEqual(t, w.now.Sub(l.Sent), 2*time.Second)
	require.Equal(t, 10*time.Second, l.For)
}

// TestLeaseIsNeverLongerThanARebalance: a frozen process may be evicted by a rebalance before its session ends.
func TestLeaseIsNeverLongerThanARebalance(t *testing.T) {
	w := newWorld(grouptest.Options{})
	w.counts["orders"] = 2
	cfg := valid()
	cfg.Offer.Topics = []string{"orders"}
	cfg.Session, cfg.Rebalance = 30*time.Second, 5*time.Second
	a, err := w.add("a", cfg)
	require.NoError(t, err)
	b, err := w.add("b", cfg)
	require.NoError(t, err)
	w.do(a, Start{})
	w.run(time.Second)
	a.frozen = true
	w.do(b, Start{})
	w.run(6 * time.Second)
	require.Equal(t, 2, b.core.Status().Assignment.Len(), "a is out")
	require.False(t, a.core.Lease().Holds(w.now))
	require.Equal(t, 5*time.Second, a.core.Lease().For)
}

// TestLeaseEndsWithTheNews of a rebalance, an eviction, a take-over.
func TestLeaseEndsWithTheNews(t *testing.T) {
	for _, code := range []int16{22, 25, 27, 82} {
		w := newWorld(grouptest.Options{})
		w.counts["t"] = 1
		n, err := w.add("a", valid())
		require.NoError(t, err)
		n.hold = true
		w.do(n, Start{})
		w.run(500 * time.Millisecond)
		require.True(t, n.core.Lease().Holds(w.now))
		n.faults = []fault{{op: opHeartbeat, code: code, times: 1}}
		w.run(time.Second)
		require.Zero(t, n.core.Lease(), "code %d", code)
	}
}

// TestStaleAnswersChangeNothing: replies to requests that were dropped, repeated or never made.
func TestStaleAnswersChangeNothing(t *testing.T) {
	c, err := NewCore(valid())
	require.NoError(t, err)
	now := time.Unix(1, 0)
	first := c.Step(now, Start{})[0].(Send)
	out := c.Step(now, Rejoin{Offer: Closed(Identity{Kind: KindAgent}, "t")})
	require.Equal(t, Drop{ID: first.ID}, out[0])
	second := out[1].(Send)
	resp := &kmsg.JoinGroupResponse{ErrorCode: 0, Generation: 1, MemberID: "m"}
	require.Empty(t, c.Step(now, Reply{ID: first.ID, Response: resp}))
	require.Empty(t, c.Step(now, Reply{ID: 99, Response: resp}))
	require.Empty(t, c.Step(now, Supply{Generation: 1}))
	require.Empty(t, c.Step(now, Ready{Generation: 1}))
	require.Len(t, c.Step(now, Reply{ID: second.ID, Response: resp}), 2, "joined, sync")
	require.Empty(t, c.Step(now, Reply{ID: second.ID, Response: resp}))
	require.EqualValues(t, 1, c.Status().Generation)
}

// TestNoAnswerIsAFailure: a shell that has neither a response nor an error.
func TestNoAnswerIsAFailure(t *testing.T) {
	c, err := NewCore(valid())
	require.NoError(t, err)
	now := time.Unix(1, 0)
	s := c.Step(now, Start{})[0].(Send)
	r := c.Step(now, Reply{ID: s.ID})[0].(Retrying)
	require.ErrorIs(t, r.Err, errNoAnswer)
	require.Equal(t, r.Next, c.Wake())
}

// TestBackoffGrowsAndIsJittered: pauses double up to the limit, less jitter.
func TestBackoffGrowsAndIsJittered(t *testing.T) {
	cfg := valid()
	c, err := NewCore(cfg)
	require.NoError(t, err)
	var got []time.Duration
	for tries := range 8 {
		got = append(got, c.backoff(tries))
	}
	ms := time.Millisecond
	require.Equal(t, []time.Duration{100 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 2000 * ms, 2000 * ms}, got)
	require.Equal(t, 2*time.Second, c.backoff(1000))
	c.cfg.Jitter = func() float64 { return 0.5 }
	require.Equal(t, 75*ms, c.backoff(1))
}

// TestBadOfferIsRefusedWithoutAsking and leaves the membership alone.
func TestBadOfferIsRefusedWithoutAsking(t *testing.T) {
	c, err := NewCore(valid())
	require.NoError(t, err)
	out := c.Step(time.Unix(1, 0), Rejoin{})
	require.Len(t, out, 1)
	require.ErrorContains(t, out[0].(Retrying).Err, "Offer.Type is empty")
	require.Equal(t, "outside", c.Status().Phase)
}

// TestForeignLeadersNonsense: an assignment that cannot be read is none, and people see why.
func TestForeignLeadersNonsense(t *testing.T) {
	c, err := NewCore(valid())
	require.NoError(t, err)
	now := time.Unix(1, 0)
	join := c.Step(now, Start{})[0].(Send)
	sync := c.Step(now, Reply{ID: join.ID, Response: &kmsg.JoinGroupResponse{Generation: 1, MemberID: "m", LeaderID: "x"}})[1].(Send)
	out := c.Step(now, Reply{ID: sync.ID, Response: &kmsg.SyncGroupResponse{MemberAssignment: []byte("junk")}})
	require.ErrorContains(t, out[0].(Retrying).Err, "no consumer assignment")
	require.Zero(t, out[1].(Assigned).Assignment.Len())
	require.Equal(t, "heartbeat", out[2].(Send).Op)
}

// TestUnsettledCommits: a coordinator that moves or that cannot write may have written all the same; one that loads has not.
func TestUnsettledCommits(t *testing.T) {
	for code, unknown := range map[int16]bool{codeUnknownServer: true, codeNotAvailable: true, codeNotCoordinator: true, codeLoadInProgress: false, codeGeneration: false, codeOK: false} {
		resp := &kmsg.OffsetCommitResponse{Topics: []kmsg.OffsetCommitResponseTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitResponseTopicPartition{{Partition: 3, ErrorCode: code}}}}}
		job := &commitJob{left: []Offset{{Partition: Partition{Topic: "t", ID: 3}, At: 7}}}
		err := (&Core{}).settle(job, resp)
		require.Equal(t, unknown, job.unknown, "%d", code)
		require.Equal(t, passing(code), err != nil, "%d", code)
		require.Len(t, job.left, map[bool]int{true: 1}[passing(code)], "%d", code)
	}
}

// TestLeaveThatFailed: whatever code the broker gives for the member, leaving is over only if it is out.
func TestLeaveThatFailed(t *testing.T) {
	for code, over := range map[int16]bool{codeOK: true, codeUnknownMember: true, codeUnknownServer: false, codeNotCoordinator: false} {
		c, err := NewCore(valid())
		require.NoError(t, err)
		c.phase, c.id = leaving, "m"
		c.onLeave(time.Unix(0, 0), Reply{Response: &kmsg.LeaveGroupResponse{Members: []kmsg.LeaveGroupResponseMember{{ErrorCode: code}}}})
		require.Len(t, c.out, 1)
		_, left := c.out[0].(Left)
		require.Equal(t, over, left, "%d: %v", code, c.out[0])
	}
}
