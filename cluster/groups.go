package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupListing is a group as its coordinator lists it.
type GroupListing struct {
	Group        string
	ProtocolType string // "consumer", "connect" …; empty for groups that only commit
	State        string // "Stable", "Empty" …; empty before Kafka 2.6
	Type         string // "classic", "consumer" (KIP-848), "share"; empty before Kafka 3.8
}

// Groups lists the groups of every broker, sorted by name. The principal sees only groups that it may describe.
func (c *Client) Groups(ctx context.Context) ([]GroupListing, error) {
	brokers, _, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	var groups []GroupListing
	var errs []error
	for _, b := range brokers {
		found, err := c.groupsOf(ctx, b.ID)
		groups = append(groups, found...)
		errs = append(errs, err)
	}
	slices.SortFunc(groups, func(a, b GroupListing) int { return cmp.Compare(a.Group, b.Group) })
	return groups, errors.Join(errs...)
}

func (c *Client) groupsOf(ctx context.Context, broker int32) ([]GroupListing, error) {
	resp, err := Do[*kmsg.ListGroupsResponse](ctx, c, kmsg.NewPtrListGroupsRequest(), OnBroker(broker))
	if err != nil {
		return nil, err
	}
	if resp.ErrorCode != 0 {
		return nil, c.refused(resp.ErrorCode, failure{api: "ListGroups", broker: broker})
	}
	groups := make([]GroupListing, len(resp.Groups))
	for i, g := range resp.Groups {
		groups[i] = GroupListing{Group: g.Group, ProtocolType: g.ProtocolType, State: g.GroupState, Type: g.GroupType}
	}
	return groups, nil
}

// Group is a classic group as its coordinator describes it. A group that does not exist and a KIP-848 group both have
// state "Dead" and no members: Groups tells them apart.
type Group struct {
	State        string
	ProtocolType string
	Protocol     string // the assignor that the members agreed on
	Members      []GroupMember
}

// GroupMember is a member of a Group.
type GroupMember struct {
	ID         string
	InstanceID string // of static members, else empty
	ClientID   string
	Host       string
	Metadata   []byte // as sent with JoinGroup for the protocol in use
	Assignment []byte
}

// DescribeGroup describes a classic group.
func (c *Client) DescribeGroup(ctx context.Context, group string) (Group, error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	// Version 6 answers 69 where 5 says Dead.
	resp, err := Do[*kmsg.DescribeGroupsResponse](ctx, c, req, OnGroup(group), AtMost(5))
	if err != nil || len(resp.Groups) != 1 {
		return Group{}, orMissing(err, "DescribeGroups")
	}
	g := resp.Groups[0]
	if g.ErrorCode != 0 {
		return Group{}, c.refused(g.ErrorCode, failure{api: "DescribeGroups", broker: -1, kind: groupResource, name: group, message: deref(g.ErrorMessage)})
	}
	out := Group{State: g.State, ProtocolType: g.ProtocolType, Protocol: g.Protocol, Members: make([]GroupMember, len(g.Members))}
	for i, m := range g.Members {
		out.Members[i] = GroupMember{
			ID: m.MemberID, InstanceID: deref(m.InstanceID), ClientID: m.ClientID, Host: m.ClientHost,
			Metadata: m.ProtocolMetadata, Assignment: m.MemberAssignment,
		}
	}
	return out, nil
}

// Offset is a committed offset.
type Offset struct {
	At          int64 // the next record to read; −1: none is committed
	LeaderEpoch int32 // −1: not given
	Metadata    string
}

// Offsets returns the committed offsets of a group for the given topics, or with nil for all that it has. With stable it
// waits (Config.Settle) for open transactional commits and fails if they stay open (88, Kafka 2.5).
func (c *Client) Offsets(ctx context.Context, group string, stable bool, topics map[string][]int32) (map[string]map[int32]Offset, error) {
	var out map[string]map[int32]Offset
	err := c.settle(ctx, func() (err error) {
		out, err = c.offsets(ctx, group, stable, topics)
		return err
	})
	return out, err
}

func (c *Client) offsets(ctx context.Context, group string, stable bool, topics map[string][]int32) (map[string]map[int32]Offset, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = group, stable
	if topics != nil {
		req.Topics = []kmsg.OffsetFetchRequestTopic{}
	}
	for topic, partitions := range topics {
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = topic, partitions
		req.Topics = append(req.Topics, t)
	}
	// 2: all topics and an error code of its own; 7: stable; 8 is for many groups at a time.
	want := wire.Range{Min: 2, Max: 7}
	if stable {
		want.Min = 7
	}
	resp, err := Do[*kmsg.OffsetFetchResponse](ctx, c, req, OnGroup(group), func(o *callOptions) { o.want = want })
	if err != nil {
		return nil, err
	}
	switch resp.ErrorCode {
	case 0:
		return c.readOffsets(resp)
	case codeNoGroup: // brokers differ in whether a group that does not exist is an error; nothing is committed in it
		return noOffsets(topics), nil
	}
	return nil, c.refused(resp.ErrorCode, failure{api: "OffsetFetch", broker: -1, kind: groupResource, name: group})
}

const codeNoGroup = 69

func noOffsets(topics map[string][]int32) map[string]map[int32]Offset {
	out := make(map[string]map[int32]Offset, len(topics))
	for topic, partitions := range topics {
		out[topic] = make(map[int32]Offset, len(partitions))
		for _, p := range partitions {
			out[topic][p] = Offset{At: -1, LeaderEpoch: -1}
		}
	}
	return out
}

func (c *Client) readOffsets(resp *kmsg.OffsetFetchResponse) (map[string]map[int32]Offset, error) {
	out := make(map[string]map[int32]Offset, len(resp.Topics))
	var errs []error
	for _, t := range resp.Topics {
		out[t.Topic] = make(map[int32]Offset, len(t.Partitions))
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				errs = append(errs, c.refused(p.ErrorCode, failure{api: "OffsetFetch", broker: -1, kind: topicResource, name: t.Topic, partition: p.Partition, hasPart: true}))
				continue
			}
			out[t.Topic][p.Partition] = Offset{At: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: deref(p.Metadata)}
		}
	}
	return out, errors.Join(errs...)
}
