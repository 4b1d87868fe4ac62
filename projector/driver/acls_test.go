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

// TestBring: what is missing is created, once.
func TestBring(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser(auth.Plain, "admin", "admin"))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	c, err := cluster.Open(t.Context(), "target", cluster.Config{
		Bootstrap: k.ListenAddrs(), SASL: &auth.SASL{Mechanism: auth.Plain, Username: "admin", Password: "admin"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
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
