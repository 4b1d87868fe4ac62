package preflight

import (
	"context"
	"fmt"
	"math"
	"strconv"
)

// keeping: what decides which records stay. While a topic is copied the target
// keeps all; afterwards what the source topic does not set itself is the
// target's default, which may keep less.
func keeping(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, p := range f.Pairs {
		for _, look := range []func(context.Context, Pair) (*Finding, error){f.otherCleanup, f.shorterTime, f.lessSpace} {
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

// inherited is a setting that the source topic has by default.
func (f *facts) inherited(ctx context.Context, topic, name string) (value string, ok bool, err error) {
	v, err := f.topicConfig(ctx, topic, name)
	return v.Value, v.Default && v.Value != "", err
}

// otherCleanup: where the policies differ, keys or old records are deleted on
// one side only.
func (f *facts) otherCleanup(ctx context.Context, p Pair) (*Finding, error) {
	here, ok, err := f.inherited(ctx, p.Topic, "cleanup.policy")
	if err != nil || !ok {
		return nil, err
	}
	there, known, err := f.brokerSetting(ctx, p.Target, "log.cleanup.policy")
	if err != nil || !known || there.Value == "" || there.Value == here {
		return nil, err
	}
	return kept(p, f, Failure, "cleanup.policy", here, there.Value), nil
}

// shorterTime: retention.ms is log.retention.ms of the brokers, else their
// minutes, else their hours.
func (f *facts) shorterTime(ctx context.Context, p Pair) (*Finding, error) {
	here, ok, err := f.inherited(ctx, p.Topic, "retention.ms")
	if err != nil || !ok {
		return nil, err
	}
	for _, by := range []struct {
		name string
		unit int64
	}{{"log.retention.ms", 1}, {"log.retention.minutes", 60_000}, {"log.retention.hours", 3_600_000}} {
		n, set, err := f.brokerNumber(ctx, p.Target, by.name)
		if err != nil {
			return nil, err
		}
		if set {
			return f.less(p, "retention.ms", here, max(n*by.unit, -1)), nil
		}
	}
	return nil, nil
}

// lessSpace: retention.bytes.
func (f *facts) lessSpace(ctx context.Context, p Pair) (*Finding, error) {
	here, ok, err := f.inherited(ctx, p.Topic, "retention.bytes")
	if err != nil || !ok {
		return nil, err
	}
	n, set, err := f.brokerNumber(ctx, p.Target, "log.retention.bytes")
	if err != nil || !set {
		return nil, err
	}
	return f.less(p, "retention.bytes", here, n), nil
}

// less is the finding that a bound of the target is lower; one below 0 is none.
func (f *facts) less(p Pair, name, here string, there int64) *Finding {
	n, err := strconv.ParseInt(here, 10, 64)
	if err != nil || limit(there) >= limit(n) {
		return nil
	}
	return kept(p, f, Warning, name, here, strconv.FormatInt(there, 10))
}

func limit(n int64) int64 {
	if n < 0 {
		return math.MaxInt64
	}
	return n
}

func kept(p Pair, f *facts, severity Severity, name, here, there string) *Finding {
	return &Finding{
		Subject: p.Topic, Severity: severity,
		Evidence: fmt.Sprintf("%s is %s on %s (a default) and would be %s on %s once the migration is finished: records would be deleted there that the source keeps", name, here, f.Source.Name(), there, p.Target.Name()),
		Fix:      fmt.Sprintf("set %s=%s on the source topic: it goes along; or make it the default of %s", name, here, p.Target.Name()),
	}
}
