package fsm_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

var (
	src = events.ClusterRef{Name: "src", ID: "S"}
	dst = events.ClusterRef{Name: "dst", ID: "T"}
)

// planned is what a migration is to contain.
type planned struct {
	topics, groups []string // NAME:PARTITIONS, NAME:TOPIC+TOPIC
	approve        string   // "" for manual
}

func planArgs(d *datadriven.TestData) planned {
	p := planned{topics: []string{"orders:2"}, groups: []string{"billing:orders"}}
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "topics":
			p.topics = named(arg.Vals)
		case "groups":
			p.groups = named(arg.Vals)
		case "approve":
			p.approve = arg.Vals[0]
		}
	}
	return p
}

// named leaves out the empty name that an empty list has.
func named(vals []string) []string {
	return slices.DeleteFunc(vals, func(v string) bool { return v == "" })
}

// bodies are the plan events.
func (p planned) bodies() (list []said) {
	for _, spec := range p.topics {
		name, n, _ := strings.Cut(spec, ":")
		partitions, _ := strconv.Atoi(n)
		list = append(list, said{events.TopicStream(name), topicPlanned(name, int32(max(1, partitions)))})
	}
	for _, spec := range p.groups {
		name, topics, _ := strings.Cut(spec, ":")
		list = append(list, said{events.GroupStream(name), events.GroupPlanned{Source: src, Target: dst, Topics: strings.Split(topics, "+")}})
	}
	return append(list, said{events.MigrationStream, p.seal()})
}

func (p planned) seal() events.MigrationCreated {
	created := events.MigrationCreated{
		Hash: "h", Machine: fsm.Version, Topics: len(p.topics), Groups: len(p.groups), Source: src, Targets: []events.ClusterRef{dst},
		Strategy: "consumers-first",
		Policy:   events.Policy{PrepareMillis: 60000, HoldMillis: 5000, Straggler: events.StragglerAbort, MaxLag: 1000, QuietMillis: 5000, SilentMillis: 60000},
	}
	for _, do := range []string{events.StepCopy, events.StepReaders, events.StepWriters, events.StepFinish} {
		created.Steps = append(created.Steps, events.Step{Do: do, Approve: cmp.Or(p.approve, events.ApproveManual)})
	}
	return created
}

func topicPlanned(name string, partitions int32) events.TopicPlanned {
	return events.TopicPlanned{Source: src, TopicID: "aa", Partitions: partitions, Target: dst, TargetTopic: name, ReplicationFactor: 1}
}

// said is a body with the stream that it stands on.
type said struct {
	stream events.Stream
	body   events.Body
}

// say appends an event of a good run, written by the first role that may.
func (w *world) say(t testing.TB, migration string, s said) fsm.Outcome {
	return w.apply(t, w.event(t, migration, s))
}

func (w *world) event(t testing.TB, migration string, s said) events.Event {
	w.ids++
	kind, _ := events.Lookup(s.body.EventType())
	e, err := events.New(fmt.Sprintf("id-%d", w.ids), migration, s.stream, events.Actor{Kind: kind.Writers[0], Name: "test"}, time.Unix(int64(w.ids), 0).UTC(), s.body)
	require.NoError(t, err)
	w.standard(&e)
	return e
}

func (w *world) plan(t testing.TB, migration string, p planned) string {
	for _, s := range append(p.bodies(), said{events.MigrationStream, events.StartRequested{}}) {
		out := w.say(t, migration, s)
		require.Equal(t, fsm.Accepted, out.Note.Verdict, "%s: %s", s.body.EventType(), out.Note.Reason)
	}
	return fmt.Sprintf("%s: %d topics, %d groups\n", migration, len(p.topics), len(p.groups))
}

// bring takes streams to phases.
func (w *world) bring(t *testing.T, migration, input string) string {
	for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
		words := strings.Fields(line)
		require.Len(t, words, 2, "line %q", line)
		axis, phase, _ := strings.Cut(words[1], "=")
		w.drive(t, migration, events.Stream(words[0]), events.Axis(axis), events.Phase(phase))
	}
	return fmt.Sprintf("at %d\n", w.position)
}

func (w *world) drive(t testing.TB, migration string, stream events.Stream, a events.Axis, to events.Phase) {
	for range 100 {
		if w.phase(migration, stream, a) == to {
			return
		}
		body := w.next(migration, stream, a)
		require.NotNil(t, body, "%s is %s, nothing leads to %s", stream, w.phase(migration, stream, a), to)
		out := w.say(t, migration, said{stream, body})
		require.Equal(t, fsm.Accepted, out.Note.Verdict, "%s on %s: %s", body.EventType(), stream, out.Note.Reason)
	}
	t.Fatalf("%s of %s does not reach %s", a, stream, to)
}

func (w *world) phase(migration string, stream events.Stream, a events.Axis) events.Phase {
	topic, _ := w.Topic(migration, stream.Name())
	switch a {
	case events.MigrationAxis:
		return w.migrations[migration].Phase
	case events.ReadersAxis:
		return w.groups[[2]string{migration, stream.Name()}].Readers
	case events.WritersAxis:
		return topic.Writers
	case events.RetirementAxis:
		return topic.Retire
	default:
		return topic.Copy
	}
}

// next is what a good run says next about an axis, nil at its end.
func (w *world) next(migration string, stream events.Stream, a events.Axis) events.Body {
	topic, _ := w.Topic(migration, stream.Name())
	switch a {
	case events.MigrationAxis:
		return nextOfMigration(w.migrations[migration].Phase)
	case events.ReadersAxis:
		return nextOfReaders(w.groups[[2]string{migration, stream.Name()}])
	case events.WritersAxis:
		return nextOfWriters(topic)
	case events.RetirementAxis:
		if topic.Retire == events.PhaseDraining && topic.Writers == events.PhaseOnTarget {
			return events.SourceQuiet{Ends: topic.Ends}
		}
		return nextOfWriters(topic)
	default:
		return nextOfCopy(topic)
	}
}

func nextOfMigration(p events.Phase) events.Body {
	return map[events.Phase]events.Body{
		events.PhasePlanned: events.StartRequested{}, events.PhaseRunning: events.CompleteRequested{}, events.PhasePaused: events.ResumeRequested{},
	}[p]
}

func nextOfCopy(t *fsm.Topic) events.Body {
	switch t.Copy {
	case events.PhasePlanned:
		return events.CopyStarted{}
	case events.PhaseCreating:
		return events.TargetCreated{TopicID: "bb", Created: true}
	case events.PhaseClearing:
		return events.TargetDeleted{TopicID: t.Target.TopicID}
	case events.PhaseCopying:
		return events.CopySynced{Ends: endsOf(t, 10)}
	case events.PhaseStopped:
		return events.RetryRequested{}
	case events.PhaseVerified:
		return events.TopicFinished{}
	case events.PhaseSynced:
		if t.Verify == nil && t.Ends != nil {
			return events.VerifyOrdered{UpTo: t.Ends}
		}
		if t.Verify == nil {
			return events.VerifyOrdered{UpTo: endsOf(t, 10)}
		}
		at := t.Verify.UpTo[len(t.Verify.Done)]
		return events.PartitionVerified{Partition: at.Partition, UpTo: at.Offset, Digest: "d"}
	}
	return nil
}

func endsOf(t *fsm.Topic, offset int64) (list []events.PartitionOffset) {
	for p := range t.Plan.Partitions {
		list = append(list, events.PartitionOffset{Partition: p, Offset: offset})
	}
	return list
}

// everywhere is one offset in each partition of the group's topics.
func everywhere(g *fsm.Group, offset int64) (list []events.TopicOffset) {
	for _, t := range g.Topics {
		for p := range t.Partitions {
			list = append(list, events.TopicOffset{Topic: t.Topic, Partition: p, Offset: offset})
		}
	}
	return list
}

func nextOfReaders(g *fsm.Group) events.Body {
	prepared := len(g.Members) > 0 && g.Members[0].Prepared == g.Standing.Epoch
	switch {
	case g.TargetGuard.MemberID == "":
		return events.GuardHeld{Side: events.RouteTarget, MemberID: "gt", Generation: 1}
	case g.Readers == events.PhaseOnSource:
		return events.SwitchRequested{To: events.RouteTarget}
	case g.SourceGuard.MemberID == "":
		return events.GuardHeld{Side: events.RouteSource, MemberID: "gs", Generation: 1}
	case g.Readers == events.PhasePreparing && !prepared:
		return events.Prepared{Incarnation: "i1", SourceMember: "m1", TargetMember: "t1"}
	case g.Readers == events.PhasePreparing:
		return events.HoldOrdered{Members: []string{"m1"}}
	case g.Readers == events.PhaseHolding && g.Members[0].Drained != g.Standing.Epoch:
		return events.Drained{Incarnation: "i1", Member: "m1", Committed: everywhere(g, 7), Processed: everywhere(g, 7)}
	case g.Readers == events.PhaseHolding:
		return events.DrainProven{Offsets: everywhere(g, 7)}
	case g.Readers == events.PhaseDrained:
		return events.CutTaken{Cut: cutAt(g, 7, 5)}
	case g.Readers == events.PhaseCut:
		return events.Staged{Incarnation: "i1", Member: "t1", Offsets: everywhere(g, 5)}
	case g.Readers == events.PhaseStaged:
		return events.SwitchCommitted{}
	case g.Readers == events.PhaseCommitted && !g.LeaveSource:
		return events.GuardHeld{Side: events.RouteSource, MemberID: "gs", Generation: 2}
	case g.Readers == events.PhaseCommitted:
		return events.SwitchCompleted{Evidence: "consumes on the target"}
	}
	return nil
}

func cutAt(g *fsm.Group, source, target int64) (cut []events.CutPoint) {
	for _, o := range everywhere(g, source) {
		cut = append(cut, events.CutPoint{Topic: o.Topic, Partition: o.Partition, Source: source, Target: target})
	}
	return cut
}

func nextOfWriters(t *fsm.Topic) events.Body {
	switch t.Writers {
	case events.PhaseOnSource:
		return events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart}
	case events.PhaseArming:
		if n := len(t.Shared); n < int(t.Plan.Partitions) {
			return events.CopyShared{Partition: int32(n)}
		}
		return events.WritersRolling{}
	case events.PhaseRolling:
		return events.SwitchCommitted{Ends: endsOf(t, 20)}
	case events.PhaseCommitted:
		return events.SwitchCompleted{Evidence: "copied to the end"}
	}
	return nil
}
