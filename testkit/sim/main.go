// Command sim plays the schedules of the replicator's simulator (package
// replicator, TestSimulation), many of them on all cores, and then plays them
// against changed products to see that a wrong one is found out.
//
//	go run ./testkit/sim                       # 100,000 schedules of a drawn seed, then every mutation
//	go run ./testkit/sim -runs 1000000 -seed 7 # those of the seeds 7 to 1000006
//	go run ./testkit/sim -runs 1 -seed 99      # the one of seed 99, step by step
//	go run ./testkit/sim -runs 0 -mutation map # only the mutations whose name contains "map"
//
// A run fails at a broken promise, with the seed that shows it; if something that
// a schedule may meet was met too rarely to mean anything; and if a mutation
// survives. Run it in the root of the repository.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
)

// runs is how many schedules make a run whose report must be complete, and how
// many a mutation gets at most; least how often each line of the report must have
// been reached then.
const (
	runs  = 100_000
	least = 100
)

// options are the flags.
type options struct {
	runs, seed uint64
	mutation   string
}

func main() {
	var o options
	flag.Uint64Var(&o.runs, "runs", runs, "how many schedules; 0: the mutations alone; 1: that one step by step")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of the first schedule; 0 draws one")
	flag.StringVar(&o.mutation, "mutation", "", "only the mutations whose name contains this")
	flag.Parse()
	if o.seed == 0 {
		o.seed = rand.Uint64N(1<<40) + 1
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "sim: "+err.Error())
		os.Exit(1)
	}
}

// run does what the options say in a directory of its own.
func run(o options) error {
	dir, err := os.MkdirTemp("", "portage-sim-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.runs > 0 {
		if err := play(dir, o); err != nil || o.runs == 1 {
			return err
		}
	}
	return mutate(dir, o.mutation)
}
