package e2e

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// verdict is what the oracle is asked about a migration.
type verdict struct {
	topics  []oracle.Topic
	groups  []oracle.Group
	excused []workload.Entry
}

// judge demands that the oracle finds nothing, and returns its report.
func (b *bench) judge(migration string, v verdict) oracle.Report {
	b.t.Helper()
	renamed := map[string]string{}
	for _, t := range v.topics {
		if t.Target != "" {
			renamed[t.Name] = t.Target
		}
	}
	report, err := oracle.Judge(b.t.Context(), oracle.Config{
		Run: run, Source: b.cluster(source), Target: b.cluster(target), Topics: v.topics, Groups: v.groups,
		Entries: b.entries(renamed), Excused: v.excused, Switches: b.switches(migration, v.groups),
	})
	require.NoError(b.t, err)
	b.t.Logf("\n%s", report.Table())
	require.True(b.t, report.OK(), "the oracle found faults")
	return report
}

// switches are the intervals in which groups crossed: from the request that led to the decision to the end of the switch.
func (b *bench) switches(migration string, groups []oracle.Group) (out []oracle.Switch) {
	b.t.Helper()
	b.view(func(v *projector.View) {
		for _, g := range groups {
			notes, err := v.History(migration, events.GroupStream(g.Name), -1, projector.All)
			require.NoError(b.t, err)
			s := oracle.Switch{Group: g.Name}
			for _, n := range notes {
				switch {
				case n.Verdict != fsm.Accepted:
				case n.Type == (events.SwitchRequested{}).EventType():
					s.From = n.Time.UnixNano()
				case n.Type == (events.SwitchCompleted{}).EventType():
					s.To = n.Time.UnixNano()
				}
			}
			if s.To > 0 {
				out = append(out, s)
			}
		}
	})
	return out
}

// drained waits until groups have handled everything that stands on the target.
func (b *bench) drained(groups ...oracle.Group) {
	b.t.Helper()
	admin := b.admin(target)
	for _, g := range groups {
		b.eventually(g.Name+" to have read everything", func() bool {
			lags, err := admin.Lag(b.t.Context(), g.Name)
			require.NoError(b.t, err)
			l, ok := lags[g.Name]
			return ok && l.FetchErr == nil && l.DescribeErr == nil && len(l.Lag) == len(g.Topics) && l.Lag.Total() == 0
		})
	}
}

// reading waits until groups have committed on the source: from then on a plan sees what they read.
func (b *bench) reading(groups ...string) {
	b.t.Helper()
	admin := b.admin(source)
	for _, g := range groups {
		b.eventually(g+" to read from the source", func() bool {
			offsets, err := admin.FetchOffsets(b.t.Context(), g)
			return err == nil && len(offsets) > 0
		})
	}
}

// names are the topics' names on the source.
func names(topics []oracle.Topic) (out []string) {
	for _, t := range topics {
		out = append(out, t.Name)
	}
	return slices.Clip(out)
}
