package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMutationsFit: each is made to text that is in the sources as they are, and
// has a name of its own.
func TestMutationsFit(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutations() {
		require.False(t, names[m.name], m.name)
		names[m.name] = true
		require.NotEmpty(t, m.edits, m.name)
		for _, e := range m.edits {
			changed, err := e.apply(filepath.Join("../..", e.file))
			require.NoError(t, err, m.name)
			require.Contains(t, string(changed), e.with)
		}
	}
	_, err := edit{"core.go", "no such text", ""}.apply("../../replicator/core.go")
	require.ErrorContains(t, err, `core.go holds "no such text" 0 times, not once`)
}

// TestJudge: a run fails by name at a broken promise, or at what was met too rarely.
func TestJudge(t *testing.T) {
	var r report
	r.Reached = append(r.Reached, struct {
		What  string
		Times uint64
	}{"two owners", 99})
	require.NoError(t, r.judge(options{runs: 10}), "few schedules meet little")
	require.EqualError(t, r.judge(options{runs: runs}), `"two owners" was reached 99 times, 100 are needed to mean anything`)
	r.Broken = append(r.Broken, struct {
		Seed uint64
		What string
	}{7, "a record is missing"})
	require.EqualError(t, r.judge(options{runs: runs}), "seed 7: a record is missing\nstep by step: make sim RUNS=1 SEED=7")
}
