package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/portage-kafka/portage/cluster"
)

// messageSize: the target must take the largest batch that the source takes.
func messageSize(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		v, err := f.topicConfig(ctx, p.Topic, "max.message.bytes")
		if err != nil {
			return out, err
		}
		limit, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			return out, fmt.Errorf("max.message.bytes of %s: %w", p.Topic, err)
		}
		// A setting of the topic's own goes along; a default may be another one there.
		there, where, ok, err := f.targetNumber(ctx, p, "max.message.bytes", "message.max.bytes")
		if err != nil {
			return out, err
		}
		if v.Default && ok && there < limit {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure,
				Evidence: fmt.Sprintf("max.message.bytes is %d on %s (a default) and would be %d on %s (%s)", limit, f.Source.Name(), there, p.Target.Name(), where),
				Fix:      fmt.Sprintf("set max.message.bytes=%d on the source topic, or raise it on %s", limit, p.Target.Name()),
			})
		}
	}
	return out, nil
}

// nullKeys: a target topic that is compacted holds no records without keys.
func nullKeys(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		if _, exists, err := f.existing(ctx, p); err != nil || !exists {
			if err != nil {
				return out, err
			}
			continue
		}
		source, err := f.topicConfig(ctx, p.Topic, "cleanup.policy")
		if err != nil {
			return out, err
		}
		configs, err := f.targetConfigs(ctx, p)
		if err != nil {
			return out, err
		}
		if policy := configs["cleanup.policy"].Value; strings.Contains(policy, "compact") && !strings.Contains(source.Value, "compact") {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%s on %s has cleanup.policy=%s, the source %s: a compacted topic refuses records without keys and keeps the last of each key only", p.TargetTopic, p.Target.Name(), policy, source.Value),
				Fix: "set cleanup.policy on the target as on the source, or delete the topic there",
			})
		}
	}
	return out, nil
}

// replication: the target must be able to acknowledge writes, and should keep
// as many copies as the source does.
func replication(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		t, err := f.topic(ctx, p.Topic)
		if err != nil {
			return out, err
		}
		least, where, err := f.minInSync(ctx, p)
		if err != nil {
			return out, err
		}
		if rf := int64(p.ReplicationFactor); rf > 0 && rf < least {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%d replicas on %s, min.insync.replicas would be %d (%s): no write would be acknowledged", rf, p.Target.Name(), least, where),
				Fix: "plan a higher replication_factor, or lower min.insync.replicas",
			})
		}
		if n := replicas(t); p.ReplicationFactor > 0 && p.ReplicationFactor < n {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Warning, Evidence: fmt.Sprintf("%d replicas on %s, %d on %s", n, f.Source.Name(), p.ReplicationFactor, p.Target.Name()),
				Fix: "plan a higher replication_factor",
			})
		}
	}
	return out, nil
}

// minInSync is the min.insync.replicas that the target topic would have: the
// source topic's own, else what is there already or the default of the target's
// brokers.
func (f *facts) minInSync(ctx context.Context, p Pair) (n int64, where string, err error) {
	v, err := f.topicConfig(ctx, p.Topic, "min.insync.replicas")
	if err != nil {
		return 0, "", err
	}
	if n, err := strconv.ParseInt(v.Value, 10, 64); err == nil && !v.Default {
		return n, "the topic's own", nil
	}
	n, where, _, err = f.targetNumber(ctx, p, "min.insync.replicas", "min.insync.replicas")
	return n, where, err
}

// trouble: partitions that cannot be read, or that a failure would take.
func trouble(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		t, err := f.topic(ctx, p.Topic)
		if err != nil {
			return out, err
		}
		for _, q := range t.Partitions {
			subject := fmt.Sprintf("%s/%d", p.Topic, q.ID)
			switch {
			case q.Err != nil || q.Leader < 0:
				out = append(out, Finding{
					Subject: subject, Severity: Failure, Evidence: "the partition has no leader: it cannot be copied", Fix: "bring its brokers back",
				})
			case len(q.ISR) < len(q.Replicas):
				out = append(out, Finding{
					Subject: subject, Severity: Warning, Evidence: fmt.Sprintf("%d of %d replicas are in sync", len(q.ISR), len(q.Replicas)),
					Fix: "wait until the others have caught up: an unclean election would lose records that were copied",
				})
			}
		}
	}
	return out, nil
}

// transactions: a transaction that never ends holds the copy back for ever.
func transactions(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		t, err := f.topic(ctx, p.Topic)
		if err != nil {
			return out, err
		}
		// The high watermark is read first: what is written between the two reads
		// must not look like an open transaction.
		latest, err := offsets(ctx, f.Source, t, cluster.Latest)
		if err != nil {
			return out, err
		}
		stable, err := offsets(ctx, f.Source, t, cluster.Stable)
		if err != nil {
			return out, err
		}
		for _, q := range t.Partitions {
			if n := q.ID; stable[n] < latest[n] {
				out = append(out, Finding{
					Subject: fmt.Sprintf("%s/%d", p.Topic, n), Severity: Warning,
					Evidence: fmt.Sprintf("an open transaction holds back %d offsets (last stable %d, high watermark %d)", latest[n]-stable[n], stable[n], latest[n]),
					Fix:      "look again in a minute; end a hanging one with kafka-transactions.sh find-hanging and abort",
				})
			}
		}
	}
	return out, nil
}

// metric is a name as brokers use it in metrics: they refuse a topic whose name
// differs from another one's in '.' and '_' only.
func metric(s string) string { return strings.ReplaceAll(s, ".", "_") }

// collisions: names that brokers hold for the same, and topics that are there.
func collisions(ctx context.Context, f *facts) (out []Finding, err error) {
	for i, p := range f.Pairs {
		there, err := f.all(ctx, p.Target)
		if err != nil {
			return out, err
		}
		names := slices.Sorted(maps.Keys(there))
		for _, q := range f.Pairs[:i] {
			if _, exists := there[q.TargetTopic]; q.Target == p.Target && !exists {
				names = append(names, q.TargetTopic)
			}
		}
		for _, name := range names {
			if name != p.TargetTopic && metric(name) == metric(p.TargetTopic) {
				out = append(out, Finding{
					Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%q collides on %s with %q, which is there or planned: their metrics have the same name", p.TargetTopic, p.Target.Name(), name),
					Fix: "give the topic another target_name",
				})
			}
		}
		found, err := f.occupied(ctx, p)
		if err != nil {
			return out, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// occupied looks for records in a target topic that is there.
func (f *facts) occupied(ctx context.Context, p Pair) ([]Finding, error) {
	t, exists, err := f.existing(ctx, p)
	if err != nil || !exists {
		return nil, err
	}
	ends, err := offsets(ctx, p.Target, t, cluster.Latest)
	if err != nil {
		return nil, err
	}
	for _, q := range t.Partitions {
		if end := ends[q.ID]; end > 0 {
			return []Finding{{
				Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%s/%d on %s is not empty (end %d)", p.TargetTopic, q.ID, p.Target.Name(), end),
				Fix: "delete the topic there, or give it another target_name",
			}}, nil
		}
	}
	return nil, nil
}

// partitionCounts: keys must find the same partition on both sides.
func partitionCounts(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		t, err := f.topic(ctx, p.Topic)
		if err != nil {
			return out, err
		}
		there, exists, err := f.existing(ctx, p)
		if err != nil {
			return out, err
		}
		if exists && len(t.Partitions) != len(there.Partitions) {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%d partitions on %s, %d on %s", len(t.Partitions), f.Source.Name(), len(there.Partitions), p.Target.Name()),
				Fix: "delete the topic on the target: portage creates it",
			})
		}
	}
	return out, nil
}
