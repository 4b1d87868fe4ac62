package realkafka

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"
)

// Env is the environment variable that turns tests on real brokers on (value 1); `make kafka` sets it.
const Env = "PORTAGE_REAL"

// startWithin bounds the start of a cluster in a test, also on a machine that is busy with other tests.
const startWithin = 2 * time.Minute

// tailLines is how much of each broker's log a failed test prints.
const tailLines = 40

// Require skips a test unless real brokers are asked for; when they are, and cannot run here, the test fails: a tier that was
// asked for is never skipped in silence.
func Require(tb testing.TB) {
	tb.Helper()
	if os.Getenv(Env) != "1" {
		tb.Skipf("needs Apache Kafka: run `make kafka`, or set %s=1", Env)
	}
	if err := Available(); err != nil {
		tb.Fatalf("%s=1 asks for Apache Kafka: %v", Env, err)
	}
}

// ForTest starts a cluster for one test (see Require) and stops it afterwards. The log goes to the test's output; a failed
// test also prints the brokers' last lines.
func ForTest(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	return AllForTest(tb, o)[0]
}

// AllForTest is ForTest for several clusters, which start at the same time: a source and a target.
func AllForTest(tb testing.TB, all ...Options) []*Cluster {
	tb.Helper()
	Require(tb)
	all = slices.Clone(all)
	for i := range all {
		if all[i].Log == nil {
			all[i].Log = tb.Output()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	clusters, err := StartAll(ctx, all...)
	if err != nil {
		tb.Fatal(err)
	}
	for _, c := range clusters {
		tb.Cleanup(func() {
			if tb.Failed() {
				tb.Log(c.Tail(tailLines))
			}
			c.Stop()
		})
	}
	return clusters
}
