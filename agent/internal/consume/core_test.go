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

// wish is an abort of the directive's attempt that an instance asked for.
func wish(at int64, d events.Directive, incarnation string) events.Record {
	r := record(at, "AbortRequested", d.Epoch, -1)
	r.Body = events.AbortRequested{Code: "hold-expired", Reason: "r"}
	r.Event.Actor = events.Actor{Kind: events.Agent, Name: incarnation}
	r.Event.ID = eventID("AbortRequested", d.Migration, d.Stream, d.Epoch, incarnation, "abort", "hold-expired")
	return r
}

func TestVerdict(t *testing.T) {
	d := verdictDirective()
	of := func(r events.Record, change func(*events.Record)) events.Record {
		change(&r)
		return r
	}
	own, theirs := wish(20, d, "i"), record(15, "AbortRequested", 2, -1)
	for _, k := range []struct {
		name    string
		records []events.Record
		at      int64
	}{
		{"nothing", nil, 0},
		{"only our own", []events.Record{own}, 20},
		{"the first of two", []events.Record{wish(15, d, "j"), own}, 15},
		{"somebody's, and our own", []events.Record{theirs, own}, 15},
		{"somebody's alone may be a repetition", []events.Record{theirs}, 0},
		{"somebody's may be a repetition, and then the decision counts", []events.Record{theirs, record(16, "SwitchCommitted", 2, 3), own}, 0},
		{"after an instance's nothing counts", []events.Record{wish(15, d, "j"), record(16, "SwitchCommitted", 2, 3), own}, 15},
		{"under another's id", []events.Record{of(own, func(r *events.Record) { r.Event.Actor.Name = "j" })}, 0},
		{"under the id of another code", []events.Record{of(own, func(r *events.Record) { r.Body = events.AbortRequested{Code: "stranger", Reason: "r"} })}, 0},
		{"of another epoch", []events.Record{record(15, "AbortRequested", 1, -1), record(16, "AbortRequested", 3, -1)}, 0},
		{"of another epoch, by an instance", []events.Record{of(own, func(r *events.Record) { r.Event.Epoch = 3 })}, 0},
		{"after the decision", []events.Record{record(11, "DrainProven", 2, 3), record(12, "CutTaken", 2, 4), record(13, "SwitchCommitted", 2, 5), own}, 0},
		{"after a decision that came too late", []events.Record{record(13, "SwitchCommitted", 2, 2), own}, 20},
		{"after a decision from the future", []events.Record{record(13, "SwitchCommitted", 2, 4), own}, 20},
		{"after a decision that may have been accepted", []events.Record{record(12, "DrainProven", 2, 3), record(13, "SwitchCommitted", 2, 3), own}, 0},
		{"after the decision of another epoch", []events.Record{record(13, "SwitchCommitted", 1, 3), own}, 20},
		{"after another group's decision", []events.Record{of(record(12, "SwitchCommitted", 2, 3), func(r *events.Record) { r.Event.Stream = "group/other" }), own}, 20},
		{"after another migration's decision", []events.Record{of(record(12, "SwitchCommitted", 2, 3), func(r *events.Record) { r.Event.Migration = "other" }), own}, 20},
		{"after a refused decision", []events.Record{of(record(12, "SwitchCommitted", 2, 3), func(r *events.Record) { r.Refusal = &events.Refusal{Code: "x"} }), own}, 20},
		{"after foreign bytes", []events.Record{{Position: 12, Refusal: &events.Refusal{Code: "x", Foreign: true}}, own}, 20},
		{"before the directive", []events.Record{wish(9, d, "j")}, 0},
		{"a repetition of what was refused", []events.Record{of(record(13, "AbortRequested", 1, -1), func(r *events.Record) { r.Event.ID = own.Event.ID }), own}, 0},
		{"a repetition of what stood on another stream", []events.Record{of(record(13, "Drained", 2, -1), func(r *events.Record) { r.Event.ID, r.Event.Stream = own.Event.ID, "group/other" }), own}, 0},
		{"a repetition of what could not be read", []events.Record{of(record(13, "Drained", 2, -1), func(r *events.Record) { r.Event.ID, r.Refusal = own.Event.ID, &events.Refusal{Code: "x"} }), own}, 0},
		{"a decision that is a repetition", []events.Record{of(record(13, "Drained", 2, -1), func(r *events.Record) { r.Event.ID = "14" }), record(14, "SwitchCommitted", 2, 3), own}, 20},
		{"unknown types do not count", []events.Record{record(12, "Later", 2, 3), record(13, "SwitchCommitted", 2, 4), own}, 20},
	} {
		t.Run(k.name, func(t *testing.T) {
			at, aborted := Verdict(d, k.records)
			require.Equal(t, k.at > 0, aborted)
			require.Equal(t, k.at, at)
		})
	}
}

// verdictFold is the group as a fold sees it that knows more than the rule: it may refuse a decision that the rule accepts, and
// knows which ids stood in the log before the directive.
type verdictFold struct {
	events.Standing
	seen      map[string]bool
	abortedAt int64
	committed bool
}

func (f *verdictFold) take(r events.Record, strict bool) {
	if f.seen[r.Event.ID] {
		return
	}
	f.seen[r.Event.ID] = true
	typ := r.Event.Type
	if typ == "Staged" && f.Phase == events.PhaseCut && r.Event.Epoch == f.Epoch {
		f.Phase = events.PhaseStaged
	}
	kind, _ := events.Lookup(typ)
	if !kind.Class.Versioned() || strict && typ != "AbortRequested" || events.Judge(kind, events.ReadersAxis, r.Event, f.Standing) != "" {
		return
	}
	f.Version++
	for _, m := range events.Moves(events.ReadersAxis) {
		if m.Type == typ {
			f.Phase = m.To
		}
	}
	switch typ {
	case "AbortRequested":
		f.abortedAt = r.Position
	case "SwitchCommitted":
		f.committed = true
	}
}

// Whatever stands in the log, before the directive and after it, and whatever a fold that may refuse more than the rule does
// with it: when the verdict says aborted, the fold has aborted, at that position or later, and decided nothing.
func TestVerdictIsNeverWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := verdictDirective()
		f := verdictFold{Standing: events.Standing{Version: d.Version, Epoch: d.Epoch, Phase: d.Phase}, seen: map[string]bool{}}
		ids := rapid.SampledFrom([]string{"", "", "", "x", "y"})
		f.seen[ids.Draw(t, "stood before")] = true
		delete(f.seen, "")
		var list []events.Record
		for i := range rapid.IntRange(0, 12).Draw(t, "n") {
			at := int64(11 + i)
			typ := rapid.SampledFrom([]events.Type{"DrainProven", "CutTaken", "Staged", "SwitchCommitted", "AbortRequested", "SwitchCompleted", "SwitchRequested"}).Draw(t, "type")
			r := record(at, typ, uint32(rapid.IntRange(1, 3).Draw(t, "epoch")), -1)
			if kind, _ := events.Lookup(typ); kind.Class == events.Decision || kind.Class == events.Command {
				v := f.Version + uint64(rapid.IntRange(0, 2).Draw(t, "ahead"))
				r.Event.Expects = &v
			}
			if typ == "AbortRequested" && rapid.Bool().Draw(t, "by an instance") {
				r = wish(at, d, rapid.SampledFrom([]string{"i", "j"}).Draw(t, "instance"))
			} else if id := ids.Draw(t, "id"); id != "" {
				r.Event.ID = id
			}
			list = append(list, r)
			f.take(r, rapid.Bool().Draw(t, "the fold refuses"))
		}
		at, aborted := Verdict(d, list)
		if aborted && (f.committed || f.abortedAt < at) {
			t.Fatalf("the verdict says aborted at %d, the fold at %d (committed: %v)", at, f.abortedAt, f.committed)
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
