package replicator

import (
	"context"
	"errors"
	"testing"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/stretchr/testify/require"
)

func TestLoaderReadsForManyAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var sizes []int
	first, release := make(chan struct{}), make(chan struct{})
	l := newLoader(func(_ context.Context, keys []events.CopyKey) (map[events.CopyKey]log.Loaded, error) {
		sizes = append(sizes, len(keys))
		if len(sizes) == 1 {
			close(first)
			<-release
		}
		out := map[events.CopyKey]log.Loaded{}
		for _, k := range keys {
			out[k] = log.Loaded{Claims: []events.Claim{{ProducerID: int64(k.Partition)}}}
		}
		return out, nil
	})
	done := make(chan error)
	go func() { done <- l.run(ctx) }()
	answers := make(chan int64, 10)
	ask := func(p int32) {
		got, err := l.load(ctx, events.CopyKey{Partition: p})
		if err != nil {
			t.Error(err)
		}
		answers <- got.Claims[0].ProducerID - int64(p)
	}
	go ask(1)
	<-first
	started := make(chan struct{})
	for p := range int32(5) {
		go func() { started <- struct{}{}; ask(p) }()
		<-started
	}
	close(release)
	for range 6 {
		require.Zero(t, <-answers, "everybody gets the answer to the own question")
	}
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	total := 0
	for _, n := range sizes {
		total += n
	}
	require.Equal(t, 6, total)
	_, err := l.load(ctx, events.CopyKey{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestLoaderHandsErrorsOn(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	broken := errors.New("broken")
	l := newLoader(func(context.Context, []events.CopyKey) (map[events.CopyKey]log.Loaded, error) { return nil, broken })
	done := make(chan error)
	go func() { done <- l.run(ctx) }()
	_, err := l.load(ctx, events.CopyKey{})
	require.ErrorIs(t, err, broken)
	cancel()
	<-done
}
