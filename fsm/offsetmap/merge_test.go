package offsetmap

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMergeOrdersByEpochThenNumber(t *testing.T) {
	part := func(begin, watermark int64, runs ...Run) Map {
		m := mapOf(t, begin, begin)
		m.begin.Target, m.end.Target = begin, begin
		for _, r := range runs {
			require.NoError(t, m.add(r))
		}
		require.NoError(t, m.Skip(watermark))
		return m
	}
	m, err := Merge([]Block{
		{OwnerEpoch: 2, Number: 0, Map: part(30, 40, Run{30, 30, 10})},
		{OwnerEpoch: 1, Number: 0, Map: part(15, 30, Run{15, 15, 15})}, // read back from 15: repeats what owner 0 published late
		{OwnerEpoch: 0, Number: 1, Map: part(10, 20, Run{10, 10, 10})},
		{OwnerEpoch: 0, Number: 0, Map: part(0, 10, Run{0, 0, 10})},
		{OwnerEpoch: 0, Number: 0, Map: part(0, 4, Run{0, 0, 4})}, // an older state of the same block
	})
	require.NoError(t, err)
	require.Equal(t, []Run{{0, 0, 40}}, m.Runs())
	require.EqualValues(t, 40, m.Watermark())
}

// TestMergeTakesWhatWasMadeAnew: a block that was lost comes back from a later owner, in the middle or at the begin.
func TestMergeTakesWhatWasMadeAnew(t *testing.T) {
	for _, begin := range []int64{0, 10} {
		m, err := Merge([]Block{
			{Number: 1, Map: mapOf(t, 10-begin, 20-begin, Run{10 - begin, 10 - begin, 10})},
			{Number: 3, Map: mapOf(t, 30, 40, Run{30, 30, 10})},
			{OwnerEpoch: 1, Map: mapOf(t, 0, 33, Run{0, 0, 33})},
		})
		require.NoError(t, err)
		require.Equal(t, []Run{{0, 0, 40}}, m.Runs())
		require.Zero(t, m.Begin())
	}
}

// TestMergeKnowsLateBegins: an owner that had found nothing comes late with where it meant to begin; its successor has
// begun above it and knows of no hole.
func TestMergeKnowsLateBegins(t *testing.T) {
	begun := mapOf(t, 7, 7)
	begun.begin.Target, begun.end.Target = 0, 0
	require.NoError(t, begun.add(Run{7, 0, 3}))
	m, err := Merge([]Block{{Map: mapOf(t, 0, 0)}, {OwnerEpoch: 1, Map: begun}, {OwnerEpoch: 2, Map: mapOf(t, 10, 10)}})
	require.NoError(t, err)
	require.Equal(t, Pair{Source: 7}, m.Begin())
	_, err = Merge([]Block{{Map: mapOf(t, 0, 0)}, {OwnerEpoch: 2, Map: mapOf(t, 10, 10)}})
	require.ErrorIs(t, err, ErrHole, "nobody tells what is between them")
}

// TestMergeKnowsABlindOwner: a block above a hole that begins below what the map has on the target is of an owner that
// did not know of it.
func TestMergeKnowsABlindOwner(t *testing.T) {
	blind, err := New(20, 0)
	require.NoError(t, err)
	_, err = Merge([]Block{{Map: mapOf(t, 0, 10, Run{0, 0, 10})}, {OwnerEpoch: 1, Map: blind}})
	require.ErrorIs(t, err, ErrConflict)
}

func TestMergeStopsAtAHole(t *testing.T) {
	blocks := []Block{
		{Number: 0, Map: mapOf(t, 0, 10, Run{0, 0, 10})},
		{Number: 2, Map: mapOf(t, 20, 30, Run{20, 20, 10})},
	}
	m, err := Merge(blocks)
	require.ErrorIs(t, err, ErrHole)
	require.EqualError(t, err, "join block 2 of owner epoch 0: a block is missing: the map reaches source offset 10, the next block begins at 20")
	require.EqualValues(t, 10, m.Watermark(), "what lies before the hole is good")
	_, err = m.Translate(20, 0)
	require.ErrorIs(t, err, ErrNotYet)
	_, err = Merge(nil)
	require.ErrorIs(t, err, ErrHole)
}

func TestJoinRefusesContradictions(t *testing.T) {
	base := mapOf(t, 10, 30, Run{10, 0, 5}, Run{20, 5, 5}) // 15..19 and 25..29 skipped
	for name, c := range map[string]struct {
		o             Map
		at, want, got int64
	}{
		"other shift":         {mapOf(t, 10, 12, Run{10, 1, 2}), 10, 0, 1},
		"other shift, later":  {mapOf(t, 12, 25, Run{20, 6, 5}), 20, 5, 6},
		"image of the next":   {mapOf(t, 15, 17, Run{16, 5, 1}), 20, 6, 5},
		"image of the former": {mapOf(t, 15, 17, Run{16, 4, 1}), 16, 5, 4},
		"target taken":        {mapOf(t, 30, 31, Run{30, 9, 1}), 30, 10, 9},
	} {
		m := base.Clone()
		err := m.Join(&c.o)
		require.ErrorIs(t, err, ErrConflict, name)
		var je *JoinError
		require.ErrorAs(t, err, &je, name)
		require.Equal(t, JoinError{Cause: ErrConflict, At: c.at, Want: c.want, Got: c.got}, *je, name)
		require.Equal(t, base, m, name)
	}
	o := mapOf(t, 12, 14, Run{12, 3, 2})
	require.EqualError(t, base.Join(&o), "blocks contradict each other: source offset 12 has image 2 in the map and 3 in the block (-1: none)")
}

// TestJoinTakesWhatOneKnows: an owner took over and found a record on the target whose origin had been compacted; the
// block in which its predecessor names the origin comes late.
func TestJoinTakesWhatOneKnows(t *testing.T) {
	former := mapOf(t, 102, 165, Run{102, 41, 2}, Run{112, 45, 53})
	latter, err := New(164, 97)
	require.NoError(t, err)
	require.NoError(t, latter.add(Run{165, 98, 10}))
	for _, blocks := range [][]Block{{{OwnerEpoch: 1, Map: former}, {OwnerEpoch: 2, Map: latter}}, {{OwnerEpoch: 2, Map: former}, {OwnerEpoch: 1, Map: latter}}} {
		m, err := Merge(blocks)
		require.NoError(t, err)
		require.Equal(t, []Run{{102, 41, 2}, {112, 45, 63}}, m.Runs())
	}
}

// TestJoinEitherWay: the block that begins later may be the one that is joined to. On an error it stays as it was.
func TestJoinEitherWay(t *testing.T) {
	early, late := mapOf(t, 0, 10, Run{0, 0, 10}), mapOf(t, 5, 20, Run{5, 5, 10})
	for _, order := range [][2]Map{{early, late}, {late, early}} {
		m := order[0].Clone()
		require.NoError(t, m.Join(&order[1]))
		require.Equal(t, []Run{{0, 0, 15}}, m.Runs())
		require.Equal(t, Pair{}, m.Begin())
		require.EqualValues(t, 20, m.Watermark())
	}
	far, other := mapOf(t, 30, 40, Run{30, 30, 10}), mapOf(t, 0, 10, Run{0, 1, 10})
	for _, c := range []struct {
		m, o Map
		want error
	}{{far, early, ErrHole}, {late, other, ErrConflict}} {
		m := c.m.Clone()
		require.ErrorIs(t, m.Join(&c.o), c.want)
		require.Equal(t, c.m, m)
	}
}

// TestJoinUnites: of two maps that both lack some of the same copy's images, each takes what the other has.
func TestJoinUnites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, d := grow(t, drawBegin(t), rapid.IntRange(1, 12).Draw(t, "steps"))
		halves := [3]Map{}
		for i := range halves {
			var err error
			halves[i], err = New(whole.Begin().Source, whole.Begin().Target)
			require.NoError(t, err)
		}
		for _, p := range d.pairs {
			who := rapid.IntRange(1, 3).Draw(t, "known to")
			for i := range halves {
				if i == 2 || who&(1<<i) != 0 {
					require.NoError(t, halves[i].add(Run{p.Source, p.Target, 1}))
				}
			}
		}
		for i := range halves {
			require.NoError(t, halves[i].Skip(whole.Watermark()))
		}
		for i := range 2 {
			m := halves[i].Clone()
			require.NoError(t, m.Join(&halves[1-i]))
			require.Equal(t, halves[2], m)
		}
	})
}

// However a map is cut into overlapping blocks and whatever order they arrive in, merging gives it back.
func TestMergeGivesBackWhatWasCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, _ := grow(t, drawBegin(t), rapid.IntRange(1, 12).Draw(t, "steps"))
		var blocks []Block
		reached, epoch, number := whole.Begin().Source, int32(0), int64(0)
		for reached < whole.Watermark() || len(blocks) == 0 {
			from := rapid.Int64Range(whole.Begin().Source, reached).Draw(t, "from")
			if len(blocks) == 0 {
				from = reached
			}
			to := rapid.Int64Range(reached, whole.Watermark()).Draw(t, "to")
			blocks = append(blocks, Block{OwnerEpoch: epoch, Number: number, Map: cutOut(t, &whole, from, to)})
			reached, number = to, number+1
			if rapid.Bool().Draw(t, "another owner") {
				epoch, number = epoch+1, 0
			}
		}
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "order")))
		r.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
		m, err := Merge(blocks)
		require.NoError(t, err)
		require.Equal(t, whole.Runs(), m.Runs())
		require.Equal(t, whole.Watermark(), m.Watermark())
		require.Equal(t, whole.TargetEnd(), m.TargetEnd())
	})
}

// A block whose records moved by one on the target never passes where both know the offsets.
func TestMergeNamesAnyShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, d := grow(t, Pair{}, rapid.IntRange(1, 12).Draw(t, "steps"))
		if len(d.pairs) == 0 {
			t.Skip("nothing copied")
		}
		pair := d.pairs[rapid.IntRange(0, len(d.pairs)-1).Draw(t, "pair")]
		o, err := New(pair.Source, pair.Target+1)
		require.NoError(t, err)
		require.NoError(t, o.Append(Run{Source: pair.Source, Target: pair.Target + 1, Count: 1}))
		err = m.Join(&o)
		require.ErrorIs(t, err, ErrConflict)
	})
}
