package preflight

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/portage-kafka/portage/cluster"
)

// messageSize: the target must take the largest batch that the source holds.
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
		there, ok, err := f.brokerNumber(ctx, p.Target, "message.max.bytes")
		if err != nil {
			return out, err
		}
		if v.Default && ok && there < limit {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure,
				Evidence: fmt.Sprintf("max.message.bytes is %d on %s (a default) and would be %d on %s", limit, f.Source.Name(), there, p.Target.Name()),
				Fix:      fmt.Sprintf("set max.message.bytes=%d on the source topic, or raise message.max.bytes on %s", limit, p.Target.Name()),
			})
		}
	}
	return out, nil
}

// timestamps: what the target may refuse or change.
func timestamps(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		v, err := f.topicConfig(ctx, p.Topic, "message.timestamp.type")
		if err != nil {
			return out, err
		}
		if v.Value == "LogAppendTime" {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Warning, Evidence: "the source writes append times; they are copied as they are, and new records get theirs from the target once the migration is finished",
			})
		}
		for _, name := range []string{"log.message.timestamp.before.max.ms", "log.message.timestamp.difference.max.ms"} {
			bound, ok, err := f.brokerNumber(ctx, p.Target, name)
			if err != nil {
				return out, err
			}
			const unbounded = 100 * 365 * 24 * 3600 * 1000
			if ok && bound < unbounded {
				out = append(out, Finding{
					Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%s is %d ms on %s: older records would be refused", name, bound, p.Target.Name()),
					Fix: "remove the bound on the target while topics are copied",
				})
			}
		}
	}
	return out, nil
}

// nullKeys: a target topic that is compacted refuses records without keys.
func nullKeys(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		there, err := f.all(ctx, p.Target)
		if err != nil {
			return out, err
		}
		if _, exists := there[p.TargetTopic]; !exists {
			continue
		}
		source, err := f.topicConfig(ctx, p.Topic, "cleanup.policy")
		if err != nil {
			return out, err
		}
		configs, err := p.Target.TopicConfigs(ctx, p.TargetTopic)
		if err != nil {
			return out, err
		}
		if policy := configs["cleanup.policy"].Value; strings.Contains(policy, "compact") && !strings.Contains(source.Value, "compact") {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%s on %s has cleanup.policy=%s, the source %s: records without keys would be refused, others removed", p.TargetTopic, p.Target.Name(), policy, source.Value),
				Fix: "set cleanup.policy on the target as on the source, or delete the topic there",
			})
		}
	}
	return out, nil
}

// transactions: a transaction that never ends holds the copy back for ever.
func transactions(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		numbers, err := f.numbers(ctx, p.Topic)
		if err != nil {
			return out, err
		}
		stable, err := f.Source.ListOffsets(ctx, p.Topic, numbers, cluster.Stable)
		if err != nil {
			return out, err
		}
		latest, err := f.Source.ListOffsets(ctx, p.Topic, numbers, cluster.Latest)
		if err != nil {
			return out, err
		}
		for _, n := range numbers {
			if stable[n] < latest[n] {
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

// collisions: names that brokers hold for the same, and topics that are there.
func collisions(ctx context.Context, f *facts) (out []Finding, err error) {
	metric := func(s string) string { return strings.ReplaceAll(s, ".", "_") }
	for _, p := range f.Pairs {
		there, err := f.all(ctx, p.Target)
		if err != nil {
			return out, err
		}
		for name := range there {
			if name != p.TargetTopic && metric(name) == metric(p.TargetTopic) {
				out = append(out, Finding{
					Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%s has a topic %q, which collides with %q in metric names", p.Target.Name(), name, p.TargetTopic),
					Fix: "give the topic another target_name",
				})
			}
		}
		t, exists := there[p.TargetTopic]
		if !exists {
			continue
		}
		numbers := make([]int32, len(t.Partitions))
		for i, q := range t.Partitions {
			numbers[i] = q.ID
		}
		ends, err := p.Target.ListOffsets(ctx, p.TargetTopic, numbers, cluster.Latest)
		if err != nil {
			return out, err
		}
		for _, n := range numbers {
			if ends[n] > 0 {
				out = append(out, Finding{
					Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%s/%d on %s is not empty (end %d)", p.TargetTopic, n, p.Target.Name(), ends[n]),
					Fix: "delete the topic there, or give it another target_name",
				})
				break
			}
		}
	}
	return out, nil
}

// partitionCounts: keys must find the same partition on both sides.
func partitionCounts(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		numbers, err := f.numbers(ctx, p.Topic)
		if err != nil {
			return out, err
		}
		there, err := f.all(ctx, p.Target)
		if err != nil {
			return out, err
		}
		if t, exists := there[p.TargetTopic]; exists && len(t.Partitions) != len(numbers) {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("%d partitions on %s, %d on %s", len(numbers), f.Source.Name(), len(t.Partitions), p.Target.Name()),
				Fix: "delete the topic on the target: portage creates it",
			})
		}
	}
	return out, nil
}
