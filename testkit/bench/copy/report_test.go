package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDatasets: batches are of the size that the name says, and can be sent.
func TestDatasets(t *testing.T) {
	for _, name := range []string{"none", "lz4", "zstd", "single"} {
		d, err := datasetNamed(name)
		require.NoError(t, err)
		batches, err := d.make()
		require.NoError(t, err)
		require.Len(t, batches, pool)
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
	require.Regexp(t, `limit.*250\.0 .*0\.50 .*1\.00 .*1\.00× .*2\.00×`, out.String())
	require.Regexp(t, `portage +3 +2ms +9ms +9ms`, out.String())
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
