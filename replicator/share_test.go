package replicator

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestOrdersInARow: there is time to copy while new orders come during every
// rebalance, however long one takes.
func TestOrdersInARow(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	var orders []events.CopyOrder
	for i := range 12 {
		orders = append(orders, e.topic(fmt.Sprint("topic-", i), 1, nil))
	}
	fill(t, e.sourceAddr, orders[0], 0, 10)
	e.publish(orders[0])
	target := pair.Target.Kfake()
	target.ControlKey(int16(kmsg.SyncGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		target.KeepControl()
		target.SleepControl(func() { time.Sleep(rejoinEvery + 100*time.Millisecond) }) // how long a rebalance takes
		return nil, nil, false
	})
	w := e.start(func(c *Config) { c.Session = 5 * time.Second })
	next := 1
	e.eventually("the first topic is copied", func() bool {
		w.mu.Lock()
		shared := len(w.supplied)
		w.mu.Unlock()
		if shared == next { // the rebalance under way does not know of the next order
			require.Less(t, next, len(orders), "nothing was copied during so many rebalances")
			e.publish(orders[next])
			next++
		}
		w.mu.Lock()
		p := w.owned[keyOf(orders[0], 0)]
		w.mu.Unlock()
		return p != nil && p.status().Watermark == 10
	})
}

// TestRebalanceAwaitsAnswers: while a batch is on its way its worker does not let the
// group rebalance: whoever had the partition next would look at the target too early.
func TestRebalanceAwaitsAnswers(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	o := e.topic("orders", 2, nil)
	e.publish(o)
	a := e.start(nil)
	e.eventually("it copies", func() bool { return seated(a.Worker) == 2 })
	target, sent, answer := pair.Target.Kfake(), make(chan struct{}), make(chan struct{})
	arrived := sync.OnceFunc(func() { close(sent) })
	target.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if topics := r.(*kmsg.ProduceRequest).Topics; len(topics) == 0 || topics[0].Topic != o.TargetTopic {
			target.KeepControl()
			return nil, nil, false
		}
		arrived()
		target.SleepControl(func() { <-answer })
		return nil, nil, false
	})
	fill(t, e.sourceAddr, o, 0, 10)
	<-sent
	b := e.start(nil)
	e.eventually("the worker stops sending", func() bool { return a.holding.Load() })
	require.Never(t, func() bool { return len(b.Status()) > 0 }, 500*time.Millisecond, 10*time.Millisecond, "the group waits")
	close(answer)
	e.eventually("both copy", func() bool { return seated(a.Worker) == 1 && seated(b.Worker) == 1 })
	e.copied(o)
	e.same(o)
	e.noStops()
}

// TestRatesAreEvenedOut: nobody comes or goes, and the busy partitions are all with
// one worker: in a while each has some.
func TestRatesAreEvenedOut(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 8, nil)
	e.publish(o)
	often := func(c *Config) { c.Reshare = 100 * time.Millisecond }
	a := e.start(often)
	b := e.start(often)
	e.eventually("both copy", func() bool { return seated(a.Worker) == 4 && seated(b.Worker) == 4 })
	busy := a.partitions()
	for _, p := range busy {
		p.mu.Lock()
		p.meter.rate = 100 << 20 // which takes half a minute to fade
		p.mu.Unlock()
	}
	left := func() (n int) {
		for _, s := range a.Status() {
			for _, p := range busy {
				if p.key == s.Key {
					n++
				}
			}
		}
		return n
	}
	e.eventually("half of them go to the other", func() bool { return left() == 2 && seated(a.Worker) == 4 && seated(b.Worker) == 4 })
	fill(t, e.sourceAddr, o, 0, 10)
	e.copied(o)
	e.same(o)
	e.noStops()
}

// TestShifted: small changes, and small rates, are not worth a rebalance.
func TestShifted(t *testing.T) {
	for _, c := range []struct {
		known, rate float64
		want        bool
	}{{0, 0, false}, {0, 1 << 20, false}, {0, 2 << 20, true}, {10 << 20, 14 << 20, false}, {10 << 20, 16 << 20, true}, {10 << 20, 4 << 20, true}, {2 << 20, 0, true}, {1 << 20, 0, false}} {
		require.Equal(t, c.want, shifted(c.known, c.rate), "%+v", c)
	}
}
