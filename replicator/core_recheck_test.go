package replicator

import (
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
)

// TestTargetLed: another leader of the target is a reason to look whether it has
// what was acknowledged, also where others have written as much since.
func TestTargetLed(t *testing.T) {
	start := func() *bench {
		b := newBench(t, nil)
		b.core.shared, b.targetEpochs = true, 4
		b.source.dense(batch.None, 3)
		b.source.dense(batch.None, 3)
		b.run()
		b.exact()
		b.targetEpochs++
		return b
	}
	b := start()
	require.False(t, b.core.targetLed(4), "the same leader")
	require.False(t, b.core.targetLed(0), "nobody says")
	require.True(t, b.core.targetLed(5))
	require.Equal(t, rechecking, b.core.phase)
	require.Zero(t, b.core.attempt, "nothing has failed")
	b.run()
	b.exact()
	require.False(t, b.core.targetLed(5), "it was looked at")

	b = start()
	last := b.target.batches[len(b.target.batches)-1]
	b.target.batches = b.target.batches[:len(b.target.batches)-1]
	b.target.batches = append(b.target.batches, stored(last.BaseOffset(), last.LastOffset(), 0, 77, recs(last.BaseOffset(), int64(last.Count()))))
	require.True(t, b.core.targetLed(5))
	b.settle()
	require.Equal(t, halted, b.core.phase)
	require.Contains(t, b.core.stop.reason, "holds another batch")
}

// TestFirstBatchBesideOthers: others may have filled just the room that an election
// made before an owner's first batch landed where it was expected.
func TestFirstBatchBesideOthers(t *testing.T) {
	b := newBench(t, nil)
	b.core.shared = true
	b.source.dense(batch.None, 3)
	b.settle()
	b.fetch()
	it, a, ok := b.send()
	require.True(t, ok)
	b.core.answered(it, a)
	require.Equal(t, rechecking, b.core.phase)
	b.run()
	b.exact()
	b.source.dense(batch.None, 3)
	b.fetch()
	it, a, _ = b.send()
	b.core.answered(it, a)
	require.Equal(t, copying, b.core.phase, "its successors follow by their numbers")
}
