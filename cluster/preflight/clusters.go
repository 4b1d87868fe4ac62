package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
)

// headroom is how much free disk the target needs per byte of the source, for
// index files and for what is written meanwhile.
const headroom = 1.3

// diskHeadroom: the target must hold what the source holds, times the ratio of
// the replication factors, times the headroom.
func diskHeadroom(ctx context.Context, f *facts) (out []Finding, err error) {
	sizes, _, err := logDirs(ctx, f.Source)
	if err != nil {
		return nil, err
	}
	need := make(map[string]int64)
	for _, p := range f.Pairs {
		t, err := f.topic(ctx, p.Topic)
		if err != nil {
			return out, err
		}
		need[p.Target.Name()] += int64(float64(sizes[p.Topic]) / float64(replicas(t)) * float64(max(1, p.ReplicationFactor)) * headroom)
	}
	for _, c := range f.targets() {
		_, free, err := logDirs(ctx, c)
		if err != nil {
			return out, err
		}
		switch {
		case free < 0:
			out = append(out, Finding{
				Subject: c.Name(), Severity: Warning, Evidence: fmt.Sprintf("the brokers do not tell their free disk; the copy needs about %d bytes", need[c.Name()]),
				Fix: "look at the disks of the brokers",
			})
		case free < need[c.Name()]:
			out = append(out, Finding{
				Subject: c.Name(), Severity: Failure, Evidence: fmt.Sprintf("%d bytes are free, the copy needs about %d", free, need[c.Name()]),
				Fix: "add disk, or move fewer topics at a time",
			})
		}
	}
	return out, nil
}

// logDirs sums the sizes of topics over all replicas, and the free bytes of all
// brokers; −1 when one does not tell (before Kafka 3.3).
func logDirs(ctx context.Context, c *cluster.Client) (sizes map[string]int64, free int64, err error) {
	brokers, _, err := c.Brokers(ctx)
	if err != nil {
		return nil, 0, err
	}
	sizes = make(map[string]int64)
	for _, b := range brokers {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		resp, err := cluster.Do[*kmsg.DescribeLogDirsResponse](ctx, c, req, cluster.OnBroker(b.ID))
		if err != nil {
			return nil, 0, err
		}
		if err := refusal(c, b.ID, resp); err != nil {
			return nil, 0, err
		}
		for _, d := range resp.Dirs {
			for _, t := range d.Topics {
				for _, p := range t.Partitions {
					sizes[t.Topic] += p.Size
				}
			}
			if d.UsableBytes < 0 || free < 0 {
				free = -1
			} else {
				free += d.UsableBytes
			}
		}
	}
	return sizes, free, nil
}

// refusal is why a broker does not show its log folders. Before version 3 of the
// API one that may not say so answers with none.
func refusal(c *cluster.Client, broker int32, resp *kmsg.DescribeLogDirsResponse) error {
	code := resp.ErrorCode
	for _, d := range resp.Dirs {
		if code == 0 {
			code = d.ErrorCode
		}
	}
	if code == 0 && len(resp.Dirs) > 0 {
		return nil
	}
	e := &cluster.Error{Cluster: c.Name(), Broker: fmt.Sprint(broker), API: "DescribeLogDirs", Code: code}
	if code == 0 || code == kerr.ClusterAuthorizationFailed.Code {
		e.Hint, e.Err = "the principal needs DESCRIBE on the cluster: add the ACL", errNoDirs
	}
	return e
}

var errNoDirs = errors.New("the broker shows no log folder")

// autoCreate: a client that is sent to the target before its topic stands there
// would create one with the cluster's defaults.
func autoCreate(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, c := range f.targets() {
		v, ok, err := f.brokerSetting(ctx, c, "auto.create.topics.enable")
		if err != nil {
			return out, err
		}
		if ok && v.Value == "true" {
			out = append(out, Finding{
				Subject: c.Name(), Severity: Warning, Evidence: "auto.create.topics.enable is true: a client that asks for a topic before portage has created it creates another one",
				Fix: "set auto.create.topics.enable=false on the target while topics move",
			})
		}
	}
	return out, nil
}

// clusterIDs: the same cluster under two names.
func clusterIDs(_ context.Context, f *facts) (out []Finding, err error) {
	for _, c := range f.targets() {
		if c.ID() == f.Source.ID() {
			out = append(out, Finding{
				Subject: c.Name(), Severity: Failure, Evidence: fmt.Sprintf("%s and %s are the same cluster %s", f.Source.Name(), c.Name(), c.ID()),
				Fix: "name another cluster as the target",
			})
		}
	}
	return out, nil
}

// controlTopics: where they must not be, and how they must be kept.
func controlTopics(ctx context.Context, f *facts) (out []Finding, err error) {
	if f.Control.ID() == f.Source.ID() {
		out = append(out, Finding{
			Subject: f.Control.Name(), Severity: Failure, Evidence: "the control topics are on the source: they would go down with it",
			Fix: "name another cluster as control, best a third one",
		})
	}
	there, err := f.all(ctx, f.Control)
	if err != nil {
		return out, err
	}
	for _, name := range f.ControlTopics {
		t, ok := there[name]
		if !ok {
			out = append(out, Finding{Subject: name, Severity: Failure, Evidence: "missing on " + f.Control.Name(), Fix: "portage init"})
			continue
		}
		found, err := controlTopic(ctx, f, t)
		if err != nil {
			return out, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func controlTopic(ctx context.Context, f *facts, t cluster.Topic) (out []Finding, err error) {
	configs, err := f.Control.TopicConfigs(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	if policy := configs["cleanup.policy"].Value; policy != "compact" {
		out = append(out, Finding{
			Subject: t.Name, Severity: Failure, Evidence: "cleanup.policy is " + policy, Fix: "set cleanup.policy=compact",
		})
	}
	brokers, _, err := f.Control.Brokers(ctx)
	if err != nil || len(t.Partitions) == 0 {
		return out, err
	}
	least := slices.MinFunc(t.Partitions, func(a, b cluster.Partition) int { return len(a.Replicas) - len(b.Replicas) })
	if n := len(least.Replicas); n < min(3, len(brokers)) {
		out = append(out, Finding{
			Subject: t.Name, Severity: Warning, Evidence: fmt.Sprintf("partition %d has %d replicas, the cluster %d brokers", least.ID, n, len(brokers)),
			Fix: "raise the replication factor to 3",
		})
	}
	return out, nil
}
