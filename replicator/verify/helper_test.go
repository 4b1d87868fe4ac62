package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// side is a log in memory: records at offsets of their own, in batches.
type side struct {
	records []record
	start   int64 // log start
	per     int   // offsets of a batch, 0 for one
	stamped bool  // LogAppendTime
}

// sideOf puts records at the offsets 0, 1, 2 and so on.
func sideOf(rs ...record) *side {
	s := &side{}
	for i, r := range rs {
		r.Offset = int64(i)
		s.records = append(s.records, r)
	}
	return s
}

// batches are the records as a broker would hold them after its cleaner has been
// there: a batch may have holes.
func (s *side) batches(t require.TestingT) (all []raw) {
	rest := s.records
	for len(rest) > 0 {
		n := 1
		for n < len(rest) && rest[n].Offset/int64(max(1, s.per)) == rest[0].Offset/int64(max(1, s.per)) {
			n++
		}
		r, _, ok, err := split(encoded(rest[:n], s.stamped))
		require.NoError(t, err)
		require.True(t, ok)
		all, rest = append(all, r), rest[n:]
	}
	return all
}

// encoded is a batch of records with offsets of their own.
func encoded(rs []record, stamped bool) []byte {
	base, latest := rs[0], int64(0)
	b := kmsg.RecordBatch{
		FirstOffset: base.Offset, Magic: 2, FirstTimestamp: base.Timestamp, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		LastOffsetDelta: int32(rs[len(rs)-1].Offset - base.Offset), NumRecords: int32(len(rs)),
	}
	for _, r := range rs {
		k := kmsg.Record{TimestampDelta64: r.Timestamp - base.Timestamp, OffsetDelta: int32(r.Offset - base.Offset), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
		}
		body := k.AppendTo(nil)[1:] // behind a length of 0
		b.Records = append(binary.AppendVarint(b.Records, int64(len(body))), body...)
		latest = max(latest, r.Timestamp)
	}
	b.MaxTimestamp = latest
	if stamped {
		b.Attributes |= logAppendTime
	}
	return seal(b.AppendTo(nil))
}

// world is a pair of logs and what is known of them.
type world struct {
	source, target *side
	q              Request
	cfg            Config
	opened         int
}

// compare runs a comparison over the logs in memory.
func (w *world) compare(t require.TestingT) Result {
	res, err := w.run(t, nil)
	require.NoError(t, err)
	return res
}

func (w *world) run(t require.TestingT, save func(Result)) (Result, error) {
	cfg := w.cfg
	cfg.Key = make([]byte, keyBytes)
	require.NoError(t, cfg.Validate())
	var res Result
	if w.q.After != nil {
		res = w.q.After.clone()
	}
	q := w.q
	sides := []*side{w.source, w.target}
	batches := [][]raw{w.source.batches(t), w.target.batches(t)}
	c := &comparison{Config: &cfg, judge: newJudge(&q), hash: newHasher(cfg.Key), res: &res, tally: newTally(&res, &cfg), fresh: q.After == nil}
	c.open = func(_ context.Context, i int, from, until int64) (tape, error) {
		w.opened++
		k := &cursor{pager: pager{until: min(until, sides[i].end())}, logStart: sides[i].start}
		k.begin, k.next, k.page, k.position = sides[i].start, k.until, batches[i], max(from, sides[i].start)
		k.seek(k.position)
		return k, nil
	}
	c.end = func(_ context.Context, i int) (int64, error) { return sides[i].end(), nil }
	c.since = func(_ context.Context, i int, time int64) (int64, error) {
		for _, r := range sides[i].records {
			if r.Timestamp >= time {
				return r.Offset, nil
			}
		}
		return 0, nil
	}
	c.advanced = func(final bool) error {
		if final && save != nil {
			save(res.clone())
		}
		return nil
	}
	w.bound(c)
	err := c.run(context.Background())
	res.conclude(err)
	return res, err
}

func (w *world) bound(c *comparison) {
	c.bounds = [2]int64{c.UpTo, w.target.end()}
	from := offsetmap.Pair{Source: w.source.start, Target: w.target.start}
	if c.Map != nil {
		c.bounds[onTarget] = min(w.target.end(), c.images.end(c.Map.Begin().Target, c.UpTo))
		from = c.Map.Begin()
	}
	if c.After != nil {
		from = c.After.Verified
	}
	c.begin(from)
}

// end is the offset behind the last record.
func (s *side) end() int64 {
	if len(s.records) == 0 {
		return s.start
	}
	return s.records[len(s.records)-1].Offset + 1
}

// content is a record like no other.
func content(i int) record {
	r := record{Timestamp: 1_000 + int64(i), Value: []byte(fmt.Sprint("value ", i))}
	if i%5 > 0 {
		r.Key = []byte(fmt.Sprint("key ", i%7))
	}
	if i%3 == 0 {
		r.Headers = []batch.Header{{Key: "a", Value: []byte{1}}, {Key: "b", Value: []byte(fmt.Sprint(i))}}
	}
	return r
}

func contents(n int) (all []record) {
	for i := range n {
		r := content(i)
		r.Offset = int64(i)
		all = append(all, r)
	}
	return all
}

func mapOf(t require.TestingT, to int64, runs ...offsetmap.Run) *offsetmap.Map {
	var m offsetmap.Map
	for _, r := range runs {
		require.NoError(t, m.Skip(r.Source))
		require.NoError(t, m.Append(r))
	}
	require.NoError(t, m.Skip(to))
	return &m
}

// small lets ranges, steps and windows end often.
func small(rt *rapid.T) Config {
	return Config{
		Range:  rapid.Int64Range(1, 200).Draw(rt, "range"),
		Step:   rapid.Int64Range(1, 40).Draw(rt, "step"),
		Deep:   rapid.Bool().Draw(rt, "deep"),
		Window: 4096,
	}
}

// equalRecords says whether two records are the same but for their offsets.
func equalRecords(a, b record) bool {
	return a.Timestamp == b.Timestamp && sameBytes(a.Key, b.Key) && sameBytes(a.Value, b.Value) && slices.EqualFunc(a.Headers, b.Headers, func(x, y batch.Header) bool {
		return x.Key == y.Key && sameBytes(x.Value, y.Value)
	})
}

// sameBytes tells null from empty.
func sameBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
