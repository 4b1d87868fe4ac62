package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events/log"
)

func TestExitCodes(t *testing.T) {
	for want, err := range map[int]error{
		0: nil, 1: errors.New("x"), 3: &commands.Refused{}, 6: log.ErrOutcomeUnknown, 64: usage(errors.New("x")), 77: cluster.ErrUnauthorized,
		124: context.DeadlineExceeded, 130: context.Canceled,
	} {
		require.Equal(t, want, exitCode(err))
		if err != nil {
			require.Equal(t, want, exitCode(fmt.Errorf("wrapped: %w", err)))
		}
	}
	require.Equal(t, 77, exitCode(cluster.ErrAuthentication))
	require.Equal(t, 124, exitCode(&cluster.Error{Err: os.ErrDeadlineExceeded}), "a connection notices a deadline before its context")
}
