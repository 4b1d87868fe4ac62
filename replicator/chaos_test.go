package replicator

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var chaosSeed = flag.Uint64("replicator.chaos", 0, "the seed of TestChaos; 0 takes the clock")

// TestChaos throws faults of all kinds at workers that come and go while
// records of all kinds flow: at the end the target equals the source, and
// nothing was stopped. What happens when is not repeatable, what is done is:
// run it again with -replicator.chaos SEED.
func TestChaos(t *testing.T) {
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	c := &chaos{r: rand.New(rand.NewPCG(seed, 3))}
	c.env, c.pair = onKfake(t, embedded.Options{Brokers: 3, Seed: seed})
	for _, name := range []string{"a", "b"} {
		o := c.topic(name, 3, nil)
		c.orders = append(c.orders, o)
		c.publish(o)
	}
	c.alive = append(c.alive, c.start(nil))
	for range 12 {
		c.write()
		c.harm()
	}
	for _, h := range c.faults {
		h.Remove()
	}
	c.copied(c.orders...)
	for _, o := range c.orders {
		c.same(o)
	}
	c.noStops()
}

type chaos struct {
	*env
	pair   *embedded.Pair
	r      *rand.Rand
	orders []events.CopyOrder
	alive  []*running
	faults []*kfake.FaultHandle
	n      int
}

// write puts some records into every partition.
func (c *chaos) write() {
	for i, o := range c.orders {
		if c.r.IntN(3) == 0 {
			transactions(c.t, c.sourceAddr, o, 1)
			continue
		}
		fill(c.t, c.sourceAddr, o, c.n, 10+c.r.IntN(40), kgo.ProducerBatchMaxBytes(int32(600+c.r.IntN(5000))))
		c.n += 100 + i
	}
}

// harm does one thing that happens in the life of clusters and workers.
func (c *chaos) harm() {
	side := c.pair.Target
	if c.r.IntN(2) == 0 {
		side = c.pair.Source
	}
	o := c.orders[c.r.IntN(len(c.orders))]
	switch c.r.IntN(7) {
	case 0:
		c.alive = append(c.alive, c.start(nil))
	case 1:
		if len(c.alive) > 1 {
			c.alive[0].kill()
			c.alive = c.alive[1:]
		}
	case 2:
		if len(c.alive) > 1 {
			c.alive[0].stop(c.t)
			c.alive = c.alive[1:]
		}
	case 3:
		require.NoError(c.t, c.pair.Target.Kfake().MoveTopicPartition(o.TargetTopic, int32(c.r.IntN(3)), int32(c.r.IntN(3))))
		require.NoError(c.t, c.pair.Source.Kfake().MoveTopicPartition(o.Topic, int32(c.r.IntN(3)), int32(c.r.IntN(3))))
	case 4:
		side.Cut()
		side.Heal()
	case 5:
		c.faults = append(c.faults, c.pair.Target.LoseAcks(kmsg.Produce, 1+c.r.IntN(3)))
	default:
		bad := []*kerr.Error{kerr.NotLeaderForPartition, kerr.NotEnoughReplicasAfterAppend, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.MessageTooLarge}
		c.faults = append(c.faults, c.pair.Target.Kfake().Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: o.TargetTopic, Err: bad[c.r.IntN(len(bad))], Count: 1 + c.r.IntN(2),
		}))
	}
}

// TestVerificationFindsLoss: what the target has lost shows in the event.
func TestVerificationFindsLoss(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 30)
	e.publish(o)
	e.start(nil)
	e.copied(o)
	deleteRecords(t, e.target, o.TargetTopic, 3)
	o.Verify, o.VerifyCause = []events.PartitionOffset{{Offset: 30}}, "first"
	e.publish(o)
	got := awaitEvent(e, func(_ events.Event, b events.PartitionVerified) bool { return true })
	require.Contains(t, got.Differs, "3 differences: source 0 is missing on the target (expected at 0); source 1")
	require.EqualValues(t, 27, got.Records)
}

// TestVerificationWaitsForTheCopy: it begins once the published map has come so
// far, and is not repeated for the same cause.
func TestVerificationWaitsForTheCopy(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 10)
	o.Verify, o.VerifyCause = []events.PartitionOffset{{Offset: 20}}, "first"
	e.publish(o)
	e.start(nil)
	e.copied(o)
	require.Empty(t, e.events())
	fill(t, e.sourceAddr, o, 10, 10)
	got := awaitEvent(e, func(_ events.Event, b events.PartitionVerified) bool { return true })
	require.EqualValues(t, 20, got.Records)
	o.Run = false // the comparison alone remains to be done
	o.VerifyCause = "second"
	e.publish(o)
	awaitEvent(e, func(ev events.Event, _ events.PartitionVerified) bool { return ev.Cause == "second" })
	require.Len(t, e.events(), 2)
}
