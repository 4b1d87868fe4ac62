package driver

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// batchAt is a batch that begins at an offset, in a transaction of a producer
// unless that is -1.
func batchAt(t require.TestingT, offset, producer int64, values ...string) batch.Batch {
	records := make([]batch.Record, len(values))
	for i, v := range values {
		records[i] = batch.Record{Key: []byte("k"), Value: []byte(v)}
	}
	s := batch.Spec{Transactional: producer >= 0}
	if producer >= 0 {
		s.Producer = &batch.Producer{ID: producer}
	}
	b, err := batch.Build(s, records)
	require.NoError(t, err)
	binary.BigEndian.PutUint64(b, uint64(offset)) // not under the checksum
	return b
}

// marker is the batch that ends a producer's transaction.
func marker(t require.TestingT, offset, producer int64) batch.Batch {
	const attributes, control, crc = 21, 0x20, 17
	b := batchAt(t, offset, producer, "end")
	b[attributes+1] |= control
	binary.BigEndian.PutUint32(b[crc:], crc32.Checksum(b[attributes:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// TestFirstOf: the first record that a consumer would be given, and whether an
// answer can tell.
func TestFirstOf(t *testing.T) {
	plain := slices.Concat(batchAt(t, 10, -1, "ten", "eleven"), batchAt(t, 20, -1, "twenty"))
	aborted := slices.Concat(batchAt(t, 10, 7, "never"), marker(t, 11, 7), batchAt(t, 12, 7, "committed"), marker(t, 13, 7))
	for name, c := range map[string]struct {
		answer wire.FetchedPartition
		from   int64
		value  string
		sure   bool
	}{
		"at its offset":             {wire.FetchedPartition{Records: plain, LastStable: 21}, 10, "ten", true},
		"within a batch":            {wire.FetchedPartition{Records: plain, LastStable: 21}, 11, "eleven", true},
		"behind a hole":             {wire.FetchedPartition{Records: plain, LastStable: 21}, 12, "twenty", true},
		"aborted":                   {wire.FetchedPartition{Records: aborted, LastStable: 14, Aborted: []batch.Aborted{{ProducerID: 7, First: 10}}}, 10, "committed", true},
		"the end":                   {wire.FetchedPartition{LastStable: 21}, 21, "", true},
		"no room for it":            {wire.FetchedPartition{LastStable: 21}, 20, "", false},
		"a truncated batch":         {wire.FetchedPartition{Records: plain[:70], LastStable: 21}, 10, "", false},
		"only what comes before it": {wire.FetchedPartition{Records: plain, LastStable: 30}, 21, "", false},
		"nothing but a marker":      {wire.FetchedPartition{Records: marker(t, 10, 7), LastStable: 30}, 10, "", false},
		"an error":                  {wire.FetchedPartition{Code: 1}, 10, "", false},
		"damaged":                   {wire.FetchedPartition{Records: append(slices.Clone(plain[:len(plain)-1]), 'x'), LastStable: 21}, 20, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			first, sure := firstOf(c.answer, c.from)
			require.Equal(t, c.sure, sure)
			require.Equal(t, c.value != "", first.there)
			require.Equal(t, c.value, string(first.record.Value))
		})
	}
}

// TestFirstOfAny: whatever the batches are and wherever the answer is cut off,
// what is sure is what a reader of all records would find.
func TestFirstOfAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var raw []byte
		var all []cluster.Record
		next := int64(0)
		for range rapid.IntRange(0, 5).Draw(t, "batches") {
			next += rapid.Int64Range(0, 3).Draw(t, "hole")
			values := rapid.SliceOfN(rapid.StringMatching("[a-z]{0,9}"), 1, 4).Draw(t, "values")
			for i, v := range values {
				all = append(all, cluster.Record{Offset: next + int64(i), Value: []byte(v)})
			}
			raw = append(raw, batchAt(t, next, -1, values...)...)
			next += int64(len(values))
		}
		from := rapid.Int64Range(0, next).Draw(t, "from")
		kept := rapid.IntRange(0, len(raw)).Draw(t, "kept")
		first, sure := firstOf(wire.FetchedPartition{Records: raw[:kept], LastStable: next}, from)
		i := slices.IndexFunc(all, func(r cluster.Record) bool { return r.Offset >= from })
		switch {
		case !sure:
			require.False(t, first.there)
		case i < 0:
			require.False(t, first.there)
		default:
			require.True(t, first.there)
			require.Equal(t, all[i].Offset, first.record.Offset)
			require.Equal(t, string(all[i].Value), string(first.record.Value))
		}
		if kept == len(raw) && i >= 0 {
			require.True(t, sure, "it was there")
		}
	})
}

// TestImages: what was found on the source from the cut on must have been copied
// to a place at or above the cut.
func TestImages(t *testing.T) {
	holed := blockOf(t, 0, 0, 0, offsetmap.Run{Source: 0, Target: 0, Count: 5}, offsetmap.Run{Source: 8, Target: 5, Count: 5})
	s, k := newMapStore(), events.CopyKey{Migration: "m", Topic: "orders"}
	require.NoError(t, s.put(k, holed))
	maps := func(_ string, p int32) (copied, bool) {
		if p > 0 {
			return nil, false
		}
		return s.of(k, 0)
	}
	starts := offsets{"orders": {0: 0}}
	found := func(offset int64) map[place]peeked {
		return map[place]peeked{{"orders", 0}: {record: cluster.Record{Offset: offset}, there: true}}
	}
	cut := func(partition int32, source, target int64) []events.CutPoint {
		return []events.CutPoint{{Topic: "orders", Partition: partition, Source: source, Target: target}}
	}
	at, why := images(cut(0, 8, 5), found(8), maps, starts)
	require.Empty(t, why)
	require.Equal(t, map[place]int64{{"orders", 0}: 5}, at)

	at, why = images(cut(0, 8, 5), found(10), maps, starts)
	require.Empty(t, why, "compaction took the records before it")
	require.Equal(t, map[place]int64{{"orders", 0}: 7}, at)

	for name, c := range map[string]struct {
		cut   []events.CutPoint
		found map[place]peeked
	}{
		"nothing to read yet":   {cut(0, 13, 10), map[place]peeked{}},
		"not copied yet":        {cut(0, 13, 10), found(13)},
		"a partition not heard": {cut(1, 0, 0), map[place]peeked{{"orders", 1}: {there: true}}},
	} {
		at, why = images(c.cut, c.found, maps, starts)
		require.Empty(t, why, name)
		require.Empty(t, at, name)
	}

	_, why = images(cut(0, 5, 5), found(6), maps, starts)
	require.Equal(t, "orders/0: source record 6 is not among the copied records from 5 on", why, "the copy has skipped it")
	_, why = images(cut(0, 8, 7), found(8), maps, starts)
	require.Contains(t, why, "from 7 on", "its image lies below the cut")
}

// TestSameRecord: key, value and headers count, their order too; null is not
// empty, and times may differ.
func TestSameRecord(t *testing.T) {
	record := func() cluster.Record {
		return cluster.Record{Offset: 1, Timestamp: 2, Key: []byte("k"), Value: []byte("v"), Headers: []batch.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}}}
	}
	require.True(t, sameRecord(record(), record()))
	for name, c := range map[string]struct {
		change func(*cluster.Record)
		same   bool
	}{
		"another time":   {func(r *cluster.Record) { r.Timestamp++; r.Offset++ }, true},
		"another key":    {func(r *cluster.Record) { r.Key = []byte("x") }, false},
		"another value":  {func(r *cluster.Record) { r.Value = []byte("x") }, false},
		"a header more":  {func(r *cluster.Record) { r.Headers = append(r.Headers, batch.Header{}) }, false},
		"another name":   {func(r *cluster.Record) { r.Headers[0].Key = "x" }, false},
		"another header": {func(r *cluster.Record) { r.Headers[1].Value = []byte("x") }, false},
		"another order":  {func(r *cluster.Record) { slices.Reverse(r.Headers) }, false},
	} {
		r := record()
		c.change(&r)
		require.Equal(t, c.same, sameRecord(record(), r), name)
	}
	null, empty := cluster.Record{}, cluster.Record{Value: []byte{}}
	require.False(t, sameRecord(null, empty), "a tombstone is no empty record")
	null, empty = cluster.Record{Value: []byte("v")}, cluster.Record{Key: []byte{}, Value: []byte("v")}
	require.False(t, sameRecord(null, empty))
}
