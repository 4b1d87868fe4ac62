package offsetmap

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The released encoding of version 1: stays readable for ever.
func TestPackedBytesOfVersion1(t *testing.T) {
	m := mapOf(t, 300, 330, Run{Source: 300, Target: 0, Count: 5}, Run{Source: 308, Target: 5, Count: 2})
	want := []byte{1, 0xac, 2, 0, 2, 0, 0, 4, 3, 0, 1, 20}
	require.Equal(t, want, m.Pack())
	got, err := Unpack(want)
	require.NoError(t, err)
	require.Equal(t, m, got)
}

func TestPackRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _ := grow(t, drawBegin(t), rapid.IntRange(0, 30).Draw(t, "steps"))
		got, err := Unpack(m.Pack())
		require.NoError(t, err)
		require.Equal(t, m.Runs(), got.Runs())
		require.Equal(t, [2]Pair{m.begin, m.end}, [2]Pair{got.begin, got.end})
	})
}

func TestUnpackRefuses(t *testing.T) {
	uv := func(numbers ...uint64) []byte {
		b := []byte{1}
		for _, n := range numbers {
			b = binary.AppendUvarint(b, n)
		}
		return b
	}
	for reason, b := range map[string][]byte{
		"empty":                          {},
		"version 2, this release reads":  {2, 0, 0, 0, 0},
		"version 0, this release reads":  {0, 0, 0, 0, 0},
		"cut short":                      {1, 0, 0},
		"bytes after the end":            {1, 0, 0, 0, 0, 0},
		"number not in its shortest":     {1, 0x80, 0, 0, 0, 0},
		"number beyond int64":            uv(math.MaxInt64+1, 0, 0, 0),
		"runs do not fit":                uv(0, 0, math.MaxInt64, 0, 0, 0, 0),
		"a run that continues":           uv(0, 0, 2, 0, 0, 4, 0, 0, 4, 0),
		"offset beyond int64":            uv(math.MaxInt64, 0, 0, 1),
		"byte 15: offset beyond int64":   uv(0, math.MaxInt64, 1, 0, 0, 0, 0),
		"byte 22: number beyond int64":   append(uv(math.MaxInt64, math.MaxInt64, 1), 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"byte 20: cut short":             uv(math.MaxInt64, math.MaxInt64, 0, 0)[:20],
		"byte 4: cut short":              {1, 0, 0, 1},
		"byte 1: number beyond int64":    {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"byte 5: bytes after the end":    {1, 0, 0, 0, 7, 7},
		"1000000 runs do not fit in 7 b": uv(0, 0, 1000000, 0),
	} {
		_, err := Unpack(b)
		require.ErrorIs(t, err, ErrEncoding, reason)
		require.ErrorContains(t, err, reason)
	}
}

// Anything that Unpack accepts has exactly one encoding and answers without panic.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Add([]byte{1, 0xac, 2, 0, 2, 0, 0, 4, 3, 0, 1, 20})
	f.Add([]byte{1, 0, 0, 1, 0, 0, 0x80, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Unpack(b)
		if err != nil {
			require.ErrorIs(t, err, ErrEncoding)
			return
		}
		require.Equal(t, b, m.Pack())
		var copied int64
		for i, r := range m.Runs() {
			require.Positive(t, r.Count)
			copied += r.Count
			at, err := m.Translate(r.Source, 0)
			require.NoError(t, err)
			require.Equal(t, Position{Offset: r.Target, Kind: Image}, at, "run %d", i)
		}
		require.Equal(t, copied, m.Copied())
		end, err := m.Translate(m.Watermark(), 0)
		require.NoError(t, err)
		require.Equal(t, m.TargetEnd(), end.Offset)
	})
}

func BenchmarkTranslateMillionRuns(b *testing.B) {
	var m Map
	for i := range int64(1_000_000) {
		_ = m.Append(Run{Source: i * 3, Target: i * 2, Count: 2})
		_ = m.Skip(i*3 + 3)
	}
	b.ResetTimer()
	for i := range b.N {
		if _, err := m.Translate(int64(i)*7919%3_000_000, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(m.Pack()))/float64(m.Len()), "bytes/run")
}
