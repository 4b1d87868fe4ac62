package plan

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// Cluster is what resolving a plan asks of a cluster; *cluster.Client is one.
type Cluster interface {
	Name() string
	ID() string
	Topics(ctx context.Context, names ...string) (map[string]cluster.Topic, error)
	TopicConfigs(ctx context.Context, topic string) (map[string]cluster.ConfigValue, error)
	ListOffsets(ctx context.Context, topic string, partitions []int32, at int64) (map[int32]int64, error)
	Groups(ctx context.Context) ([]cluster.GroupListing, error)
	DescribeGroup(ctx context.Context, group string) (cluster.Group, error)
	Offsets(ctx context.Context, group string, stable bool, topics map[string][]int32) (map[string]map[int32]cluster.Offset, error)
	Brokers(ctx context.Context) ([]cluster.Broker, int32, error)
}

// Clusters finds a cluster by its name; the error says what is wrong with its
// configuration or connection.
type Clusters func(ctx context.Context, name string) (Cluster, error)

// Resolve checks a plan against its clusters. It writes nothing. The error is
// a Problems, or what failed while asking.
func Resolve(ctx context.Context, p *Plan, clusters Clusters) (*Resolved, error) {
	r := &resolver{Resolved: &Resolved{Plan: p}, opened: make(map[string]Cluster)}
	r.open(ctx, clusters)
	if len(r.problems) > 0 {
		return nil, r.problems.OrNil()
	}
	if err := r.topics(ctx); err != nil {
		return nil, err
	}
	if err := r.groups(ctx); err != nil {
		return nil, err
	}
	if err := r.problems.OrNil(); err != nil {
		return nil, err
	}
	return r.Resolved, r.hash()
}

type resolver struct {
	*Resolved
	source   Cluster
	opened   map[string]Cluster
	problems Problems
}

func (r *resolver) bad(field, reason, fix string) {
	r.problems = append(r.problems, r.Plan.problem(field, reason, fix))
}

func (r *resolver) open(ctx context.Context, clusters Clusters) {
	source, err := clusters(ctx, r.Plan.Source)
	if err != nil {
		r.bad("source", err.Error(), "")
		return
	}
	r.source = source
	r.Source = events.ClusterRef{Name: r.Plan.Source, ID: source.ID()}
	for i, name := range r.Plan.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		c, err := clusters(ctx, name)
		if err != nil {
			r.bad(at, err.Error(), "")
			continue
		}
		same := slices.IndexFunc(r.Targets, func(t events.ClusterRef) bool { return t.ID == c.ID() })
		switch {
		case c.ID() == source.ID():
			r.bad(at, fmt.Sprintf("%q is the source %q under another name (cluster id %s)", name, r.Plan.Source, c.ID()), "name another cluster")
		case same >= 0:
			r.bad(at, fmt.Sprintf("%q is the target %q under another name (cluster id %s)", name, r.Targets[same].Name, c.ID()), "name each cluster once")
		default:
			r.opened[name] = c
			r.Targets = append(r.Targets, events.ClusterRef{Name: name, ID: c.ID()})
		}
	}
}

func (r *resolver) topics(ctx context.Context) error {
	all, err := r.source.Topics(ctx)
	if err != nil {
		return fmt.Errorf("list the topics of %s: %w", r.source.Name(), err)
	}
	for i, t := range r.Plan.Topics {
		at := fmt.Sprintf("topics[%d]", i)
		have, ok := all[t.Name]
		if !ok {
			r.bad(at+".name", fmt.Sprintf("topic %q is not on %s", t.Name, r.source.Name()), meant(t.Name, slices.Sorted(maps.Keys(all))))
			continue
		}
		if have.Internal {
			r.bad(at+".name", fmt.Sprintf("topic %q is internal", t.Name), "leave it out")
			continue
		}
		body, err := r.topic(ctx, at, t, have)
		if err != nil {
			return err
		}
		r.Topics = append(r.Topics, ResolvedTopic{Name: t.Name, Body: body})
	}
	return nil
}

func (r *resolver) topic(ctx context.Context, at string, t Topic, have cluster.Topic) (events.TopicPlanned, error) {
	target := r.opened[t.Target]
	configs, err := r.source.TopicConfigs(ctx, t.Name)
	if err != nil {
		return events.TopicPlanned{}, fmt.Errorf("read the configs of %s: %w", t.Name, err)
	}
	body := events.TopicPlanned{
		Source: r.Source, TopicID: hex.EncodeToString(have.ID[:]), Partitions: int32(len(have.Partitions)),
		Target: events.ClusterRef{Name: t.Target, ID: target.ID()}, TargetTopic: t.TargetName,
		ReplicationFactor: t.ReplicationFactor, Configs: cluster.OwnConfigs(configs),
	}
	listed, _, err := target.Brokers(ctx)
	if err != nil {
		return body, fmt.Errorf("count the brokers of %s: %w", target.Name(), err)
	}
	brokers := len(listed)
	if body.ReplicationFactor > brokers {
		r.bad(at+".replication_factor", fmt.Sprintf("%d replicas do not fit on %s, which has %d brokers", body.ReplicationFactor, target.Name(), brokers), fmt.Sprintf("use at most %d", brokers))
	}
	if body.ReplicationFactor == 0 {
		body.ReplicationFactor = min(replicas(have), brokers)
	}
	body.Existing, err = r.existing(ctx, at, target, body)
	return body, err
}

func replicas(t cluster.Topic) int {
	most := 1
	for _, p := range t.Partitions {
		most = max(most, len(p.Replicas))
	}
	return most
}

// existing looks at a topic that stands on the target already.
func (r *resolver) existing(ctx context.Context, at string, target Cluster, body events.TopicPlanned) (bool, error) {
	there, err := target.Topics(ctx, body.TargetTopic)
	if err != nil {
		return false, fmt.Errorf("look for %s on %s: %w", body.TargetTopic, target.Name(), err)
	}
	have, ok := there[body.TargetTopic]
	if !ok {
		return false, nil
	}
	if n := int32(len(have.Partitions)); n != body.Partitions {
		r.bad(at, fmt.Sprintf("topic %q has %d partitions on %s and %d on %s", body.TargetTopic, n, target.Name(), body.Partitions, r.source.Name()), "delete it there, or give the topic another target_name")
		return true, nil
	}
	ends, err := target.ListOffsets(ctx, body.TargetTopic, numbers(body.Partitions), cluster.Latest)
	if err != nil {
		return true, fmt.Errorf("read the ends of %s on %s: %w", body.TargetTopic, target.Name(), err)
	}
	for p := range body.Partitions {
		if end := ends[p]; end > 0 {
			r.bad(at, fmt.Sprintf("topic %q exists on %s and is not empty (partition %d ends at %d)", body.TargetTopic, target.Name(), p, end), "delete it there, or give the topic another target_name")
			break
		}
	}
	return true, nil
}

func numbers(n int32) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// groups finds out which of the plan's topics each group reads.
func (r *resolver) groups(ctx context.Context) error {
	for i, name := range r.Plan.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		reads, err := GroupTopics(ctx, r.source, name)
		switch {
		case errors.Is(err, ErrRebalancing):
			r.bad(at, fmt.Sprintf("what group %q on %s reads is not known: %v", name, r.source.Name(), err), unsettled)
			continue
		case err != nil:
			return err
		case len(reads) == 0:
			reason, fix, err := unread(ctx, r.source, name)
			if err != nil {
				return err
			}
			r.bad(at, reason, fix)
			continue
		}
		if body, ok := r.group(at, name, reads); ok {
			r.Groups = append(r.Groups, ResolvedGroup{Name: name, Body: body})
		}
	}
	return nil
}

// group is a group's plan event; false when it reads none of the topics, or some
// that do not go together.
func (r *resolver) group(at, name string, reads []string) (events.GroupPlanned, bool) {
	body := events.GroupPlanned{Source: r.Source}
	for _, t := range r.Topics {
		if !slices.Contains(reads, t.Name) {
			continue
		}
		if len(body.Topics) > 0 && body.Target != t.Body.Target {
			r.bad(at, fmt.Sprintf("the topics of group %q go to several targets (%s to %s, %s to %s)", name, body.Topics[0], body.Target.Name, t.Name, t.Body.Target.Name), "let them go to one")
			return body, false
		}
		body.Topics, body.Target = append(body.Topics, t.Name), t.Body.Target
	}
	if len(body.Topics) == 0 {
		r.bad(at, fmt.Sprintf("group %q reads none of the plan's topics (it reads %s)", name, strings.Join(reads, ", ")), "leave it out, or add its topics")
		return body, false
	}
	return body, true
}
