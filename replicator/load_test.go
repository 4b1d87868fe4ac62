package replicator

import (
	"context"
	"errors"
	"fmt"
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
	topics := map[int32]string{} // so that one control partition has all of them
	for p := range int32(6) {
		for n := 0; topics[p] == "" || (events.CopyKey{Migration: "m", Topic: topics[p], Partition: p}).ControlPartition() != 3; n++ {
			topics[p] = fmt.Sprint("orders-", n)
		}
	}
	answers := make(chan int64, 10)
	ask := func(p int32) {
		got, err := l.load(ctx, events.CopyKey{Migration: "m", Topic: topics[p], Partition: p})
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

// TestShardsDoNotWaitForOneAnother: what hangs for one control partition is
// answered for another.
func TestShardsDoNotWaitForOneAnother(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	key := func(p int32) events.CopyKey { return events.CopyKey{Migration: "m", Topic: "orders", Partition: p} }
	other := int32(1)
	for key(other).ControlPartition() == key(0).ControlPartition() {
		other++
	}
	hangs := make(chan struct{})
	l := newLoader(func(ctx context.Context, keys []events.CopyKey) (map[events.CopyKey]log.Loaded, error) {
		if keys[0] == key(0) {
			close(hangs)
			<-ctx.Done()
		}
		return nil, nil
	})
	done := make(chan error)
	go func() { done <- l.run(ctx) }()
	l.ask(key(0), loading{key: key(0), answer: func(log.Loaded, error) {}})
	<-hangs
	_, err := l.load(ctx, key(other))
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}
