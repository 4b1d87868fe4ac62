package replicator

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
)

var (
	simSeed   = flag.Uint64("sim.seed", 0, "TestSimulation: play the schedule of this seed alone and print what happens")
	simFrom   = flag.Uint64("sim.from", 0, "TestSimulation: the seed of the first schedule; 0 draws one")
	simRuns   = flag.Uint64("sim.runs", 3000, "TestSimulation: play so many schedules, of one seed after the other")
	simBroken = flag.Int("sim.broken", 1, "TestSimulation: end after so many schedules with a broken promise")
	simReport = flag.String("sim.report", "", "TestSimulation: write the report to this file, as JSON")
)

// TestSimulation plays schedules: owners of one partition come, die, linger and
// overlap while brokers fail, and at the end of each the target must have every
// committed source record exactly once, in order and where the map says, or a
// core must have said what is wrong, and that must be true. `make sim` plays
// many and changes the product to see whether that is noticed.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		var counts tally
		outcome, err := playSeed(*simSeed, &counts, func(line string) { fmt.Println(line) })
		require.NoError(t, err)
		fmt.Println(outcome)
		return
	}
	from := *simFrom
	if from == 0 {
		from = rand.Uint64N(1<<40) + 1
	}
	r := playSeeds(from, *simRuns, *simBroken)
	if *simReport != "" {
		raw, err := json.Marshal(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(*simReport, raw, 0o644))
	}
	t.Logf("%d schedules from seed %d in %v: %v", r.Schedules, from, r.Took.Round(time.Millisecond), r.Outcomes)
	for _, b := range r.Broken {
		t.Errorf("seed %d: %s (play it with -sim.seed=%d)", b.Seed, b.What, b.Seed)
	}
	require.Greater(t, r.Outcomes["exact"], r.Schedules/2, "most schedules must end in an exact copy, or little was tried")
}

// report is what a run of the simulator found; testkit/sim reads it.
type report struct {
	Schedules uint64            `json:"schedules"`
	Took      time.Duration     `json:"took"`
	Outcomes  map[string]uint64 `json:"outcomes"`
	Reached   []reachedTimes    `json:"reached"`
	Broken    []broken          `json:"broken"`
}

// reachedTimes says how often something was reached.
type reachedTimes struct {
	What  string `json:"what"`
	Times uint64 `json:"times"`
}

// broken is a promise that a schedule has shown not to be kept.
type broken struct {
	Seed uint64 `json:"seed"`
	What string `json:"what"`
}

// playSeed plays one schedule. A core that panics has broken its promise, too.
func playSeed(seed uint64, counts *tally, trace func(string)) (outcome string, err error) {
	w := newWorld(seed, counts, trace)
	defer func() {
		if p := recover(); p != nil {
			outcome, err = "broken", fmt.Errorf("panic: %v", p)
			if trace != nil {
				panic(p)
			}
		}
	}()
	outcome = w.play()
	return outcome, w.err
}

// playSeeds plays the schedules of n seeds on all cores, until so many have
// broken a promise.
func playSeeds(from, n uint64, most int) report {
	start := time.Now()
	var next atomic.Uint64
	var found atomic.Int64
	r := report{Outcomes: map[string]uint64{}}
	var counts tally
	var mu sync.Mutex
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			var mine tally
			outcomes, schedules := map[string]uint64{}, uint64(0)
			for i := next.Add(1); i <= n && int(found.Load()) < most; i = next.Add(1) {
				seed := from + i - 1
				outcome, err := playSeed(seed, &mine, nil)
				outcomes[outcome]++
				schedules++
				if err != nil {
					found.Add(1)
					mu.Lock()
					r.Broken = append(r.Broken, broken{seed, err.Error()})
					mu.Unlock()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			r.Schedules += schedules
			for k, v := range outcomes {
				r.Outcomes[k] += v
			}
			for i, v := range mine {
				counts[i] += v
			}
		})
	}
	all.Wait()
	for i, v := range counts {
		r.Reached = append(r.Reached, reachedTimes{reach(i).String(), v})
	}
	r.Took = time.Since(start)
	return r
}

// TestSeedsRepeat: a seed plays the same schedule every time, or no failure
// could be looked into.
func TestSeedsRepeat(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		var first, second []string
		var counts tally
		_, err := playSeed(seed, &counts, func(line string) { first = append(first, line) })
		require.NoError(t, err)
		_, err = playSeed(seed, &counts, func(line string) { second = append(second, line) })
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.NotEmpty(t, first)
	}
}

// TestReachesHaveNames: no two lines of the report are one.
func TestReachesHaveNames(t *testing.T) {
	names := map[string]bool{}
	for r := range reaches {
		names[r.String()] = true
	}
	require.Len(t, names, int(reaches), "%v", slices.Sorted(maps.Keys(names)))
	require.NotContains(t, names, "")
}

func requireSame(t *testing.T, want, got batch.Record) {
	t.Helper()
	want.Offset, got.Offset = 0, 0
	require.Equal(t, want, got)
}
