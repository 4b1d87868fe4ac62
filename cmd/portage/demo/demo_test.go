package demo

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func play(t *testing.T, plant string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	err := Run(ctx, Options{Plant: plant, Rate: 600, Out: &out, Logger: zerolog.Nop()})
	return out.String(), err
}

// TestDemo: the story ends well, and tells every crossing.
func TestDemo(t *testing.T) {
	t.Parallel()
	out, err := play(t, "")
	require.NoError(t, err, out)
	for _, says := range []string{"readers staged→committed", "after a pause of", "migration completing→finished", "as live", "nothing found"} {
		require.Contains(t, out, says)
	}
}

// TestDemoPlant: a cheat of the workload is found and named, and nothing else.
func TestDemoPlant(t *testing.T) {
	t.Parallel()
	out, err := play(t, "reprocess")
	require.ErrorIs(t, err, ErrFound, out)
	require.Contains(t, out, "FAULT reprocessed in group billing: 1")
	require.NotContains(t, out, "FAULT loss")
}

func TestDemoUnknownPlant(t *testing.T) {
	_, err := play(t, "weeds")
	require.ErrorContains(t, err, "loss, duplicate, reorder or reprocess")
}
