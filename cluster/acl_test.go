package cluster_test

import (
	"slices"
	"testing"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// onTopic is an ACL that allows a user of any host an operation on a topic.
func onTopic(name, user string, op kmsg.ACLOperation) cluster.ACL {
	return cluster.ACL{
		ResourceType: kmsg.ACLResourceTypeTopic, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral,
		Principal: "User:" + user, Host: "*", Operation: op, Permission: kmsg.ACLPermissionTypeAllow,
	}
}

func prefixed(a cluster.ACL) cluster.ACL {
	a.Pattern = kmsg.ACLResourcePatternTypePrefixed
	return a
}

// guarded returns a client with all rights on brokers that keep ACLs.
func guarded(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *cluster.Client) {
	k := brokers(t, append(opts, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser(auth.Plain, "admin", "admin"), kfake.User(auth.Plain, "poor", "poor"))...)
	return k, as(t, k, "admin")
}

func as(t *testing.T, k *kfake.Cluster, user string) *cluster.Client {
	cfg := config(k)
	cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Username: user, Password: auth.Secret(user)}
	return open(t, cfg)
}

// TestACLsAreCreatedOnceAndReadBack: what is created is read back unchanged and sorted; creating it again changes nothing.
func TestACLsAreCreatedOnceAndReadBack(t *testing.T) {
	_, c := guarded(t)
	ctx := within(t)
	deny := onTopic("t", "carol", kmsg.ACLOperationAll)
	deny.Permission, deny.Host = kmsg.ACLPermissionTypeDeny, "10.0.0.7"
	want := []cluster.ACL{onTopic("t", "alice", kmsg.ACLOperationRead), onTopic("t", "alice", kmsg.ACLOperationWrite), deny}
	require.NoError(t, c.CreateACLs(ctx, nil), "none is fine")
	require.NoError(t, c.CreateACLs(ctx, append([]cluster.ACL{onTopic("another", "alice", kmsg.ACLOperationRead)}, want[2], want[1], want[0])))
	for range 2 {
		got, err := c.DescribeTopicACLs(ctx, "t")
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, c.CreateACLs(ctx, want))
	}
	got, err := c.DescribeTopicACLs(ctx, "unmentioned")
	require.NoError(t, err)
	require.Empty(t, got)
	require.Equal(t, "DENY User:carol ALL on TOPIC t (LITERAL) from 10.0.0.7", deny.String())
}

// TestACLsOfPatterns: the broker is asked for all that applies to the topic, and patterns come back as such. (The
// embedded broker does not match patterns itself.)
func TestACLsOfPatterns(t *testing.T) {
	k, c := guarded(t)
	k.ControlKey(int16(kmsg.DescribeACLs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req := r.(*kmsg.DescribeACLsRequest)
		if req.ResourcePatternType != kmsg.ACLResourcePatternTypeMatch || req.Principal != nil || req.Host != nil || *req.ResourceName != "orders" {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.DescribeACLsResponse)
		for name, pattern := range map[string]kmsg.ACLResourcePatternType{"ord": kmsg.ACLResourcePatternTypePrefixed, "*": kmsg.ACLResourcePatternTypeLiteral} {
			resp.Resources = append(resp.Resources, kmsg.DescribeACLsResponseResource{
				ResourceType: req.ResourceType, ResourceName: name, ResourcePatternType: pattern,
				ACLs: []kmsg.DescribeACLsResponseResourceACL{{Principal: "User:alice", Host: "*", Operation: kmsg.ACLOperationRead, PermissionType: kmsg.ACLPermissionTypeAllow}},
			})
		}
		return resp, nil, true
	})
	got, err := c.DescribeTopicACLs(within(t), "orders")
	require.NoError(t, err)
	require.Equal(t, []cluster.ACL{onTopic("*", "alice", kmsg.ACLOperationRead), prefixed(onTopic("ord", "alice", kmsg.ACLOperationRead))}, got)
}

// TestRefusedACLsAreNamed: one error for each reason, with the first ACL that it hit; the others are created.
func TestRefusedACLsAreNamed(t *testing.T) {
	k, c := guarded(t)
	ctx := within(t)
	wrong := onTopic("t", "alice", kmsg.ACLOperationAny)
	good := onTopic("t", "bob", kmsg.ACLOperationRead)
	err := c.CreateACLs(ctx, []cluster.ACL{wrong, good, wrong, wrong})
	code, _ := cluster.Code(err)
	require.EqualValues(t, 42, code)
	require.ErrorContains(t, err, `ACL (the first of 3) "ALLOW User:alice ANY on TOPIC t (LITERAL) from *"`)
	require.ErrorContains(t, err, "invalid operation")
	got, err := c.DescribeTopicACLs(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, []cluster.ACL{good}, got)

	poor := as(t, k, "poor")
	_, err = poor.DescribeTopicACLs(ctx, "t")
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.ErrorContains(t, err, "needs DESCRIBE on the cluster")
	err = poor.CreateACLs(ctx, []cluster.ACL{good})
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.ErrorContains(t, err, "needs ALTER on the cluster")
	require.ErrorContains(t, err, `ACL "ALLOW User:bob READ on TOPIC t`)
}

// TestNoAuthorizer: brokers that keep no ACLs are told apart from those that refuse.
func TestNoAuthorizer(t *testing.T) {
	k, c := embedded(t)
	for _, key := range []kmsg.Key{kmsg.DescribeACLs, kmsg.CreateACLs} {
		k.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
			if req, ok := r.(*kmsg.CreateACLsRequest); ok {
				return &kmsg.CreateACLsResponse{Version: req.Version, Results: slices.Repeat([]kmsg.CreateACLsResponseResult{{ErrorCode: 54}}, len(req.Creations))}, nil, true
			}
			return &kmsg.DescribeACLsResponse{Version: r.GetVersion(), ErrorCode: 54}, nil, true
		})
	}
	_, err := c.DescribeTopicACLs(within(t), "t")
	requireNoAuthorizer(t, err)
	requireNoAuthorizer(t, c.CreateACLs(within(t), []cluster.ACL{onTopic("t", "alice", kmsg.ACLOperationRead)}))
}

func requireNoAuthorizer(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, cluster.ErrNoAuthorizer)
	require.NotErrorIs(t, err, cluster.ErrUnauthorized)
	require.False(t, cluster.Retriable(err))
	require.ErrorContains(t, err, "authorizer.class.name")
}

// TestACLsNeedPatterns: a release before Kafka 2.0 would create a prefixed ACL as a literal one, so it is not asked.
func TestACLsNeedPatterns(t *testing.T) {
	k, c := guarded(t, kfake.MaxVersions(kversion.V1_1_0()))
	asked := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeACLs, kmsg.CreateACLs}, Observe: true, Count: -1})
	_, err := c.DescribeTopicACLs(within(t), "t")
	require.ErrorIs(t, err, cluster.ErrUnsupported)
	require.ErrorIs(t, c.CreateACLs(within(t), []cluster.ACL{prefixed(onTopic("t", "alice", kmsg.ACLOperationRead))}), cluster.ErrUnsupported)
	require.Zero(t, asked.Hits())
}

// TestShortACLAnswer: a response that leaves an ACL out is an error, not a success.
func TestShortACLAnswer(t *testing.T) {
	k, c := embedded(t)
	k.ControlKey(int16(kmsg.CreateACLs), func(r kmsg.Request) (kmsg.Response, error, bool) {
		return r.ResponseKind(), nil, true
	})
	require.ErrorContains(t, c.CreateACLs(within(t), []cluster.ACL{onTopic("t", "alice", kmsg.ACLOperationRead)}), "does not answer")
}
