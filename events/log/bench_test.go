package log

import (
	"fmt"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
)

// BenchmarkReader reads and decodes a log of acknowledgements from an embedded
// broker in the same process.
func BenchmarkReader(b *testing.B) {
	const n = 100_000
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(b, err)
	defer k.Close()
	c, err := cluster.Open(b.Context(), "control", cluster.Config{Bootstrap: k.ListenAddrs()})
	require.NoError(b, err)
	defer c.Close()
	_, err = Init(b.Context(), c, InitOptions{})
	require.NoError(b, err)
	fill(b, c, n)
	b.ResetTimer()
	for b.Loop() {
		r := NewReader(c, 0)
		for read := 0; read < n; {
			page, err := r.Next(b.Context(), 0, 0)
			require.NoError(b, err)
			read += len(page.Records)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func fill(b *testing.B, c *cluster.Client, n int) {
	b.Helper()
	a := NewAppender(c, AppenderOptions{})
	var es []events.Event
	for i := range n {
		e, err := events.New(fmt.Sprintf("%032d", i), "move", events.TopicStream("orders"), events.Actor{Kind: events.Worker, Name: "worker-7f2c"},
			time.Date(2026, 1, 2, 3, 4, 5, i, time.UTC), events.PartitionVerified{Partition: int32(i), UpTo: 1 << 30, Records: 1 << 29, Digest: "0123456789abcdef"})
		require.NoError(b, err)
		if es = append(es, e); len(es) == 2000 || i == n-1 {
			_, err := a.AppendAll(b.Context(), es)
			require.NoError(b, err)
			es = es[:0]
		}
	}
}
