package group

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupKind says which protocol a group lives by.
type GroupKind string

// What a group can be.
const (
	GroupAbsent  GroupKind = "absent"  // the coordinator does not know it (or it is a share or streams group)
	GroupEmpty   GroupKind = "empty"   // classic, without members
	GroupClassic GroupKind = "classic" // classic, with members
	GroupKIP848  GroupKind = "KIP-848" // of consumers of the newer protocol, with or without members
)

// Snapshot is a group as its coordinator sees it at one moment. It takes two requests; a group that changes its kind in between
// can look absent, so conclude emptiness only from a commit or a guard's join.
type Snapshot struct {
	Group        string
	Kind         GroupKind
	State        string // as the broker names it: Stable, PreparingRebalance, CompletingRebalance, Empty, Dead, Assigning …
	ProtocolType string
	Protocol     string
	Members      []SnapshotMember
}

// SnapshotMember is one member. Brokers give out subscriptions and assignments only while the group is stable: Known says
// whether those fields, and Foreign, mean anything.
type SnapshotMember struct {
	Peer
	Known          bool
	ClientID, Host string
	Assigned       Assignment
}

// String names the member for people.
func (m SnapshotMember) String() string {
	what := "of unknown kind"
	switch {
	case m.Known && m.Foreign:
		what = "foreign"
	case m.Known:
		what = string(m.Kind)
	}
	return fmt.Sprintf("member %q (%s, client id %q at %s)", m.ID, what, m.ClientID, m.Host)
}

// Inspect asks the coordinator what a group is. DescribeGroups alone would show a KIP-848 group as Dead, without members.
func Inspect(ctx context.Context, c *cluster.Client, group string) (Snapshot, error) {
	state, newer, err := listed(ctx, c, group)
	if err != nil {
		return Snapshot{}, fmt.Errorf("inspect group %q: %w", group, err)
	}
	if newer {
		return inspectKIP848(ctx, c, group, state)
	}
	g, err := c.DescribeGroup(ctx, group)
	if err != nil {
		return Snapshot{}, fmt.Errorf("inspect group %q: %w", group, err)
	}
	s := Snapshot{Group: group, Kind: GroupClassic, State: g.State, ProtocolType: g.ProtocolType, Protocol: g.Protocol}
	switch {
	case g.State == "Dead":
		s.Kind = GroupAbsent
	case len(g.Members) == 0:
		s.Kind = GroupEmpty
	}
	for _, m := range g.Members {
		s.Members = append(s.Members, classicMember(m))
	}
	return s, nil
}

func classicMember(m cluster.GroupMember) SnapshotMember {
	out := SnapshotMember{Peer: decodeSubscription(m.ID, m.InstanceID, m.Metadata), ClientID: m.ClientID, Host: m.Host}
	out.Known = len(m.Metadata) > 0
	if a, err := decodeAssignment(m.Assignment); err == nil {
		out.Assigned = a
	}
	return out
}

// listed looks for the group among the KIP-848 groups of its coordinator. Brokers without ListGroups 5 have none.
func listed(ctx context.Context, c *cluster.Client, group string) (state string, found bool, err error) {
	resp, err := listKIP848(ctx, c, group)
	if err != nil {
		return "", false, err
	}
	for _, g := range resp.Groups {
		if g.Group == group && g.GroupType == "consumer" {
			return g.GroupState, true, nil
		}
	}
	return "", false, nil
}

// listKIP848 repeats the question while the broker loads any of its groups (14): then it answers for none.
func listKIP848(ctx context.Context, c *cluster.Client, group string) (*kmsg.ListGroupsResponse, error) {
	for attempt := 1; ; attempt++ {
		req := kmsg.NewPtrListGroupsRequest()
		req.TypesFilter = []string{"consumer"}
		resp, err := cluster.Do[*kmsg.ListGroupsResponse](ctx, c, req, cluster.OnGroup(group), cluster.AtVersion(5))
		switch {
		case errors.Is(err, cluster.ErrUnsupported):
			return &kmsg.ListGroupsResponse{}, nil
		case err != nil || resp.ErrorCode == codeOK:
			return resp, err
		case !passing(resp.ErrorCode) || attempt == listTries:
			return nil, &CodeError{Op: "list groups", Group: group, Code: resp.ErrorCode}
		}
		select {
		case <-time.After(listPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// A broker that has just become a coordinator loads its groups within seconds.
const (
	listTries = 50
	listPause = 100 * time.Millisecond
)

// inspectKIP848 adds who is inside, for people: that there is such a group at all is what matters.
func inspectKIP848(ctx context.Context, c *cluster.Client, group, state string) (Snapshot, error) {
	s := Snapshot{Group: group, Kind: GroupKIP848, State: state, ProtocolType: TypeConsumer}
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{group}
	resp, err := cluster.Do[*kmsg.ConsumerGroupDescribeResponse](ctx, c, req, cluster.OnGroup(group))
	if err != nil {
		return s, fmt.Errorf("describe KIP-848 group %q: %w", group, err)
	}
	for _, g := range resp.Groups {
		if g.ErrorCode != codeOK && g.ErrorCode != codeGroupIDNotFound { // which has just emptied, or become classic
			return s, &CodeError{Op: "describe KIP-848 group", Group: group, Code: g.ErrorCode}
		}
		for _, m := range g.Members {
			p := Peer{ID: m.MemberID, Topics: m.SubscribedTopics, Foreign: true, OwnedGeneration: none}
			if m.InstanceID != nil {
				p.InstanceID = *m.InstanceID
			}
			s.Members = append(s.Members, SnapshotMember{Peer: p, Known: true, ClientID: m.ClientID, Host: m.ClientHost})
		}
	}
	return s, nil
}

// Guard returns portage's guard, if it is in the group.
func (s Snapshot) Guard() (SnapshotMember, bool) {
	for _, m := range s.Members {
		if m.InstanceID == GuardInstance {
			return m, true
		}
	}
	return SnapshotMember{}, false
}
