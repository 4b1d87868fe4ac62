package group

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// problems draws small problems with any mixture of pins, owners and classes.
func problems(t *rapid.T, sameClass bool) problem {
	p := problem{bins: rapid.IntRange(0, 5).Draw(t, "bins")}
	classes := 1
	if !sameClass {
		classes = rapid.IntRange(1, 3).Draw(t, "classes")
	}
	for range classes {
		var class []int
		for b := range p.bins {
			if sameClass || rapid.Bool().Draw(t, "eligible") {
				class = append(class, b)
			}
		}
		p.classes = append(p.classes, class)
	}
	for range rapid.IntRange(0, 20).Draw(t, "items") {
		it := item{class: rapid.IntRange(0, classes-1).Draw(t, "class"), pin: none, owner: none}
		class := p.classes[it.class]
		if len(class) > 0 && rapid.IntRange(0, 4).Draw(t, "pinned") == 0 {
			it.pin = rapid.SampledFrom(class).Draw(t, "pin")
		}
		if p.bins > 0 && rapid.Bool().Draw(t, "owned") {
			it.owner = rapid.IntRange(0, p.bins-1).Draw(t, "owner")
		}
		p.items = append(p.items, it)
	}
	return p
}

func loadsOf(p problem, bins []int) []int {
	load := make([]int, p.bins)
	for _, b := range bins {
		if b != none {
			load[b]++
		}
	}
	return load
}

// TestBalanceKeepsItsPromises: every item has an eligible bin, pins hold, and no single move would help.
func TestBalanceKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := problems(t, false)
		got := p.solve()
		require.Equal(t, got, p.solve(), "the same problem, the same solution")
		load := loadsOf(p, got)
		for i, it := range p.items {
			class := p.classes[it.class]
			switch {
			case it.pin != none:
				require.Equal(t, it.pin, got[i])
			case len(class) == 0:
				require.Equal(t, none, got[i])
			default:
				require.Contains(t, class, got[i])
				for _, b := range class {
					require.Less(t, load[got[i]]-load[b], 2, "item %d had better be in bin %d", i, b)
				}
			}
		}
	})
}

// TestBalanceIsSticky: where everybody may have everything, exactly as many owners keep their items as an even share allows.
func TestBalanceIsSticky(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := problems(t, true)
		if p.bins == 0 {
			return
		}
		for i := range p.items {
			p.items[i].pin = none
		}
		got := p.solve()
		kept := 0
		for i, it := range p.items {
			if it.owner != none && it.owner == got[i] {
				kept++
			}
		}
		require.Equal(t, mostKept(p), kept)
	})
}

// mostKept is the obvious upper bound, by trying who gets one more where it does not divide: the bins that own most.
func mostKept(p problem) int {
	owned := make([]int, p.bins)
	for _, it := range p.items {
		if it.owner != none {
			owned[it.owner]++
		}
	}
	slices.SortFunc(owned, func(a, b int) int { return b - a })
	kept, each, extra := 0, len(p.items)/p.bins, len(p.items)%p.bins
	for i, n := range owned {
		share := each
		if i < extra {
			share++
		}
		kept += min(n, share)
	}
	return kept
}

// TestBalanceOfItsOwnSolutionChangesNothing: an unchanged group is left alone.
func TestBalanceOfItsOwnSolutionChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := problems(t, false)
		got := p.solve()
		for i, b := range got {
			p.items[i].owner = b
		}
		require.Equal(t, got, p.solve())
	})
}
