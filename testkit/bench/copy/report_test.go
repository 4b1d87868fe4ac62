package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDatasets: batches are of the size that the name says, and can be sent.
func TestDatasets(t *testing.T) {
	for _, name := range []string{"none", "lz4", "zstd", "single"} {
		d, err := datasetNamed(name)
		require.NoError(t, err)
		batches, err := d.make(3)
		require.NoError(t, err)
		require.Len(t, batches, 3)
		for _, b := range batches {
			require.NoError(t, b.Check())
			if name == "single" {
				require.EqualValues(t, 1, b.Count())
				continue
			}
			require.InDelta(t, d.size, len(b), float64(d.size)/10)
		}
	}
	_, err := datasetNamed("brotli")
	require.ErrorContains(t, err, "none, lz4, zstd")
}

// TestReport: ratios are those of the sums of all runs.
func TestReport(t *testing.T) {
	b := &bench{opts: options{data: []string{"lz4"}, movers: []string{"portage", "limit"}}, samples: []sample{
		{data: "lz4", mover: "portage", bytes: 1e9, took: 5 * time.Second, cpu: time.Second, brokers: 2 * time.Second},
		{data: "lz4", mover: "limit", bytes: 1e9, took: 4 * time.Second, cpu: 500 * time.Millisecond, brokers: time.Second},
		{data: "lz4", mover: "portage", bytes: 1e9, took: 3 * time.Second, cpu: time.Second, brokers: 2 * time.Second},
	}, latencies: []delays{{mover: "portage", took: []time.Duration{1e6, 2e6, 9e6}}}}
	var out bytes.Buffer
	require.NoError(t, b.report(&out))
	require.Contains(t, out.String(), "250.0")
	require.Regexp(t, `limit.*250\.0 .*0\.50 .*1\.00 .*1\.00× .*2\.00× .*2\.00×`, out.String())
	require.Regexp(t, `portage +3 +2ms +9ms +9ms`, out.String())
}

// TestGoals: each goal stands beside what was reached, for every MirrorMaker 2.
func TestGoals(t *testing.T) {
	one := func(mover string, took, cpu time.Duration) sample {
		return sample{data: "lz4", mover: mover, bytes: 1e9, took: took, cpu: cpu, brokers: time.Second}
	}
	b := &bench{
		opts: options{data: []string{"lz4"}, movers: []string{"portage", "mm2-default", "mm2-tuned", "limit"}},
		samples: []sample{
			one("portage", 10*time.Second, time.Second), one("mm2-default", 40*time.Second, 20*time.Second),
			one("mm2-tuned", 20*time.Second, 5*time.Second), one("limit", 8*time.Second, time.Second),
		},
		latencies: []delays{{mover: "mm2-tuned", took: []time.Duration{1e6}}, {mover: "portage", took: []time.Duration{25e6}}},
	}
	var out bytes.Buffer
	require.NoError(t, b.report(&out))
	for _, row := range []string{
		`throughput of mm2-default +lz4 +≥ 3\.0× +4\.00× +yes\n`, `CPU per GB of mm2-default +lz4 +≤ 0\.1× +0\.05× +yes\n`,
		`throughput of mm2-tuned +lz4 +≥ 3\.0× +2\.00× +no\n`, `CPU per GB of mm2-tuned +lz4 +≤ 0\.1× +0\.20× +no\n`,
		`throughput of the limit +lz4 +≥ 0\.9× +0\.80× +no\n`, `latency p99 +≤ 20ms +25ms +no\n`,
	} {
		require.Regexp(t, row, out.String())
	}
}

// TestProfiles: the profiles of all copies of a kind of data are shown as one.
func TestProfiles(t *testing.T) {
	b := &bench{opts: options{data: []string{"lz4"}}, dir: t.TempDir()}
	var out bytes.Buffer
	require.NoError(t, b.profiles(t.Context(), &out))
	require.Empty(t, out.String(), "portage did not copy")
	for n := range 2 {
		f, err := os.Create(filepath.Join(b.dir, copyName("portage", &loaded{dataset: dataset{name: "lz4"}}, n)+".pprof"))
		require.NoError(t, err)
		require.NoError(t, pprof.StartCPUProfile(f))
		t.Log("rounds:", burn(300*time.Millisecond))
		pprof.StopCPUProfile()
		require.NoError(t, f.Close())
	}
	require.NoError(t, b.profiles(t.Context(), &out))
	require.Regexp(t, `COPYING lz4[^\n]*\n +flat +flat% +sum% +cum +cum%\n`, out.String())
	require.Contains(t, out.String(), "burn")
}

// burn uses the processor.
//
//go:noinline
func burn(d time.Duration) (n int) {
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		for range 1000 {
			n ^= n << 1
		}
	}
	return n
}

// TestDelays: only records that were acknowledged and have arrived count.
func TestDelays(t *testing.T) {
	now := time.Now()
	c := &clocks{
		acked:   map[uint64]time.Time{1: now, 2: now, 3: now},
		arrived: map[uint64]time.Time{1: now.Add(5 * time.Millisecond), 2: now.Add(-time.Millisecond), 4: now},
	}
	require.Equal(t, []time.Duration{0, 5 * time.Millisecond}, c.delays(0))
	require.Equal(t, []time.Duration{0}, c.delays(2))
	require.Zero(t, delays{}.at(0.5))
}
