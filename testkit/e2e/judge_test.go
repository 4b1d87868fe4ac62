package e2e

import (
	"maps"
	"slices"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

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

// standing is a record by its topic's name on the source.
type standing struct {
	topic string
	id    workload.ID
}

// onTarget are the records that stand on the target, by topic; of a compacted topic the last one of each key.
func (b *bench) onTarget(topics []oracle.Topic) map[string][]standing {
	b.t.Helper()
	there := map[string][]standing{}
	for _, t := range topics {
		name := t.Name
		if t.Target != "" {
			name = t.Target
		}
		last := map[string]standing{}
		require.NoError(b.t, oracle.ReadTopic(b.t.Context(), b.cluster(target), name, func(r *kgo.Record) {
			id, err := identify(r)
			switch {
			case err != nil: // for the oracle to judge
			case t.Compacted:
				last[id.Key] = standing{t.Name, id}
			default:
				there[t.Name] = append(there[t.Name], standing{t.Name, id})
			}
		}))
		there[t.Name] = slices.AppendSeq(there[t.Name], maps.Values(last))
	}
	return there
}

// drained waits until what stands on the target was handled by the groups that read its topic. Producers have stopped by
// then.
func (b *bench) drained(topics []oracle.Topic, groups []oracle.Group) {
	b.t.Helper()
	there := b.onTarget(topics)
	for _, g := range groups {
		b.eventually(g.Name+" to have handled everything", func() bool {
			handled := map[standing]bool{}
			for _, e := range b.handlings() {
				if e.Kind == workload.KindHandled && e.Group == g.Name {
					handled[standing{e.Topic, e.ID}] = true
				}
			}
			return !slices.ContainsFunc(g.Topics, func(t string) bool {
				return slices.ContainsFunc(there[t], func(r standing) bool { return !handled[r] })
			})
		})
	}
}

func identify(r *kgo.Record) (workload.ID, error) {
	var headers []workload.Header
	for _, h := range r.Headers {
		headers = append(headers, workload.Header{Key: h.Key, Value: h.Value})
	}
	return workload.Identify(r.Key, r.Value, headers)
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
