package cluster_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var batchSpec = batch.Spec{}

// TestUncertainTellsTheTruth: while leaders move, brokers refuse and connections break before and after the append, a
// writer without idempotence that repeats exactly what was certainly not appended loses nothing and doubles nothing; what
// was uncertain is there once or not at all.
func TestUncertainTellsTheTruth(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	var trouble atomic.Int32
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if trouble.CompareAndSwap(1, 0) {
			return nil, io.ErrUnexpectedEOF, true // the request arrived, and nobody answers
		}
		return nil, nil, false
	})
	certain, uncertain := map[string]bool{}, map[string]bool{}
	for i := range 150 {
		value := fmt.Sprint(i)
		switch chance.IntN(6) {
		case 0:
			require.NoError(t, k.MoveTopicPartition("t", 0, int32(chance.IntN(3))))
		case 1:
			trouble.Store(1)
		case 2:
			k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.NotEnoughReplicas})
		case 3:
			k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.NotEnoughReplicasAfterAppend})
		}
		for {
			_, err := c.Append(within(t), "t", 0, built(t, batchSpec, value))
			if err == nil {
				certain[value] = true
				break
			}
			require.True(t, cluster.Retriable(err), "%v", err)
			if cluster.Uncertain(err) {
				uncertain[value] = true
				break
			}
		}
	}
	seen := map[string]int{}
	for next := int64(0); ; {
		page, err := c.Read(within(t), "t", 0, next, cluster.ReadOptions{})
		require.NoError(t, err)
		for _, v := range values(page.Records) {
			seen[v]++
			require.Equal(t, 1, seen[v], "%s is doubled", v)
		}
		if page.Next == next {
			break
		}
		next = page.Next
	}
	for v := range certain {
		require.Equal(t, 1, seen[v], "%s is lost", v)
	}
	for v := range seen {
		require.True(t, certain[v] || uncertain[v], "%s was said not to be appended", v)
	}
	require.NotEmpty(t, uncertain)
	require.Greater(t, len(certain), 50)
}
