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
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sides is a pair of clusters with one topic each.
type sides struct {
	t              *testing.T
	pair           *embedded.Pair
	source, target Side
}

func newSides(t *testing.T) *sides {
	t.Helper()
	topic := []embedded.Topic{{Name: "orders", Partitions: 1}}
	pair := embedded.ForTest(t, embedded.Options{Source: embedded.Side{Topics: topic}, Target: embedded.Side{Topics: topic}})
	s := &sides{t: t, pair: pair}
	for side, c := range map[*Side]*embedded.Cluster{&s.source: pair.Source, &s.target: pair.Target} {
		client, err := cluster.Open(context.Background(), c.Name(), cluster.Config{Bootstrap: c.Bootstrap()})
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		*side = Side{Client: client, Topic: "orders"}
	}
	return s
}

func (s *sides) put(side Side, rs ...batch.Record) {
	s.t.Helper()
	for _, r := range rs {
		_, err := side.Client.Append(context.Background(), side.Topic, 0, build(s.t, batch.LZ4, []batch.Record{r}))
		require.NoError(s.t, err)
	}
}

func (s *sides) compare(q Request) Result {
	s.t.Helper()
	q.Source, q.Target = s.source, s.target
	res, err := Compare(context.Background(), q)
	require.NoError(s.t, err)
	return res
}

func mapOf(t *testing.T, to int64, runs ...offsetmap.Run) *offsetmap.Map {
	t.Helper()
	var m offsetmap.Map
	for _, r := range runs {
		require.NoError(t, m.Skip(r.Source))
		require.NoError(t, m.Append(r))
	}
	require.NoError(t, m.Skip(to))
	return &m
}

func TestIdenticalSides(t *testing.T) {
	s := newSides(t)
	s.put(s.source, records(20)...)
	s.put(s.target, records(20)...)
	m := mapOf(t, 20, offsetmap.Run{Count: 20})
	for name, q := range map[string]Request{"by map": {Map: m, UpTo: 20}, "in order": {UpTo: 20}} {
		res := s.compare(q)
		require.Empty(t, res.Summary(), name)
		require.EqualValues(t, 20, res.Records)
		require.Equal(t, res.SourceDigest, res.TargetDigest)
	}
	half := s.compare(Request{Map: m, UpTo: 10})
	require.EqualValues(t, 10, half.Records)
	require.Empty(t, half.Summary())
	require.NotEqual(t, s.compare(Request{Map: m, UpTo: 20}).SourceDigest, half.SourceDigest)
	require.Empty(t, s.compare(Request{Map: m, UpTo: 0}).Summary())
}

func TestChangedRecords(t *testing.T) {
	base := batch.Record{Timestamp: 5, Key: []byte("k"), Value: []byte("v"), Headers: []batch.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}}}
	for what, edit := range map[string]func(*batch.Record){
		"key":       func(r *batch.Record) { r.Key = nil },
		"value":     func(r *batch.Record) { r.Value = []byte("w") },
		"headers":   func(r *batch.Record) { r.Headers = []batch.Header{{Key: "b"}, {Key: "a", Value: []byte("1")}} },
		"timestamp": func(r *batch.Record) { r.Timestamp++ },
		"key, value": func(r *batch.Record) {
			r.Key, r.Value = []byte("kv"), []byte{}
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSides(t)
			changed := base
			edit(&changed)
			s.put(s.source, records(2)...)
			s.put(s.target, records(2)...)
			s.put(s.source, base)
			s.put(s.target, changed)
			res := s.compare(Request{Map: mapOf(t, 3, offsetmap.Run{Count: 3}), UpTo: 3})
			require.Equal(t, []Difference{{Kind: Changed, Source: 2, Target: 2, What: what}}, res.Differences)
			require.Equal(t, "1 differences: source 2 and target 2 differ in "+what, res.Summary())
			require.NotEqual(t, res.SourceDigest, res.TargetDigest)
		})
	}
}

func TestMissingAndExtra(t *testing.T) {
	rs, later := records(6), batch.Record{Value: []byte("later")}
	for name, c := range map[string]struct {
		target  []batch.Record
		m       []offsetmap.Run
		shared  bool
		want    []Difference
		inOrder []Difference
	}{
		"end missing": {
			target: rs[:4], m: []offsetmap.Run{{Count: 4}},
			want:    []Difference{{Kind: Missing, Source: 4, Target: -1}, {Kind: Missing, Source: 5, Target: -1}},
			inOrder: []Difference{{Kind: Missing, Source: 4, Target: -1}},
		},
		"another at the image": {
			target: []batch.Record{rs[0], rs[1], rs[2], rs[3], later, later}, m: []offsetmap.Run{{Count: 4}, {Source: 5, Target: 5, Count: 1}},
			shared:  true,
			want:    []Difference{{Kind: Missing, Source: 4, Target: -1}, {Kind: Changed, Source: 5, Target: 5, What: "key, value, timestamp"}},
			inOrder: []Difference{{Kind: Changed, Source: 4, Target: 4, What: "key, value, timestamp"}},
		},
		"the target ends too early": {
			target: []batch.Record{rs[0], rs[1]}, m: []offsetmap.Run{{Count: 2}, {Source: 2, Target: 3, Count: 1}, {Source: 3, Target: 9, Count: 3}},
			want: []Difference{{Kind: Missing, Source: 2, Target: 3}, {Kind: Missing, Source: 3, Target: 9},
				{Kind: Missing, Source: 4, Target: 10}, {Kind: Missing, Source: 5, Target: 11}},
			inOrder: []Difference{{Kind: Missing, Source: 2, Target: -1}},
		},
		"twice": {
			target: []batch.Record{rs[0], rs[1], rs[1], rs[2], rs[3], rs[4], rs[5]}, m: []offsetmap.Run{{Count: 2}, {Source: 2, Target: 3, Count: 4}},
			want:    []Difference{{Kind: Extra, Source: -1, Target: 2}},
			inOrder: []Difference{{Kind: Changed, Source: 2, Target: 2, What: "key, value, headers, timestamp"}},
		},
		"native between": {
			target: []batch.Record{rs[0], {Value: []byte("native")}, rs[1], rs[2], rs[3], rs[4], rs[5]}, m: []offsetmap.Run{{Count: 1}, {Source: 1, Target: 2, Count: 5}},
			shared:  true,
			inOrder: []Difference{{Kind: Changed, Source: 1, Target: 1, What: "key, value, headers, timestamp"}},
		},
		"one too many": {
			target: append(rs[:6:6], rs[0]), m: []offsetmap.Run{{Count: 6}},
			inOrder: []Difference{{Kind: Extra, Source: -1, Target: 6}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSides(t)
			s.put(s.source, rs...)
			s.put(s.target, c.target...)
			res := s.compare(Request{Map: mapOf(t, 6, c.m...), UpTo: 6, Shared: c.shared})
			require.Equal(t, c.want, res.Differences)
		})
		t.Run(name+" in order", func(t *testing.T) {
			s := newSides(t)
			s.put(s.source, rs...)
			s.put(s.target, c.target...)
			require.Equal(t, c.inOrder, s.compare(Request{UpTo: 6}).Differences)
		})
	}
}

func (s *sides) end(side Side) int64 {
	ends, err := side.Client.ListOffsets(context.Background(), side.Topic, []int32{0}, cluster.Latest)
	require.NoError(s.t, err)
	return ends[0]
}

func TestManyDifferencesAreCounted(t *testing.T) {
	s := newSides(t)
	s.put(s.source, records(40)...)
	for i := range 40 {
		s.put(s.target, batch.Record{Value: []byte(fmt.Sprint("other", i))})
	}
	res := s.compare(Request{Map: mapOf(t, 40, offsetmap.Run{Count: 40}), UpTo: 40})
	require.EqualValues(t, 40, res.Count)
	require.Len(t, res.Differences, listed)
	require.Contains(t, res.Summary(), "40 differences: ")
	require.Contains(t, res.Summary(), "; 20 more")
}

// TestVanishedOrigins: an image whose origin is gone is a difference, unless
// compaction or retention may have taken it.
func TestVanishedOrigins(t *testing.T) {
	s := newSides(t)
	s.put(s.source, records(6)...)
	s.put(s.target, records(6)...)
	m := mapOf(t, 6, offsetmap.Run{Count: 6})
	s.deleteBelow(3)
	res := s.compare(Request{Map: m, UpTo: 6})
	require.Empty(t, res.Summary(), "retention has taken them")
	require.EqualValues(t, 3, res.Records)

	pass := func(q Request) []Difference {
		w := &walk{comparison: &comparison{Request: q}, origins: mapped{m.Runs()}}
		w.target = &cursor{until: 6, next: 6, pending: []record{{offset: 4}}}
		require.NoError(t, w.pass(context.Background(), 5))
		return w.res.Differences
	}
	got := pass(Request{})
	require.Equal(t, []Difference{{Kind: Vanished, Source: 4, Target: 4}}, got)
	require.Equal(t, "source 4 is gone, its image is target 4", got[0].String())
	require.Empty(t, pass(Request{Compacted: true}))
}

func (s *sides) deleteBelow(offset int64) {
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = "orders"
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	_, err := cluster.Do[*kmsg.DeleteRecordsResponse](context.Background(), s.source.Client, req)
	require.NoError(s.t, err)
}

func TestTransactionsAreLeftOut(t *testing.T) {
	s := newSides(t)
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
			s.put(s.target, batch.Record{Timestamp: int64(round), Value: []byte(fmt.Sprint(round))})
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
}

func TestNotYet(t *testing.T) {
	s := newSides(t)
	s.put(s.source, records(3)...)
	s.put(s.target, records(3)...)
	_, err := Compare(context.Background(), Request{Source: s.source, Target: s.target, Map: mapOf(t, 3, offsetmap.Run{Count: 3}), UpTo: 4})
	require.ErrorIs(t, err, ErrNotYet, "the map ends before")
	_, err = Compare(context.Background(), Request{Source: s.source, Target: s.target, Map: mapOf(t, 5, offsetmap.Run{Count: 5}), UpTo: 5})
	require.ErrorIs(t, err, ErrNotYet, "the source ends before")
	require.ErrorContains(t, err, "read orders/0 on source from offset 3")
}

func TestUnknownTopic(t *testing.T) {
	s := newSides(t)
	s.target.Topic = "nowhere"
	_, err := Compare(context.Background(), Request{Source: s.source, Target: s.target, UpTo: 0})
	require.ErrorIs(t, err, cluster.ErrUnknownTopic)
	require.ErrorContains(t, err, "nowhere/0 on target")
}
