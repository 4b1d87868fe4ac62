package replicator

import (
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
)

// elected is an unpublished bench whose source had an election since that lost
// nothing, with another owner.
func elected(t *testing.T) *bench {
	b := unpublished(t, 1)
	b.elect(12)
	b.successor()
	return b
}

func (b *bench) elect(end int64) {
	b.source.elect(end)
	b.epochs = b.source.epoch + 1
}

// keep leaves some records of a source batch, as the cleaner does.
func (b *bench) keep(i int, offsets ...int64) {
	var kept []batch.Record
	for _, o := range offsets {
		kept = append(kept, rec(o))
	}
	b.source.batches[i] = withRecords(b.source.batches[i], 0, 1_000_000, kept)
}

// TestOrphansAfterAnElection: after an election of the source a record that is on
// the target and not on the source may have been compacted, or lost. It takes a
// later record of its key to go on; a key returns after five records.
func TestOrphansAfterAnElection(t *testing.T) {
	t.Run("the proof is among what was copied", func(t *testing.T) {
		b := elected(t)
		b.keep(0, 1, 4)
		b.run()
		require.Equal(t, copying, b.core.phase, "%+v", b.core.stop)
		require.EqualValues(t, 12, b.target.end, "nothing is copied twice")
	})
	t.Run("the proof follows", func(t *testing.T) {
		b := elected(t)
		b.keep(1, 6, 7, 8, 9, 10)
		b.source.dense(batch.None, 3)
		b.source.dense(batch.None, 3) // 16 has the key of 11
		b.size = 1
		b.run()
		require.Equal(t, copying, b.core.phase, "%+v", b.core.stop)
		require.EqualValues(t, 18, b.core.watermark())
		require.EqualValues(t, 18, b.target.end, "nothing is copied twice")
	})
	t.Run("there is no proof", func(t *testing.T) {
		b := elected(t)
		b.keep(1, 6, 7, 8, 9, 10)
		b.source.dense(batch.None, 4) // up to 15
		b.run()
		b.stopped(CodeDiverged, 11, 11, "target offset 11, written by producer id 1001, holds a record that the source does not have, nor a later one of its key")
	})
	t.Run("the source ends behind it", func(t *testing.T) {
		b := elected(t)
		b.keep(1, 6, 7, 8, 9, 10)
		b.run()
		b.stopped(CodeDiverged, 11, 11, "nor a later one of its key")
	})
	t.Run("what cannot be read is no proof", func(t *testing.T) {
		b := elected(t)
		b.keep(1, 6, 7, 8, 9, 10)
		b.source.dense(batch.None, 1)
		b.source.dense(batch.None, 4)
		b.source.batches[3][70] ^= 1
		b.run()
		b.stopped(CodeDiverged, 11, 11, "nor a later one of its key")
	})
	t.Run("retention is no proof beyond the former leader's log", func(t *testing.T) {
		b := elected(t)
		b.source.dense(batch.None, 2)
		b.run()
		b.exact()
		b.source.dense(batch.None, 6)
		b.settle()
		b.fetch()
		it, a, _ := b.send()
		b.core.answered(it, a) // not published
		b.elect(14)            // these six were of a leader that nobody knows any more
		b.source.end, b.source.start, b.source.batches = 30, 30, nil
		b.source.dense(batch.None, 5)
		b.successor()
		b.run()
		b.stopped(CodeDiverged, 14, 14, "holds a record that source offset 30 should be the origin of")
	})
}

// TestOrphansWithoutAnElection: the proof is wanted all the same, for an election
// may be unknown yet; but not for what deletes a key, which the cleaner removes, too.
func TestOrphansWithoutAnElection(t *testing.T) {
	start := func(last batch.Record) *bench {
		b := newBench(t, nil)
		b.source.put(stored(0, 5, 0, -1, append(recs(0, 5), last)))
		b.run()
		_, blocks := b.offsets.load()
		b.offsets.blocks = map[string]events.Block{}
		b.offsets.order = nil
		first := blocks[0]
		var empty offsetmap.Map
		first.Runs, first.Watermark, first.TargetEnd, first.Sequence = empty.Pack(), 0, 0, 0
		b.offsets.publish(first)
		b.keep(0, 0, 1, 2, 3, 4)
		b.successor()
		b.run()
		return b
	}
	b := start(rec(5))
	b.stopped(CodeDiverged, 5, 5, "nor a later one of its key")
	deletion := rec(5)
	deletion.Value = nil
	b = start(deletion)
	require.Equal(t, copying, b.core.phase, "%+v", b.core.stop)
	require.EqualValues(t, 6, b.core.watermark())
}

// TestElectionWhileProofsAreLookedFor: what was read for a proof may be gone.
func TestElectionWhileProofsAreLookedFor(t *testing.T) {
	b := elected(t)
	b.keep(1, 6, 7, 8, 9, 10)
	b.source.dense(batch.None, 3)
	b.source.dense(batch.None, 1)
	b.source.dense(batch.None, 4) // 16 has the key of 11
	b.size = 1
	for !b.core.resolve.align.beyond || b.core.resolve.from < 16 {
		require.True(t, b.answer())
	}
	b.elect(15)
	require.True(t, b.core.led(b.epochs))
	b.run()
	b.stopped(CodeDiverged, 11, 11, "nor a later one of its key")
	require.Equal(t, 1, b.core.attempt, "it was looked for anew")
}

// TestLateBegin: an owner that had seen nothing copied begins where the source
// begins by now, and says so before it sends; a map of a former owner that had
// copied something after all contradicts it.
func TestLateBegin(t *testing.T) {
	b := newBench(t, nil)
	b.settle()
	b.source.start, b.source.end = 5, 5
	b.source.dense(batch.None, 3)
	b.core.outOfRange(0, 5, 8)
	require.Equal(t, recording, b.core.phase)
	require.False(t, b.core.sendable())
	b.run()
	b.exact()
	_, blocks := b.offsets.load()
	m, err := mergeBlocks(blocks)
	require.NoError(t, err)
	require.EqualValues(t, 5, m.Begin().Source)

	z := ledger{}
	require.NoError(t, z.begin(0, 0))
	require.NoError(t, z.add([]stretch{{0, 2}}, 0, 2))
	late := z.block()
	late.OwnerEpoch = -1 // of an owner before all others
	b.offsets.publish(late)
	b.successor()
	b.settle()
	b.stopped(CodeDiverged, 2, 2, "the published offset map is unusable")
}
