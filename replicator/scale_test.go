package replicator

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
)

var scale = flag.Int("replicator.partitions", 2000, "how many partitions TestIdlePartitionsAreCheap copies, in topics of 100")

// TestIdlePartitionsAreCheap: a partition with nothing to copy has no goroutine
// and takes at most 4 KB of the worker's memory.
func TestIdlePartitionsAreCheap(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{Brokers: 3})
	topics := max(*scale/100, 1)
	for i := range topics {
		e.publish(e.topic(fmt.Sprintf("topic-%d", i), 100, nil))
	}
	n := topics * 100
	with, took := idleMemory(t, e, n)
	without := memory()
	heap := (int(with.HeapAlloc) - int(without.HeapAlloc)) / n
	t.Logf("%d partitions were asked for after %v; each takes %d bytes", n, took.Round(time.Millisecond), heap)
	require.Positive(t, heap)
	require.Less(t, heap, 4096)
}

// idleMemory is what is in use while a worker and its clients have nothing to
// do. They are garbage when it returns.
func idleMemory(t *testing.T, e *env, n int) (runtime.MemStats, time.Duration) {
	open := map[string]*cluster.Client{}
	for name, addr := range map[string][]string{"control": e.targetAddr, "source": e.sourceAddr, "target": e.targetAddr} {
		c, err := cluster.Open(e.within(time.Minute), name, cluster.Config{Bootstrap: addr})
		require.NoError(t, err)
		defer c.Close()
		open[name] = c
	}
	w, err := New(Config{
		Control: open["control"], Name: "w", ProgressEvery: 50 * time.Millisecond,
		Clusters:   func(_ context.Context, name string) (*cluster.Client, error) { return open[name], nil },
		FetchBytes: 64 << 10, // which is kept for each broker, however many partitions there are
	})
	require.NoError(t, err)
	begun, done := time.Now(), make(chan error, 1)
	go func() { done <- w.Run(context.Background()) }()
	e.eventually("all partitions are asked for", func() bool { return seated(w) == n })
	took := time.Since(begun)
	e.eventually("everything is published, and nothing runs", func() bool {
		w.publisher.mu.Lock()
		defer w.publisher.mu.Unlock()
		return len(w.publisher.dirty) == 0 && goroutines("replicator.(*partition)") == 0
	})
	m := memory()
	w.Stop()
	require.NoError(t, <-done)
	return m, took
}

// goroutines counts those that have a name in their stack.
func goroutines(name string) (n int) {
	all := make([]byte, 16<<20)
	for _, g := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(g, name) {
			n++
		}
	}
	return n
}

// memory is what is in use once all garbage is gone: the least of some looks,
// for the brokers make more all the time.
func memory() runtime.MemStats {
	var all []runtime.MemStats
	for range 5 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		all = append(all, m)
	}
	return slices.MinFunc(all, func(a, b runtime.MemStats) int { return cmp.Compare(a.HeapAlloc, b.HeapAlloc) })
}
