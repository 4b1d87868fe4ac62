package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAppendAndRead: what is appended is read back, from any offset, with the log's ends.
func TestAppendAndRead(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 2)
	require.EqualValues(t, 0, appendValues(t, c, name, 1, "a", "b"))
	for i, codec := range []batch.Codec{batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd} {
		base, err := c.Append(ctx, name, 1, built(t, batch.Spec{Codec: codec}, fmt.Sprint("c", i), strings.Repeat("d", 1000)))
		require.NoError(t, err)
		require.EqualValues(t, 2+2*i, base)
	}
	page, err := c.Read(ctx, name, 1, 1, cluster.ReadOptions{Wait: time.Second})
	require.NoError(t, err)
	require.Len(t, page.Records, 9, "the record below the offset is left out")
	require.EqualValues(t, 1, page.Records[0].Offset)
	require.EqualValues(t, 1001, page.Records[0].Timestamp)
	require.Equal(t, "b", string(page.Records[0].Value))
	require.Equal(t, "kb", string(page.Records[0].Key))
	require.EqualValues(t, 10, page.Next)
	require.EqualValues(t, 10, page.HighWatermark)
	require.EqualValues(t, 10, page.LastStable)
	require.EqualValues(t, 0, page.LogStart)

	empty, err := c.Read(ctx, name, 1, page.Next, cluster.ReadOptions{})
	require.NoError(t, err)
	require.Empty(t, empty.Records)
	require.EqualValues(t, 10, empty.Next)
	small, err := c.Read(ctx, name, 1, 0, cluster.ReadOptions{MaxBytes: 1})
	require.NoError(t, err)
	require.Len(t, small.Records, 2, "one batch at least")
}

// TestReadWaits: Read returns when a record comes, or empty when none does.
func TestReadWaits(t *testing.T) {
	c := anyKafka(t)
	name := topic(t, c, 1)
	appendValues(t, c, name, 0, "a")
	got := make(chan cluster.Page)
	go func() {
		defer close(got)
		page, err := c.Read(context.Background(), name, 0, 1, cluster.ReadOptions{Wait: 20 * time.Second})
		if err == nil {
			got <- page
		}
	}()
	time.Sleep(50 * time.Millisecond) // let the poll begin; the test also holds if it does not
	begin := time.Now()
	appendValues(t, c, name, 0, "b")
	page := <-got
	require.Equal(t, []string{"b"}, values(page.Records))
	require.Less(t, time.Since(begin), 10*time.Second)
}

// TestReadOutOfRangeIsAnError: an offset outside the log is never reset; the error says where the log is.
func TestReadOutOfRangeIsAnError(t *testing.T) {
	c := anyKafka(t)
	name := topic(t, c, 1)
	appendValues(t, c, name, 0, "a")
	for _, offset := range []int64{2, 1 << 40} {
		_, err := c.Read(within(t), name, 0, offset, cluster.ReadOptions{})
		require.ErrorIs(t, err, cluster.ErrOffsetOutOfRange)
		require.ErrorContains(t, err, fmt.Sprintf("asked for %d, but the log ends at 1", offset))
		require.False(t, cluster.Retriable(err))
	}
}

// TestReadBelowTheLogStart: the same for records that were deleted.
func TestReadBelowTheLogStart(t *testing.T) {
	c := anyKafka(t)
	name := topic(t, c, 1)
	appendValues(t, c, name, 0, "a")
	appendValues(t, c, name, 0, "b")
	req := kmsg.NewPtrDeleteRecordsRequest()
	at := kmsg.NewDeleteRecordsRequestTopic()
	at.Topic, at.Partitions = name, []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 0, Offset: 1}}
	req.Topics = append(req.Topics, at)
	_, err := c.Call(within(t), req, cluster.OnBroker(mustLeader(t, c, name, 0)))
	require.NoError(t, err)
	_, err = c.Read(within(t), name, 0, 0, cluster.ReadOptions{})
	require.ErrorIs(t, err, cluster.ErrOffsetOutOfRange)
	require.ErrorContains(t, err, "the log starts at 1")
}

// TestReadCommitted: aborted and open transactions are left out on request, and the position moves past them.
func TestReadCommitted(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 1)
	appendValues(t, c, name, 0, "before")
	seeds := c
	brokers, _, err := seeds.Brokers(ctx)
	require.NoError(t, err)
	txn := func(id string) *kgo.Client {
		k, err := kgo.NewClient(kgo.SeedBrokers(brokers[0].Address()), kgo.TransactionalID(unique(id)), kgo.DefaultProduceTopic(name), kgo.ProducerLinger(0))
		require.NoError(t, err)
		t.Cleanup(k.Close)
		return k
	}
	send := func(k *kgo.Client, v string) {
		require.NoError(t, k.ProduceSync(ctx, &kgo.Record{Value: []byte(v)}).FirstErr())
	}
	a, b := txn("a"), txn("b")
	require.NoError(t, a.BeginTransaction())
	require.NoError(t, b.BeginTransaction())
	send(a, "aborted-1") // 1
	send(b, "kept-1")    // 2
	send(a, "aborted-2") // 3
	require.NoError(t, a.EndTransaction(ctx, kgo.TryAbort))
	send(b, "kept-2")
	require.NoError(t, b.EndTransaction(ctx, kgo.TryCommit))
	require.NoError(t, a.BeginTransaction())
	send(a, "kept-3")

	read := func(from int64, committed bool) []string {
		var out []string
		for {
			page, err := c.Read(ctx, name, 0, from, cluster.ReadOptions{Committed: committed})
			require.NoError(t, err)
			out = append(out, values(page.Records)...)
			if page.Next == from {
				return out
			}
			from = page.Next
		}
	}
	require.Equal(t, []string{"before", "kept-1", "kept-2"}, read(0, true), "an open transaction is not shown")
	require.Equal(t, []string{"kept-2"}, read(3, true), "an aborted transaction begun before the offset is left out")
	require.Equal(t, []string{"before", "aborted-1", "kept-1", "aborted-2", "kept-2", "kept-3"}, read(0, false))
	stable, err := c.ListOffsets(ctx, name, []int32{0}, cluster.Stable)
	require.NoError(t, err)
	latest, err := c.ListOffsets(ctx, name, []int32{0}, cluster.Latest)
	require.NoError(t, err)
	require.Less(t, stable[0], latest[0])
	require.NoError(t, a.EndTransaction(ctx, kgo.TryCommit))
	require.Eventually(t, func() bool {
		got := read(0, true)
		return got[len(got)-1] == "kept-3"
	}, timeout, step)
}

// TestIdempotentAppend: the broker takes a repeated batch once, and says which sequence or epoch is wrong.
func TestIdempotentAppend(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 1)
	id, epoch, err := c.InitProducerID(ctx)
	require.NoError(t, err)
	require.GreaterOrEqual(t, id, int64(0))
	require.EqualValues(t, 0, epoch)
	other, _, err := c.InitProducerID(ctx)
	require.NoError(t, err)
	require.NotEqual(t, id, other)

	p := batch.Producer{ID: id, Epoch: epoch}
	first := built(t, batch.Spec{Producer: &p}, "a", "b")
	_, err = c.Append(ctx, name, 0, first)
	require.NoError(t, err)
	base, err := c.Append(ctx, name, 0, first)
	require.NoError(t, err)
	require.EqualValues(t, 0, base, "a retry returns the original offset")
	gap := p.After(7)
	_, err = c.Append(ctx, name, 0, built(t, batch.Spec{Producer: &gap}, "c"))
	require.ErrorIs(t, err, kerr.OutOfOrderSequenceNumber)
	require.ErrorContains(t, err, "resolve")
	require.False(t, cluster.Uncertain(err))
	next := batch.Producer{ID: id, Epoch: epoch + 1}
	_, err = c.Append(ctx, name, 0, built(t, batch.Spec{Producer: &next}, "d"))
	require.NoError(t, err, "a writer may raise its epoch by itself")
	old := p.After(2)
	_, err = c.Append(ctx, name, 0, built(t, batch.Spec{Producer: &old}, "e"))
	require.ErrorIs(t, err, kerr.InvalidProducerEpoch)
	require.ErrorContains(t, err, "higher epoch")
}

// TestAppendRefusals: each reason that a broker has to refuse a batch is told with a hint.
func TestAppendRefusals(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 1, "max.message.bytes", "2000", "cleanup.policy", "compact")
	appendValues(t, c, name, 0, "a")
	_, err := c.Append(ctx, name, 0, built(t, batch.Spec{}, strings.Repeat("x", 3000)))
	require.ErrorIs(t, err, kerr.MessageTooLarge)
	require.ErrorContains(t, err, "max.message.bytes")
	require.False(t, cluster.Uncertain(err))
	if real() { // the embedded broker takes null keys
		nameless, err := batch.Build(batch.Spec{}, []batch.Record{{Value: []byte("no key")}})
		require.NoError(t, err)
		_, err = c.Append(ctx, name, 0, nameless)
		require.ErrorIs(t, err, kerr.InvalidRecord)
		require.ErrorContains(t, err, "compacted")
	}
	_, err = c.Append(ctx, "no-such-topic", 0, built(t, batch.Spec{}, "x"))
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)
	_, err = c.Produce(ctx, 0, &wire.Produce{})
	require.ErrorContains(t, err, "acks=0")
}

// TestReadFollowsAMovedLeader: a read finds a leader that has moved; an append is left to the caller.
func TestReadFollowsAMovedLeader(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	ctx := within(t)
	appendValues(t, c, "t", 0, "a")
	old, err := c.Leader(ctx, "t", 0)
	require.NoError(t, err)
	require.NoError(t, k.MoveTopicPartition("t", 0, (old+1)%3))
	page, err := c.Read(ctx, "t", 0, 0, cluster.ReadOptions{})
	require.NoError(t, err, "the stale leader is forgotten and the read repeated")
	require.Equal(t, []string{"a"}, values(page.Records))

	require.NoError(t, k.MoveTopicPartition("t", 0, old))
	_, err = c.Append(ctx, "t", 0, built(t, batch.Spec{}, "b"))
	require.ErrorIs(t, err, kerr.NotLeaderForPartition, "an append is never repeated")
	require.False(t, cluster.Uncertain(err))
	_, err = c.Append(ctx, "t", 0, built(t, batch.Spec{}, "b"))
	require.NoError(t, err, "but the next one knows better")
}

// TestAppendTimeoutCarriesTheOffset: error 7 comes with where the batch is.
func TestAppendTimeoutCarriesTheOffset(t *testing.T) {
	k, c := embedded(t, kfake.SeedTopics(1, "t"))
	k.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = "t"
		part := kmsg.NewProduceResponseTopicPartition()
		part.ErrorCode, part.BaseOffset = 7, 41
		part.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: 0, ErrorMessage: kmsg.StringPtr("slow disks")}}
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	base, err := c.Append(within(t), "t", 0, built(t, batch.Spec{}, "a"))
	require.ErrorIs(t, err, kerr.RequestTimedOut)
	require.EqualValues(t, 41, base)
	require.True(t, cluster.Uncertain(err))
	require.ErrorContains(t, err, "slow disks")
}

// TestRawFetchAndProduce: one request to a leader carries batches of many partitions, and each is answered for itself.
func TestRawFetchAndProduce(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 4)
	byLeader := map[int32]*wire.Produce{}
	for p := range int32(4) {
		leader, err := c.Leader(ctx, name, p)
		require.NoError(t, err)
		if byLeader[leader] == nil {
			byLeader[leader] = &wire.Produce{Acks: -1, Timeout: 5 * time.Second, Topics: []wire.ProduceTopic{{Topic: name}}}
		}
		at := &byLeader[leader].Topics[0]
		at.Partitions = append(at.Partitions, wire.ProducePartition{Partition: p, Records: built(t, batch.Spec{}, fmt.Sprint("p", p))})
	}
	for p := range int32(4) { // wait until the leaders know of the topic
		appendValues(t, c, name, p, "first")
	}
	for leader, req := range byLeader {
		res, err := c.Produce(ctx, leader, req)
		require.NoError(t, err)
		require.Len(t, res.Partitions, len(req.Topics[0].Partitions))
		f := &wire.Fetch{MinBytes: 1, MaxBytes: 1 << 20, Topics: []wire.FetchTopic{{Topic: name}}}
		for _, p := range res.Partitions {
			require.NoError(t, c.Refused(leader, p))
			require.EqualValues(t, 1, p.Base)
			f.Topics[0].Partitions = append(f.Topics[0].Partitions, wire.FetchPartition{Partition: p.Partition, Offset: 1, MaxBytes: 1 << 20})
		}
		got, err := c.Fetch(ctx, leader, f)
		require.NoError(t, err)
		for _, p := range got.Partitions {
			require.NoError(t, c.FetchError(leader, p))
			b, _ := batch.Split(p.Records)
			records, err := b.Records()
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("p", p.Partition), string(records[0].Value))
		}
	}
}

// What the copier does: the bytes that one partition serves are taken by another.
func TestPassThrough(t *testing.T) {
	c := anyKafka(t)
	ctx := within(t)
	name := topic(t, c, 2)
	appendValues(t, c, name, 0, "warm-up")
	appendValues(t, c, name, 1, "warm-up")
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		_, err := c.Append(ctx, name, 0, built(t, batch.Spec{Codec: codec}, "a", strings.Repeat("b", 500)))
		require.NoError(t, err)
	}
	leader, err := c.Leader(ctx, name, 0)
	require.NoError(t, err)
	got, err := c.Fetch(ctx, leader, &wire.Fetch{MinBytes: 1, MaxBytes: 1 << 20, Topics: []wire.FetchTopic{{Topic: name, Partitions: []wire.FetchPartition{{Partition: 0, Offset: 1, MaxBytes: 1 << 20}}}}})
	require.NoError(t, err)
	id, epoch, err := c.InitProducerID(ctx)
	require.NoError(t, err)
	p := batch.Producer{ID: id, Epoch: epoch}
	digest := batch.NewDigester([]byte("key"))
	var sums []batch.Digest
	for b, rest := batch.Split(got.Partitions[0].Records); b != nil; b, rest = batch.Split(rest) {
		class, reason := batch.Classify(b, batch.Case{})
		require.Equal(t, batch.Pass, class, reason)
		sums = append(sums, digest.Payload(b))
		require.NoError(t, b.Rewrite(p))
		_, err := c.Append(ctx, name, 1, b)
		require.NoError(t, err)
		p = p.After(b.Count())
	}
	require.Len(t, sums, 5)
	page, err := c.Read(ctx, name, 1, 1, cluster.ReadOptions{})
	require.NoError(t, err)
	require.Len(t, page.Records, 10)
	copied, err := c.Fetch(ctx, mustLeader(t, c, name, 1), &wire.Fetch{MinBytes: 1, MaxBytes: 1 << 20, Topics: []wire.FetchTopic{{Topic: name, Partitions: []wire.FetchPartition{{Partition: 1, Offset: 1, MaxBytes: 1 << 20}}}}})
	require.NoError(t, err)
	for b, rest := batch.Split(copied.Partitions[0].Records); b != nil; b, rest = batch.Split(rest) {
		require.Equal(t, sums[0], digest.Payload(b))
		sums = sums[1:]
	}
	require.Empty(t, sums)
}

func mustLeader(t *testing.T, c *cluster.Client, topic string, p int32) int32 {
	leader, err := c.Leader(within(t), topic, p)
	require.NoError(t, err)
	return leader
}

// TestClientIsSafeForConcurrentUse: many goroutines share one client (under -race).
func TestClientIsSafeForConcurrentUse(t *testing.T) {
	c := anyKafka(t)
	name := topic(t, c, 4)
	var group sync.WaitGroup
	for p := range int32(4) {
		appendValues(t, c, name, p, "first")
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 5 {
					_, err := c.Append(context.Background(), name, p, built(t, batch.Spec{}, "x"))
					require.NoError(t, err)
					_, err = c.Read(context.Background(), name, p, 0, cluster.ReadOptions{})
					require.NoError(t, err)
					c.Forget(name)
				}
			}()
		}
	}
	group.Wait()
	ends, err := c.ListOffsets(within(t), name, []int32{0, 1, 2, 3}, cluster.Latest)
	require.NoError(t, err)
	require.Equal(t, map[int32]int64{0: 21, 1: 21, 2: 21, 3: 21}, ends)
}
