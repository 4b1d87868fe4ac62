package service_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
)

// BenchmarkSwitch moves a busy group of 8 instances and 64 partitions, and
// reports how long the parts of the switch took in which everybody waits for
// the orchestrator, with its brokers at hand and 10 ms away.
func BenchmarkSwitch(b *testing.B) {
	for _, away := range []time.Duration{0, 10 * time.Millisecond} {
		b.Run(fmt.Sprint("away=", away), func(b *testing.B) {
			parts := make(map[string][]time.Duration)
			for b.Loop() {
				for part, took := range switchOnce(b, away) {
					parts[part] = append(parts[part], took...)
				}
			}
			for part, all := range parts {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, part+"-ms/p50")
				b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, part+"-ms/max")
			}
		})
	}
}

const (
	busyInstances  = 8
	busyPartitions = 64
	busyRecords    = 1000
	busyBatch      = 20
)

// switchOnce sets everything up, switches once and tells how long each part took.
func switchOnce(tb testing.TB, away time.Duration) map[string][]time.Duration {
	b := newBench(tb)
	b.topics(b.pair.Source, busyPartitions, "orders")
	for p := range int32(busyPartitions) {
		for at := 0; at < busyRecords; at += busyBatch {
			b.write(b.source(), "orders", p, numbered(at, at+busyBatch)...)
		}
	}
	stop := b.serveAs("here", func(o *service.Options) {
		o.Logger = zerolog.Nop()
		b.behind(o, away)
	})
	defer stop()
	var pauses []time.Duration
	var mu sync.Mutex
	resumed := agent.WithConsumerObserver(agent.ConsumerObserver{Notice: func(n agent.Notice) {
		if n.Kind == agent.NoticeResumed {
			mu.Lock()
			defer mu.Unlock()
			pauses = append(pauses, n.Pause)
		}
	}})
	for i := range busyInstances {
		defer b.slowly("billing", fmt.Sprint("i", i), resumed)()
	}
	b.members("source", busyInstances)
	b.create(readers("prepare: 60s, hold: 30s"))
	b.ready()
	arrivals := b.arrivals()
	b.switchReaders()
	b.group("billing", isOnTarget)
	at := arrivals()
	require.Eventually(tb, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(pauses) == busyInstances
	}, patience, time.Millisecond)
	return map[string][]time.Duration{
		"prepare": {at["HoldOrdered"].Sub(at["SwitchRequested"])},
		"drain":   {at["DrainProven"].Sub(at["Drained"])},
		"cut":     {at["CutTaken"].Sub(at["DrainProven"])},
		"decide":  {at["SwitchCommitted"].Sub(at["Staged"])},
		"pause":   pauses,
	}
}

// slowly runs an instance whose handler takes as long as handlers do, so that
// there is a backlog behind the cut.
func (b *bench) slowly(group, instance string, options ...agent.ConsumerOption) (stop func()) {
	return b.instance(agent.ConsumerConfig{
		Group: group, Topics: []string{"orders"}, Instance: instance,
		Handler: func(context.Context, agent.Record) error {
			time.Sleep(20 * time.Millisecond)
			return nil
		},
	}, options...)
}

// behind gives an orchestrator clients of its own whose brokers are away.
func (b *bench) behind(o *service.Options, away time.Duration) {
	clients := make(map[string]*cluster.Client)
	for name, addresses := range b.bootstrap {
		clients[name] = b.open(name, cluster.Config{Bootstrap: addresses, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return slow{conn, away}, err
		}})
	}
	o.Control = clients["target"]
	o.Clusters = func(_ context.Context, name string) (*cluster.Client, error) { return clients[name], nil }
}

// slow is a connection to a broker that is away: what is written gets there so
// much later.
type slow struct {
	net.Conn
	away time.Duration
}

// Write implements net.Conn.
func (s slow) Write(b []byte) (int, error) {
	if s.away > 0 {
		time.Sleep(s.away)
	}
	return s.Conn.Write(b)
}

// arrivals follows the log from its end until the function returned is called:
// that tells when the last event of each type of billing was read.
func (b *bench) arrivals() (done func() map[events.Type]time.Time) {
	b.t.Helper()
	end, err := log.End(b.t.Context(), b.target())
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(b.t.Context())
	at, ended := make(map[events.Type]time.Time), make(chan struct{})
	go func() {
		defer close(ended)
		for r := log.NewReader(b.target(), end); ctx.Err() == nil; {
			page, err := r.Next(ctx, 0, time.Second)
			if err != nil {
				continue
			}
			for _, rec := range page.Records {
				if rec.Event.Stream == billing {
					at[rec.Event.Type] = time.Now()
				}
			}
		}
	}()
	return func() map[events.Type]time.Time {
		cancel()
		<-ended
		return at
	}
}
