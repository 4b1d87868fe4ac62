package driver

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/events"
)

// onTopic allows a user an operation on topics of a name.
func onTopic(name string, pattern kmsg.ACLResourcePatternType, user string, op kmsg.ACLOperation) cluster.ACL {
	return cluster.ACL{
		ResourceType: kmsg.ACLResourceTypeTopic, Name: name, Pattern: pattern, Principal: "User:" + user, Host: "*",
		Operation: op, Permission: kmsg.ACLPermissionTypeAllow,
	}
}

// TestImagesOfACLs: rights are those of the one topic; who may write waits until
// the writers move, who must not may not from the begin.
func TestImagesOfACLs(t *testing.T) {
	const literal, prefixed = kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLResourcePatternTypePrefixed
	deny := onTopic("orders", literal, "eve", kmsg.ACLOperationAll)
	deny.Permission = kmsg.ACLPermissionTypeDeny
	source := []cluster.ACL{
		onTopic("orders", literal, "ann", kmsg.ACLOperationRead), onTopic("ord", prefixed, "ann", kmsg.ACLOperationRead),
		onTopic("*", literal, "ops", kmsg.ACLOperationDescribe), onTopic("orders", literal, "bob", kmsg.ACLOperationWrite),
		onTopic("ord", prefixed, "root", kmsg.ACLOperationAll), deny,
	}
	named := func(a cluster.ACL) cluster.ACL {
		a.Name, a.Pattern = "orders-eu", literal
		return a
	}
	first := []cluster.ACL{named(source[0]), named(source[2]), named(deny)}
	require.Equal(t, first, imagesOf(source, "orders-eu", false))
	all := []cluster.ACL{named(source[0]), named(source[2]), named(source[3]), named(source[4]), named(deny)}
	require.Equal(t, all, imagesOf(source, "orders-eu", true))
	require.Equal(t, []cluster.ACL{all[2], all[3]}, missing(all, first))
	require.Empty(t, missing(first, all))
}

// loggedIn is a client of a cluster that wants to know who comes.
func loggedIn(t *testing.T, k *kfake.Cluster, user string) *cluster.Client {
	t.Helper()
	c, err := cluster.Open(t.Context(), user, cluster.Config{
		Bootstrap: k.ListenAddrs(), SASL: &auth.SASL{Mechanism: auth.Plain, Username: user, Password: auth.Secret(user)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// withACLs are brokers that let nobody do what no ACL allows.
func withACLs(t *testing.T) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser(auth.Plain, "admin", "admin"), kfake.User(auth.Plain, "poor", "poor"))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

// TestWritersGetTheirRights: readers may read the target from the begin, writers
// may write there when they are to move; what cannot be granted is said.
func TestWritersGetTheirRights(t *testing.T) {
	r := arming(t)
	from, to := withACLs(t), withACLs(t)
	r.clients["source"], r.clients["target"] = loggedIn(t, from, "admin"), loggedIn(t, to, "admin")
	const literal = kmsg.ACLResourcePatternTypeLiteral
	rights := []cluster.ACL{onTopic("orders", literal, "ann", kmsg.ACLOperationRead), onTopic("orders", literal, "bob", kmsg.ACLOperationWrite)}
	require.NoError(t, r.source().CreateACLs(t.Context(), rights))
	w := &work{d: r.d, it: item{"m", orders}}
	copied, err := w.copyACLs(t.Context(), r.topic("orders"), false)
	require.NoError(t, err)
	require.Equal(t, events.CopiedACLs{Count: 1}, copied)
	have := func() []cluster.ACL {
		list, err := r.target().DescribeTopicACLs(t.Context(), "orders")
		require.NoError(t, err)
		return list
	}
	require.Equal(t, rights[:1], have())

	r.say(events.Worker, orders, 1, events.CopyShared{Partition: 0})
	e := r.does(orders, "WritersRolling")
	require.JSONEq(t, marshal(t, events.WritersRolling{ACLs: events.CopiedACLs{Count: 2}}), string(e.Body))
	require.Equal(t, rights, have())

	r.clients["source"] = loggedIn(t, from, "poor")
	copied, err = w.copyACLs(t.Context(), r.topic("orders"), true)
	require.NoError(t, err)
	require.Contains(t, copied.Note, "not copied, grant them by hand")
}

// TestBring: what is missing is created, once.
func TestBring(t *testing.T) {
	c := loggedIn(t, withACLs(t), "admin")
	const literal = kmsg.ACLResourcePatternTypeLiteral
	wanted := []cluster.ACL{onTopic("orders", literal, "ann", kmsg.ACLOperationRead), onTopic("orders", literal, "bob", kmsg.ACLOperationWrite)}
	require.NoError(t, c.CreateACLs(t.Context(), wanted[:1]))
	for range 2 {
		n, err := bring(t.Context(), c, "orders", wanted)
		require.NoError(t, err)
		require.Equal(t, 2, n)
	}
	have, err := c.DescribeTopicACLs(t.Context(), "orders")
	require.NoError(t, err)
	require.Len(t, have, 2)
}

// TestNoACLs: where clusters keep none there is nothing to copy, and nothing in
// the way.
func TestNoACLs(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.does(orders, "CopyStarted")
	r.does(orders, "TargetCreated")
	require.Equal(t, events.CopiedACLs{}, r.topic("orders").Target.ACLs)
}
