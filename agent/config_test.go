package agent

import (
	"context"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func goodConsumer() ConsumerConfig {
	return ConsumerConfig{
		Group: "g", Topics: []string{"t"}, Instance: "i", Home: "s", Control: "c", Handler: func(context.Context, Record) error { return nil },
		Clusters: map[string]cluster.Config{"s": {Bootstrap: []string{"localhost:1"}}, "c": {Bootstrap: []string{"localhost:2"}}},
	}
}

func TestConsumerConfig(t *testing.T) {
	c := goodConsumer()
	require.NoError(t, c.Validate())
	require.Equal(t, 10*time.Second, c.Session)
	require.Equal(t, 30*time.Second, c.Rebalance)
	require.Equal(t, Earliest, c.Start)
	require.Equal(t, time.Minute, c.MetadataMaxAge)
	for want, spoil := range map[string]func(*ConsumerConfig){
		"Handler is nil":         func(c *ConsumerConfig) { c.Handler = nil },
		"Group is empty":         func(c *ConsumerConfig) { c.Group = "" },
		"Instance is empty":      func(c *ConsumerConfig) { c.Instance = "" },
		`but not "c"`:            func(c *ConsumerConfig) { delete(c.Clusters, "c") },
		`Home is "x"`:            func(c *ConsumerConfig) { c.Home = "x" },
		`Start is "middle"`:      func(c *ConsumerConfig) { c.Start = "middle" },
		"at least three heart":   func(c *ConsumerConfig) { c.Heartbeat = time.Minute },
		"RetryFirst 1s and":      func(c *ConsumerConfig) { c.RetryFirst, c.RetryMost = time.Second, time.Millisecond },
		"Buffer is -1":           func(c *ConsumerConfig) { c.Buffer = -1 },
		"Buffer is 2147483648":   func(c *ConsumerConfig) { c.Buffer = 1 << 31 },
		"MetadataMaxAge is -1s":  func(c *ConsumerConfig) { c.MetadataMaxAge = -time.Second },
		"StopTimeout is -1s":     func(c *ConsumerConfig) { c.StopTimeout = -time.Second },
		"no time to drain":       func(c *ConsumerConfig) { c.Rebalance = c.Heartbeat + 2*time.Second },
		"a duration is negative": func(c *ConsumerConfig) { c.Heartbeat = -time.Second },
		`Clusters["s"]`:          func(c *ConsumerConfig) { c.Clusters["s"] = cluster.Config{} },
	} {
		c := goodConsumer()
		spoil(&c)
		require.ErrorContains(t, c.Validate(), want)
		_, err := NewConsumer(c)
		require.ErrorContains(t, err, "agent: consumer of group")
	}
}

func TestConsumerUsedOnce(t *testing.T) {
	c, err := NewConsumer(goodConsumer())
	require.NoError(t, err)
	c.Close()
	c.Close()
	require.ErrorIs(t, c.Run(t.Context()), ErrUsed)
	require.EqualValues(t, -1, c.State().Position)
	// A context that has ended ends Run although no cluster was ever reached.
	c, err = NewConsumer(goodConsumer())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, c.Run(ctx))
}

func TestClusters(t *testing.T) {
	s := newClusters(map[string]cluster.Config{"a": {Bootstrap: []string{"127.0.0.1:1"}, DialTimeout: 50 * time.Millisecond}}, zerolog.Nop())
	_, err := s.get(t.Context(), "b")
	require.ErrorContains(t, err, `cluster "b" is not in the configuration`)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = s.wait(ctx, "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, cluster.ErrUnreachable)
	require.NoError(t, s.close())
	_, err = s.get(t.Context(), "a")
	require.ErrorIs(t, err, errClosed)
}

// What is pushed runs in order, one at a time, and the pusher never waits.
func TestSerial(t *testing.T) {
	s := newSerial()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		s.run(ctx)
		close(done)
	}()
	var got []int
	last := make(chan struct{})
	for i := range 100 {
		s.push(func() {
			if got = append(got, i); i == 99 {
				close(last)
			}
		})
	}
	<-last
	require.Eventually(t, s.idle, time.Second, time.Millisecond)
	cancel()
	<-done
	require.Len(t, got, 100)
	require.IsIncreasing(t, got)
}
