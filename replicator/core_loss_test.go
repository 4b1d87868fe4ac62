package replicator

import (
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// kept requires the target to hold exactly the committed source records that
// were not given up, and the map to say where.
func (b *bench) kept() {
	b.t.Helper()
	require.Equal(b.t, copying, b.core.phase, "%+v", b.core.stop)
	require.Equal(b.t, b.source.end, b.core.watermark())
	var want []batch.Record
	for _, r := range b.source.committed() {
		if !b.core.lost(r.Offset) {
			want = append(want, r)
		}
	}
	ours := map[int64]bool{}
	for _, c := range b.offsets.claims {
		ours[c.ProducerID] = true
	}
	got := b.target.written(ours)
	require.Len(b.t, got, len(want))
	_, blocks := b.offsets.load()
	m, err := Map(blocks, b.core.recopies)
	require.NoError(b.t, err)
	for i := range want {
		requireSame(b.t, want[i], got[i])
		p, err := m.Translate(want[i].Offset, b.source.start)
		require.NoError(b.t, err)
		require.Equal(b.t, offsetmap.Position{Offset: got[i].Offset, Kind: offsetmap.Image}, p)
	}
}

func lost(from, to int64) events.Interval { return events.Interval{From: from, To: to} }

// TestAcceptedLosses: a stop whose records were given up is passed, whatever it
// was, and nothing else is left out.
func TestAcceptedLosses(t *testing.T) {
	goOn := func(b *bench, losses ...events.Interval) {
		b.core.losses = losses
		b.core.restart()
		b.run()
		b.kept()
	}
	t.Run("retention", func(t *testing.T) {
		b := newBench(t, nil)
		b.source.dense(batch.None, 3)
		b.run()
		b.source.dense(batch.None, 5)
		b.source.dense(batch.None, 4)
		b.core.outOfRange(3, 8, 12)
		b.stopped(CodeOutOfRange, 3, 8, "retention")
		goOn(b, lost(3, 8))
	})
	t.Run("one record of a batch", func(t *testing.T) {
		b := newBench(t, nil)
		large := rec(2)
		large.Value = make([]byte, 300)
		b.source.put(stored(0, 4, 0, -1, []batch.Record{rec(0), rec(1), large, rec(3), rec(4)}))
		b.target.maxBytes = 200
		b.run()
		b.stopped(CodeRefusedBatch, 2, 3, "raise max.message.bytes")
		goOn(b, lost(2, 3))
		require.EqualValues(t, 4, b.target.end)
	})
	t.Run("bytes that cannot be read", func(t *testing.T) {
		b := newBench(t, nil)
		broken := stored(3, 5, 0, -1, recs(3, 3))
		broken[70] ^= 1
		b.source.dense(batch.None, 3)
		b.source.put(broken)
		b.source.dense(batch.None, 3)
		b.run()
		b.stopped(CodeRefusedBatch, 3, 6, "CRC32C")
		b.core.losses = []events.Interval{lost(3, 6)}
		b.core.restart()
		b.run()
		b.source.batches[1] = stored(3, 5, 0, -1, nil) // readable for the comparison
		b.kept()
	})
	t.Run("all that there is", func(t *testing.T) {
		b := newBench(t, nil)
		b.source.dense(batch.None, 3)
		goOn(b, lost(0, 2), lost(2, 3))
		require.Zero(t, b.target.end)
	})
}

// TestAnyLosses: whatever is given up, and wherever the owners change, the
// target has all the rest.
func TestAnyLosses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, nil)
		b.size = rapid.IntRange(1, 600).Draw(rt, "fetch")
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			b.source.dense(batch.Codec(rapid.IntRange(0, 4).Draw(rt, "codec")), rapid.Int64Range(1, 6).Draw(rt, "records"))
		}
		var losses []events.Interval
		for at := int64(0); at < b.source.end; {
			from := at + rapid.Int64Range(0, 5).Draw(rt, "gap")
			at = from + rapid.Int64Range(1, 5).Draw(rt, "lost")
			losses = append(losses, lost(from, at))
		}
		b.core.losses = losses
		for range rapid.IntRange(0, 3).Draw(rt, "owners") {
			b.settle()
			b.fetch()
			for range rapid.IntRange(0, 3).Draw(rt, "sent") {
				if it, a, ok := b.send(); ok && rapid.Bool().Draw(rt, "answered") {
					b.core.answered(it, a)
				}
			}
			b.successor()
			b.core.losses = losses
		}
		b.run()
		b.kept()
	})
}

// TestRecopies: a copy that is begun anew takes nothing from the former one but
// its lineage; an owner that obeys the former order gives way.
func TestRecopies(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 5)
	b.run()
	b.exact()
	former := b.core

	b.target = newTarget() // deleted and created
	b.successor()
	b.core.recopies = 1
	b.run()
	b.kept()
	require.EqualValues(t, 5, b.target.end)
	require.EqualValues(t, 1, b.core.claims.mine.OwnerEpoch)
	require.EqualValues(t, 1, b.core.claims.mine.Recopies)
	_, blocks := b.offsets.load()
	require.NotEqual(t, len(blocks), len(present(blocks, b.core.recopies)), "the former copy's blocks are still there")

	former.restart()
	b.core = former
	b.settle()
	require.Equal(t, fenced, b.core.phase)
	require.Len(t, b.offsets.claims, 2, "nothing was claimed for an old order")
}
