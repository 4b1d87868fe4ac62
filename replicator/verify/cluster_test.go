package verify

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sides is a pair of clusters with one topic each.
type sides struct {
	t              *testing.T
	pair           *embedded.Pair
	source, target Side
}

func newSides(t *testing.T, partitions int32) *sides {
	t.Helper()
	topic := []embedded.Topic{{Name: "orders", Partitions: partitions}}
	pair := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Topics: topic}, Target: embedded.Side{Topics: topic}})
	return &sides{t: t, pair: pair, source: sideAt(t, pair.Source.Name(), pair.Source.Bootstrap()), target: sideAt(t, pair.Target.Name(), pair.Target.Bootstrap())}
}

func sideAt(t *testing.T, name string, bootstrap []string) Side {
	client, err := cluster.Open(context.Background(), name, cluster.Config{Bootstrap: bootstrap})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return Side{Client: client, Topic: "orders"}
}

// put appends records in batches of so many.
func put(t *testing.T, s Side, per int, rs ...record) {
	t.Helper()
	for len(rs) > 0 {
		n := min(per, len(rs))
		_, err := s.Client.Append(context.Background(), s.Topic, s.Partition, build(t, batch.LZ4, rs[:n]))
		require.NoError(t, err)
		rs = rs[n:]
	}
}

func (s *sides) compare(q Request) Result {
	s.t.Helper()
	q.Source, q.Target = s.source, s.target
	res, err := Compare(context.Background(), q)
	require.NoError(s.t, err)
	return res
}

func (s *sides) end(side Side) int64 {
	end, err := side.offset(context.Background(), cluster.Latest, "end")
	require.NoError(s.t, err)
	return end
}

// TestIdenticalSides: batches that are cut in another way hold the same records,
// and equal records have equal digests however they are read.
func TestIdenticalSides(t *testing.T) {
	s := newSides(t, 1)
	put(t, s.source, 7, contents(200)...)
	put(t, s.target, 30, contents(200)...)
	m := mapOf(t, 200, offsetmap.Run{Count: 200})
	for name, q := range map[string]Request{"by map": {Map: m, UpTo: 200}, "in order": {UpTo: 200}, "now": {UpTo: Now}, "by map now": {Map: m, UpTo: Now}} {
		res := s.compare(q)
		require.Empty(t, res.Summary(), name)
		require.Equal(t, Identical, res.Verdict)
		require.EqualValues(t, 200, res.Records)
		require.Equal(t, offsetmap.Pair{Source: 200, Target: 200}, res.Verified)
		require.Equal(t, s.compare(Request{UpTo: 200}).Digest, res.Digest)
	}
	half := s.compare(Request{Map: m, UpTo: 10})
	require.EqualValues(t, 10, half.Records)
	require.Empty(t, half.Summary())
	require.NotEqual(t, s.compare(Request{Map: m, UpTo: 200}).Digest, half.Digest)
	require.Empty(t, s.compare(Request{Map: m, UpTo: 0}).Summary())
}

// TestNamesOfDifferences: what people read, for each kind.
func TestNamesOfDifferences(t *testing.T) {
	key := []byte("k")
	base := record{Timestamp: 5, Key: key, Value: []byte("v"), Headers: []batch.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}}}
	for what, c := range map[string]struct {
		kind Kind
		edit func(*record)
	}{
		"key":        {Corrupted, func(r *record) { r.Key = nil }},
		"value":      {Corrupted, func(r *record) { r.Value = []byte("w") }},
		"headers":    {Headers, func(r *record) { r.Headers = []batch.Header{{Key: "b"}, {Key: "a", Value: []byte("1")}} }},
		"timestamp":  {Timestamp, func(r *record) { r.Timestamp++ }},
		"key, value": {Corrupted, func(r *record) { r.Key, r.Value = []byte("kv"), []byte{} }},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSides(t, 1)
			changed := base
			c.edit(&changed)
			put(t, s.source, 3, append(contents(2), base)...)
			put(t, s.target, 3, append(contents(2), changed)...)
			res := s.compare(Request{Map: mapOf(t, 3, offsetmap.Run{Count: 3}), UpTo: 3})
			require.Equal(t, "1 differences: source 2 and target 2 differ in "+what, res.Summary())
			require.Equal(t, map[Kind]int64{c.kind: 1}, res.Kinds)
			require.Equal(t, `source 2 and target 2 differ in `+what+` (key "k")`, res.Findings[0].String())
			require.EqualValues(t, 3, res.Records)
		})
	}
}

// TestManyDifferencesAreCounted: a summary lists the first ones.
func TestManyDifferencesAreCounted(t *testing.T) {
	s := newSides(t, 1)
	put(t, s.source, 40, contents(40)...)
	for i := range 40 {
		put(t, s.target, 40, record{Value: []byte(fmt.Sprint("other", i))})
	}
	res := s.compare(Request{Map: mapOf(t, 40, offsetmap.Run{Count: 40}), UpTo: 40})
	require.EqualValues(t, 40, res.Count)
	require.Contains(t, res.Summary(), "40 differences: source 0 and target 0 differ in value, headers, timestamp; source 1")
	require.Contains(t, res.Summary(), "; 20 more")
}

// TestRetention: what the source has deleted is no difference, what only the
// target has deleted is one, unless it is so old that its retention took it.
func TestRetention(t *testing.T) {
	s := newSides(t, 1)
	put(t, s.source, 2, contents(8)...)
	put(t, s.target, 2, contents(8)...)
	m := mapOf(t, 8, offsetmap.Run{Count: 8})
	deleteBelow(t, s.source, 3)
	res := s.compare(Request{Map: m, UpTo: 8})
	require.Empty(t, res.Summary())
	require.EqualValues(t, 5, res.Records)
	require.Equal(t, map[Reason]int64{SourceExpired: 3}, res.Explained)
	res = s.compare(Request{UpTo: 8})
	require.Empty(t, res.Summary())
	require.Equal(t, map[Reason]int64{SourceExpired: 3}, res.Explained)

	deleteBelow(t, s.target, 5)
	for _, m := range []*offsetmap.Map{m, nil} {
		res = s.compare(Request{Map: m, UpTo: 8})
		require.Equal(t, map[Kind]int64{Loss: 2}, res.Kinds)
		require.Equal(t, []Finding{{Kind: Loss, Source: 3, Target: -1}, {Kind: Loss, Source: 4, Target: -1}}, bare(res.Findings))
		res = s.compare(Request{Map: m, UpTo: 8, TargetKeepsFrom: 1004})
		require.Equal(t, []Finding{{Kind: Loss, Source: 4, Target: -1}}, bare(res.Findings))
		require.EqualValues(t, 1, res.Explained[TargetExpired])
	}
}

func deleteBelow(t *testing.T, s Side, offset int64) {
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = s.Topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset, rp.Partition = offset, s.Partition
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	_, err := cluster.Do[*kmsg.DeleteRecordsResponse](context.Background(), s.Client, req)
	require.NoError(t, err)
}

// TestTransactionsAreLeftOut: neither markers nor aborted records count.
func TestTransactionsAreLeftOut(t *testing.T) {
	s := newSides(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	k, err := kgo.NewClient(kgo.SeedBrokers(s.pair.Source.Bootstrap()...), kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer k.Close()
	for round := range 5 {
		require.NoError(t, k.BeginTransaction())
		r := &kgo.Record{Topic: "orders", Value: []byte(fmt.Sprint(round)), Timestamp: time.UnixMilli(int64(round))}
		require.NoError(t, k.ProduceSync(ctx, r).FirstErr())
		require.NoError(t, k.EndTransaction(ctx, kgo.TransactionEndTry(round%2 == 0)))
		if round%2 == 0 {
			put(t, s.target, 1, record{Timestamp: int64(round), Value: []byte(fmt.Sprint(round))})
		}
	}
	end := s.end(s.source)
	require.EqualValues(t, 10, end, "each record has a marker")
	m := mapOf(t, end, offsetmap.Run{Count: 1}, offsetmap.Run{Source: 4, Target: 1, Count: 1}, offsetmap.Run{Source: 8, Target: 2, Count: 1})
	for _, q := range []Request{{Map: m, UpTo: end}, {UpTo: end}} {
		res := s.compare(q)
		require.Empty(t, res.Summary())
		require.EqualValues(t, 3, res.Records)
	}

	require.NoError(t, k.BeginTransaction())
	require.NoError(t, k.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("open")}).FirstErr())
	require.Empty(t, s.compare(Request{UpTo: Now}).Summary(), "an open transaction is not there yet")
	_, err = Compare(ctx, Request{Source: s.source, Target: s.target, UpTo: end + 1})
	require.ErrorIs(t, err, ErrNotYet)
	require.NoError(t, k.EndTransaction(ctx, kgo.TryAbort))
}

// TestNotYet: a side that does not reach so far is no difference and no proof.
func TestNotYet(t *testing.T) {
	s := newSides(t, 1)
	put(t, s.source, 3, contents(3)...)
	put(t, s.target, 3, contents(3)...)
	_, err := Compare(context.Background(), Request{Source: s.source, Target: s.target, Map: mapOf(t, 3, offsetmap.Run{Count: 3}), UpTo: 4})
	require.ErrorIs(t, err, ErrNotYet, "the map ends before")
	_, err = Compare(context.Background(), Request{Source: s.source, Target: s.target, Map: mapOf(t, 5, offsetmap.Run{Count: 5}), UpTo: 5})
	require.ErrorIs(t, err, ErrNotYet, "the source ends before")
	require.ErrorContains(t, err, "read orders/0 on source from offset 3")
	results, err := Run(context.Background(), Config{}, []Request{{Source: s.source, Target: s.target, UpTo: 5}})
	require.NoError(t, err)
	require.Equal(t, Unknown, results[0].Verdict)
	require.EqualValues(t, 3, results[0].Records)
	require.Contains(t, results[0].Problem, "it ends at 3, wanted is 5")
}

// TestUnknownTopic: it names topic and cluster.
func TestUnknownTopic(t *testing.T) {
	s := newSides(t, 1)
	s.target.Topic = "nowhere"
	_, err := Compare(context.Background(), Request{Source: s.source, Target: s.target, UpTo: 0})
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)
	require.ErrorContains(t, err, "nowhere/0 on target")
	results, err := Run(context.Background(), Config{}, []Request{{Source: s.source, Target: s.target, UpTo: 0}})
	require.NoError(t, err)
	require.Equal(t, Unknown, results[0].Verdict)
}
