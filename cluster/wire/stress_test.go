package wire_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestCancellationNeverMixesAnswers: callers give up at random moments and use their buffers again at once; no answer may
// reach another caller, and (under -race) nobody writes to a buffer after its call has returned.
func TestCancellationNeverMixesAnswers(t *testing.T) {
	_, w := start(t)
	for p := range int32(4) {
		_, err := w.Produce(within(t), 0, produce(p, fmt.Sprint("partition ", p)))
		require.NoError(t, err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var group sync.WaitGroup
	var mu sync.Mutex
	answered, abandoned := 0, 0
	for i := range 16 {
		group.Add(1)
		go func() {
			defer group.Done()
			chance := rand.New(rand.NewPCG(seed, uint64(i)))
			buf := make([]byte, 4<<10)
			for range 40 {
				p := chance.Int32N(4)
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(chance.IntN(3000))*time.Microsecond)
				f := fetch(time.Duration(chance.IntN(2))*time.Millisecond, p, chance.Int64N(2))
				f.Buf = buf
				res, err := w.Fetch(ctx, 0, f)
				if err == nil {
					check(t, res, p)
				}
				clear(buf)
				if _, err := w.Any(ctx, -1, kmsg.NewPtrMetadataRequest(), wire.Up(8)); err != nil && ctx.Err() == nil {
					require.NoError(t, err)
				}
				cancel()
				mu.Lock()
				if err == nil {
					answered++
				} else {
					abandoned++
				}
				mu.Unlock()
			}
		}()
	}
	group.Wait()
	t.Logf("%d answered, %d abandoned", answered, abandoned)
	_, err := w.Versions(within(t), 0)
	require.NoError(t, err, "the pool is fine")
}

func check(t *testing.T, res *wire.FetchResult, p int32) {
	require.Len(t, res.Partitions, 1)
	require.Equal(t, p, res.Partitions[0].Partition)
	b, _ := batch.Split(res.Partitions[0].Records)
	if b == nil {
		return
	}
	records, err := b.Records()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint("partition ", p), string(records[0].Value))
}
