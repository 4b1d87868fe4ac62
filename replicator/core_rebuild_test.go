package replicator

import (
	"maps"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestLostMaps: whatever is lost of what was published, the next owner makes
// the map anew from what stands on the target and on the source, and goes on
// where the copy had come to.
func TestLostMaps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, func(l *limits) { l.blockRuns = 2 })
		b.size = rapid.IntRange(1, 600).Draw(rt, "fetch")
		for range rapid.IntRange(1, 8).Draw(rt, "batches") {
			switch n := rapid.Int64Range(1, 6).Draw(rt, "records"); rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				b.source.transaction(7, n, rapid.Bool().Draw(rt, "committed"))
			case 1:
				b.source.holes(n, 2)
			default:
				b.source.dense(batch.Codec(rapid.IntRange(0, 4).Draw(rt, "codec")), n)
			}
		}
		b.run()
		end := b.target.end
		if rapid.Bool().Draw(rt, "everything is lost") {
			b.offsets = newOffsets()
		} else {
			for _, k := range slices.Sorted(maps.Keys(b.offsets.blocks)) {
				if rapid.Bool().Draw(rt, "lose "+k) {
					delete(b.offsets.blocks, k)
				}
			}
			b.offsets.order = slices.DeleteFunc(b.offsets.order, func(k string) bool { _, kept := b.offsets.blocks[k]; return !kept })
		}
		b.successor()
		b.core.alignAtOnce = rapid.IntRange(1, 20).Draw(rt, "at once")
		b.run()
		require.Equal(t, copying, b.core.phase, "%+v", b.core.stop)
		require.Equal(t, end, b.target.end, "nothing is copied twice")
		b.source.dense(batch.None, 3)
		b.run()
		require.Equal(t, b.source.end, b.core.watermark())
		require.Equal(t, end+3, b.target.end)
		want := b.source.committed()
		got := b.target.written(map[int64]bool{1001: true, 1002: true})
		_, blocks := b.offsets.load()
		m, err := mergeBlocks(blocks)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i := range want {
			at, err := m.Translate(want[i].Offset, b.source.start)
			require.NoError(t, err)
			require.Equal(t, offsetmap.Position{Offset: got[i].Offset, Kind: offsetmap.Image}, at)
		}
	})
}

// TestAlignmentIsBounded: however much is to be aligned, little of it is held.
func TestAlignmentIsBounded(t *testing.T) {
	b := newBench(t, nil)
	for range 50 {
		b.source.dense(batch.None, 4)
	}
	b.run()
	b.offsets = newOffsets()
	b.successor()
	for i := 0; b.core.phase < recording; i++ {
		require.True(t, b.answer())
		require.Less(t, len(b.core.resolve.align.entries), b.core.alignAtOnce+4)
		require.Less(t, i, 10_000)
	}
	b.run()
	require.EqualValues(t, 200, b.core.watermark())
	require.EqualValues(t, 200, b.target.end)
}
