package driver

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// blockOf packs a map that begins at source and target and has runs.
func blockOf(t require.TestingT, number int, source, target int64, runs ...offsetmap.Run) events.Block {
	m, err := offsetmap.New(source, target)
	require.NoError(t, err)
	for _, r := range runs {
		require.NoError(t, m.Skip(r.Source))
		require.NoError(t, m.Append(r))
	}
	return events.Block{Number: number, Runs: m.Pack()}
}

// TestMapsGrow: blocks are joined as they come; one that grew replaces its
// former state, one above a hole waits for the missing one.
func TestMapsGrow(t *testing.T) {
	s, k := newMapStore(), events.CopyKey{Migration: "m", Topic: "orders", Partition: 1}
	_, ok := s.of(k, 0)
	require.False(t, ok)
	require.NoError(t, s.put(k, blockOf(t, 0, 0, 0, offsetmap.Run{Source: 0, Target: 0, Count: 5})))
	require.NoError(t, s.put(k, blockOf(t, 0, 0, 0, offsetmap.Run{Source: 0, Target: 0, Count: 9})))
	m, ok := s.of(k, 0)
	require.True(t, ok)
	require.EqualValues(t, 9, m.Watermark())

	require.ErrorIs(t, s.put(k, blockOf(t, 2, 20, 15, offsetmap.Run{Source: 20, Target: 15, Count: 5})), offsetmap.ErrHole)
	require.EqualValues(t, 9, m.Watermark(), "nothing above a hole counts")
	require.NoError(t, s.put(k, blockOf(t, 1, 9, 9, offsetmap.Run{Source: 14, Target: 9, Count: 6})))
	require.EqualValues(t, 25, m.Watermark())
	from, count := m.Written()
	require.Equal(t, []int64{0, 20}, []int64{from, count})
	at, err := m.Translate(16, 0)
	require.NoError(t, err)
	require.EqualValues(t, 11, at.Offset)

	require.ErrorIs(t, s.put(k, blockOf(t, 3, 24, 30, offsetmap.Run{Source: 24, Target: 30, Count: 1})), offsetmap.ErrConflict)
	require.EqualValues(t, 25, m.Watermark(), "a contradiction changes nothing")
	_, ok = s.of(events.CopyKey{Migration: "other", Topic: "orders", Partition: 1}, 0)
	require.False(t, ok)
}

// TestMapsAnyOrder: whatever the order in which blocks come, the map is that of
// all of them.
func TestMapsAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var blocks []events.Block
		var source, target int64
		for i := range rapid.IntRange(1, 8).Draw(t, "blocks") {
			gap, n := rapid.Int64Range(0, 3).Draw(t, "gap"), rapid.Int64Range(1, 5).Draw(t, "count")
			blocks = append(blocks, blockOf(t, i, source, target, offsetmap.Run{Source: source + gap, Target: target, Count: n}))
			source, target = source+gap+n, target+n
		}
		s, k := newMapStore(), events.CopyKey{Migration: "m", Topic: "orders"}
		for _, b := range rapid.Permutation(blocks).Draw(t, "order") {
			_ = s.put(k, b)
		}
		m, _ := s.of(k, 0)
		_, count := m.Written()
		require.Equal(t, []int64{source, target}, []int64{m.Watermark(), count})
	})
}

// TestMapsRefuse: bytes that are no map are refused by name.
func TestMapsRefuse(t *testing.T) {
	s, k := newMapStore(), events.CopyKey{Migration: "m", Topic: "orders"}
	require.ErrorContains(t, s.put(k, events.Block{OwnerEpoch: 3, Number: 4, Runs: []byte{9}}), "block 3.4")
}

// TestMapsOfCopies: a copy that was begun anew has a map of its own, and nothing
// that comes late from the former one gets into it.
func TestMapsOfCopies(t *testing.T) {
	s, k := newMapStore(), events.CopyKey{Migration: "m", Topic: "orders"}
	of := func(recopies int32, n int64) events.Block {
		b := blockOf(t, 0, 0, 0, offsetmap.Run{Count: n})
		b.Recopies = recopies
		return b
	}
	require.NoError(t, s.put(k, of(0, 9)))
	require.NoError(t, s.put(k, of(1, 5)))
	require.NoError(t, s.put(k, of(0, 30)))
	m, ok := s.of(k, 1)
	require.True(t, ok)
	require.EqualValues(t, 5, m.Watermark())
	for _, other := range []int32{0, 2} {
		_, ok = s.of(k, other)
		require.False(t, ok, other)
	}
}
