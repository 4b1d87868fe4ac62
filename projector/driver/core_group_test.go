package driver

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/fsm/roster"
)

// aSwitch is a group of one topic with two partitions in epoch 2, with two
// instances that acknowledged everything.
func aSwitch() *fsm.Group {
	return &fsm.Group{
		Group: "billing", Topics: []events.GroupTopic{{Topic: "orders", TargetTopic: "orders-eu", Partitions: 2}},
		Standing: fsm.Standing{Epoch: 2}, Created: []string{"orders"},
		SourceGuard: fsm.Guard{MemberID: "gs"}, TargetGuard: fsm.Guard{MemberID: "gt"},
		Members: []fsm.Member{
			{Incarnation: "i1", Prepared: 2, SourceMember: "m1", Drained: 2, DrainMember: "m1", Processed: []events.TopicOffset{{Topic: "orders", Partition: 0, Offset: 10}}},
			{Incarnation: "i2", Prepared: 2, SourceMember: "m2", Drained: 2, DrainMember: "m2", Processed: []events.TopicOffset{{Topic: "orders", Partition: 1, Offset: 4}}},
		},
		Offsets: []events.TopicOffset{{Topic: "orders", Partition: 0, Offset: 10}, {Topic: "orders", Partition: 1, Offset: 4}},
		Cut:     []events.CutPoint{{Topic: "orders", Partition: 0, Source: 10, Target: 9}, {Topic: "orders", Partition: 1, Source: 4, Target: 4}},
	}
}

func stable(members ...roster.Member) snapshot {
	return snapshot{Stable: true, State: "Stable", Members: members, Assigned: map[events.TopicOffset]string{}}
}

func theGuard() roster.Member { return roster.Member{ID: "gs", Instance: guardInstance} }

func TestReadyToHold(t *testing.T) {
	m1, m2 := roster.Member{ID: "m1", Incarnation: "i1"}, roster.Member{ID: "m2", Incarnation: "i2"}
	for name, c := range map[string]struct {
		change func(*fsm.Group)
		snap   snapshot
		ready  []string
		why    string
	}{
		"all prepared":             {snap: stable(theGuard(), m1, m2), ready: []string{"m1", "m2"}},
		"one has gone":             {snap: stable(theGuard(), m2), ready: []string{"m2"}},
		"rebalancing":              {snap: snapshot{State: "PreparingRebalance"}, why: "PreparingRebalance"},
		"a KIP-848 client":         {snap: snapshot{Modern: true}, why: "KIP-848"},
		"no guard inside":          {snap: stable(m1, m2), why: "guard"},
		"guard not recorded":       {change: func(g *fsm.Group) { g.TargetGuard = fsm.Guard{} }, snap: stable(theGuard(), m1, m2), why: "guards"},
		"prepared for epoch 1":     {change: func(g *fsm.Group) { g.Members[1].Prepared = 1 }, snap: stable(theGuard(), m1, m2), why: "m2"},
		"prepared under other id":  {change: func(g *fsm.Group) { g.Members[1].SourceMember = "m9" }, snap: stable(theGuard(), m1, m2), why: "m2"},
		"a member nobody heard of": {snap: stable(theGuard(), m1, m2, roster.Member{ID: "m3"}), why: "m3"},
		"nobody":                   {snap: stable(theGuard()), why: "no instance"},
	} {
		t.Run(name, func(t *testing.T) {
			g := aSwitch()
			if c.change != nil {
				c.change(g)
			}
			ready, why := readyToHold(g, c.snap)
			require.Equal(t, c.ready, ready)
			if c.why == "" {
				require.Empty(t, why)
			} else {
				require.Contains(t, why, c.why)
			}
		})
	}
}

func TestStandsStill(t *testing.T) {
	m1, m2 := roster.Member{ID: "m1", Incarnation: "i1"}, roster.Member{ID: "m2", Incarnation: "i2"}
	require.Empty(t, standsStill(aSwitch(), stable(theGuard(), m1, m2)))
	require.Contains(t, standsStill(aSwitch(), stable(m1, m2)), "guard")
	require.Contains(t, standsStill(aSwitch(), stable(theGuard(), m1, roster.Member{ID: "m2b", Incarnation: "i2"})), "m2b", "drained under a former member id")
	late := aSwitch()
	late.Members[0].Drained = 1
	require.Contains(t, standsStill(late, stable(theGuard(), m1, m2)), "m1", "drained in a former epoch")
}

func TestGuardsWanted(t *testing.T) {
	for _, c := range []struct {
		mig, readers   events.Phase
		created        []string
		source, target guardWant
	}{
		{events.PhaseRunning, events.PhaseOnSource, nil, guardOut, guardOut},
		{events.PhaseRunning, events.PhaseOnSource, []string{"orders"}, guardOut, guardClosed},
		{events.PhaseRunning, events.PhasePreparing, []string{"orders"}, guardClosed, guardClosed},
		{events.PhaseRunning, events.PhaseStaged, []string{"orders"}, guardClosed, guardClosed},
		{events.PhaseRunning, events.PhaseCommitted, []string{"orders"}, guardClosed, guardClosed},
		{events.PhaseFinished, events.PhaseOnTarget, []string{"orders"}, guardClosed, guardOut},
		{events.PhaseCancelling, events.PhaseOnSource, []string{"orders"}, guardOut, guardOut},
	} {
		g := aSwitch()
		g.Readers, g.Created = c.readers, c.created
		source, target := guardsWanted(&fsm.Migration{Phase: c.mig}, g)
		require.Equal(t, c.source, source, "source, %+v", c)
		require.Equal(t, c.target, target, "target, %+v", c)
	}
}

// TestUndrained: whoever prepared for this attempt is waited for, nobody else.
func TestUndrained(t *testing.T) {
	g := aSwitch()
	require.Empty(t, undrained(g))
	g.Members = append(g.Members, fsm.Member{Incarnation: "bystander", Drained: 1}, fsm.Member{Incarnation: "of the last attempt", Prepared: 1})
	require.Empty(t, undrained(g))
	g.Members[1].Drained, g.Members[1].Instance = 1, "two"
	require.Equal(t, "instance two (i2) has not drained yet", undrained(g))
}

// TestDoubts: what keeps a switch from beginning or going on.
func TestDoubts(t *testing.T) {
	g := aSwitch()
	g.Plan.Target.Name = "target"
	require.Equal(t, "the copy of orders is stopped", doubtful(g))
	g.Synced = []string{"orders"}
	require.Empty(t, doubtful(g))
	require.Empty(t, loginFailed(g))
	g.Members[1].Logins = map[string]string{"source": "", "target": "no password"}
	require.Contains(t, loginFailed(g), "no password")
	for p, want := range map[events.Phase][2]bool{
		events.PhaseOnSource: {false, false}, events.PhasePreparing: {true, true}, events.PhaseStaged: {true, true},
		events.PhaseCommitted: {false, true}, events.PhaseOnTarget: {false, false},
	} {
		require.Equal(t, want, [2]bool{undecided(p), switching(p)}, p)
	}
}

// TestSealing: only a source that the instances have left for good is sealed.
func TestSealing(t *testing.T) {
	g := aSwitch()
	require.False(t, maySeal(events.RouteSource, g))
	g.Readers = events.PhaseOnTarget
	require.True(t, maySeal(events.RouteSource, g))
	require.False(t, maySeal(events.RouteTarget, g))
}
