package log

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"
)

// fake is an embedded control cluster with a client.
type fake struct {
	*kfake.Cluster
	c    *cluster.Client
	wire *cable
}

// start starts brokers, without control topics, and checks at the end that no
// goroutine is left.
func start(t *testing.T, brokers int) *fake {
	t.Helper()
	before := goleak.IgnoreCurrent()
	k, err := kfake.NewCluster(kfake.NumBrokers(brokers))
	require.NoError(t, err)
	w := &cable{}
	c, err := cluster.Open(t.Context(), "control", cluster.Config{
		Bootstrap: k.ListenAddrs(), RequestTimeout: 3 * time.Second, BrokerRefresh: 50 * time.Millisecond, Settle: 300 * time.Millisecond, Dial: w.dial,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		k.Close()
		goleak.VerifyNone(t, before)
	})
	return &fake{Cluster: k, c: c, wire: w}
}

// ready is start with the control topics.
func ready(t *testing.T, brokers int) *fake {
	t.Helper()
	f := start(t, brokers)
	_, err := Init(within(t, 10*time.Second), f.c, InitOptions{})
	require.NoError(t, err)
	return f
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// event is a command that differs by its id.
func event(t *testing.T, id string) events.Event {
	t.Helper()
	e, err := events.New(id, "move", events.MigrationStream, events.Actor{Kind: events.Operator, Name: "ann"},
		time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), events.StartRequested{})
	require.NoError(t, err)
	e.Expects = new(uint64)
	return e
}

func eventsOf(t *testing.T, n int) []events.Event {
	t.Helper()
	es := make([]events.Event, n)
	for i := range es {
		es[i] = event(t, fmt.Sprintf("e-%04d", i))
	}
	return es
}

// all reads the log from a position to its end.
func all(t *testing.T, c *cluster.Client, from int64) []events.Record {
	t.Helper()
	ctx := within(t, 10*time.Second)
	r := NewReader(c, from)
	var out []events.Record
	for {
		page, err := r.Next(ctx, 0, 0)
		require.NoError(t, err)
		out = append(out, page.Records...)
		if page.Next >= page.End {
			return out
		}
	}
}
