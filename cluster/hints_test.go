package cluster_test

import (
	"testing"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestMissingACLsAreNamed: a principal that may only look at topic t and group g gets an error per call that names the
// operation and the resource.
func TestMissingACLsAreNamed(t *testing.T) {
	look := func(kind kmsg.ACLResourceType, name string) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationDescribe, Allow: true}
	}
	k := brokers(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "t", "hidden"),
		kfake.Superuser(auth.Plain, "admin", "admin"),
		kfake.User(auth.Plain, "poor", "poor", look(kmsg.ACLResourceTypeTopic, "t"), look(kmsg.ACLResourceTypeGroup, "g")))
	cfg := config(k)
	cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "admin", Password: "admin"}
	admin := open(t, cfg)
	appendValues(t, admin, "t", 0, "a")
	commit(t, admin, "g", "", -1, "t", map[int32]int64{0: 1})
	cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "poor", Password: "poor"}
	c := open(t, cfg)
	ctx := within(t)

	for want, call := range map[string]func() error{
		`needs WRITE on topic "t"`:            func() error { _, err := c.Append(ctx, "t", 0, built(t, batch.Spec{}, "x")); return err },
		`needs READ on topic "t"`:             func() error { _, err := c.Read(ctx, "t", 0, 0, cluster.ReadOptions{}); return err },
		`needs DELETE on topic "t"`:           func() error { return c.DeleteTopic(ctx, "t") },
		`needs DESCRIBE_CONFIGS on topic "t"`: func() error { _, err := c.TopicConfigs(ctx, "t"); return err },
		`needs ALTER_CONFIGS on topic "t"`:    func() error { return c.AlterTopicConfigs(ctx, "t", map[string]string{"retention.ms": "1"}, nil) },
		`needs CREATE on topic "new"`:         func() error { return c.CreateTopic(ctx, cluster.TopicSpec{Name: "new", Partitions: 1}) },
		`needs DESCRIBE on topic "hidden"`:    func() error { _, err := c.Topics(ctx, "hidden"); return err },
		`needs DESCRIBE on group "other"`:     func() error { _, err := c.Offsets(ctx, "other", true, nil); return err },
		`needs IDEMPOTENT_WRITE`:              func() error { _, _, err := c.InitProducerID(ctx); return err },
	} {
		err := call()
		require.ErrorIs(t, err, cluster.ErrUnauthorized, want)
		require.ErrorContains(t, err, want)
		require.False(t, cluster.Retriable(err), want)
	}
	topics, err := c.Topics(ctx)
	require.NoError(t, err)
	require.Contains(t, topics, "t")
	require.NotContains(t, topics, "hidden", "what may not be seen is absent from the list")
	ends, err := c.ListOffsets(ctx, "t", []int32{0}, cluster.Latest)
	require.NoError(t, err)
	require.EqualValues(t, 1, ends[0])
	offsets, err := c.Offsets(ctx, "g", true, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, offsets["t"][0].At)
}
