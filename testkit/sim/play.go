package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// subject is the package whose tests hold the simulator.
const subject = "./replicator"

// report is what a run of the simulator writes, see replicator/core_sim_test.go.
type report struct {
	Schedules uint64
	Took      time.Duration
	Outcomes  map[string]uint64
	Reached   []struct {
		What  string
		Times uint64
	}
	Broken []struct {
		Seed uint64
		What string
	}
}

// build compiles the simulator.
func build(binary string, flags ...string) error {
	args := append([]string{"test", "-c", "-ldflags=-s -w", "-o", binary}, flags...)
	if out, err := exec.Command("go", append(args, subject)...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// simulate runs a compiled simulator. It is the report that counts: of one that
// was not written the error says what happened instead.
func simulate(binary string, from, runs uint64) (r report, err error) {
	path := binary + ".json"
	cmd := exec.Command(binary, "-test.run=^TestSimulation$", "-test.timeout=1h", fmt.Sprint("-sim.from=", from), fmt.Sprint("-sim.runs=", runs), "-sim.report="+path)
	cmd.Dir = subject
	out, _ := cmd.CombinedOutput()
	raw, err := os.ReadFile(path)
	if err != nil {
		return r, fmt.Errorf("no report: %s", out[:min(len(out), 2000)])
	}
	return r, json.Unmarshal(raw, &r)
}

// play plays schedules against the product and judges the report.
func play(dir string, o options) error {
	binary := filepath.Join(dir, "sim.test")
	if err := build(binary); err != nil {
		return err
	}
	if o.runs == 1 {
		return trace(binary, o.seed)
	}
	fmt.Printf("%d schedules from seed %d; the same again: make sim RUNS=%d SEED=%d\n", o.runs, o.seed, o.runs, o.seed)
	r, err := simulate(binary, o.seed, o.runs)
	if err != nil {
		return err
	}
	r.print()
	return r.judge(o)
}

// trace plays one schedule and prints its steps.
func trace(binary string, seed uint64) error {
	cmd := exec.Command(binary, "-test.run=^TestSimulation$", fmt.Sprint("-sim.seed=", seed))
	cmd.Dir, cmd.Stdout, cmd.Stderr = subject, os.Stdout, os.Stderr
	return cmd.Run()
}

func (r report) print() {
	fmt.Printf("%d schedules in %v: %.0f/s\n\nhow they ended\n", r.Schedules, r.Took.Round(time.Millisecond), float64(r.Schedules)/r.Took.Seconds())
	var ends []string
	for end := range r.Outcomes {
		ends = append(ends, end)
	}
	slices.Sort(ends)
	for _, end := range ends {
		fmt.Printf("%9d  %s\n", r.Outcomes[end], end)
	}
	fmt.Println("\nwhat they met")
	for _, x := range r.Reached {
		fmt.Printf("%9d  %s\n", x.Times, x.What)
	}
	fmt.Println()
}

// judge says what is wrong with a run.
func (r report) judge(o options) error {
	var all []error
	for _, b := range r.Broken {
		all = append(all, fmt.Errorf("seed %d: %s\nstep by step: make sim RUNS=1 SEED=%d", b.Seed, b.What, b.Seed))
	}
	for _, x := range r.Reached {
		if o.runs >= runs && x.Times < least && len(r.Broken) == 0 {
			all = append(all, fmt.Errorf("%q was reached %d times, %d are needed to mean anything", x.What, x.Times, least))
		}
	}
	return errors.Join(all...)
}
