package driver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestPeek: the first committed record from an offset on is found in every
// partition, whatever stands before it and however large it is; where there is
// none nothing is said, and an error is the partition's own.
func TestPeek(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"plain", "large", "aborted", "empty", "short"} {
		require.NoError(t, r.pair.Source.CreateTopic(embedded.Topic{Name: name, Partitions: 1}))
	}
	big := strings.Repeat("x", 700_000)
	r.write(r.source(), "plain", "zero", "one", "two")
	r.write(r.source(), "large", "zero", big)
	r.write(r.source(), "large", big, "three")
	r.write(r.source(), "short", "zero")
	aborted(t, r.pair.Source, "aborted", big, big, big)
	r.write(r.source(), "aborted", "committed")

	found := peek(t.Context(), r.source(), map[place]int64{
		{"plain", 0}: 1, {"large", 0}: 3, {"aborted", 0}: 0, {"empty", 0}: 0, {"short", 0}: 5, {"missing", 0}: 0,
	}, sourceBatch)
	require.Len(t, found, 6)
	for topic, value := range map[string]string{"plain": "one", "large": "three", "aborted": "committed"} {
		first := found[place{topic, 0}]
		require.NoError(t, first.err, topic)
		require.True(t, first.there, topic)
		require.Equal(t, value, string(first.record.Value), topic)
	}
	require.Equal(t, peeked{}, found[place{"empty", 0}])
	require.ErrorIs(t, found[place{"short", 0}].err, cluster.ErrOffsetOutOfRange)
	require.ErrorIs(t, found[place{"missing", 0}].err, cluster.ErrUnknownTopic)

	defer broken(r.pair.Source, kmsg.Fetch, "plain", kerr.TopicAuthorizationFailed)()
	found = peek(t.Context(), r.source(), map[place]int64{{"plain", 0}: 1, {"large", 0}: 0}, sourceBatch)
	require.ErrorIs(t, found[place{"plain", 0}].err, cluster.ErrUnauthorized)
	require.Equal(t, "zero", string(found[place{"large", 0}].record.Value), "the others are read all the same")
}

// aborted writes records in a transaction, each in a batch of its own, and
// aborts it.
func aborted(t *testing.T, at *embedded.Cluster, topic string, values ...string) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(at.Bootstrap()...), kgo.TransactionalID("t"), kgo.DefaultProduceTopic(topic))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.BeginTransaction())
	for _, v := range values {
		require.NoError(t, c.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr())
	}
	require.NoError(t, c.EndTransaction(t.Context(), kgo.TryAbort))
}

// TestPeekMany: one request to each broker reads all partitions of all topics.
func TestPeekMany(t *testing.T) {
	r := newRig(t)
	from := make(map[place]int64)
	for _, topic := range []string{"a", "b", "c"} {
		require.NoError(t, r.pair.Source.CreateTopic(embedded.Topic{Name: topic, Partitions: 1}))
		r.write(r.source(), topic, "zero", topic)
		from[place{topic, 0}] = 1
	}
	var fetches int
	counting := openClient(t, "source", r.pair.Source, func(c *cluster.Config) {
		c.Hooks.Call = func(i cluster.CallInfo) {
			if i.API == "Fetch" {
				fetches++
			}
		}
	})
	for at, first := range peek(t.Context(), counting, from, sourceBatch) {
		require.Equal(t, at.topic, string(first.record.Value))
	}
	require.Equal(t, 1, fetches)
}
