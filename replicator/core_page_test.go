package replicator

import (
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
)

func TestStepsOfAPage(t *testing.T) {
	s := &sourceLog{}
	s.dense(batch.None, 4)     // 0-3
	s.transaction(5, 2, false) // 4-5, marker 6
	s.emptied(3)               // 7-9
	s.holes(2, 4)              // 14-18
	s.put(stored(19, 20, 0x08, -1, recs(19, 2)))
	type brief struct {
		class      batch.Class
		from, next int64
	}
	var got []brief
	for _, x := range s.fetch(0, 1<<20).steps(2, 0) {
		got = append(got, brief{x.class, x.from, x.next})
	}
	require.Equal(t, []brief{
		{batch.Reencode, 2, 4}, // what is below 2 is cut off
		{batch.Skip, 4, 6}, {batch.Skip, 6, 7}, {batch.Skip, 7, 10},
		{batch.Reencode, 14, 19}, {batch.Reencode, 19, 21},
	}, got)
	require.Empty(t, s.fetch(0, 1<<20).steps(s.end, 0), "all of it is known")
}

// TestFlippedBitsAreNoMarkers: the flags of a batch are believed only with a
// right checksum, or data could be skipped as a transaction marker.
func TestFlippedBitsAreNoMarkers(t *testing.T) {
	for bit := range 8 {
		b := stored(0, 3, 0, -1, recs(0, 4))
		b[22] ^= 1 << bit
		p := page{stable: 4, records: b}
		s := p.steps(0, 0)
		require.Len(t, s, 1)
		require.NotEqual(t, batch.Skip, s[0].class, "bit %d", bit)
	}
}

// FuzzPage: whatever a broker sends, a core takes it without a panic, never
// moves backwards, and never sends a batch that a broker would not take.
func FuzzPage(f *testing.F) {
	s := &sourceLog{}
	s.dense(batch.LZ4, 3)
	s.transaction(5, 2, false)
	s.holes(2, 1)
	f.Add(s.fetch(0, 1<<20).records, int64(0), true)
	f.Add(s.fetch(0, 1<<20).records, int64(2), false)
	f.Fuzz(func(t *testing.T, records []byte, from int64, first bool) {
		b := newBench(t, nil)
		b.settle()
		if from < 0 {
			return
		}
		b.core.queue.position = from
		b.core.ledger.current.Skip(from)
		b.core.fetched(from, page{stable: from + 10, high: from + 10, records: records, first: first})
		require.GreaterOrEqual(t, b.core.queue.position, from)
		for b.core.phase == copying {
			it, a, ok := b.send()
			if !ok {
				break
			}
			require.Zero(t, a.code, "%s", a.message)
			b.core.answered(it, a)
		}
	})
}
