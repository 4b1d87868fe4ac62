package produce

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
)

// bodies are what the versioned events of a topic's stream say.
var bodies = map[string]string{
	"SwitchRequested": `{"to":"target","level":"restart"}`, "WritersRolling": `{}`, "SwitchCommitted": `{"ends":[{"partition":0,"offset":1}]}`,
	"SwitchCompleted": `{"evidence":"e"}`, "AbortRequested": `{"code":"operator","reason":"r"}`,
	"VerifyOrdered": `{"up_to":[{"partition":0,"offset":1}]}`, "RetryRequested": `{}`, "CopyStarted": `{}`,
	"CopySynced": `{"ends":[{"partition":0,"offset":1}]}`,
}

// entry makes a record of the topic's stream as a reader decodes it. Epoch 0 and expects −1 mean none.
func entry(t require.TestingT, position int64, typ string, expects int, epoch uint32) events.Record {
	e := events.Event{
		ID: "e" + strconv.FormatInt(position, 10), Migration: "m", Stream: "topic/orders", Type: events.Type(typ), Schema: 1, Epoch: epoch,
		Actor: events.Actor{Kind: events.Orchestrator, Name: "o"}, Body: json.RawMessage(bodies[typ]),
	}
	if kind, _ := events.Lookup(e.Type); len(kind.Writers) > 0 {
		e.Actor.Kind = kind.Writers[0]
	}
	if expects >= 0 {
		v := uint64(expects)
		e.Expects = &v
	}
	raw, err := events.Encode(e)
	require.NoError(t, err)
	rec := events.Record{Position: position}
	rec.Event, rec.Body, rec.Refusal = events.Decode([]byte(e.Key("n").String()), raw)
	require.Nil(t, rec.Refusal)
	return rec
}

// script makes records from words of the form TYPE@position/expects or TYPE@position, of an epoch where the type has one.
func script(t *testing.T, epoch uint32, text string) (list []events.Record) {
	for word := range strings.FieldsSeq(text) {
		typ, place, _ := strings.Cut(word, "@")
		at, expects, versioned := strings.Cut(place, "/")
		position, err := strconv.ParseInt(at, 10, 64)
		require.NoError(t, err)
		v := -1
		if versioned {
			v, err = strconv.Atoi(expects)
			require.NoError(t, err)
		}
		of := epoch
		if kind, _ := events.Lookup(events.Type(typ)); !kind.Epoch {
			of = 0
		}
		list = append(list, entry(t, position, typ, v, of))
	}
	return list
}

func topicDirective(position int64, version uint64, epoch uint32, phase events.Phase) events.Directive {
	return events.Directive{Migration: "m", Stream: "topic/orders", Position: position, Version: version, Epoch: epoch, Phase: phase}
}

// Which route binds, from a directive at position 10; "open" where the records do not tell.
func TestBind(t *testing.T) {
	source, arming := topicDirective(10, 2, 0, events.PhaseOnSource), topicDirective(10, 3, 1, events.PhaseArming)
	for _, k := range []struct {
		name    string
		d       events.Directive
		mark    int64
		records string
		want    string
	}{
		{"nothing happened", source, 10, "", "source"},
		{"nothing happened after the request", arming, 10, "", "source"},
		{"the directive says so", topicDirective(10, 9, 1, events.PhaseOnTarget), 10, "", "target"},
		{"asked for, not decided", source, 10, "SwitchRequested@11/2", "source"},
		{"decided", arming, 10, "WritersRolling@12/3", "target"},
		{"decided, committed and over", arming, 10, "WritersRolling@12/3 SwitchCommitted@13/4 SwitchCompleted@14/5", "target"},
		{"decided for an older version", arming, 10, "WritersRolling@12/2", "source"},
		{"decided without a request", source, 10, "WritersRolling@12/2", "source"},
		{"the request may have been refused", source, 10, "SwitchRequested@11/2 WritersRolling@12/3", "open"},
		{"a refused request changes nothing for the next", source, 10, "SwitchRequested@11/1 SwitchRequested@12/2", "source"},
		{"aborted, and decided too late", arming, 10, "AbortRequested@11 WritersRolling@12/4", "source"},
		{"decided, and aborted too late", arming, 10, "WritersRolling@11/3 AbortRequested@12", "target"},
		{"a comparison that may have been refused", arming, 10, "VerifyOrdered@11/3 WritersRolling@12/3", "open"},
		{"a comparison that may have been accepted", arming, 10, "VerifyOrdered@11/3 WritersRolling@12/4", "open"},
		{"a comparison for an older version", arming, 10, "VerifyOrdered@11/2 WritersRolling@12/3", "target"},
		{"a comparison, and decided for neither version", arming, 10, "VerifyOrdered@11/3 WritersRolling@12/5", "source"},
		{"two decisions, for whatever the comparison was", arming, 10, "VerifyOrdered@11/3 WritersRolling@12/3 WritersRolling@13/4", "target"},
		{"observations do not count", arming, 10, "CopySynced@11 WritersRolling@12/3", "target"},
		{"a later directive would tell of it", arming, 12, "WritersRolling@12/3", "source"},
		{"of that and the next one", arming, 12, "WritersRolling@12/3 WritersRolling@13/3", "target"},
		{"what the directive knows already", topicDirective(12, 4, 1, events.PhaseRolling), 12, "SwitchRequested@11/2 WritersRolling@12/3", "target"},
		{"an abort that the directive knows of", topicDirective(12, 5, 1, events.PhaseOnSource), 12, "WritersRolling@11/3", "source"},
	} {
		t.Run(k.name, func(t *testing.T) {
			route, known := Bind(k.d, k.mark, script(t, 1, k.records))
			if !known {
				route = "open"
			}
			require.Equal(t, k.want, route)
		})
	}
}

// The fold ignores an event whose id stood in the migration before, on whatever stream and whatever became of it, and what it
// cannot read.
func TestBindIgnoresRepetitions(t *testing.T) {
	arming := topicDirective(10, 3, 1, events.PhaseArming)
	for name, spoil := range map[string]func(former, decision *events.Record){
		"the id stood on another stream":   func(former, _ *events.Record) { former.Event.Stream = "topic/users" },
		"the id stood on a refused event":  func(former, _ *events.Record) { former.Refusal = &events.Refusal{Code: events.RefusedBody} },
		"the id stood on an unknown event": func(former, _ *events.Record) { former.Event.Type, former.Body = "Later", nil },
		"the decision itself is refused":   func(_, decision *events.Record) { decision.Refusal = &events.Refusal{Code: events.RefusedBody} },
		"the decision is another topic's":  func(_, decision *events.Record) { decision.Event.Stream = "topic/users" },
		"the decision is in another migration": func(_, decision *events.Record) {
			decision.Event.Migration = "other"
		},
	} {
		t.Run(name, func(t *testing.T) {
			list := script(t, 1, "CopySynced@11 WritersRolling@12/3")
			list[0].Event.ID = list[1].Event.ID
			spoil(&list[0], &list[1])
			route, known := Bind(arming, 10, list)
			require.True(t, known)
			require.Equal(t, events.RouteSource, route)
		})
	}
	for name, spoil := range map[string]func(former *events.Record){
		"foreign bytes have no id":        func(former *events.Record) { former.Refusal = &events.Refusal{Code: events.RefusedKey, Foreign: true} },
		"ids belong to a migration":       func(former *events.Record) { former.Event.Migration = "other" },
		"other events have ids of theirs": func(former *events.Record) { former.Event.ID = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			list := script(t, 1, "CopySynced@11 WritersRolling@12/3")
			list[0].Event.ID = list[1].Event.ID
			spoil(&list[0])
			route, known := Bind(arming, 10, list)
			require.True(t, known)
			require.Equal(t, events.RouteTarget, route)
		})
	}
}

// folded is the topic's stream as a fold sees it that knows more than the rule: it may refuse what the rule accepts.
type folded struct {
	events.Standing
	moved int64 // position of the last event that moved the writers
}

func (f *folded) take(r events.Record, strict bool) {
	kind, _ := events.Lookup(r.Event.Type)
	axis := events.Decides(kind, events.OfTopic)
	sure := r.Event.Type == rolling || r.Event.Type == abort
	s := f.Standing
	if axis == events.CopyAxis {
		s.Phase = events.PhaseSynced // where each of the copy's events below may stand
	}
	if strict && !sure || r.Event.Type != "RetryRequested" && events.Judge(kind, axis, r.Event, s) != "" ||
		r.Event.Type == "RetryRequested" && *r.Event.Expects != s.Version {
		return
	}
	f.Version++
	if axis != events.WritersAxis {
		return
	}
	f.Epoch, f.moved = r.Event.Epoch, r.Position
	for _, m := range events.Moves(axis) {
		if m.Type == r.Event.Type {
			f.Phase = m.To
		}
	}
}

// Whatever stands in the log, and whatever a fold that may refuse more than the rule does with it: a route that Bind knows is
// the fold's. With the mark behind the last decision it knows in any case.
func TestBindIsNeverWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := topicDirective(10, 3, 1, rapid.SampledFrom([]events.Phase{events.PhaseOnSource, events.PhaseArming}).Draw(t, "phase"))
		f := folded{Standing: events.Standing{Version: d.Version, Epoch: d.Epoch, Phase: d.Phase}, moved: -1}
		var list []events.Record
		first, uncertain := int64(-1), false
		for i := range rapid.IntRange(0, 10).Draw(t, "n") {
			typ := rapid.SampledFrom([]string{"SwitchRequested", "WritersRolling", "WritersRolling", "AbortRequested", "SwitchCommitted", "VerifyOrdered", "RetryRequested"}).Draw(t, "type")
			kind, _ := events.Lookup(events.Type(typ))
			expects, epoch := -1, uint32(0)
			if kind.Class != events.Abort {
				expects = int(f.Version) + rapid.IntRange(-1, 1).Draw(t, "ahead")
			}
			if kind.Epoch {
				epoch = f.Epoch + uint32(rapid.IntRange(0, 1).Draw(t, "epoch"))
			}
			r := entry(t, int64(11+i), typ, expects, epoch)
			list = append(list, r)
			uncertain = uncertain || typ == "SwitchRequested" || typ == "VerifyOrdered" || typ == "RetryRequested"
			f.take(r, rapid.Bool().Draw(t, "the fold refuses"))
			if f.moved >= 0 && first < 0 {
				first = f.moved
			}
		}
		want := events.RouteSource
		if f.Phase == events.PhaseRolling || f.Phase == events.PhaseCommitted {
			want = events.RouteTarget
		}
		most := int64(10 + len(list))
		if first >= 0 {
			most = first - 1
		}
		mark := rapid.Int64Range(10, most).Draw(t, "mark")
		switch route, known := Bind(d, mark, list); {
		case known && route != want:
			t.Fatalf("bound to %s, the fold says %s", route, want)
		case !known && !uncertain:
			t.Fatal("not known, although the rule is all there is to know")
		case !known && mark == int64(10+len(list)):
			t.Fatal("not known, although no directive follows from any of it")
		case !MayRoll(d, list) && (!known || route != events.RouteSource):
			t.Fatal("nothing may roll, and still the route is not the directive's")
		}
	})
}

func TestPassed(t *testing.T) {
	at := map[int32]int64{0: 5, 1: 9}
	require.True(t, Passed(nil, at))
	require.True(t, Passed([]events.PartitionOffset{{Partition: 0, Offset: 5}, {Partition: 1, Offset: 3}}, at))
	require.False(t, Passed([]events.PartitionOffset{{Partition: 0, Offset: 6}}, at))
	require.False(t, Passed([]events.PartitionOffset{{Partition: 2, Offset: 1}}, at), "nothing of it is copied yet")
}
