package cluster_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// targetVariable names the real cluster to copy to; the one of bootstrapVariable is copied from.
const targetVariable = "PORTAGE_TEST_TARGET"

// pair returns a source, a target, and a way to make the source compact its topics (real brokers do so by themselves).
func pair(t *testing.T) (source, target *cluster.Client, compact func()) {
	if real() && os.Getenv(targetVariable) != "" {
		to := cluster.Config{Bootstrap: strings.Split(os.Getenv(targetVariable), ",")}
		return anyKafka(t), open(t, to), func() {}
	}
	k, source := embedded(t)
	_, target = embedded(t)
	return source, target, k.Compact
}

// copied is what copyPartition did, by reason, and the source offsets of the records that it sent.
type copied struct {
	reasons map[string]int
	offsets []int64
}

// copyPartition copies partition 0 of a topic as a copier does, batch by batch, and is the test's model of the loop in
// the documentation of package batch.
func copyPartition(t *testing.T, source, target *cluster.Client, from, to string, limit int) copied {
	t.Helper()
	ctx := within(t)
	id, epoch, err := target.InitProducerID(ctx)
	require.NoError(t, err)
	p := batch.Producer{ID: id, Epoch: epoch}
	end, err := source.ListOffsets(ctx, from, []int32{0}, cluster.Stable)
	require.NoError(t, err)
	out := copied{reasons: map[string]int{}}
	send := func(b batch.Batch) {
		base, err := target.Append(ctx, to, 0, b)
		require.NoError(t, err)
		require.EqualValues(t, len(out.offsets), base, "the target is dense")
		p = p.After(b.Count())
	}
	for next := int64(0); next < end[0]; {
		got, err := source.Fetch(ctx, mustLeader(t, source, from, 0), &wire.Fetch{
			MinBytes: 1, MaxBytes: 1 << 20, Committed: true,
			Topics: []wire.FetchTopic{{Topic: from, Partitions: []wire.FetchPartition{{Partition: 0, Offset: next, MaxBytes: 1 << 20}}}},
		})
		require.NoError(t, err)
		part := got.Partitions[0]
		require.NoError(t, source.FetchError(-1, part))
		filter := batch.NewFilter(part.Aborted)
		for b, rest := batch.Split(part.Records); b != nil; b, rest = batch.Split(rest) {
			class, reason := batch.Classify(b, batch.Case{Aborted: filter.Aborted(b), Limit: limit})
			out.reasons[reason]++
			next = b.NextOffset()
			switch class {
			case batch.Pass:
				first := b.BaseOffset()
				require.NoError(t, b.Rewrite(p))
				send(b)
				for i := range int64(b.Count()) {
					out.offsets = append(out.offsets, first+i)
				}
			case batch.Reencode, batch.Cut:
				records, err := b.Records()
				require.NoError(t, err)
				pieces, err := batch.Encode(batch.Spec{Codec: b.Codec(), Producer: &p}, records, limit)
				require.NoError(t, err)
				for _, piece := range pieces {
					send(piece.Batch)
					for _, r := range piece.Records {
						out.offsets = append(out.offsets, r.Offset)
					}
				}
			case batch.Refuse:
				t.Fatal(reason)
			}
		}
	}
	return out
}

func readAll(t *testing.T, c *cluster.Client, topic string) []cluster.Record {
	t.Helper()
	var all []cluster.Record
	for next := int64(0); ; {
		page, err := c.Read(within(t), topic, 0, next, cluster.ReadOptions{Committed: true})
		require.NoError(t, err)
		all = append(all, page.Records...)
		if page.Next == next {
			return all
		}
		next = page.Next
	}
}

func copyAndCompare(t *testing.T, source, target *cluster.Client, from string, limit int, configs ...string) map[string]int {
	t.Helper()
	to := topic(t, target, 1, configs...)
	out := copyPartition(t, source, target, from, to, limit)
	want, got := readAll(t, source, from), readAll(t, target, to)
	require.Equal(t, len(want), len(got))
	digest := batch.NewDigester([]byte("key"))
	for i := range want {
		require.Equal(t, digest.Record(want[i]), digest.Record(got[i]), "record %d", i)
		require.Equal(t, want[i].Offset, out.offsets[i], "the map is exact")
		require.EqualValues(t, i, got[i].Offset)
	}
	return out.reasons
}

// TestDenseBatchesAreCopied: batches without holes arrive record for record, from every codec; those too large for the target are split.
func TestDenseBatchesAreCopied(t *testing.T) {
	source, target, _ := pair(t)
	from := topic(t, source, 1)
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		for range 3 {
			_, err := source.Append(within(t), from, 0, built(t, batch.Spec{Codec: codec}, sixty("a"), sixty("b"), sixty("c"), sixty("d"), sixty("e"), sixty("f")))
			require.NoError(t, err)
		}
	}
	require.Equal(t, map[string]int{"dense, CreateTime": 15}, copyAndCompare(t, source, target, from, 0))
	require.Equal(t, map[string]int{"larger than the target's max.message.bytes": 3, "dense, CreateTime": 12},
		copyAndCompare(t, source, target, from, 420, "max.message.bytes", "420"))
}

// sixty returns 60 bytes.
func sixty(s string) string { return strings.Repeat(s, 60) }

// TestLogAppendTimeIsCopied: records keep the times that the source gave them, though the target's topic takes its producers'.
func TestLogAppendTimeIsCopied(t *testing.T) {
	if !real() {
		t.Skip("the embedded broker stamps such batches without mending their CRC")
	}
	source, target, _ := pair(t)
	from := topic(t, source, 1, "message.timestamp.type", "LogAppendTime")
	for i := range 3 {
		b := built(t, batch.Spec{Codec: batch.LZ4}, fmt.Sprint(i), "x")
		_, err := source.Append(within(t), from, 0, b)
		require.NoError(t, err)
	}
	require.Equal(t, map[string]int{"LogAppendTime": 3}, copyAndCompare(t, source, target, from, 0))
}

// TestTransactionsAreCopied: committed records arrive, aborted ones and markers do not.
func TestTransactionsAreCopied(t *testing.T) {
	source, target, _ := pair(t)
	from := topic(t, source, 1)
	brokers, _, err := source.Brokers(within(t))
	require.NoError(t, err)
	k, err := kgo.NewClient(kgo.SeedBrokers(brokers[0].Address()), kgo.TransactionalID(unique("txn")), kgo.DefaultProduceTopic(from), kgo.ProducerLinger(0))
	require.NoError(t, err)
	defer k.Close()
	for i := range 6 {
		require.NoError(t, k.BeginTransaction())
		require.NoError(t, k.ProduceSync(within(t), &kgo.Record{Key: []byte("k"), Value: fmt.Append(nil, i)}).FirstErr())
		require.NoError(t, k.EndTransaction(within(t), kgo.TransactionEndTry(i%2 == 0)))
	}
	require.Eventually(t, func() bool {
		end, err := source.ListOffsets(within(t), from, []int32{0}, cluster.Stable)
		return err == nil && end[0] == 12
	}, timeout, step)
	require.Equal(t, map[string]int{"dense, CreateTime": 3, "aborted transaction": 3, "transaction marker": 6}, copyAndCompare(t, source, target, from, 0))
}

// TestCompactedBatchesAreCopied: batches with holes are packed anew, and nothing but the holes is gone.
func TestCompactedBatchesAreCopied(t *testing.T) {
	source, target, compact := pair(t)
	from := topic(t, source, 1, "cleanup.policy", "compact", "segment.ms", "500", "min.cleanable.dirty.ratio", "0.001", "max.compaction.lag.ms", "1000", "delete.retention.ms", "0")
	put := func(keys string) {
		now := time.Now().UnixMilli() // segments roll by the time of records
		var records []batch.Record
		for i, key := range keys {
			records = append(records, batch.Record{Timestamp: now + int64(i), Key: []byte(string(key)), Value: []byte(strings.Repeat(keys, 20))})
		}
		b, err := batch.Build(batch.Spec{Codec: batch.Zstd}, records)
		require.NoError(t, err)
		_, err = source.Append(within(t), from, 0, b)
		require.NoError(t, err)
	}
	put("abcdef")
	put("acg")
	put("hij")
	require.Eventually(t, func() bool { // closed segments are compacted; they close at an append
		time.Sleep(100 * time.Millisecond)
		put("z")
		compact()
		return string(readAll(t, source, from)[0].Key) != "a" // which has a newer version
	}, 25*time.Second, 200*time.Millisecond)
	require.NoError(t, source.AlterTopicConfigs(within(t), from, map[string]string{"cleanup.policy": "delete"}, nil))
	var before []cluster.Record
	rest := 1500 * time.Millisecond // longer than the pause between two rounds of a real cleaner
	if !real() {
		rest = time.Millisecond
	}
	require.Eventually(t, func() bool {
		after := readAll(t, source, from)
		quiet := len(after) == len(before)
		before = after
		return quiet
	}, 25*time.Second, rest)
	require.Positive(t, copyAndCompare(t, source, target, from, 0)["compaction removed records"])
}
