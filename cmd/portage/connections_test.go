package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// TestUnreachableClusterHoldsNobodyUp: while a cluster is being opened, without
// an answer, others are opened and used.
func TestUnreachableClusterHoldsNobodyUp(t *testing.T) {
	pair := embedded.ForTest(t, embedded.Options{})
	trying := make(chan struct{})
	s := connections{open: func(ctx context.Context, name string) (*cluster.Client, error) {
		if name == "silent" {
			close(trying)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return cluster.Open(ctx, name, cluster.Config{Bootstrap: pair.Target.Bootstrap()})
	}}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := s.get(ctx, "silent")
		failed <- err
	}()
	<-trying
	first, err := s.get(t.Context(), "new")
	require.NoError(t, err)
	second, err := s.get(t.Context(), "new")
	require.NoError(t, err)
	require.Same(t, first, second, "a cluster is opened once")
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.NoError(t, s.close())
}

// TestOpeningIsTriedOnceForAll: who has waited for an attempt that failed gets
// its error instead of an attempt of his own; an attempt that was called off
// counts for nobody else.
func TestOpeningIsTriedOnceForAll(t *testing.T) {
	var tries atomic.Int32
	refused := errors.New("connection refused")
	s := connections{again: time.Hour, open: func(ctx context.Context, _ string) (*cluster.Client, error) {
		tries.Add(1)
		return nil, errors.Join(refused, ctx.Err())
	}}
	off, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.get(off, "old")
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, tries.Load())
	for range 3 {
		_, err := s.get(t.Context(), "old")
		require.ErrorIs(t, err, refused)
	}
	require.EqualValues(t, 1, tries.Load())
	s.at("old").until = time.Time{} // the pause is over
	_, err = s.get(t.Context(), "old")
	require.ErrorIs(t, err, refused)
	require.EqualValues(t, 2, tries.Load())
}
