package group

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMovedOffsetsAreNamed: differences between two readings are found in both directions.
func TestMovedOffsetsAreNamed(t *testing.T) {
	before := map[string]map[int32]Stored{"t": {0: {At: 5, LeaderEpoch: 7}, 1: {At: 6}, 2: {At: 1}}}
	same := map[string]map[int32]Stored{"t": {0: {At: 5, LeaderEpoch: -1}, 1: {At: 6}, 2: {At: 1}}}
	require.NoError(t, moved("g", before, same), "leader epochs do not count")
	after := map[string]map[int32]Stored{"t": {0: {At: 5}, 1: {At: 9}}, "u": {0: {At: 3}}}
	err := moved("g", before, after)
	require.EqualError(t, err, `group "g": offsets moved while its guard changed the lock: t/1 from 6 to 9, t/2 from 1 to -1, u/0 from -1 to 3: find out who committed`)
	same["t"][1] = Stored{At: 6, Metadata: "m"}
	require.Error(t, moved("g", before, same), "metadata does")
}

// TestGuardOffersAreTheSameEveryTime: a broker that compares a static member's metadata would start a rebalance at a take-over.
func TestGuardOffersAreTheSameEveryTime(t *testing.T) {
	bytes := func(o Offer) []byte {
		return encodeSubscription(o.Topics, o.Identity, Assignment{}, none)
	}
	require.Equal(t, bytes(guardOffer(false, []string{"a", "b"})), bytes(guardOffer(false, []string{"b", "a"})))
	require.Equal(t, TypeConsumer, guardOffer(false, nil).Type)
	require.Equal(t, TypeGuard, guardOffer(true, nil).Type)
}

// TestGuardStates: what a guard concludes from its member's events.
func TestGuardStates(t *testing.T) {
	g := &Guard{changed: make(chan struct{})}
	step := func(e Event, want GuardState) {
		t.Helper()
		before := g.changed
		old := g.state
		g.observe(e)
		require.Equal(t, want, g.state)
		select {
		case <-before:
			require.NotEqual(t, old, want, "a change is told")
		default:
			require.Equal(t, old, want, "only a change is told")
		}
	}
	stranger := &CodeError{Op: opJoin, Group: "g", Code: codeProtocol}
	fenced := &CodeError{Op: opHeartbeat, Group: "g", Code: codeFenced}
	step(Refused{Why: stranger}, GuardState{Err: stranger})
	step(Joined{Generation: 1, MemberID: "m", Protocol: ProtocolPortage}, GuardState{MemberID: "m", Generation: 1})
	step(Assigned{Generation: 1}, GuardState{Held: true, MemberID: "m", Generation: 1})
	step(Retrying{}, GuardState{Held: true, MemberID: "m", Generation: 1})
	step(Joined{Generation: 2, MemberID: "m", Protocol: ProtocolHold}, GuardState{MemberID: "m", Generation: 2, Sealed: true})
	step(Assigned{Generation: 2}, GuardState{Held: true, MemberID: "m", Generation: 2, Sealed: true})
	step(Refused{Why: stranger, Member: true}, GuardState{Held: true, MemberID: "m", Generation: 2, Sealed: true, Err: stranger})
	step(Lost{Why: fenced, Final: true}, GuardState{MemberID: "m", Generation: 2, Sealed: true, Err: fenced})
	step(Left{}, GuardState{})
	removed := &CodeError{Op: opHeartbeat, Group: "g", Code: codeUnknownMember}
	step(Joined{Generation: 3, MemberID: "m"}, GuardState{MemberID: "m", Generation: 3})
	step(Lost{Why: removed, Outside: true}, GuardState{MemberID: "m", Generation: 3, Err: removed})
}
