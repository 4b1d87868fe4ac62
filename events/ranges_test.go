package events

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRepeated: short lists and long ones are looked through in two ways.
func TestRepeated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.IntRange(0, 60), 0, 40).Draw(t, "list")
		want := -1
		for i := len(list) - 1; i >= 0; i-- {
			for j := range i {
				if list[j] == list[i] {
					want = i
				}
			}
		}
		require.Equal(t, want, repeated(len(list), func(i int) int { return list[i] }))
	})
}

func TestLongListsAreChecked(t *testing.T) {
	list := make([]PartitionOffset, 10_000)
	for i := range list {
		list[i].Partition = int32(i)
	}
	require.NoError(t, validOffsets("ends", list))
	list[9_999].Partition = 17
	require.ErrorContains(t, validOffsets("ends", list), "ends[9999]: partition 17 stands in the list twice")
}
