package fsm_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// TestStepIsTotal steps records that no decoder would let through: any body on
// any stream with any numbers. Nothing panics, everything is noted.
func TestStepIsTotal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		s := &soup{world: w, rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1)), t: t}
		w.plan(t, "m", soupPlans["m"])
		for i := range 60 {
			if s.pick(6) == 0 {
				s.burst()
				continue
			}
			rec := s.absurd(i)
			out := w.step(rec)
			require.Equal(rt, rec.Event.ID, out.Note.ID)
			require.NotEmpty(rt, out.Note.Verdict)
			require.Equal(rt, out.Note.Verdict != fsm.Accepted, out.Note.Reason != "")
		}
	})
}

// absurd is a record whose parts do not belong together.
func (s *soup) absurd(i int) events.Record {
	kind := pickOf(s, events.Catalogue())
	streams := []events.Stream{"", "migration", "topic/orders", "topic/users", "group/billing", "group/audit", "topic/", "nothing/x"}
	e := events.Event{
		ID: "absurd-" + strconv.Itoa(i), Migration: pickOf(s, []string{"m", "m", "m", ""}), Stream: pickOf(s, streams), Type: kind.Type,
		Epoch: uint32(s.pick(3)), Actor: events.Actor{Kind: events.ActorKind(pickOf(s, []string{"", "operator", "orchestrator"}))},
	}
	if v := uint64(s.pick(4)); v > 0 {
		version, _ := s.standing(e.Migration, e.Stream)
		v = version + v - 1
		e.Expects = &v
	}
	rec := events.Record{Event: e, Body: kind.Zero}
	switch s.pick(6) {
	case 0:
		rec.Body = nil
	case 1:
		rec.Body = pickOf(s, events.Catalogue()).Zero
	case 2:
		rec.Refusal = &events.Refusal{Code: "bad-body", Reason: "r", Foreign: s.pick(2) == 0}
	case 3:
		rec.Body = pickOf(s, monsters)
		rec.Event.Type = rec.Body.EventType()
	}
	return rec
}

// monsters are bodies that their own Validate refuses.
var monsters = []events.Body{
	events.Approved{Step: -1},
	events.PartitionVerified{Partition: -5, UpTo: -1},
	events.CopyShared{Partition: -1},
	events.CopyStopped{Partition: 1 << 30},
	events.VerifyOrdered{UpTo: []events.PartitionOffset{{Partition: -1}, {Partition: 7}}},
	events.CopySynced{Ends: []events.PartitionOffset{{Partition: 0}, {Partition: 0}}},
	events.TopicPlanned{Partitions: 1<<31 - 1},
	events.MigrationCreated{Machine: fsm.Version, Topics: 2, Groups: 2},
	events.Staged{Offsets: []events.TopicOffset{{}, {}}},
	events.StrayWrite{Partition: -1, Offset: -1},
	events.GuardHeld{Side: "middle"},
}

// TestRefusedRecords: a record that the decoder refuses changes nothing. One
// that stands in the log as an event keeps its place there: it is the first of
// its id, whatever a later release makes of it. Foreign bytes are nothing.
func TestRefusedRecords(t *testing.T) {
	w := newWorld()
	w.plan(t, "m", planned{topics: []string{"orders:2"}})
	e := w.event(t, "m", said{"topic/orders", events.CopyStarted{}})
	refused := events.Record{Event: e, Refusal: &events.Refusal{Code: "schema-unknown", Reason: "newer"}}
	out := w.step(refused)
	require.Equal(t, fsm.Refused, out.Note.Verdict)
	require.Equal(t, "schema-unknown: newer", out.Note.Reason)
	require.True(t, out.First)
	require.Equal(t, fsm.Note{Position: 4, ID: e.ID, Migration: "m", Stream: "topic/orders", Type: "CopyStarted", Verdict: fsm.Ignored, Reason: "repeats the event at position 3"}, w.apply(t, e).Note)

	foreign := w.step(events.Record{Refusal: &events.Refusal{Code: "tombstone", Reason: "null", Foreign: true}})
	require.Equal(t, fsm.Outcome{Note: fsm.Note{Position: 5, Verdict: fsm.Refused, Reason: "tombstone: null"}}, foreign)
}

// TestRowsStayBounded: processes that come and go under other names do not make
// a row grow for ever; whoever has a part in what goes on stays.
func TestRowsStayBounded(t *testing.T) {
	w := newWorld()
	w.plan(t, "m", planned{topics: []string{"orders:2"}, groups: []string{"billing:orders"}})
	w.drive(t, "m", "topic/orders", events.CopyAxis, events.PhaseSynced)
	w.drive(t, "m", "group/billing", events.ReadersAxis, events.PhaseHolding)
	w.say(t, "m", said{"topic/orders", events.ProducerSeen{Incarnation: "stays", Instance: "stays"}})
	for i := range 1100 {
		who := strconv.Itoa(i)
		w.say(t, "m", said{"group/billing", events.AgentSeen{Incarnation: who, Instance: who}})
		w.say(t, "m", said{"topic/orders", events.ProducerSeen{Incarnation: who, Instance: who}})
		w.say(t, "m", said{"topic/orders", events.ProducerLeft{Incarnation: who}})
	}
	group, _ := w.Group("m", "billing")
	require.Len(t, group.Members, 1000)
	topic, _ := w.Topic("m", "orders")
	require.Len(t, topic.Producers, 1000)
	var names []string
	for _, m := range group.Members {
		names = append(names, m.Incarnation)
	}
	require.Subset(t, names, []string{"i1", "1099", "101"})
	require.NotContains(t, names, "100")
	names = nil
	for _, p := range topic.Producers {
		names = append(names, p.Incarnation)
	}
	require.Subset(t, names, []string{"stays", "1099", "101"})
	require.NotContains(t, names, "100")
}
