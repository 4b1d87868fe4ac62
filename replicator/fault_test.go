package replicator

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// noStops requires that nothing was stopped.
func (e *env) noStops() {
	e.t.Helper()
	for _, r := range e.events() {
		require.NotEqual(e.t, events.Type("CopyStopped"), r.Event.Type, string(r.Event.Body))
	}
}

func TestNetworkCut(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	o := e.topic("orders", 2, nil)
	e.publish(o)
	var failures atomic.Int64
	count := func(_ string, _ int32, _, _ int, _ time.Duration, err error) {
		if err != nil {
			failures.Add(1)
		}
	}
	e.start(func(c *Config) { c.Hooks.Fetched, c.Hooks.Produced = count, count })
	fill(t, e.sourceAddr, o, 0, 100)
	e.copied(o)
	for i := range 2 {
		before := failures.Load()
		pair.Source.Cut()
		e.eventually("a fetch fails", func() bool { return failures.Load() > before })
		pair.Source.Heal()
		fill(t, e.sourceAddr, o, 100+100*i, 100)
		pair.Target.Cut()
		pair.Target.Heal()
		e.copied(o)
	}
	e.same(o)
	e.noStops()
}

func TestPassingErrors(t *testing.T) {
	for name, c := range map[string]struct {
		key    kmsg.Key
		target bool
		topic  string
		err    *kerr.Error
		count  int
	}{
		"fetch, not the leader":           {kmsg.Fetch, false, "orders", kerr.NotLeaderForPartition, 3},
		"fetch, unknown topic":            {kmsg.Fetch, false, "orders", kerr.UnknownTopicOrPartition, 3},
		"produce, not the leader":         {kmsg.Produce, true, "orders-copy", kerr.NotLeaderForPartition, 3},
		"produce, too few replicas":       {kmsg.Produce, true, "orders-copy", kerr.NotEnoughReplicas, 3},
		"produce, too few after append":   {kmsg.Produce, true, "orders-copy", kerr.NotEnoughReplicasAfterAppend, 3},
		"produce, another sequence":       {kmsg.Produce, true, "orders-copy", kerr.OutOfOrderSequenceNumber, 1},
		"produce, unknown producer":       {kmsg.Produce, true, "orders-copy", kerr.UnknownProducerID, 1},
		"produce, fenced":                 {kmsg.Produce, true, "orders-copy", kerr.InvalidProducerEpoch, 1},
		"produce, too large":              {kmsg.Produce, true, "orders-copy", kerr.MessageTooLarge, 2},
		"list offsets on the target":      {kmsg.ListOffsets, true, "orders-copy", kerr.LeaderNotAvailable, 3},
		"list offsets on the source":      {kmsg.ListOffsets, false, "orders", kerr.LeaderNotAvailable, 3},
		"end of the epoch":                {kmsg.OffsetForLeaderEpoch, true, "orders-copy", kerr.FencedLeaderEpoch, 2},
		"offsets topic, too few replicas": {kmsg.Produce, true, events.TopicOffsets, kerr.NotEnoughReplicas, 5},
		"offsets topic, lost answers":     {kmsg.Produce, true, events.TopicOffsets, kerr.RequestTimedOut, 5},
		"progress topic":                  {kmsg.Produce, true, events.TopicProgress, kerr.NotEnoughReplicas, 5},
		"producer id":                     {kmsg.InitProducerID, true, "", kerr.CoordinatorLoadInProgress, 3},
		"writing denied for a moment":     {kmsg.Produce, true, "orders-copy", kerr.TopicAuthorizationFailed, 1},
		"reading denied for a moment":     {kmsg.Fetch, false, "orders", kerr.TopicAuthorizationFailed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, pair := onKfake(t, embedded.Options{})
			o := e.topic("orders", 1, nil)
			fill(t, e.sourceAddr, o, 0, 50)
			side := pair.Source
			if c.target {
				side = pair.Target
			}
			handle := side.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Topic: c.topic, Err: c.err, Count: c.count, TopLevel: c.topic == ""})
			e.publish(o)
			e.start(nil)
			e.copied(o)
			fill(t, e.sourceAddr, o, 50, 50)
			e.copied(o)
			e.same(o)
			e.noStops()
			e.eventually("the fault was met", func() bool { return handle.Hits() > 0 })
		})
	}
}

func TestDenied(t *testing.T) {
	for name, c := range map[string]struct {
		key    kmsg.Key
		target bool
		topic  string
		reason string
	}{
		"fetch":        {kmsg.Fetch, false, "orders", "the source refuses our reads (TOPIC_AUTHORIZATION_FAILED (29)); grant READ on the topic"},
		"produce":      {kmsg.Produce, true, "orders-copy", "the target refuses our writes (TOPIC_AUTHORIZATION_FAILED (29)"},
		"list offsets": {kmsg.ListOffsets, false, "orders", "source: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, pair := onKfake(t, embedded.Options{})
			o := e.topic("orders", 1, nil)
			fill(t, e.sourceAddr, o, 0, 10)
			side := pair.Source
			if c.target {
				side = pair.Target
			}
			handle := side.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Topic: c.topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
			e.publish(o)
			e.start(nil)
			got := awaitEvent(e, func(_ events.Event, b events.CopyStopped) bool { return true })
			require.Equal(t, CodeUnauthorized, got.Code)
			require.Contains(t, got.Reason, c.reason)
			handle.Remove()
			e.publish(o)
			e.copied(o)
			e.same(o)
		})
	}
}

// TestNothingIsSentOutsideTheLease: a worker whose heartbeats are not answered
// must stop, for the group may have given its partitions to another.
func TestNothingIsSentOutsideTheLease(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	e.publish(o)
	w := e.start(nil)
	fill(t, e.sourceAddr, o, 0, 10)
	e.copied(o)
	handle := pair.Target.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.CoordinatorNotAvailable, Count: -1})
	e.eventually("the lease ends", func() bool { return w.lease() <= w.now() })
	fill(t, e.sourceAddr, o, 10, 10)
	e.eventually("the records were fetched", func() bool {
		p := w.partitions()
		if len(p) == 0 {
			return true // evicted already
		}
		p[0].mu.Lock()
		defer p[0].mu.Unlock()
		return len(p[0].core.queue.items) > 0
	})
	require.Len(t, readAll(t, e.target, e.targetAddr, o.TargetTopic, 0), 10)
	handle.Remove()
	e.copied(o)
	e.same(o)
	e.noStops()
}

func TestLeadersMove(t *testing.T) {
	e, pair := onKfake(t, embedded.Options{Brokers: 3})
	o := e.topic("orders", 2, nil)
	e.publish(o)
	e.start(func(c *Config) { c.Log = c.Log.Level(zerolog.DebugLevel) })
	for i := range int32(6) {
		fill(t, e.sourceAddr, o, int(i)*50, 50)
		require.NoError(t, pair.Source.Kfake().MoveTopicPartition(o.Topic, i%2, i%3))
		require.NoError(t, pair.Target.Kfake().MoveTopicPartition(o.TargetTopic, i%2, (i+1)%3))
	}
	e.copied(o)
	for i := range int32(2) { // while nothing is copied
		require.NoError(t, pair.Source.Kfake().MoveTopicPartition(o.Topic, i, 2-i))
	}
	fill(t, e.sourceAddr, o, 300, 50)
	e.copied(o)
	e.same(o)
	e.noStops()
	require.Contains(t, e.logs.String(), "the source has another leader", "a change of the leader epoch is looked at")
}

func TestWorkersComeAndGo(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 6, nil)
	e.publish(o)
	first := e.start(nil)
	stop, written := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; ; i += 20 {
			select {
			case <-stop:
				return
			default:
				fill(t, e.sourceAddr, o, i, 20)
			}
		}
	}()
	for range 2 {
		second := e.start(nil)
		e.eventually("the partitions are shared", func() bool { return len(second.Status()) == 3 })
		second.stop(t)
		e.eventually("they come back", func() bool { return len(first.Status()) == 6 })
	}
	close(stop)
	<-written
	e.copied(o)
	e.same(o)
	e.noStops()
}

func TestRunEndsWithTheCause(t *testing.T) {
	t.Run("no control topics", func(t *testing.T) {
		pair := embedded.ForTest(t, embedded.Options{})
		e := &env{t: t, targetAddr: pair.Target.Bootstrap(), sourceAddr: pair.Source.Bootstrap(), logs: &testLog{}}
		cfg, _ := e.config(nil)
		w, err := New(cfg)
		require.NoError(t, err)
		require.ErrorIs(t, w.Run(e.within(20*time.Second)), log.ErrMissing)
	})
	t.Run("the group is somebody else's", func(t *testing.T) {
		e, pair := onKfake(t, embedded.Options{})
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = "portage-workers", 30_000, 30_000, "consumer"
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = "range", []byte{0, 0, 0, 0, 0, 0}
		req.Protocols = append(req.Protocols, p)
		_, err := cluster.Do[*kmsg.JoinGroupResponse](e.within(10*time.Second), e.target, req, cluster.OnGroup(req.Group), cluster.AtVersion(3))
		require.NoError(t, err)
		_ = pair
		cfg, _ := e.config(nil)
		w, err := New(cfg)
		require.NoError(t, err)
		require.ErrorIs(t, w.Run(e.within(20*time.Second)), errRefused)
	})
	t.Run("cancelled", func(t *testing.T) {
		e, _ := onKfake(t, embedded.Options{})
		cfg, _ := e.config(nil)
		w, err := New(cfg)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, w.Run(ctx), context.Canceled)
	})
	t.Run("stopped at once", func(t *testing.T) {
		e, _ := onKfake(t, embedded.Options{})
		cfg, _ := e.config(nil)
		w, err := New(cfg)
		require.NoError(t, err)
		w.Stop()
		w.Stop()
		require.NoError(t, w.Run(e.within(20*time.Second)))
	})
}

func TestUnreachableClusterHoldsNobodyUp(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o, stuck := e.topic("orders", 1, nil), e.topic("stuck", 4, nil)
	fill(t, e.sourceAddr, o, 0, 20)
	stuck.Source = "nowhere"
	e.publish(stuck)
	e.publish(o)
	asked := make(chan struct{}, 100)
	w := e.start(func(c *Config) {
		c.Starting = 1
		clusters := c.Clusters
		c.Clusters = func(ctx context.Context, name string) (*cluster.Client, error) {
			if name == "nowhere" {
				select {
				case asked <- struct{}{}:
				default:
				}
				<-ctx.Done() // as long as it takes
				return nil, errors.New("no answer")
			}
			return clusters(ctx, name)
		}
	})
	<-asked
	e.copied(o)
	e.same(o)
	w.stop(t)
}
