package driver

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

// drop lets the driver go as one whose process hangs: nothing of it is closed
// and its guards go on. Another one takes its place, with a memory of nothing.
func (r *rig) drop() (former *Driver) {
	r.t.Helper()
	former = r.d
	r.d = r.driver()
	r.d.maps = former.maps // what workers have published is read anew by every driver
	require.NoError(r.t, r.d.pub.load(r.t.Context()))
	return former
}

// TestDropped: in every phase of a switch the driver is dropped and another one
// goes on. The successor proves everything anew, the guards that it relieves
// know it and can commit nothing any more, and what was decided is decided once.
func TestDropped(t *testing.T) {
	r, i := preparing(t)
	var former []*Driver
	drop := func() { former = append(former, r.drop()) }
	r.reaches("GuardHeld")
	i.prepare()
	drop()
	r.reaches("HoldOrdered")
	r.published()
	i.drain(2, 2)
	drop()
	r.reaches("DrainProven")
	drop()
	r.reaches("CutTaken")
	r.say(events.Agent, billing, 1, events.Staged{Incarnation: "i1", Member: i.target.Status().MemberID, Offsets: []events.TopicOffset{{Topic: "orders", Offset: 2}}})
	drop()
	r.reaches("SwitchCommitted")
	drop()
	r.reaches("GuardHeld")
	i.cross(4)
	drop()
	r.reaches("SwitchCompleted")
	drop()
	require.Eventually(t, func() bool {
		_, err := r.look(billing)
		require.NoError(t, err)
		_, held := r.d.guards.held(onSourceSeat, theGroup)
		return held && r.group("billing").TargetGuard.MemberID == ""
	}, patience, time.Millisecond, "the guard leaves the target and keeps the source")

	for n, d := range former {
		p := d.guards.at(onSourceSeat, theGroup)
		require.NotNil(t, p)
		require.Eventually(t, func() bool {
			d.guards.nudge(t.Context(), onSourceSeat, theGroup)
			state, _ := p.State()
			return !state.Held && state.Err != nil
		}, patience, time.Millisecond)
		state, _ := p.State()
		require.ErrorIs(t, state.Err, group.ErrFenced, n)
		require.ErrorIs(t, d.guards.commit(t.Context(), onSourceSeat, theGroup, state.Generation, []group.Offset{{Partition: group.Partition{Topic: "orders"}, At: 1}}), group.ErrFenced)
	}
	at, err := r.source().Offsets(t.Context(), "billing", true, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, at["orders"][0].At)
	decided := make(map[events.Type]int)
	for _, e := range r.appended {
		decided[e.Type]++
	}
	for _, kind := range []events.Type{"HoldOrdered", "DrainProven", "CutTaken", "SwitchCommitted", "SwitchCompleted"} {
		require.Equal(t, 1, decided[kind], kind)
	}
}

// TestDroppedLate: a driver that was dropped while it looked goes on in the
// middle of a later phase. Its guard cannot write, so it has nothing to say.
func TestDroppedLate(t *testing.T) {
	r, i := holding(t)
	i.drain(2, 2)
	late := r.d
	v := r.store.View()
	defer v.Close()
	m, _ := v.Migration("m")
	r.drop()
	r.reaches("DrainProven")
	r.reaches("CutTaken") // the guard of the successor may have to be told of first

	w := &work{d: late, view: v, it: theGroup, mig: m}
	g, _ := v.Group("m", "billing")
	before := len(r.appended)
	_, err := w.group(t.Context(), g)
	require.True(t, err == nil || errors.Is(err, group.ErrFenced), "%v", err)
	require.Len(t, r.appended, before)
	require.Equal(t, events.PhaseCut, r.group("billing").Readers)
	_, held := r.d.guards.held(onSourceSeat, theGroup)
	require.True(t, held, "the one that goes on is not disturbed")
}
