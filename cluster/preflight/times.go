package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// timestamps: what becomes of times. The target takes records of any time while
// they are copied; what it refuses or changes afterwards is for people to know.
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
			continue
		}
		for _, look := range []func(context.Context, Pair) (*Finding, error){f.tooOld, f.tooEarly} {
			found, err := look(ctx, p)
			if err != nil {
				return out, err
			}
			if found != nil {
				out = append(out, *found)
			}
		}
	}
	return out, nil
}

// unbounded is a bound on the times of records, in milliseconds, that no record
// reaches: a hundred years.
const unbounded = 100 * 365 * 24 * 3600 * 1000

// timeBound is a default of the target's brokers that will bound the times of
// records once the topic's settings are the source's again: where the source
// topic has a bound of its own, that goes along.
func (f *facts) timeBound(ctx context.Context, p Pair, name string) (bound int64, found bool, err error) {
	for _, own := range []string{name, "message.timestamp.difference.max.ms"} {
		if v, err := f.topicConfig(ctx, p.Topic, own); err != nil || v.Value != "" && !v.Default {
			return 0, false, err
		}
	}
	bound, found, err = f.brokerNumber(ctx, p.Target, "log."+name)
	return bound, found && bound < unbounded, err
}

// tooOld: a bound on the age of records that only the target has.
func (f *facts) tooOld(ctx context.Context, p Pair) (*Finding, error) {
	for _, name := range []string{"message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"} {
		bound, found, err := f.timeBound(ctx, p, name)
		if err != nil {
			return nil, err
		}
		if found {
			return &Finding{
				Subject: p.Topic, Severity: Warning,
				Evidence: fmt.Sprintf("%s is %d on %s (a default): once the migration is finished, new records older than that are refused there", name, bound, p.Target.Name()),
				Fix:      "if producers write old records, set " + name + " on the source topic: it goes along",
			}, nil
		}
	}
	return nil, nil
}

// tooEarly looks for records from the future, of which the target would refuse
// the next one: Kafka 4.0 takes one hour by default.
func (f *facts) tooEarly(ctx context.Context, p Pair) (*Finding, error) {
	const name = "message.timestamp.after.max.ms"
	bound, found, err := f.timeBound(ctx, p, name)
	if err != nil || !found {
		return nil, err
	}
	t, err := f.topic(ctx, p.Topic)
	if err != nil {
		return nil, err
	}
	early, err := offsets(ctx, f.Source, t, time.Now().UnixMilli()+bound)
	if err != nil || len(early) == 0 {
		return nil, err
	}
	first := slices.Min(slices.Collect(maps.Keys(early)))
	return &Finding{
		Subject: p.Topic, Severity: Warning,
		Evidence: fmt.Sprintf("record %d of partition %d is more than %s in the future; once the migration is finished %s refuses such records (%s is %d, a default)",
			early[first], first, time.Duration(bound)*time.Millisecond, p.Target.Name(), name, bound),
		Fix: "mend the clock or the unit of the producer's timestamps, or set " + name + " on the source topic: it goes along",
	}, nil
}

// messageFormat: batches are copied as they are, and those of formats 0 and 1
// are not of the kind that can be.
func messageFormat(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		v, err := f.topicConfig(ctx, p.Topic, "message.format.version")
		if err != nil {
			return out, err
		}
		if old(v.Value) {
			out = append(out, Finding{
				Subject: p.Topic, Severity: Failure, Evidence: fmt.Sprintf("message.format.version is %s on %s: its records are of an older format than that of Kafka 0.11, and the copy would stop at them", v.Value, f.Source.Name()),
				Fix: "set message.format.version to 0.11.0 or later and wait until retention or the cleaner has taken the older segments",
			})
		}
	}
	return out, nil
}

// old says whether a message.format.version is older than that of Kafka 0.11.
func old(version string) bool {
	return slices.ContainsFunc([]string{"0.8", "0.9", "0.10"}, func(v string) bool { return version == v || strings.HasPrefix(version, v+".") })
}
