package group

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRangesRoundTrip: every list of partitions comes back from its text.
func TestRangesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := Partitions{"t": rapid.SliceOf(rapid.Int32Range(0, 60)).Draw(t, "list")}.normal()["t"]
		budget := maxListed
		got, err := parseRanges(formatRanges(list), &budget)
		require.NoError(t, err)
		require.Equal(t, list, got)
		require.Equal(t, maxListed-len(list), budget)
	})
}

// TestRangesText: the text itself, and what is refused.
func TestRangesText(t *testing.T) {
	require.Equal(t, "0-3,7,9-10", formatRanges([]int32{0, 1, 2, 3, 7, 9, 10}))
	for _, bad := range []string{",", "a", "-1", "3-1", "1-", "1,,2", "99999999999", "0-99999999999", "1 "} {
		budget := 10
		_, err := parseRanges(bad, &budget)
		require.ErrorContains(t, err, "want a number or low-high", "%q", bad)
	}
	budget := 10
	_, err := parseRanges("0-9,3", &budget)
	require.ErrorContains(t, err, "partitions listed")
}

// FuzzParseRanges: no text makes the reader fail or take more than its budget.
func FuzzParseRanges(f *testing.F) {
	f.Add("0-3,7")
	f.Add("2147483647")
	f.Fuzz(func(t *testing.T, text string) {
		budget := 1000
		list, err := parseRanges(text, &budget)
		if err != nil {
			return
		}
		again := 1000
		same, err := parseRanges(formatRanges(list), &again)
		if err != nil || !(Partitions{"t": list}).Equal(Partitions{"t": same}) {
			t.Fatalf("%q: %v became %v, %v", text, list, same, err)
		}
	})
}

// TestPartitions: sets count, compare and print without regard to order.
func TestPartitions(t *testing.T) {
	p := Partitions{"b": {2, 1, 2}, "a": {0}, "none": {}}
	require.Equal(t, "a[0] b[1-2]", p.String())
	require.Equal(t, 4, p.Len())
	require.True(t, p.Has("b", 1))
	require.False(t, p.Has("a", 1))
	require.True(t, p.Equal(Partitions{"a": {0}, "b": {1, 2}}))
	require.False(t, p.Equal(Partitions{"a": {0}, "b": {1}}))
	require.True(t, Partitions(nil).Equal(Partitions{}))
}
