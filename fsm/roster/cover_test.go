package roster

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestCover(t *testing.T) {
	cut := []Partition{{"orders", 1, 20}, {"orders", 0, 10}, {"bills", 0, 5}}
	a, b := Ack{epoch, "pa", "ma"}, Ack{epoch, "pb", "mb"}
	owners := []Ack{a, b}
	stages := []Stage{{a, []Partition{{"orders", 0, 10}}}, {b, []Partition{{"orders", 1, 20}, {"bills", 0, 5}}}}
	c := Cover(epoch, cut, owners, stages)
	require.True(t, c.Complete(), c.Why())
	require.Empty(t, c.Why())
	require.Empty(t, c.Extra)

	c = Cover(epoch, cut, owners, append(stages, Stage{a, []Partition{{"orders", 1, 20}, {"logs", 3, 1}}}))
	require.True(t, c.Complete(), "staged twice after a rebalance, and one partition that does not move")
	require.Equal(t, []Partition{{"logs", 3, 1}}, c.Extra)

	c = Cover(epoch, cut, owners, append(stages, Stage{a, []Partition{{"orders", 1, 21}}}))
	require.False(t, c.Complete(), "two stagings disagree")
	require.Equal(t, "staged at another offset: orders/1@21", c.Why())

	c = Cover(epoch, cut, owners, stages[1:])
	require.Equal(t, "not staged: orders/0@10", c.Why())
	require.True(t, Cover(epoch, nil, nil, nil).Complete())
}

func TestStagingsThatCountForNothing(t *testing.T) {
	cut := []Partition{{"orders", 0, 10}}
	owners := []Ack{{epoch, "p", "m"}, {epoch, "", "m"}, {epoch, "p", ""}, {epoch - 1, "p", "m"}}
	for name, who := range map[string]Ack{
		"a former epoch":      {epoch - 1, "p", "m"},
		"another incarnation": {epoch, "q", "m"},
		"another member id":   {epoch, "p", "n"},
		"no incarnation":      {epoch, "", "m"},
		"no member id":        {epoch, "p", ""},
	} {
		c := Cover(epoch, cut, owners, []Stage{{who, cut}})
		require.Equal(t, Coverage{Missing: cut}, c, name)
	}
}

// Coverage agrees with asking partition by partition.
func TestCoverAgainstTheDumbReading(t *testing.T) {
	partition := rapid.Custom(func(t *rapid.T) Partition {
		return Partition{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "topic"), rapid.Int32Range(0, 2).Draw(t, "partition"), rapid.Int64Range(0, 1).Draw(t, "offset")}
	})
	who := rapid.Custom(func(t *rapid.T) Ack {
		return Ack{rapid.Uint32Range(epoch-1, epoch).Draw(t, "epoch"), rapid.SampledFrom([]string{"p", "q"}).Draw(t, "incarnation"), rapid.SampledFrom([]string{"m", "n"}).Draw(t, "member")}
	})
	stage := rapid.Custom(func(t *rapid.T) Stage {
		return Stage{who.Draw(t, "who"), rapid.SliceOfN(partition, 0, 4).Draw(t, "partitions")}
	})
	rapid.Check(t, func(t *rapid.T) {
		cut := rapid.SliceOfNDistinct(partition, 0, 6, func(p Partition) Partition { p.Offset = 0; return p }).Draw(t, "cut")
		owners := rapid.SliceOfN(who, 0, 3).Draw(t, "owners")
		stages := rapid.SliceOfN(stage, 0, 4).Draw(t, "stages")
		c := Cover(epoch, cut, owners, stages)
		complete := true
		for _, w := range cut {
			right, wrong := false, false
			for _, s := range stages {
				if s.Epoch != epoch || !slices.Contains(owners, s.Ack) {
					continue
				}
				for _, p := range s.Partitions {
					if p.Topic == w.Topic && p.Partition == w.Partition {
						right, wrong = right || p.Offset == w.Offset, wrong || p.Offset != w.Offset
					}
				}
			}
			require.Equal(t, !right, slices.Contains(c.Missing, w), "%v", w)
			require.Equal(t, wrong, slices.ContainsFunc(c.Wrong, func(p Partition) bool { return comparePartition(p, w) == 0 }), "%v", w)
			complete = complete && right && !wrong
		}
		require.Equal(t, complete, c.Complete())
		require.Equal(t, complete, c.Why() == "")
	})
}
