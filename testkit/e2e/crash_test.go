package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// point is one kind of event of the orchestrator on the way of a migration.
type point struct {
	event events.Type
	on    events.StreamKind
	// act is what people and services do for the event to come; it is done once, with the orchestrator running.
	act func()
}

// gauntlet takes a migration past points, and kills the orchestrator before and after some of them.
type gauntlet struct {
	*bench
	crashes func(events.Type) bool
	serving *process // nil while it is down
	passed  int64    // position of the last point's event
	// group is switched again whenever an attempt was aborted, once wanted is set.
	migration, group string
	wanted           bool
}

// run passes the points in their order. The orchestrator that takes the migration to the next crash knows of it from its
// start: it would run past it otherwise.
func (g *gauntlet) run(points []point) {
	g.t.Helper()
	for i, p := range points {
		if g.serving == nil {
			g.serving = g.serve(g.nextCrash(points[i:]), "--no-worker")
		}
		crashes := g.crashes(p.event)
		if p.act != nil {
			p.act()
		}
		if crashes {
			g.dies("before:" + p.event)
			require.LessOrEqual(g.t, g.last(p), g.passed, "%s was appended although the orchestrator died before it", p.event)
			g.serving = g.serve("after:"+string(p.event), "--no-worker")
			g.dies("after:" + p.event)
		}
		g.happens(p)
	}
}

// nextCrash is where the next of the points kills the orchestrator, "" for nowhere.
func (g *gauntlet) nextCrash(points []point) string {
	for _, p := range points {
		if g.crashes(p.event) {
			return "before:" + string(p.event)
		}
	}
	return ""
}

// dies waits until the orchestrator has killed itself.
func (g *gauntlet) dies(at events.Type) {
	g.t.Helper()
	g.eventually("the orchestrator to die "+string(at), func() bool {
		g.insist()
		return !g.serving.alive()
	})
	g.serving.killedItself(string(at))
	g.serving = nil
}

// happens waits until an event of the point stands in the log behind the point before, and was accepted.
func (g *gauntlet) happens(p point) {
	g.t.Helper()
	g.eventually(fmt.Sprintf("%s on a %s", p.event, p.on), func() bool {
		g.insist()
		return g.last(p) > g.passed
	})
	g.passed = g.last(p)
}

// last is the position of the last accepted event of a point, −1 for none.
func (g *gauntlet) last(p point) int64 {
	g.t.Helper()
	at := int64(-1)
	g.view(func(v *projector.View) {
		notes, err := v.Notes(g.migration, 0, v.Applied(), projector.All)
		require.NoError(g.t, err)
		for _, n := range notes {
			if n.Type == p.event && n.Stream.Kind() == p.on && n.Verdict == fsm.Accepted {
				at = n.Position
			}
		}
	})
	return at
}

// insist asks for the switch again if it was aborted: which is allowed, by name, and never silent.
func (g *gauntlet) insist() {
	if !g.wanted {
		return
	}
	g.view(func(v *projector.View) {
		row, ok := v.Group(g.migration, g.group)
		if ok && row.Readers == events.PhaseOnSource && row.Abort != nil {
			require.NotEmpty(g.t, row.Abort.Code)
			g.t.Logf("attempt %d was aborted (%s: %s): asking again", row.Abort.Epoch, row.Abort.Code, row.Abort.Reason)
			g.portage("switch", "readers", g.migration, g.group) // a refusal shows at the next look
		}
	})
}

// crashMigration takes a migration from its plan to its end, an aborted switch and a stray write included, with the
// orchestrator killed before and after every event that crashes says.
func crashMigration(b *bench, crashes func(events.Type) bool) {
	b.topic(source, "calls", 2, nil)
	topics := []oracle.Topic{{Name: "calls"}}
	group := oracle.Group{Name: "dialer", Topics: names(topics)}
	of := consumers{groups: []string{"dialer=calls"}, latency: 2 * time.Millisecond}
	first := []service{b.consume("dialer-0", of), b.consume("dialer-1", of)}
	live := producers{topics: names(topics), rate: 50, codec: "lz4"}
	moving, silent := b.produce("phone-0", live), b.produce("phone-1", live)
	b.reading("dialer")
	plan := b.plan("m", names(topics), []string{"dialer"}, "prepare: 3s, hold: 2m, quiet: 300ms, silent: 2s")
	b.do("create", "-f", plan)
	b.do("start", "m")

	g := &gauntlet{bench: b, crashes: crashes, migration: "m", group: "dialer", passed: -1}
	g.run([]point{
		{event: "CopyStarted", on: events.OfTopic},
		{event: "TargetCreated", on: events.OfTopic},
		{event: "GuardHeld", on: events.OfGroup},
		{event: "CopySynced", on: events.OfTopic, act: func() { b.work("work-0") }}, // without a worker it cannot come earlier
		{event: "TargetDeleted", on: events.OfTopic, act: func() { b.do("recopy", "m", "calls", "--reason", "once more") }},
		{event: "CopySynced", on: events.OfTopic},
		{event: "SwitchRequested", on: events.OfGroup, act: func() { // nobody is there to prepare
			first[0].stop()
			first[1].stop()
			b.approve("m", events.StepReaders)
		}},
		{event: "AbortRequested", on: events.OfGroup},
		{event: "GuardReleased", on: events.OfGroup},
		{event: "HoldOrdered", on: events.OfGroup, act: func() {
			b.consume("dialer-0", of)
			b.consume("dialer-1", of)
			g.wanted = true
		}},
		{event: "DrainProven", on: events.OfGroup},
		{event: "CutTaken", on: events.OfGroup},
		{event: "SwitchCommitted", on: events.OfGroup},
		{event: "SwitchCompleted", on: events.OfGroup},
		{event: "SwitchRequested", on: events.OfTopic, act: func() { b.approve("m", events.StepWriters) }},
		{event: "WritersRolling", on: events.OfTopic},
		{event: "ProducerLeft", on: events.OfTopic, act: func() { // one moves, of the other nobody hears again
			silent.kill()
			moving.kill() // a farewell would be an event of its own
			moving = b.produce("phone-0", live)
		}},
		{event: "SwitchCommitted", on: events.OfTopic},
		{event: "SwitchCompleted", on: events.OfTopic},
		{event: "SourceQuiet", on: events.OfTopic},
		{event: "StrayWrite", on: events.OfTopic, act: func() {
			b.fill(source, workload.ProducerConfig{Generator: workload.GeneratorConfig{Producer: "stray", Topics: names(topics), Keys: 1}, Count: 1})
		}},
		{event: "SourceQuiet", on: events.OfTopic},
		{event: "CompleteRequested", on: events.OfMigration, act: func() {
			moving.stop()
			b.drained(topics, []oracle.Group{group})
			b.approve("m", events.StepFinish)
		}},
		{event: "VerifyOrdered", on: events.OfTopic},
		{event: "TopicFinished", on: events.OfTopic},
	})
	b.phase("m", events.PhaseFinished)
	b.judge("m", verdict{topics: topics, groups: []oracle.Group{group}})
	b.replayed("m")
	if g.serving != nil {
		g.serving.stop()
	}
	g.cancels("c", "drafts", "", point{event: "TopicReleased", on: events.OfTopic})
	g.cancels("d", "notes", "editor", point{event: "GroupReleased", on: events.OfGroup})
}

// cancels takes one more migration to its copy and cancels it, past a point: nothing is left on the target.
func (g *gauntlet) cancels(migration, topic, group string, p point) {
	g.t.Helper()
	g.migration, g.wanted = migration, false
	g.topic(source, topic, 2, nil)
	g.fill(source, workload.ProducerConfig{Generator: workload.GeneratorConfig{Producer: "author-of-" + topic, Topics: []string{topic}, Keys: 5}, Count: 50})
	var groups []string
	if group != "" {
		groups = []string{group}
		reader := g.consume(group+"-0", consumers{groups: []string{group + "=" + topic}})
		defer reader.stop()
		g.reading(group)
	}
	g.do("create", "-f", g.plan(migration, []string{topic}, groups, "quiet: 300ms, silent: 2s"))
	g.do("start", migration)
	g.serving = g.serve(g.nextCrash([]point{p}), "--no-worker")
	g.counted(migration, "its topic synced", func(c fsm.Count) bool { return c.Synced == 1 })
	for range groups {
		g.until(group+" to be guarded on the target", func(v *projector.View) bool {
			row, ok := v.Group(migration, group)
			return ok && row.TargetGuard.MemberID != ""
		})
	}
	p.act = func() { g.do("cancel", migration, "--reason", "changed my mind") }
	g.run([]point{p})
	if g.serving == nil {
		g.serving = g.serve("", "--no-worker")
		g.eventually("the orchestrator to serve", func() bool { return strings.Contains(g.serving.said(), `"serving"`) })
	}
	g.phase(migration, events.PhaseCancelled)
	require.NotContains(g.t, g.topicsOf(target), topic, "the copy of a cancelled migration is removed")
	g.serving.stop()
	g.serving = nil
	g.replayed(migration)
}

// TestCrashes kills the orchestrator around a few decisions of a migration between embedded clusters.
func TestCrashes(t *testing.T) {
	b := embeddedBench(t)
	b.init()
	crashMigration(b, func(e events.Type) bool {
		return slices.Contains([]events.Type{"TargetCreated", "TargetDeleted", "DrainProven", "SwitchCommitted", "TopicFinished"}, e)
	})
}
