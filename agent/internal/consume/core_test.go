package consume

import (
	"fmt"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMayStart(t *testing.T) {
	l := Lane{Generation: 4}
	lease := group.Lease{Generation: 4, Sent: simStart, For: time.Second}
	require.True(t, MayStart(l, true, lease, simStart.Add(999*time.Millisecond)))
	require.False(t, MayStart(l, true, lease, simStart.Add(time.Second)), "the lease has run out")
	require.False(t, MayStart(l, false, lease, simStart), "the lane is shut")
	require.False(t, MayStart(Lane{Generation: 3}, true, lease, simStart), "the lease is of another generation")
	require.False(t, MayStart(l, true, group.Lease{}, simStart), "there is no lease")
}

func TestNewer(t *testing.T) {
	for _, k := range []struct {
		a, b string
		want bool
	}{{"", "0.1", false}, {"0.1", "0.1", false}, {"0.2", "0.1", true}, {"0.10", "0.9", true}, {"0.1.1", "0.1", true}, {"0.1", "0.1.1", false}, {"1", "0.9", true}} {
		require.Equal(t, k.want, newer(k.a, k.b), "%q newer than %q", k.a, k.b)
	}
}

func TestConfigValidate(t *testing.T) {
	good := Config{Group: "g", Topics: []string{"b", "a", "b"}, Home: "S", Clusters: []string{"S"}, Instance: "i", Incarnation: "x"}
	c := good
	require.NoError(t, c.Validate())
	require.Equal(t, []string{"a", "b"}, c.Topics)
	require.Equal(t, StartEarliest, c.Start)
	require.Equal(t, 5*time.Second, c.Hold)
	for want, spoil := range map[string]func(*Config){
		"Group is empty":         func(c *Config) { c.Group = "" },
		"Topics is empty":        func(c *Config) { c.Topics = nil },
		"Instance is empty":      func(c *Config) { c.Instance = "" },
		`Home is "X"`:            func(c *Config) { c.Home = "X" },
		`Start is "middle"`:      func(c *Config) { c.Start = "middle" },
		"a duration is negative": func(c *Config) { c.Hold = -1 },
	} {
		c := good
		spoil(&c)
		require.ErrorContains(t, c.Validate(), want)
	}
}

func verdictDirective() events.Directive {
	return events.Directive{Migration: "m", Stream: "group/g", Position: 10, Version: 3, Epoch: 2, Phase: events.PhaseHolding}
}

func record(at int64, typ events.Type, epoch uint32, expects int) events.Record {
	e := events.Event{ID: fmt.Sprint(at), Migration: "m", Stream: "group/g", Type: typ, Epoch: epoch}
	if expects >= 0 {
		v := uint64(expects)
		e.Expects = &v
	}
	return events.Record{Position: at, Event: e}
}

func TestVerdict(t *testing.T) {
	other := record(12, "SwitchCommitted", 2, 3)
	other.Event.Stream = "group/other"
	refused := record(12, "SwitchCommitted", 2, 3)
	refused.Refusal = &events.Refusal{Code: "x"}
	twice := record(13, "AbortRequested", 1, -1)
	twice.Event.ID = "same"
	again := record(14, "AbortRequested", 2, -1)
	again.Event.ID = "same"
	for _, k := range []struct {
		name    string
		records []events.Record
		at      int64
		aborted bool
	}{
		{"nothing", nil, 0, false},
		{"only our own", []events.Record{record(20, "AbortRequested", 2, -1)}, 20, true},
		{"the first of two", []events.Record{record(15, "AbortRequested", 2, -1), record(20, "AbortRequested", 2, -1)}, 15, true},
		{"of another epoch", []events.Record{record(15, "AbortRequested", 1, -1), record(16, "AbortRequested", 3, -1)}, 0, false},
		{"after the decision", []events.Record{record(11, "DrainProven", 2, 3), record(12, "CutTaken", 2, 4), record(13, "SwitchCommitted", 2, 5), record(20, "AbortRequested", 2, -1)}, 0, false},
		{"after a decision that came too late", []events.Record{record(13, "SwitchCommitted", 2, 2), record(20, "AbortRequested", 2, -1)}, 20, true},
		{"after a decision from the future", []events.Record{record(13, "SwitchCommitted", 2, 4), record(20, "AbortRequested", 2, -1)}, 20, true},
		{"after a decision that may have been accepted", []events.Record{record(12, "DrainProven", 2, 3), record(13, "SwitchCommitted", 2, 3), record(20, "AbortRequested", 2, -1)}, 0, false},
		{"after the decision of another epoch", []events.Record{record(13, "SwitchCommitted", 1, 3), record(20, "AbortRequested", 2, -1)}, 20, true},
		{"after another group's decision", []events.Record{other, record(20, "AbortRequested", 2, -1)}, 20, true},
		{"after foreign bytes", []events.Record{refused, record(20, "AbortRequested", 2, -1)}, 20, true},
		{"before the directive", []events.Record{record(9, "AbortRequested", 2, -1)}, 0, false},
		{"a repetition of what was refused", []events.Record{twice, again}, 0, false},
		{"unknown types do not count", []events.Record{record(12, "Later", 2, 3), record(13, "SwitchCommitted", 2, 4), record(20, "AbortRequested", 2, -1)}, 20, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			at, aborted := Verdict(verdictDirective(), k.records)
			require.Equal(t, k.aborted, aborted)
			require.Equal(t, k.at, at)
		})
	}
}

// Whatever stands in the log, and whatever a fold that may refuse more than the rule does with it: when the verdict says
// aborted, the fold has aborted, at that position.
func TestVerdictIsNeverWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := verdictDirective()
		st := events.Standing{Version: d.Version, Epoch: d.Epoch, Phase: d.Phase}
		abortedAt, over := int64(0), false
		var list []events.Record
		n := rapid.IntRange(0, 12).Draw(t, "n")
		for i := range n {
			typ := rapid.SampledFrom([]events.Type{"DrainProven", "CutTaken", "Staged", "SwitchCommitted", "AbortRequested", "SwitchCompleted", "SwitchRequested"}).Draw(t, "type")
			r := record(int64(11+i), typ, uint32(rapid.IntRange(1, 3).Draw(t, "epoch")), -1)
			kind, _ := events.Lookup(typ)
			if kind.Class == events.Decision || kind.Class == events.Command {
				v := st.Version + uint64(rapid.IntRange(0, 2).Draw(t, "ahead"))
				r.Event.Expects = &v
			}
			list = append(list, r)
			if over {
				continue
			}
			if typ == "Staged" && st.Phase == events.PhaseCut && r.Event.Epoch == st.Epoch {
				st.Phase = events.PhaseStaged
			}
			strict := typ != "AbortRequested" && rapid.Bool().Draw(t, "the fold refuses")
			if !kind.Class.Versioned() || strict || events.Judge(kind, events.ReadersAxis, r.Event, st) != "" {
				continue
			}
			st.Version++
			for _, m := range events.Moves(events.ReadersAxis) {
				if m.Type == typ {
					st.Phase = m.To
				}
			}
			switch typ {
			case "AbortRequested":
				abortedAt, over = r.Position, true
			case "SwitchCommitted":
				over = true
			}
		}
		at, aborted := Verdict(d, list)
		if aborted && at != abortedAt {
			t.Fatalf("the verdict says aborted at %d, the fold at %d", at, abortedAt)
		}
	})
}

// A core does nothing before it begins and after it is done, and wants no waking then.
func TestDone(t *testing.T) {
	c, err := New(Config{Group: "g", Topics: []string{"a"}, Home: "S", Clusters: []string{"S"}, Instance: "i", Incarnation: "x"})
	require.NoError(t, err)
	require.True(t, c.Wake().IsZero())
	require.Equal(t, []Action{Done{}}, c.Step(simStart, Close{}))
	require.Nil(t, c.Step(simStart, Begin{}))
	require.True(t, c.Wake().IsZero())
	_, err = New(Config{})
	require.ErrorContains(t, err, "Group is empty")
}
