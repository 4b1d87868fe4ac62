package replicator

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawUnits(t *rapid.T, members int) []unit {
	var units []unit
	for i := range rapid.IntRange(0, 60).Draw(t, "units") {
		topic := fmt.Sprint("t", rapid.IntRange(0, 4).Draw(t, "topic"))
		u := unit{topic: topic, name: fmt.Sprintf("%s/%d", topic, i), owner: rapid.IntRange(-1, members-1).Draw(t, "owner")}
		if rapid.Bool().Draw(t, "busy") {
			u.rate = rapid.Float64Range(1, 1e8).Draw(t, "rate")
		}
		units = append(units, u)
	}
	return units
}

// TestShareIsFair: everything has an owner, counts differ by one at most, little
// moves, and the order of the units does not matter.
func TestShareIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.IntRange(1, 6).Draw(t, "members")
		units := drawUnits(t, members)
		to := share(units, members)
		counts, had, moved := make([]int, members), make([]int, members), 0
		for i, m := range to {
			require.True(t, m >= 0 && m < members)
			counts[m]++
			if o := units[i].owner; o != nobody {
				had[o]++
				if o != m {
					moved++
				}
			}
		}
		require.LessOrEqual(t, slices.Max(counts)-slices.Min(counts), 1)
		surplus := 0
		for m := range members {
			surplus += max(had[m]-counts[m], 0)
		}
		require.LessOrEqual(t, moved, surplus+2*mostExchange)
		if busiest(units, ownersOf(units), members) == 0 {
			require.Equal(t, surplus, moved, "without rates only the surplus moves")
		}
		turned := slices.Clone(units)
		slices.Reverse(turned)
		again := share(turned, members)
		slices.Reverse(again)
		require.Equal(t, to, again)
	})
}

func ownersOf(units []unit) (out []int) {
	for _, u := range units {
		out = append(out, u.owner)
	}
	return out
}

// busiest is the highest rate of a member.
func busiest(units []unit, to []int, members int) float64 {
	rates := make([]float64, members)
	for i, m := range to {
		if m != nobody {
			rates[m] += units[i].rate
		}
	}
	return slices.Max(rates)
}

// TestShareIsCloseToTheBest: with few units the busiest member has at most a
// third more than in the best of all ways to share them evenly, which an
// exhaustive search finds, if it has more than a quarter above the mean.
func TestShareIsCloseToTheBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 8).Draw(t, "units")
		units := make([]unit, n)
		total := 0.0
		for i := range units {
			units[i] = unit{topic: "t", name: fmt.Sprint(i), owner: nobody, rate: 1e6 * rapid.Float64Range(0, 100).Draw(t, "rate")}
			total += units[i].rate
		}
		best, to := math.Inf(1), make([]int, n)
		for bits := range 1 << n { // every way to share
			ones := 0
			for i := range to {
				to[i] = bits >> i & 1
				ones += to[i]
			}
			if max(ones, n-ones)-min(ones, n-ones) <= 1 {
				best = min(best, busiest(units, to, 2))
			}
		}
		got := busiest(units, share(units, 2), 2)
		require.True(t, got <= max(uneven*total/2, (total+matters)/2) || got <= best*4/3+1e-9, "have %v, best is %v", got, best)
	})
}

// TestLateWorkerGetsItsPart: a second worker gets half of every topic and half of
// the bytes, not the topics at the end of the alphabet.
func TestLateWorkerGetsItsPart(t *testing.T) {
	for name, rate := range map[string]float64{"rates are not known": 0, "one topic is busy": 1e6} {
		var units []unit
		for p := range 64 {
			units = append(units, unit{topic: "big", name: fmt.Sprintf("big/%d", p), rate: rate})
		}
		for i := range 100 {
			units = append(units, unit{topic: fmt.Sprintf("small-%03d", i), name: fmt.Sprintf("small-%03d/0", i), rate: rate / 1000})
		}
		big := 0
		for i, m := range share(units, 2) {
			if units[i].topic == "big" {
				big += m
			}
		}
		require.InDelta(t, 32, big, 1, name)
	}
}

// TestNewTopicIsSpread: of a topic without rates every worker gets its part, although one has less to do at that moment.
func TestNewTopicIsSpread(t *testing.T) {
	var units []unit
	for i := range 6 {
		units = append(units, unit{topic: "a/", name: fmt.Sprint("a/", i), owner: i % 2, rate: float64(1 + i%2)})
	}
	for _, topic := range []string{"b/", "c/"} {
		for i := range 8 {
			units = append(units, unit{topic: topic, name: fmt.Sprint(topic, i), owner: nobody})
		}
	}
	got := map[string][2]int{}
	for i, m := range share(units, 2) {
		n := got[units[i].topic]
		n[m]++
		got[units[i].topic] = n
	}
	require.Equal(t, map[string][2]int{"a/": {3, 3}, "b/": {4, 4}, "c/": {4, 4}}, got)
}

// TestDeadWorkersPartIsSpread: what a dead worker had goes to those who have less
// to do.
func TestDeadWorkersPartIsSpread(t *testing.T) {
	var units []unit
	for p := range 30 {
		u := unit{topic: "t", name: fmt.Sprintf("t/%02d", p), owner: p % 3, rate: 100}
		if u.owner == 2 {
			u.owner, u.rate = nobody, float64(10*p)
		}
		units = append(units, u)
	}
	to := share(units, 2)
	require.InDelta(t, busiest(units, to, 2), busiest(units, []int{}, 2)+(1000*2+1550)/2, 200)
	for i, u := range units {
		require.True(t, u.owner == nobody || to[i] == u.owner, "nothing else moves")
	}
}

// TestBusyPartitionsAreExchanged: counts are even and bytes are not: some
// partitions change places, not all.
func TestBusyPartitionsAreExchanged(t *testing.T) {
	var units []unit
	for p := range 100 {
		u := unit{topic: "t", name: fmt.Sprintf("t/%02d", p), owner: p / 50, rate: 1e3}
		if p < 10 {
			u.rate = 1e6
		}
		units = append(units, u)
	}
	to := share(units, 2)
	moved := 0
	for i, u := range units {
		if to[i] != u.owner {
			moved++
		}
	}
	require.Less(t, busiest(units, to, 2), uneven*(10*1e6+90*1e3)/2)
	require.LessOrEqual(t, moved, 10)
	for i := range units {
		units[i].rate /= 100
	}
	require.Equal(t, ownersOf(units), share(units, 2), "too little to move anything for")
	require.Empty(t, share(nil, 3))
	require.Equal(t, []int{nobody}, share(units[:1], 0))
}

// TestSharingManyIsQuick: the group's heartbeats wait for it.
func TestSharingManyIsQuick(t *testing.T) {
	var units []unit
	for p := range 100_000 {
		units = append(units, unit{topic: fmt.Sprint("t", p/100), name: fmt.Sprintf("t%d/%d", p/100, p%100), owner: p % 3, rate: float64(p % 977 * (p % 3))})
	}
	begun := cpuSeconds()
	share(units, 5)
	require.Less(t, cpuSeconds()-begun, 5.0)
}

// TestRatesTravel: what a stamp says about rates comes back, within the step of a
// character, and anything else is left alone.
func TestRatesTravel(t *testing.T) {
	rates := []float64{0, 0.5, 1, 3, 1000, 1e6, 1e9, 1e15}
	got, ok := decodeRates("123"+encodeRates(rates), len(rates))
	require.True(t, ok)
	require.Equal(t, []float64{0, 0, 1}, got[:3])
	for i := 3; i < 7; i++ {
		require.InEpsilon(t, rates[i], got[i], 0.2)
	}
	require.Greater(t, got[7], 1e9)
	got, ok = decodeRates("5"+encodeRates(nil), 0)
	require.True(t, ok)
	require.Empty(t, got)
	for _, stamp := range []string{"", "123", "123 00", "123 0!0", "000"} {
		_, ok := decodeRates(stamp, 3)
		require.False(t, ok, stamp)
	}
}

// FuzzRates: no stamp of a foreign member does harm.
func FuzzRates(f *testing.F) {
	f.Add("12 0Az", 3)
	f.Fuzz(func(t *testing.T, stamp string, n int) {
		rates, ok := decodeRates(stamp, max(min(n, 1000), 0))
		require.True(t, !ok || len(rates) == max(min(n, 1000), 0))
	})
}

// TestMeter: a rate follows what happens, and falls when nothing does.
func TestMeter(t *testing.T) {
	var m meter
	for s := range 300 {
		m.measure(int64(s)*1000, time.Duration(s)*time.Second)
	}
	require.InEpsilon(t, 1000, m.rate, 0.01)
	m.measure(5, 301*time.Second) // counted anew
	require.Less(t, m.rate, 1000.0)
	m.measure(5, 301*time.Second)
	m.measure(5, 1000*time.Second)
	require.Less(t, m.rate, 1.0)
}

// TestAssignor: guards get nothing, the latest generation's claim counts, rates
// of members that are gone are remembered.
func TestAssignor(t *testing.T) {
	peer := func(id string, generation int32, rates []float64, units ...string) group.Peer {
		return group.Peer{
			ID: id, Identity: group.Identity{Kind: group.KindWorker, Incarnation: id, Stamp: "1" + encodeRates(rates)},
			Owned: group.Assignment{Units: units}, OwnedGeneration: generation,
		}
	}
	inv := group.Inventory{Units: []string{"m/a/0", "m/a/1", "m/b/0", "m/b/1"}}
	known := map[string]float64{}
	const slow, busy = 64, 1 << 22
	got := assign(inv, []group.Peer{
		peer("y", 4, []float64{slow, slow}, "m/a/0", "m/b/0"),
		peer("x", 5, []float64{busy, busy}, "m/a/1", "m/b/0"),
		{ID: "guard", Identity: group.Identity{Kind: group.KindGuard}},
	}, known)
	require.Equal(t, map[string]group.Assignment{"x": {Units: []string{"m/a/0", "m/b/0"}}, "y": {Units: []string{"m/a/1", "m/b/1"}}}, got, "each has one that is busy")
	require.Equal(t, map[string]float64{"m/a/0": slow, "m/a/1": busy, "m/b/0": busy}, known)
	got = assign(inv, []group.Peer{peer("y", 6, []float64{busy, 0}, "m/a/1", "m/b/1"), peer("z", -1, nil)}, known)
	require.Equal(t, map[string]group.Assignment{"y": {Units: []string{"m/a/1", "m/b/1"}}, "z": {Units: []string{"m/a/0", "m/b/0"}}}, got)
	require.Empty(t, assign(inv, nil, known))
}
