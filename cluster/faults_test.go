package cluster_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hangUp makes the embedded brokers close the connection instead of answering the first n requests of an API.
func hangUp(k *kfake.Cluster, key kmsg.Key, n int) *atomic.Int32 {
	var seen atomic.Int32
	k.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if seen.Add(1) <= int32(n) {
			return nil, io.ErrUnexpectedEOF, true
		}
		return nil, nil, false
	})
	return &seen
}

// TestBrokenConnection: when a connection breaks, reads are sent once more and writes are not.
func TestBrokenConnection(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	seen := hangUp(k, kmsg.DescribeConfigs, 1)
	_, err := c.TopicConfigs(within(t), "t")
	require.NoError(t, err, "a read is sent once more")
	require.EqualValues(t, 2, seen.Load())

	seen = hangUp(k, kmsg.Produce, 1)
	_, err = c.Append(within(t), "t", 0, built(t, batch.Spec{}, "a"))
	require.Error(t, err)
	require.EqualValues(t, 1, seen.Load(), "a write is not")
	require.True(t, cluster.Uncertain(err))
	require.True(t, cluster.Retriable(err))
	require.ErrorContains(t, err, "Produce")
	require.ErrorContains(t, err, "hung up")

	seen = hangUp(k, kmsg.CreateTopics, 1)
	err = c.CreateTopic(within(t), cluster.TopicSpec{Name: "u", Partitions: 1})
	require.True(t, cluster.Uncertain(err))
	require.EqualValues(t, 1, seen.Load())

	hangUp(k, kmsg.DescribeConfigs, 1000)
	_, err = c.TopicConfigs(within(t), "t")
	require.ErrorContains(t, err, "DescribeConfigs")
}

// TestControllerMoves: what only the controller does is asked of the next one.
func TestControllerMoves(t *testing.T) {
	k, c := patient(t)
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.NotController, Count: 2})
	require.NoError(t, c.CreateTopic(within(t), cluster.TopicSpec{Name: "t", Partitions: 1}))
	require.Equal(t, 2, h.Hits())
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DeleteTopics}, Err: kerr.NotController, Count: 1})
	require.NoError(t, c.DeleteTopic(within(t), "t"))
}

// TestProducerIDsWaitForAFreshBroker: a broker that has no block of ids yet is asked again; another refusal is told.
func TestProducerIDsWaitForAFreshBroker(t *testing.T) {
	k, c := patient(t)
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress, Count: 4})
	_, _, err := c.InitProducerID(within(t))
	require.NoError(t, err)
	require.Equal(t, 4, h.Hits())
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ClusterAuthorizationFailed, Count: 1})
	_, _, err = c.InitProducerID(within(t))
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.ErrorContains(t, err, "IDEMPOTENT_WRITE")
}

// TestReadFaults: Read waits through passing codes and reports the others at once.
func TestReadFaults(t *testing.T) {
	k, c := patient(t, kfake.SeedTopics(1, "t"))
	appendValues(t, c, "t", 0, "a")
	for _, e := range []*kerr.Error{kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition} {
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "t", Err: e, Count: 2})
		page, err := c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
		require.NoError(t, err, "%v", e)
		require.Len(t, page.Records, 1)
	}
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "t", Err: kerr.TopicAuthorizationFailed, Count: 1})
	_, err := c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	k, c = embedded(t, kfake.SeedTopics(1, "t"))
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "t", Err: kerr.KafkaStorageError, Count: -1})
	_, err = c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
	require.ErrorIs(t, err, kerr.KafkaStorageError, "one that does not pass is told, too, after Settle")
}

// What a broker sends is checked before it is believed.
func TestDamagedRecordsAreAnError(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	serve := func(records []byte) {
		k.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic = "t"
			part := kmsg.NewFetchResponseTopicPartition()
			part.RecordBatches = records
			topic.Partitions = append(topic.Partitions, part)
			resp.Topics = append(resp.Topics, topic)
			return resp, nil, true
		})
	}
	good := built(t, batch.Spec{}, "a", "b")
	bad := append(batch.Batch(nil), good...)
	bad[len(bad)-1] ^= 1
	serve(bad)
	_, err := c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
	require.ErrorIs(t, err, batch.ErrCorrupt)
	require.ErrorContains(t, err, `topic "t" partition 0`)
	serve(good[:len(good)-1])
	_, err = c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
	require.ErrorIs(t, err, batch.ErrCorrupt, "bytes without one whole batch")
	serve(append(append(batch.Batch(nil), good...), good[:30]...))
	page, err := c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
	require.NoError(t, err, "a truncated batch at the end is normal")
	require.Len(t, page.Records, 2)
}

// TestLongPollsDoNotBlockOtherCalls: calls to a broker go on while a long poll waits there.
func TestLongPollsDoNotBlockOtherCalls(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(8, "t"))
	ctx, cancel := context.WithCancel(within(t))
	var polls sync.WaitGroup
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
	for p := range int32(8) {
		polls.Add(1)
		go func() {
			defer polls.Done()
			_, err := c.Read(ctx, "t", p, 0, cluster.ReadOptions{Wait: 20 * time.Second})
			require.ErrorIs(t, err, context.Canceled)
		}()
	}
	require.NoError(t, h.Wait(within(t), 8))
	for range 20 {
		_, err := c.ListOffsets(within(t), "t", []int32{0, 1, 2, 3, 4, 5, 6, 7}, cluster.Latest)
		require.NoError(t, err)
	}
	join(t, c, "g")
	cancel() // no poll has ended before: see above
	polls.Wait()
}

// TestDeadlines: a call ends with its own limit or with that of its context, whichever is sooner.
func TestDeadlines(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	silent(t, k, kmsg.DescribeConfigs)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := c.TopicConfigs(ctx, "t")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "no answer in time")
}

// silent keeps the broker from answering requests of a kind until the test ends.
func silent(t *testing.T, k *kfake.Cluster, key kmsg.Key) {
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	k.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		k.SleepControl(func() { <-ended })
		return nil, nil, false
	})
}

// A call without a deadline gets one, so that a broker that is cut off blocks nobody for ever.
func TestRequestTimeout(t *testing.T) {
	k := brokers(t, kfake.SeedTopics(1, "t"))
	cfg := config(k)
	cfg.RequestTimeout = 100 * time.Millisecond
	c := open(t, cfg)
	leader := mustLeader(t, c, "t", 0)
	silent(t, k, kmsg.Fetch)
	_, err := c.Fetch(context.Background(), leader, &wire.Fetch{MinBytes: 1, MaxBytes: 1, MaxWait: 50 * time.Millisecond})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestCloseEndsCalls: Close ends what is in flight, and nothing starts after it.
func TestCloseEndsCalls(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
	failed := make(chan error)
	go func() {
		_, err := c.Read(context.Background(), "t", 0, 0, cluster.ReadOptions{Wait: 20 * time.Second})
		failed <- err
	}()
	require.NoError(t, h.Wait(within(t), 1))
	require.NoError(t, c.Close())
	require.Error(t, <-failed)
	_, err := c.Topics(within(t))
	require.ErrorIs(t, err, cluster.ErrClosed)
	require.False(t, cluster.Retriable(err))
	require.Zero(t, c.Connections())
}

// TestUnreachable: an address where nobody listens is named with what to check.
func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, err = cluster.Open(within(t), "a", cluster.Config{Bootstrap: []string{address}})
	require.ErrorIs(t, err, cluster.ErrUnreachable)
	require.ErrorContains(t, err, `cluster "a": broker `+address)
	require.ErrorContains(t, err, "advertised.listeners")
	require.True(t, cluster.Retriable(err))
	require.False(t, cluster.Uncertain(err))
}

// TestUnknownBroker: a broker that the cluster does not have is an error of its own kind.
func TestUnknownBroker(t *testing.T) {
	_, c := embedded(t)
	_, err := c.BrokerConfigs(within(t), 42)
	require.ErrorIs(t, err, cluster.ErrUnreachable)
	require.ErrorContains(t, err, "broker 42")
}

// TestBrokerLeaves: what a broker led that has left is read from its successor.
func TestBrokerLeaves(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	appendValues(t, c, "t", 0, "a")
	require.NoError(t, k.RemoveNode(mustLeader(t, c, "t", 0)))
	page, err := c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
	require.NoError(t, err, "the new leader is found")
	require.Len(t, page.Records, 1)
}

// A broker that restarts closes its connections; what comes after goes to the new ones, writes included, without doubt.
func TestRestartOfACluster(t *testing.T) {
	dir := t.TempDir()
	begin := func(ports ...int) *kfake.Cluster {
		k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir), kfake.SeedTopics(1, "t"), kfake.Ports(ports...))
		require.NoError(t, err)
		return k
	}
	k := begin(0)
	_, port, err := net.SplitHostPort(k.ListenAddrs()[0])
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	c := open(t, config(k))
	appendValues(t, c, "t", 0, "a")
	k.Close()
	require.Eventually(t, func() bool { // its sockets close a moment later
		_, err = c.Append(within(t), "t", 0, built(t, batch.Spec{}, "lost"))
		return errors.Is(err, cluster.ErrUnreachable)
	}, timeout, step)
	require.False(t, cluster.Uncertain(err), "nothing was sent: %v", err)
	k = begin(number)
	defer k.Close()
	base, err := c.Append(within(t), "t", 0, built(t, batch.Spec{}, "b"))
	require.NoError(t, err)
	require.EqualValues(t, 1, base)
	page, err := c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, values(page.Records))
}

// TestHooksSeeEveryCall: hooks learn of every request to a broker.
func TestHooksSeeEveryCall(t *testing.T) {
	k := brokers(t, kfake.SeedTopics(1, "t"))
	var mu sync.Mutex
	seen := map[string]int{}
	cfg := config(k)
	cfg.Hooks.Call = func(i cluster.CallInfo) {
		mu.Lock()
		defer mu.Unlock()
		if i.Cluster == "a" && i.Err == nil && i.Took > 0 {
			seen[i.API]++
		}
	}
	c := open(t, cfg)
	appendValues(t, c, "t", 0, "a")
	_, err := c.Read(within(t), "t", 0, 0, cluster.ReadOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"Metadata": 2, "Produce": 1, "Fetch": 1}, seen)
}
