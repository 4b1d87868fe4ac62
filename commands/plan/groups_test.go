package plan

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
)

// groupsOf is a cluster of which only groups are asked. A group goes through its
// states, one a look, and stays in the last.
type groupsOf struct {
	Cluster
	listed  []cluster.GroupListing
	states  map[string][]cluster.Group
	commits map[string]string // group to topic
	fails   error
	looks   int
}

func (c *groupsOf) Name() string { return "old" }

func (c *groupsOf) Topics(context.Context, ...string) (map[string]cluster.Topic, error) {
	return map[string]cluster.Topic{"orders": {Name: "orders"}}, nil
}

func (c *groupsOf) Groups(context.Context) ([]cluster.GroupListing, error) { return c.listed, c.fails }

func (c *groupsOf) Offsets(_ context.Context, group string, _ bool, _ map[string][]int32) (map[string]map[int32]cluster.Offset, error) {
	if topic := c.commits[group]; topic != "" {
		return map[string]map[int32]cluster.Offset{topic: {0: {At: 5}}, "never": {0: {At: -1}}}, nil
	}
	return nil, nil
}

func (c *groupsOf) DescribeGroup(_ context.Context, group string) (cluster.Group, error) {
	c.looks++
	states := c.states[group]
	if len(states) == 0 {
		return cluster.Group{State: "Dead"}, nil
	}
	if len(states) > 1 {
		c.states[group] = states[1:]
	}
	return states[0], nil
}

// member is a group with one member that subscribes to topics.
func member(state string, topics ...string) cluster.Group {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Topics = topics
	m := cluster.GroupMember{ID: "m"}
	if state == "Stable" { // else brokers leave it out
		m.Metadata = meta.AppendTo(nil)
	}
	return cluster.Group{State: state, ProtocolType: "consumer", Members: []cluster.GroupMember{m}}
}

// TestFirstRebalanceIsWaitedFor: a group that has committed nothing yet and whose
// members are still coming in is seen once it rests.
func TestFirstRebalanceIsWaitedFor(t *testing.T) {
	c := &groupsOf{states: map[string][]cluster.Group{"fresh": {member("PreparingRebalance"), member("CompletingRebalance"), member("Stable", "orders", "clicks")}}}
	topics, err := groupTopics(t.Context(), c, "fresh", patience{time.Minute, time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, []string{"clicks", "orders"}, topics)
	require.Equal(t, 3, c.looks)
}

// TestRestlessGroup: one that never rests is named as such; what it has committed
// is known all the same.
func TestRestlessGroup(t *testing.T) {
	c := &groupsOf{
		listed:  []cluster.GroupListing{{Group: "known", ProtocolType: "consumer"}, {Group: "restless", ProtocolType: "consumer"}},
		states:  map[string][]cluster.Group{"restless": {member("PreparingRebalance")}, "known": {member("PreparingRebalance")}},
		commits: map[string]string{"known": "orders"},
	}
	brief := patience{5 * time.Millisecond, time.Millisecond}
	topics, err := groupTopics(t.Context(), c, "known", brief)
	require.ErrorIs(t, err, ErrRebalancing)
	require.ErrorContains(t, err, "PreparingRebalance, with 1 members")
	require.Equal(t, []string{"orders"}, topics)

	found, problems, err := readers(t.Context(), c, []string{"orders"}, brief)
	require.NoError(t, err)
	require.Equal(t, []string{"known"}, found, "a commit is enough to draft it")
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].String(), `what group "restless" on old reads is not known: the group is rebalancing`)
	require.Contains(t, problems[0].Fix, "try again")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = groupTopics(ctx, c, "restless", patience{time.Minute, time.Minute})
	require.ErrorIs(t, err, context.Canceled, "nobody waits longer than he is asked to")
}

// TestUnread: each kind of group of which nothing is known is told by name.
func TestUnread(t *testing.T) {
	c := &groupsOf{listed: []cluster.GroupListing{
		{Group: "billing", ProtocolType: "consumer"}, {Group: "sink", ProtocolType: "connect"}, {Group: "modern", ProtocolType: "consumer", Type: "consumer"}, {Group: "idle"},
	}}
	for group, want := range map[string]string{
		"biling":  `group "biling" has neither members nor committed offsets on old: did you mean "billing"?`,
		"sink":    `group "sink" is of protocol type "connect" on old, not a group of consumers: leave it out`,
		"modern":  `group "modern" uses the consumer protocol of KIP-848 on old and has committed nothing: let its members use group.protocol=classic`,
		"idle":    `group "idle" is there on old, but has no members that say what they read, and no committed offsets: start its members, or leave it out`,
		"billing": `group "billing" is there on old, but has no members that say what they read, and no committed offsets: start its members, or leave it out`,
	} {
		reason, fix, err := unread(t.Context(), c, group)
		require.NoError(t, err)
		require.Equal(t, want, Problem{Reason: reason, Fix: fix}.String())
	}
	c.fails = errors.New("away")
	_, _, err := unread(t.Context(), c, "x")
	require.ErrorIs(t, err, c.fails)
	require.ErrorContains(t, err, "list the groups of old")
}

// TestDraftOfNamedGroups: a name that nobody has is a problem of the draft, too.
func TestDraftOfNamedGroups(t *testing.T) {
	c := &groupsOf{listed: []cluster.GroupListing{{Group: "billing", ProtocolType: "consumer"}}, commits: map[string]string{"billing": "orders"}}
	s := Selection{Migration: "m", Source: "old", Targets: []string{"new"}, Groups: []string{"billing"}}
	p, err := Draft(t.Context(), c, s)
	require.NoError(t, err)
	require.Equal(t, []string{"billing"}, p.Groups)
	s.Groups = []string{"billing", "bil"}
	_, err = Draft(t.Context(), c, s)
	require.EqualError(t, err, `groups[1]: group "bil" has neither members nor committed offsets on old: did you mean "billing"?`)
}
