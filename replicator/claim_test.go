package replicator

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// claimed is a topic of 40 partitions with records, which no worker has yet.
func claimed(t *testing.T) (*env, *kfake.Cluster, events.CopyOrder) {
	e, pair := onKfake(t, embedded.Options{})
	o := e.topic("orders", 40, nil)
	fill(t, e.sourceAddr, o, 0, 200)
	e.publish(o)
	return e, pair.Target.Kfake(), o
}

func keyOf(o events.CopyOrder, p int32) events.CopyKey {
	return events.CopyKey{Migration: "m", Topic: o.Topic, Partition: p}
}

// TestDeathBeforeTheClaimsAreReadBack: the next owner claims all partitions once
// more, above the claims of the one that has never known that it had them.
func TestDeathBeforeTheClaimsAreReadBack(t *testing.T) {
	e, target, o := claimed(t)
	deaf := target.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: events.TopicOffsets, Err: kerr.NotLeaderForPartition, Count: -1})
	w := e.start(func(c *Config) { c.Session = 5 * time.Second })
	var all []int32
	for p := range int32(events.ControlPartitions) {
		all = append(all, p)
	}
	e.eventually("there are claims in the topic", func() bool { // who comes later than the first can load nothing
		ends, err := e.target.ListOffsets(e.within(10*time.Second), events.TopicOffsets, all, cluster.Latest)
		require.NoError(t, err)
		n := int64(0)
		for _, end := range ends {
			n += end
		}
		return n > 0
	})
	w.kill()
	deaf.Remove()
	e.start(nil)
	e.copied(o)
	e.same(o)
	e.noStops()
	both := 0
	for p := range o.Partitions {
		_, blocks, claims := e.published(keyOf(o, p))
		for i := 1; i < len(claims); i++ { // a worker without a lease for a while claims once more
			require.Equal(t, claims[0].ProducerID, claims[i].ProducerID)
			require.Equal(t, claims[i-1].ProducerEpoch+1, claims[i].ProducerEpoch)
		}
		heirs := slices.IndexFunc(claims, func(c events.Claim) bool { return c.Owner != w.cfg.Name })
		require.GreaterOrEqual(t, heirs, 0, "a claim of the second: %v", claims)
		if heirs > 0 {
			both++
		}
		for _, b := range blocks {
			require.GreaterOrEqual(t, b.OwnerEpoch, claims[heirs].OwnerEpoch)
		}
	}
	require.Positive(t, both, "claims of both")
}

// awaitClaim waits until a worker has loaded a partition and wants to claim it.
func awaitClaim(e *env, w *running, k events.CopyKey) {
	e.eventually("the worker wants to claim "+k.String(), func() bool {
		p := w.named(k.String())
		if p == nil {
			return false
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.core.claims.state == askClaim
	})
}

// TestRivalClaimsBefore: of many claims that are published together, one is void,
// for another owner was faster. That partition is claimed again, the others not.
func TestRivalClaimsBefore(t *testing.T) {
	e, _, o := claimed(t)
	const contested = 7
	rival := func() {
		id, epoch, err := e.target.InitProducerID(e.within(10 * time.Second))
		require.NoError(t, err)
		claim := events.Claim{ProducerID: id, ProducerEpoch: epoch, Owner: "rival", Nonce: "rival"}
		require.NoError(t, log.NewOffsets(e.target, log.Options{}).PublishClaims(e.within(10*time.Second), map[events.CopyKey]events.Claim{keyOf(o, contested): claim}))
	}
	var first sync.Once
	started := make(chan *running, 1)
	w := e.start(func(c *Config) {
		c.Session = 30 * time.Second // who has no lease for a while claims once more
		c.Nonce = func() string {    // asked before any claim is published
			first.Do(func() {
				awaitClaim(e, <-started, keyOf(o, contested))
				rival()
			})
			return randomNonce()
		}
	})
	started <- w
	e.copied(o)
	e.same(o)
	e.noStops()
	for p := range o.Partitions {
		_, _, claims := e.published(keyOf(o, p))
		if p != contested {
			require.Len(t, claims, 1)
			continue
		}
		require.Len(t, claims, 3)
		require.Equal(t, "rival", claims[0].Owner)
		require.Zero(t, claims[1].OwnerEpoch, "void")
		require.Equal(t, events.Claim{
			OwnerEpoch: 1, ProducerID: claims[0].ProducerID, ProducerEpoch: claims[0].ProducerEpoch + 1, Owner: claims[1].Owner, Nonce: claims[2].Nonce,
		}, claims[2])
	}
}

// TestOneControlPartitionFails: partitions whose claims cannot be published hold up
// no others, and begin when they can.
func TestOneControlPartitionFails(t *testing.T) {
	e, target, o := claimed(t)
	bad := keyOf(o, 0).ControlPartition()
	broken := target.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: events.TopicOffsets, Partitions: []int32{bad}, Err: kerr.NotEnoughReplicas, Count: -1})
	w := e.start(nil)
	e.eventually("all others are copied", func() bool {
		return len(w.Status()) == int(o.Partitions) && !slices.ContainsFunc(w.Status(), func(s PartitionStatus) bool {
			return s.Watermark == 0 && s.Key.ControlPartition() != bad
		})
	})
	for _, s := range w.Status() {
		if s.Key.ControlPartition() == bad {
			require.Equal(t, claiming.String(), s.Phase)
		}
	}
	require.Positive(t, broken.Hits())
	broken.Remove()
	e.copied(o)
	e.same(o)
	e.noStops()
}
