package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
)

// ErrRebalancing says that a group did not come to rest while it was looked at:
// what its members subscribe to is told only in between two rebalances.
var ErrRebalancing = errors.New("the group is rebalancing")

// unsettled is the fix for a group that rebalances.
const unsettled = "try again when its members stay"

// patience is how long a look at a group that rebalances may take, and how often
// it is looked at. Brokers let the first rebalance of a group last 3 s
// (group.initial.rebalance.delay.ms), and as long again when members come in.
type patience struct{ within, every time.Duration }

func usual() patience { return patience{within: 10 * time.Second, every: 100 * time.Millisecond} }

// GroupTopics are the topics that a group reads: those it has committed
// offsets for and those its members subscribe to, sorted. It waits up to ten
// seconds for a group that rebalances; with [ErrRebalancing] the topics are those
// of the offsets alone.
func GroupTopics(ctx context.Context, c Cluster, group string) ([]string, error) {
	return groupTopics(ctx, c, group, usual())
}

func groupTopics(ctx context.Context, c Cluster, group string, p patience) ([]string, error) {
	topics := make(map[string]bool)
	offsets, err := c.Offsets(ctx, group, false, nil)
	if err != nil {
		return nil, fmt.Errorf("read the offsets of group %q on %s: %w", group, c.Name(), err)
	}
	for topic, parts := range offsets {
		for _, o := range parts {
			if o.At >= 0 {
				topics[topic] = true
			}
		}
	}
	g, err := p.atRest(ctx, c, group)
	if err != nil && !errors.Is(err, ErrRebalancing) {
		return nil, fmt.Errorf("describe group %q on %s: %w", group, c.Name(), err)
	}
	for _, t := range subscribed(g) {
		topics[t] = true
	}
	return slices.Sorted(maps.Keys(topics)), err
}

// atRest describes a group once it does not rebalance: brokers tell what members
// subscribe to only then.
func (p patience) atRest(ctx context.Context, c Cluster, group string) (cluster.Group, error) {
	for begun := time.Now(); ; {
		g, err := c.DescribeGroup(ctx, group)
		if err != nil || g.State != "PreparingRebalance" && g.State != "CompletingRebalance" {
			return g, err
		}
		if time.Since(begun) > p.within {
			return cluster.Group{}, fmt.Errorf("%w: it is %s, with %d members, after %v", ErrRebalancing, g.State, len(g.Members), p.within)
		}
		select {
		case <-time.After(p.every):
		case <-ctx.Done():
			return cluster.Group{}, ctx.Err()
		}
	}
}

// subscribed are the topics that the members of a consumer group subscribe to.
func subscribed(g cluster.Group) (topics []string) {
	if g.ProtocolType != "consumer" {
		return nil
	}
	for _, m := range g.Members {
		var meta kmsg.ConsumerMemberMetadata
		if meta.ReadFrom(m.Metadata) == nil {
			topics = append(topics, meta.Topics...)
		}
	}
	return topics
}

// unread says why nothing is known of what a group reads, and what to do.
func unread(ctx context.Context, c Cluster, group string) (reason, fix string, err error) {
	listed, err := c.Groups(ctx)
	if err != nil {
		return "", "", fmt.Errorf("list the groups of %s: %w", c.Name(), err)
	}
	i := slices.IndexFunc(listed, func(l cluster.GroupListing) bool { return l.Group == group })
	if i < 0 {
		names := make([]string, len(listed))
		for n, l := range listed {
			names[n] = l.Group
		}
		return fmt.Sprintf("group %q has neither members nor committed offsets on %s", group, c.Name()), meant(group, names), nil
	}
	switch l := listed[i]; {
	case l.Type == "consumer":
		return fmt.Sprintf("group %q uses the consumer protocol of KIP-848 on %s and has committed nothing", group, c.Name()), "let its members use group.protocol=classic", nil
	case l.ProtocolType != "consumer" && l.ProtocolType != "":
		return fmt.Sprintf("group %q is of protocol type %q on %s, not a group of consumers", group, l.ProtocolType, c.Name()), "leave it out", nil
	}
	return fmt.Sprintf("group %q is there on %s, but has no members that say what they read, and no committed offsets", group, c.Name()), "start its members, or leave it out", nil
}
