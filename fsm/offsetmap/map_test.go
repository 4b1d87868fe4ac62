package offsetmap

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// mapOf builds a map that begins at (begin, 0), from runs with the gaps between them skipped.
func mapOf(t *testing.T, begin, watermark int64, runs ...Run) Map {
	t.Helper()
	var target int64
	if len(runs) > 0 {
		target = runs[0].Target
	}
	m, err := New(begin, target)
	require.NoError(t, err)
	for _, r := range runs {
		require.NoError(t, m.add(r))
	}
	require.NoError(t, m.Skip(watermark))
	return m
}

func TestAdjacentRunsOfEqualShiftBecomeOne(t *testing.T) {
	var m Map
	for i := range int64(1000) {
		require.NoError(t, m.Append(Run{Source: i * 3, Target: i * 3, Count: 3}))
	}
	require.Equal(t, []Run{{Count: 3000}}, m.Runs())
	require.NoError(t, m.Skip(3001))
	require.NoError(t, m.Append(Run{Source: 3001, Target: 3000, Count: 1}))
	require.Equal(t, 2, m.Len(), "a gap changes the shift")
	require.NoError(t, m.Skip(3003))
	require.NoError(t, m.Append(Run{Source: 3003, Target: 3002, Count: 1}))
	require.Equal(t, 3, m.Len(), "gaps on both sides keep the shift, but the records between are not copied")
	require.EqualValues(t, 3002, m.Copied())
	require.EqualValues(t, 3004, m.Watermark())
	require.EqualValues(t, 3003, m.TargetEnd())
}

func TestAppendRefusesWhatDoesNotFit(t *testing.T) {
	base := mapOf(t, 10, 20, Run{Source: 10, Target: 0, Count: 10})
	for name, r := range map[string]Run{
		"no records":        {Source: 20, Target: 10},
		"negative count":    {Source: 20, Target: 10, Count: -1},
		"source known":      {Source: 19, Target: 10, Count: 1},
		"source forgotten":  {Source: 21, Target: 10, Count: 1},
		"target known":      {Source: 20, Target: 9, Count: 1},
		"source overflows":  {Source: 20, Target: 10, Count: math.MaxInt64},
		"target overflows":  {Source: 20, Target: math.MaxInt64, Count: 1},
		"before the begin":  {Source: 0, Target: 10, Count: 1},
		"negative offsets":  {Source: -1, Target: -1, Count: 1},
		"target before all": {Source: 20, Target: -1, Count: 1},
	} {
		m := base.Clone()
		err := m.Append(r)
		require.ErrorIs(t, err, ErrInvalid, name)
		require.Equal(t, base, m, name)
	}
	m := base.Clone()
	require.ErrorIs(t, m.Skip(19), ErrInvalid)
	require.NoError(t, m.Skip(20))
	require.Equal(t, base, m)
	_, err := New(-1, 0)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = New(0, -1)
	require.ErrorIs(t, err, ErrInvalid)
}

func TestErrorsNameTheOffsets(t *testing.T) {
	m := mapOf(t, 10, 20, Run{Source: 10, Target: 0, Count: 10})
	require.EqualError(t, m.Append(Run{Source: 25, Target: 10, Count: 2}),
		"append source 25 target 10 count 2 to a map that ends at source 20 target 10: source offsets before it are unaccounted for: skip them first")
	_, err := m.Translate(21, 0)
	require.EqualError(t, err, "source position 21 is not yet copied: the map reaches 20; wait for the copy")
	_, err = m.Inverse(11, 0)
	require.EqualError(t, err, "target position 11 is not yet copied: the map reaches 10; wait for the copy")
	_, err = m.Translate(3, 2)
	require.EqualError(t, err, "source position 3 lies below 10, where copying began, and the log still starts at 2: copy from the log start, or let the group read on first")
}

func TestTranslateCases(t *testing.T) {
	// source 10..14 → 0..4, 15..17 skipped, 18..19 → 5..6, 20..21 skipped; then a stranger wrote 7 on the target
	m := mapOf(t, 10, 22, Run{Source: 10, Target: 0, Count: 5}, Run{Source: 18, Target: 5, Count: 2})
	require.NoError(t, m.Append(Run{Source: 22, Target: 8, Count: 1}))
	require.NoError(t, m.Skip(25))
	forward := []struct {
		position, logStart int64
		want               Position
		err                error
	}{
		{10, 10, Position{0, Image}, nil},
		{14, 10, Position{4, Image}, nil},
		{15, 10, Position{5, Gap}, nil},
		{17, 10, Position{5, Gap}, nil},
		{18, 10, Position{5, Image}, nil},
		{20, 10, Position{8, Gap}, nil},
		{23, 10, Position{9, Frontier}, nil},
		{25, 10, Position{9, Frontier}, nil},
		{26, 10, Position{}, ErrNotYet},
		{9, 9, Position{}, ErrBelow},
		{9, 10, Position{0, Deleted}, nil},
		{0, 17, Position{0, Deleted}, nil},
		{-1, 10, Position{}, ErrBelow},
	}
	for _, c := range forward {
		got, err := m.Translate(c.position, c.logStart)
		require.ErrorIs(t, err, c.err, "position %d", c.position)
		require.Equal(t, c.want, got, "position %d", c.position)
	}
	for position, want := range []Position{{10, Image}, {11, Image}, {12, Image}, {13, Image}, {14, Image}, {18, Image}, {19, Image}, {22, Gap}, {22, Image}, {25, Frontier}} {
		got, err := m.Inverse(int64(position), 0)
		require.NoError(t, err)
		require.Equal(t, want, got, "target position %d", position)
	}
	_, err := m.Inverse(10, 0)
	require.ErrorIs(t, err, ErrNotYet)
}

func TestMapWithoutRuns(t *testing.T) {
	m, err := New(7, 3)
	require.NoError(t, err)
	require.NoError(t, m.Skip(9))
	for position, want := range map[int64]Position{7: {3, Frontier}, 8: {3, Frontier}, 9: {3, Frontier}, 2: {3, Deleted}} {
		got, err := m.Translate(position, 7)
		require.NoError(t, err)
		require.Equal(t, want, got, "position %d", position)
	}
	got, err := m.Inverse(3, 0)
	require.NoError(t, err)
	require.Equal(t, Position{9, Frontier}, got)
}

// The clever map and the dumb list say the same at every position, forward and inverse.
func TestTranslateAgainstAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, d := grow(t, drawBegin(t), rapid.IntRange(0, 12).Draw(t, "steps"))
		if m.Watermark() != d.watermark || m.TargetEnd() != d.targetEnd() || m.Copied() != int64(len(d.pairs)) {
			t.Fatalf("map ends at %d/%d with %d records, list at %d/%d with %d", m.Watermark(), m.TargetEnd(), m.Copied(), d.watermark, d.targetEnd(), len(d.pairs))
		}
		logStart := rapid.Int64Range(0, 10).Draw(t, "log start")
		for p := int64(-1); p <= max(m.Watermark(), m.TargetEnd())+2; p++ {
			compare(t, "translate", p, d, Source, logStart, m.Translate)
			compare(t, "inverse", p, d, Target, logStart, m.Inverse)
		}
	})
}

func compare(t *rapid.T, name string, p int64, d dumb, from Side, logStart int64, ask func(int64, int64) (Position, error)) {
	want, wantErr := d.translate(p, logStart, from)
	got, err := ask(p, logStart)
	require.ErrorIs(t, err, wantErr, "%s %d", name, p)
	require.Equal(t, want, got.Offset, "%s %d", name, p)
}

// Going there and back loses no record and repeats none: the way back ends at the position, or behind a gap.
func TestThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, d := grow(t, drawBegin(t), rapid.IntRange(0, 12).Draw(t, "steps"))
		for p := m.Begin().Source; p <= m.Watermark(); p++ {
			there, err := m.Translate(p, 0)
			require.NoError(t, err)
			back, err := m.Inverse(there.Offset, 0)
			require.NoError(t, err)
			require.GreaterOrEqual(t, back.Offset, p)
			for _, pair := range d.pairs {
				require.False(t, pair.Source >= p && pair.Source < back.Offset, "record %d lies between %d and the way back %d", pair.Source, p, back.Offset)
			}
		}
	})
}

func TestCloneAndRunsShareNothing(t *testing.T) {
	m := mapOf(t, 0, 5, Run{Count: 5})
	c := m.Clone()
	m.Runs()[0].Count = 99
	require.NoError(t, m.Append(Run{Source: 5, Target: 5, Count: 1}))
	require.Equal(t, []Run{{Count: 5}}, c.Runs())
	require.Equal(t, []Run{{Count: 6}}, m.Runs())
}

func TestJSON(t *testing.T) {
	m := mapOf(t, 2, 9, Run{Source: 3, Target: 0, Count: 4})
	b, err := json.Marshal(m)
	require.NoError(t, err)
	require.JSONEq(t, `{"begin":{"source":2,"target":0},"watermark":9,"target_end":4,"copied":4,"runs":[{"source":3,"target":0,"count":4}]}`, string(b))
	var empty Map
	b, err = json.Marshal(&empty)
	require.NoError(t, err)
	require.JSONEq(t, `{"begin":{"source":0,"target":0},"watermark":0,"target_end":0,"copied":0,"runs":[]}`, string(b))
	p, err := m.Translate(4, 0)
	require.NoError(t, err)
	b, err = json.Marshal(p)
	require.NoError(t, err)
	require.JSONEq(t, `{"offset":1,"kind":"image"}`, string(b))
	require.Equal(t, []string{"gap", "frontier", "deleted", "kind 9"}, []string{Gap.String(), Frontier.String(), Deleted.String(), Kind(9).String()})
}
