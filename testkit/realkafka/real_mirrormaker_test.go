package realkafka

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A MirrorMaker 2 copies between two clusters, and says what that has cost; so do the brokers.
func TestRealMirrorMaker(t *testing.T) {
	all := AllForTest(t, Options{Name: "source", Version: Oldest}, Options{Name: "target", Version: Target})
	roundTrip(t, dial(t, all[0], manual()), "orders", 2)
	before, err := all[1].CPU()
	require.NoError(t, err)
	mm, err := StartMirrorMaker(context.Background(), map[string]string{
		"clusters":                              "src,dst",
		"src.bootstrap.servers":                 all[0].Bootstrap(Internal)[0],
		"dst.bootstrap.servers":                 all[1].Bootstrap(Internal)[0],
		"src->dst.enabled":                      "true",
		"src->dst.topics":                       "orders",
		"replication.factor":                    "1",
		"checkpoints.topic.replication.factor":  "1",
		"heartbeats.topic.replication.factor":   "1",
		"offset-syncs.topic.replication.factor": "1",
		"offset.storage.replication.factor":     "1",
		"status.storage.replication.factor":     "1",
		"config.storage.replication.factor":     "1",
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(mm.Tail(tailLines))
		}
		require.NoError(t, mm.Stop())
	})
	client := dial(t, all[1])
	require.Eventually(t, func() bool {
		select {
		case <-mm.Done():
			require.Fail(t, "MirrorMaker 2 has ended", mm.Tail(tailLines))
		default:
		}
		return copied(t, client, "src.orders") == 2
	}, 2*time.Minute, 500*time.Millisecond)
	readBack(t, client, "src.orders", 2)

	spent, err := mm.CPU()
	require.NoError(t, err)
	require.Greater(t, spent, time.Second, "a Java machine has started")
	after, err := all[1].CPU()
	require.NoError(t, err)
	require.Greater(t, after, before)
	t.Logf("MirrorMaker 2 used %v, the target's broker %v", spent, after-before)
	require.NoError(t, mm.Stop())
	<-mm.Done()
	total, err := mm.CPU()
	require.NoError(t, err)
	require.GreaterOrEqual(t, total, spent-10*time.Millisecond)
	require.NoError(t, mm.Stop(), "twice is no error")
}

// copied counts the records of a topic, which need not be there yet.
func copied(t *testing.T, client *kgo.Client, topic string) (n int64) {
	t.Helper()
	ends, err := kadm.NewClient(client).ListEndOffsets(within(t, 10*time.Second), topic)
	require.NoError(t, err)
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			n += o.Offset
		}
	})
	return n
}
