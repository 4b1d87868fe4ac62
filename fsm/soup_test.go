package fsm_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// soup draws events: most of them could come next, many are late, repeated,
// contradictory or absurd. rapid draws its seed and length, so that a failure
// names the one and shrinks the other; what rapid draws by itself is mostly
// small, and would never leave the plan.
type soup struct {
	*world
	rng *rand.Rand
	t   *testing.T
	// written are the events so far, for repetitions.
	written []events.Event
}

var (
	soupMigrations = []string{"m", "m2"}
	soupPlans      = map[string]planned{
		"m":  {topics: []string{"orders:2", "users:1"}, groups: []string{"billing:orders+users", "audit:users"}, approve: events.ApproveAuto},
		"m2": {topics: []string{"clicks:1"}, groups: []string{"billing:clicks", "search:clicks"}, approve: events.ApproveManual},
	}
)

func (s *soup) pick(n int) int { return s.rng.IntN(n) }

func pickOf[T any](s *soup, list []T) T { return list[s.rng.IntN(len(list))] }

// draw is the next event.
func (s *soup) draw() events.Event {
	migration := pickOf(s, soupMigrations)
	switch n := s.pick(20); {
	case n == 0 && len(s.written) > 0:
		return pickOf(s, s.written)
	case n == 1 && len(s.written) > 0: // the same fact under another id
		e := pickOf(s, s.written)
		s.ids++
		e.ID = fmt.Sprintf("id-%d", s.ids)
		return e
	case n < 5:
		return s.odd(s.event(s.t, migration, s.anything(migration)))
	case n < 7:
		return s.event(s.t, migration, s.anything(migration))
	default:
		return s.event(s.t, migration, s.likely(migration))
	}
}

// odd makes an event stale, premature or somebody else's.
func (s *soup) odd(e events.Event) events.Event {
	switch s.pick(6) {
	case 0:
		if e.Expects != nil {
			v := *e.Expects + uint64(s.pick(3)) - 1
			e.Expects = &v
		}
	case 1:
		e.Epoch += uint32(s.pick(3)) - 1
	case 2:
		e.Actor.Kind = pickOf(s, []events.ActorKind{events.Operator, events.Orchestrator, events.Agent, events.Worker})
	case 3:
		e.Migration = "unknown"
	case 4:
		e.Cause = "effect/1/0"
	case 5:
		e.Stream = pickOf(s, []events.Stream{"topic/users", "group/billing", events.MigrationStream, "group/unknown"})
	}
	return e
}

// burst is a stretch of a good run on one stream, until something is in its way.
func (s *soup) burst() {
	migration := pickOf(s, soupMigrations)
	stream, axis := s.place(migration)
	for range s.pick(15) {
		if s.row(migration, stream) == nil {
			return
		}
		body := s.next(migration, stream, axis)
		if body == nil || s.say(s.t, migration, said{stream, body}).Note.Verdict != fsm.Accepted {
			return
		}
	}
}

// place is an axis of something that is planned, mostly.
func (s *soup) place(migration string) (events.Stream, events.Axis) {
	axis := pickOf(s, []events.Axis{
		events.CopyAxis, events.CopyAxis, events.ReadersAxis, events.ReadersAxis, events.ReadersAxis,
		events.WritersAxis, events.RetirementAxis, events.MigrationAxis,
	})
	streams := []events.Stream{events.MigrationStream}
	switch axis {
	case events.ReadersAxis:
		streams = []events.Stream{"group/billing", "group/audit", "group/search"}
	case events.CopyAxis, events.WritersAxis, events.RetirementAxis:
		streams = []events.Stream{"topic/orders", "topic/users", "topic/clicks"}
	}
	have := slices.DeleteFunc(slices.Clone(streams), func(x events.Stream) bool { return s.row(migration, x) == nil })
	if len(have) == 0 {
		have = streams
	}
	return pickOf(s, have), axis
}

// likely is what a good run says next about some axis, or an ending of it.
func (s *soup) likely(migration string) said {
	p := soupPlans[migration]
	m := s.migrations[migration]
	if m == nil || m.Phase == events.PhaseDrafting {
		list := p.bodies()
		if m != nil && s.pick(4) > 0 {
			return list[min(m.Count.Topics+m.Count.Groups, len(list)-1)]
		}
		return pickOf(s, list)
	}
	stream, axis := s.place(migration)
	if s.pick(15) == 0 && (axis == events.ReadersAxis || axis == events.WritersAxis) {
		return said{stream, events.AbortRequested{Code: "operator", Reason: "r"}}
	}
	if s.row(migration, stream) != nil && s.pick(8) > 0 {
		if body := s.next(migration, stream, axis); body != nil {
			return said{stream, body}
		}
	}
	return s.anything(migration)
}

// anything is any body on a stream of its kind.
func (s *soup) anything(migration string) said {
	kind := pickOf(s, events.Catalogue())
	stream := events.MigrationStream
	if !kind.AllowsStream(stream) {
		stream = pickOf(s, []events.Stream{"topic/orders", "topic/users", "topic/clicks", "group/billing", "group/audit", "group/search"})
		if !kind.AllowsStream(stream) {
			stream = events.Stream(string(kind.Streams[0]) + "/users")
		}
	}
	if kind.Type == "TopicPlanned" || kind.Type == "GroupPlanned" || kind.Type == "MigrationCreated" {
		return pickOf(s, soupPlans[migration].bodies())
	}
	return said{stream, s.body(kind.Type, stream)}
}

// body fills a body with small numbers and few names, so that some fit.
func (s *soup) body(t events.Type, stream events.Stream) events.Body {
	n := func(most int) int64 { return int64(s.pick(most)) }
	part := func() int32 { return int32(s.pick(3)) }
	who := func() string { return pickOf(s, []string{"i1", "i2", "i3"}) }
	side := func() string { return pickOf(s, []string{events.RouteSource, events.RouteTarget}) }
	ends := func() (list []events.PartitionOffset) {
		for p := range int32(1 + n(2)) {
			list = append(list, events.PartitionOffset{Partition: p, Offset: 10 + n(20)})
		}
		return list
	}
	offsets := func() (list []events.TopicOffset) {
		for _, topic := range []string{"orders", "users"}[:1+n(2)] {
			list = append(list, events.TopicOffset{Topic: topic, Partition: part(), Offset: 4 + n(4)})
		}
		return list
	}
	switch t {
	case "SwitchRequested":
		b := events.SwitchRequested{To: events.RouteTarget}
		if stream.Kind() == events.OfTopic {
			b.Level = events.LevelRestart
		}
		return b
	case "PauseRequested":
		return events.PauseRequested{Reason: "r"}
	case "Approved":
		return events.Approved{Step: int(n(5))}
	case "Checkpoint":
		zero := fmt.Sprintf("%064d", 0)
		return events.Checkpoint{Position: n(9), Log: zero, State: zero}
	case "TargetCreated":
		return events.TargetCreated{TopicID: pickOf(s, []string{"bb", "bb", "cc"}), Created: n(2) == 0}
	case "CopySynced":
		return events.CopySynced{Ends: ends()}
	case "CopyStopped":
		return events.CopyStopped{Partition: part(), Code: pickOf(s, []string{"failed", "out-of-range", "added"}), From: 5, To: 9, Reason: "r"}
	case "LossAccepted":
		return events.LossAccepted{Lost: events.Interval{Partition: part(), From: 5, To: 9 + n(2)}, Reason: "r"}
	case "TargetDeleted":
		return events.TargetDeleted{TopicID: pickOf(s, []string{"bb", "bb", "cc"}), SourceTopicID: "ab", Partitions: 1 + part()}
	case "PartitionsAdded":
		return events.PartitionsAdded{Partitions: 1 + part()}
	case "RateChanged":
		return events.RateChanged{Rate: events.Rate{Cluster: pickOf(s, []string{"", "src", "dst", "other"}), BytesPerSecond: n(3)}}
	case "CopyFailed":
		return events.CopyFailed{Effect: "e", Reason: "r"}
	case "VerifyOrdered":
		return events.VerifyOrdered{UpTo: ends()}
	case "PartitionVerified":
		return events.PartitionVerified{Partition: part(), UpTo: 10 + n(25), Digest: "d", Differs: pickOf(s, append(make([]string, 11), "d"))}
	case "TopicReleased":
		return events.TopicReleased{Deleted: true}
	case "ProducerSeen":
		return events.ProducerSeen{Incarnation: who(), Instance: pickOf(s, []string{"a", "b"})}
	case "ProducerRouted":
		return events.ProducerRouted{Incarnation: who(), Route: side()}
	case "ProducerLeft":
		return events.ProducerLeft{Incarnation: who(), Silent: n(2) == 0}
	case "CopyShared":
		return events.CopyShared{Partition: part()}
	case "SourceQuiet":
		return events.SourceQuiet{Ends: ends()}
	case "StrayWrite":
		return events.StrayWrite{Partition: part(), Offset: 15 + n(10)}
	case "AbortRequested":
		return events.AbortRequested{Code: "operator", Reason: "r"}
	case "SwitchCommitted":
		if stream.Kind() == events.OfGroup {
			return events.SwitchCommitted{}
		}
		return events.SwitchCommitted{Ends: ends()}
	case "SwitchCompleted":
		return events.SwitchCompleted{Evidence: "e"}
	case "AgentSeen":
		return events.AgentSeen{Incarnation: who(), Instance: pickOf(s, []string{"a", "b"}), Logins: map[string]string{"dst": pickOf(s, []string{"", "", "no"})}}
	case "GuardHeld":
		return events.GuardHeld{Side: side(), MemberID: "g", Generation: int32(n(9))}
	case "GuardReleased":
		return events.GuardReleased{Side: side()}
	case "Prepared":
		return events.Prepared{Incarnation: who(), SourceMember: pickOf(s, []string{"m1", "m2"}), TargetMember: "t1"}
	case "HoldOrdered":
		return events.HoldOrdered{Members: []string{pickOf(s, []string{"m1", "m2"})}}
	case "Drained":
		return events.Drained{Incarnation: who(), Member: "m1", Committed: offsets(), Processed: offsets(), Abandoned: offsets()}
	case "DrainProven":
		return events.DrainProven{Offsets: offsets()}
	case "CutTaken":
		return events.CutTaken{Cut: []events.CutPoint{{Topic: "users", Source: 5 + n(3), Target: 5}}}
	case "Staged":
		return events.Staged{Incarnation: who(), Member: "t1", Offsets: offsets()}
	case "Resumed":
		return events.Resumed{Incarnation: who(), Side: side()}
	}
	kind, _ := events.Lookup(t)
	require.NoError(s.t, kind.Zero.Validate(), "%s needs a body here", t)
	return kind.Zero
}
