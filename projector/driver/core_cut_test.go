package driver

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/portage-kafka/portage/fsm/roster"
)

// TestDrainedOffsets: a group crosses where it has committed; where it never has,
// where its instances stand.
func TestDrainedOffsets(t *testing.T) {
	at := func(p0, p1 int64) map[string]map[int32]int64 {
		return map[string]map[int32]int64{"orders": {0: p0, 1: p1}}
	}
	list, why := drainedOffsets(aSwitch(), at(10, 4))
	require.Empty(t, why)
	require.Equal(t, aSwitch().Offsets, list)

	list, why = drainedOffsets(aSwitch(), map[string]map[int32]int64{"orders": {0: 10}})
	require.Empty(t, why, "nothing was ever committed: the instance's own position counts")
	require.Equal(t, aSwitch().Offsets, list)

	list, why = drainedOffsets(aSwitch(), at(8, 4))
	require.Empty(t, why, "a refused commit: what was not committed is processed again")
	require.EqualValues(t, 8, list[0].Offset)

	_, why = drainedOffsets(aSwitch(), at(11, 4))
	require.Contains(t, why, "above what its instance has processed")

	g := aSwitch()
	g.Members = g.Members[:1]
	_, why = drainedOffsets(g, map[string]map[int32]int64{"orders": {0: 10}})
	require.Contains(t, why, "orders/1 has no committed offset")

	_, why = drainedOffsets(aSwitch(), map[string]map[int32]int64{"orders": {0: 10, 1: 4, 2: 7}, "clicks": {9: 1}})
	require.Contains(t, why, "orders/2 is committed, but the plan knows of 2 partitions")
}

func dense(t *testing.T, n int64) *track {
	m, err := offsetmap.New(0, 0)
	require.NoError(t, err)
	require.NoError(t, m.Append(offsetmap.Run{Source: 0, Target: 0, Count: n}))
	return &track{known: true, m: m}
}

// TestCutOf: what the copy has not reached is waited for, what it never will is a
// finding.
func TestCutOf(t *testing.T) {
	maps := func(p0, p1 int64) copies {
		return func(_ string, p int32) (copied, bool) { return dense(t, []int64{p0, p1}[p]), true }
	}
	starts := map[string]map[int32]int64{"orders": {0: 0, 1: 0}}
	cut, why, failed := cutOf(aSwitch(), maps(10, 20), starts)
	require.Empty(t, why)
	require.False(t, failed)
	require.Equal(t, []events.CutPoint{{Topic: "orders", Partition: 0, Source: 10, Target: 10}, {Topic: "orders", Partition: 1, Source: 4, Target: 4}}, cut)

	_, why, failed = cutOf(aSwitch(), maps(9, 20), starts)
	require.Contains(t, why, "copied up to 9, the group is at 10")
	require.False(t, failed, "the copy will come")

	_, why, _ = cutOf(aSwitch(), func(string, int32) (copied, bool) { return nil, false }, starts)
	require.Contains(t, why, "no offset map")

	later, err := offsetmap.New(50, 0)
	require.NoError(t, err)
	_, why, failed = cutOf(aSwitch(), func(string, int32) (copied, bool) { return &track{known: true, m: later}, true }, starts)
	require.True(t, failed, "records below the begin of the copy would be skipped")
	require.NotEmpty(t, why)
}

// TestSettled: a switch is over on evidence about every partition and member.
func TestSettled(t *testing.T) {
	agent := roster.Member{ID: "t1", Incarnation: "i1"}
	target := stable(agent)
	target.Assigned[events.TopicOffset{Topic: "orders-eu", Partition: 0}] = "t1"
	target.Assigned[events.TopicOffset{Topic: "orders-eu", Partition: 1}] = "t1"
	at := func(p0, p1 int64) map[string]map[int32]int64 {
		return map[string]map[int32]int64{"orders-eu": {0: p0, 1: p1}}
	}
	evidence, why := settled(aSwitch(), stable(theGuard()), target, at(12, 4), at(12, 4))
	require.Empty(t, why)
	require.Contains(t, evidence, "1 of 2 committed past the cut")

	_, why = settled(aSwitch(), stable(theGuard()), target, at(12, 4), at(12, 7))
	require.Contains(t, why, "orders-eu/1 is committed at 4, the cut, and has records up to 7")

	foreign := target
	foreign.Members = append([]roster.Member{{ID: "x"}}, target.Members...)
	_, why = settled(aSwitch(), stable(theGuard()), foreign, at(12, 4), at(12, 4))
	require.Contains(t, why, "without the SDK")

	_, why = settled(aSwitch(), snapshot{Modern: true}, target, at(12, 4), at(12, 4))
	require.Contains(t, why, "source: the group uses the consumer protocol of KIP-848")
	_, why = settled(aSwitch(), stable(theGuard()), snapshot{State: "PreparingRebalance"}, at(12, 4), at(12, 4))
	require.Equal(t, "target: the group is PreparingRebalance", why)

	empty := stable(agent)
	_, why = settled(aSwitch(), stable(theGuard()), empty, at(12, 4), at(12, 4))
	require.Contains(t, why, "assigned to nobody")
}

// TestFindings: what speaks against a cut, the gravest first.
func TestFindings(t *testing.T) {
	m1, m2 := roster.Member{ID: "m1", Incarnation: "i1"}, roster.Member{ID: "m2", Incarnation: "i2"}
	fine := func() findings {
		return findings{
			members: stable(theGuard(), m1, m2),
			source:  offsets{"orders": {0: 10, 1: 4}}, target: offsets{"orders-eu": {0: 9}},
		}
	}
	for name, c := range map[string]struct {
		change     func(*findings)
		gate, wait string
	}{
		"nothing":                {change: func(*findings) {}},
		"staged by a former try": {change: func(f *findings) { f.target["orders-eu"][1] = 4 }},
		"other records":          {change: func(f *findings) { f.records, f.members = "not the same", snapshot{} }, gate: "not the same"},
		"members moved":          {change: func(f *findings) { f.members, f.source = stable(theGuard(), m1, roster.Member{ID: "m3"}), nil }, wait: "m3"},
		"source committed":       {change: func(f *findings) { f.source["orders"][1] = 5 }, gate: "source: orders/1 was drained at 4 and is committed at 5"},
		"source lost":            {change: func(f *findings) { f.source = nil }, gate: "source: orders/0 was drained at 10 and is committed at 0"},
		"above the cut":          {change: func(f *findings) { f.target["orders-eu"][1] = 5 }, gate: "target: orders-eu/1 is committed at 5 already, above the cut 4"},
	} {
		t.Run(name, func(t *testing.T) {
			f := fine()
			c.change(&f)
			gate, wait := f.against(aSwitch(), aSwitch().Cut)
			require.Equal(t, c.gate, gate)
			if c.wait == "" {
				require.Empty(t, wait)
			} else {
				require.Contains(t, wait, c.wait)
			}
		})
	}
}

// TestTargetName: a topic that is not of the group keeps its name.
func TestTargetName(t *testing.T) {
	require.Equal(t, "orders-eu", targetName(aSwitch(), "orders"))
	require.Equal(t, "payments", targetName(aSwitch(), "payments"))
	require.EqualValues(t, -1, cutFor(aSwitch(), "payments", 0))
}
