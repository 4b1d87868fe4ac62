package cluster_test

import (
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestRealACLs: every release, with its own authorizer and without, gives back the ACLs of a topic with those of patterns.
func TestRealACLs(t *testing.T) {
	for _, version := range realkafka.Pinned() {
		t.Run(version, func(t *testing.T) {
			all := realkafka.AllForTest(t, realkafka.Options{Name: "guarded", Version: version, ACLs: true}, realkafka.Options{Name: "open", Version: version})
			internal := func(k *realkafka.Cluster) *cluster.Client {
				return open(t, cluster.Config{Bootstrap: k.Bootstrap(realkafka.Internal)})
			}
			t.Run("guarded", func(t *testing.T) { realACLs(t, internal(all[0])) })
			t.Run("open", func(t *testing.T) {
				c := internal(all[1])
				_, err := c.DescribeTopicACLs(within(t), "t")
				requireNoAuthorizer(t, err)
				requireNoAuthorizer(t, c.CreateACLs(within(t), []cluster.ACL{onTopic("t", "alice", kmsg.ACLOperationRead)}))
			})
		})
	}
}

func realACLs(t *testing.T, c *cluster.Client) {
	deny := onTopic("orders", "bob", kmsg.ACLOperationWrite)
	deny.Permission, deny.Host = kmsg.ACLPermissionTypeDeny, "10.0.0.7"
	want := []cluster.ACL{
		onTopic("*", "auditor", kmsg.ACLOperationDescribe), onTopic("orders", "alice", kmsg.ACLOperationRead), deny,
		prefixed(onTopic("ord", "alice", kmsg.ACLOperationAll)), prefixed(onTopic("orders", "alice", kmsg.ACLOperationDescribe)),
	}
	group := onTopic("orders", "alice", kmsg.ACLOperationRead)
	group.ResourceType = kmsg.ACLResourceTypeGroup
	others := []cluster.ACL{group, onTopic("order", "alice", kmsg.ACLOperationRead), prefixed(onTopic("orders-", "alice", kmsg.ACLOperationRead))}
	for range 2 { // the second time they exist
		require.NoError(t, c.CreateACLs(within(t), append(others, want...)))
		require.EventuallyWithT(t, func(ct *assert.CollectT) {
			got, err := c.DescribeTopicACLs(within(t), "orders")
			require.NoError(ct, err)
			require.Equal(ct, want, got)
		}, 20*time.Second, 50*time.Millisecond)
	}
	none, err := c.DescribeTopicACLs(within(t), "unmentioned")
	require.NoError(t, err)
	require.Equal(t, want[:1], none, "but for those of every topic")
	wrong := onTopic("t", "alice", kmsg.ACLOperationAny)
	err = c.CreateACLs(within(t), []cluster.ACL{wrong, onTopic("t", "alice", kmsg.ACLOperationRead)})
	require.ErrorContains(t, err, wrong.String())
}
