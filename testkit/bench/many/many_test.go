package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain is the worker process, too, as main is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == workerWord {
		if err := start(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestRun: a small run has all figures, and its worker is another process that ends.
// It has far more partitions than connections: these grow with brokers alone.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	f, err := run(ctx, options{partitions: 350, perTopic: 100, brokers: 3, rtt: time.Millisecond, calm: 10 * time.Millisecond, idle: 100 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, 350, f.partitions)
	for _, took := range []time.Duration{f.ordered, f.copied, f.published, f.starting, f.succeeded} {
		require.Positive(t, took)
	}
	require.Positive(t, f.open)
	require.GreaterOrEqual(t, f.peak, f.open)
	require.LessOrEqual(t, f.peak, goalOpen, "to one broker")
}

// TestWorkerEnds: a worker that cannot begin is an error, not a wait.
func TestWorkerEnds(t *testing.T) {
	b := &bench{setup: setup{Source: []string{"127.0.0.1:1"}, Target: []string{"127.0.0.1:1"}}}
	_, err := b.hire(t.Context())
	require.ErrorContains(t, err, "did not join its group")
}

// TestPlan: the last topic takes what is left.
func TestPlan(t *testing.T) {
	topics := options{partitions: 25, perTopic: 10}.plan()
	require.Len(t, topics, 3)
	require.Equal(t, []int32{0, 1, 2, 3, 4}, topics[2].all())
}

// TestOptions: what makes no sense is refused by name.
func TestOptions(t *testing.T) {
	good := options{partitions: 1, perTopic: 1, brokers: 1, idle: 1}
	require.NoError(t, good.validate())
	for flag, spoil := range map[string]func(*options){
		"-partitions is 0": func(o *options) { o.partitions = 0 },
		"-per-topic -1":    func(o *options) { o.perTopic = -1 },
		"-brokers is 2":    func(o *options) { o.brokers = 2 },
		"-rtt is -1ns":     func(o *options) { o.rtt = -1 },
	} {
		bad := good
		spoil(&bad)
		require.ErrorContains(t, bad.validate(), flag)
	}
}

// TestReport: every figure that has a goal has it beside it.
func TestReport(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, figures{partitions: 10_000, copied: 2500 * time.Millisecond, heap: 3000, open: 30, peak: 35, busy: 0.0071}.report(&out))
	require.Regexp(t, `copied +2\.5 s +≤ 30 s\n`, out.String())
	require.Regexp(t, `heap per idle partition +3000 bytes +≤ 4096 bytes\n`, out.String())
	require.Regexp(t, `idle +30 +≤ 80.*\n.*at most +35 +≤ 80.*\n.*idle +0\.007 s +≤ 0\.02 s\n`, out.String())
}
