package auth

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPatience: a read that fails for a moment succeeds, one that keeps failing ends soon, and nobody waits past the context.
func TestPatience(t *testing.T) {
	failing := func(times int) (func() (int, error), *int) {
		calls := 0
		return func() (int, error) {
			if calls++; calls <= times {
				return 0, errors.New("half there")
			}
			return 7, nil
		}, &calls
	}
	read, calls := failing(rereads - 1)
	got, err := patiently(t.Context(), read)
	require.NoError(t, err)
	require.Equal(t, 7, got)
	require.Equal(t, rereads, *calls)

	read, calls = failing(1000)
	_, err = patiently(t.Context(), read)
	require.ErrorContains(t, err, "half there")
	require.Equal(t, rereads, *calls)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	read, calls = failing(1000)
	_, err = patiently(ctx, read)
	require.ErrorContains(t, err, "half there")
	require.Equal(t, 1, *calls)
}
