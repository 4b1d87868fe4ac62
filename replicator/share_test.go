package replicator

import (
	"fmt"
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
