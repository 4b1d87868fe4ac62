package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// killed is a phase of a switch in which one instance of the group is killed.
type killed struct {
	phase events.Phase
	// freeze is where the orchestrator dies, so that the phase lasts until the instance is dead.
	freeze string
}

// killedIn are the phases of a switch of readers; TestEveryPhaseIsKilledIn compares them with the machine's table.
func killedIn() []killed {
	return []killed{
		{events.PhasePreparing, "before:HoldOrdered"},    // every instance is inside both groups
		{events.PhaseHolding, "after:HoldOrdered"},       // and has not heard of the hold: records are in its hands
		{events.PhaseDrained, "before:CutTaken"},         // all stand still
		{events.PhaseCut, "after:CutTaken"},              // nobody has staged
		{events.PhaseStaged, "before:SwitchCommitted"},   // all have staged
		{events.PhaseCommitted, "after:SwitchCommitted"}, // nobody has heard of it
	}
}

// TestEveryPhaseIsKilledIn compares the list with the table of the readers' machine.
func TestEveryPhaseIsKilledIn(t *testing.T) {
	have := map[events.Phase]bool{}
	for _, k := range killedIn() {
		have[k.phase] = true
	}
	for _, m := range events.Moves(events.ReadersAxis) {
		rest := m.To == events.PhaseOnSource || m.To == events.PhaseOnTarget || m.To == events.PhaseReleased
		require.Equal(t, !rest, have[m.To], "%s, which %s leads to", m.To, m.Type)
	}
}

// killAgents moves a group for each phase and kills one of its instances there. A killed instance is started again at once,
// as a platform would. An attempt that is aborted, by name, is asked for again.
func killAgents(b *bench) {
	b.topic(source, "bids", 2, nil)
	topics := []oracle.Topic{{Name: "bids"}}
	var groups []oracle.Group
	members := map[string][2]service{}
	for _, k := range killedIn() {
		g := oracle.Group{Name: "dies-" + string(k.phase), Topics: names(topics)}
		groups = append(groups, g)
		members[g.Name] = [2]service{b.consume(g.Name+"-0", reads(g)), b.consume(g.Name+"-1", reads(g))}
	}
	auction := b.produce("auction-0", producers{topics: names(topics), rate: 40})
	serving := b.serve("", "--no-worker")
	for _, g := range groups {
		b.reading(g.Name)
	}
	b.do("create", "-f", b.plan("k", names(topics), groupNames(groups), "quiet: 300ms, silent: 30s"))
	b.do("start", "k")
	b.approvable("k")
	v := verdict{topics: topics, groups: groups}
	for i, k := range killedIn() {
		serving.stop()
		v.excused = append(v.excused, b.killIn(k, "k", groups[i], members[groups[i].Name])...)
		serving = b.serve("", "--no-worker")
		b.insisting("k", groups[i].Name)
	}
	b.approve("k", events.StepWriters)
	b.until("producers may move", func(v *projector.View) bool {
		row, ok := v.Topic("k", "bids")
		return ok && row.Writers == events.PhaseRolling
	})
	auction.stop()
	b.drained(topics, groups)
	b.approve("k", events.StepFinish)
	b.phase("k", events.PhaseFinished)
	b.judge("k", v)
	b.replayed("k")
	serving.stop()
}

func reads(g oracle.Group) consumers {
	return consumers{groups: []string{g.Name + "=" + strings.Join(g.Topics, ",")}, latency: 10 * time.Millisecond}
}

func groupNames(groups []oracle.Group) (out []string) {
	for _, g := range groups {
		out = append(out, g.Name)
	}
	return out
}

// approvable waits until a migration has come to the switch of its readers.
func (b *bench) approvable(migration string) {
	b.t.Helper()
	b.until("the groups may switch", func(v *projector.View) bool {
		m, ok := v.Migration(migration)
		if !ok || m.Plan == nil || m.Count.Synced < m.Count.Topics {
			return false
		}
		rows, err := v.Groups(migration)
		for _, g := range rows {
			if g.TargetGuard.MemberID == "" {
				return false
			}
		}
		return err == nil
	})
}

// killIn asks for the switch of a group, kills its first instance in a phase, starts it anew, and returns what it had in its
// hands.
func (b *bench) killIn(k killed, migration string, g oracle.Group, members [2]service) []workload.Entry {
	b.t.Helper()
	frozen := b.serve(k.freeze, "--no-worker")
	b.do("switch", "readers", migration, g.Name)
	b.eventually("the orchestrator to die "+k.freeze, func() bool { return !frozen.alive() })
	frozen.killedItself(k.freeze)
	b.until(g.Name+" to be "+string(k.phase), func(v *projector.View) bool {
		row, ok := v.Group(migration, g.Name)
		return ok && row.Readers == k.phase
	})
	members[0].kill()
	excused := b.hands(g.Name, members[0])
	b.t.Logf("%s: %s was killed with %d records in its hands", k.phase, members[0].label, len(excused))
	b.consume(g.Name+"-0", reads(g))
	return excused
}

// hands are the records that a killed process had in its hands: begun and not finished, or finished and not committed.
func (b *bench) hands(group string, dead service) (out []workload.Entry) {
	b.t.Helper()
	committed := map[string]int64{}
	for _, cluster := range []string{source, target} {
		offsets, err := b.admin(cluster).FetchOffsets(b.t.Context(), group)
		require.NoError(b.t, err)
		offsets.Each(func(o kadm.OffsetResponse) { committed[place(cluster, o.Topic, o.Partition)] = o.At })
	}
	for _, e := range workload.HandsOf(b.handlings(), group, dead.label, 0) {
		if at, ok := committed[place(e.Cluster, e.Topic, e.Partition)]; !ok || e.Offset >= at {
			out = append(out, e)
		}
	}
	return out
}

func place(cluster, topic string, partition int32) string {
	return fmt.Sprint(cluster, "/", topic, "/", partition)
}

// insisting waits until a group is on the target, and asks for the switch again whenever an attempt was aborted.
func (b *bench) insisting(migration, group string) {
	b.t.Helper()
	asked := uint32(0)
	b.until(group+" to be on the target", func(v *projector.View) bool {
		row, ok := v.Group(migration, group)
		if ok && row.Readers == events.PhaseOnSource && row.Abort != nil && row.Abort.Epoch > asked {
			require.NotEmpty(b.t, row.Abort.Code)
			b.t.Logf("%s: attempt %d was aborted (%s: %s): asking again", group, row.Abort.Epoch, row.Abort.Code, row.Abort.Reason)
			if b.portage("switch", "readers", migration, group).code == done {
				asked = row.Abort.Epoch
			}
		}
		return ok && row.Readers == events.PhaseOnTarget
	})
}
