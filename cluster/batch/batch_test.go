package batch

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawRecords(t *rapid.T) []Record {
	blob := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 200))
	header := rapid.Custom(func(t *rapid.T) Header { return Header{rapid.StringN(0, 10, 20).Draw(t, "key"), blob.Draw(t, "value")} })
	record := rapid.Custom(func(t *rapid.T) Record {
		r := Record{Timestamp: rapid.Int64Range(-1, 1<<50).Draw(t, "time"), Key: blob.Draw(t, "key"), Value: blob.Draw(t, "value")}
		if hs := rapid.SliceOfN(header, 0, 3).Draw(t, "headers"); len(hs) > 0 {
			r.Headers = hs
		}
		return r
	})
	records := rapid.SliceOfN(record, 1, 40).Draw(t, "records")
	for i := range records {
		records[i].Offset = int64(i)
	}
	return records
}

var codecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

func drawSpec(t *rapid.T) Spec {
	s := Spec{Codec: rapid.SampledFrom(codecs).Draw(t, "codec")}
	if rapid.Bool().Draw(t, "idempotent") {
		s.Producer = &Producer{rapid.Int64Min(0).Draw(t, "pid"), rapid.Int16Min(0).Draw(t, "epoch"), rapid.Int32Min(0).Draw(t, "sequence")}
		s.Transactional = rapid.Bool().Draw(t, "txn")
	}
	return s
}

func TestBuildThenRecordsIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, records := drawSpec(t), drawRecords(t)
		b, err := Build(s, records)
		require.NoError(t, err)
		require.NoError(t, b.Check())
		got, err := b.Records()
		require.NoError(t, err)
		require.Equal(t, records, got)

		require.True(t, b.Dense())
		require.EqualValues(t, len(records), b.Count())
		require.Equal(t, s.Codec, b.Codec())
		require.Equal(t, s.Transactional, b.Transactional())
		require.EqualValues(t, 0, b.BaseOffset())
		require.EqualValues(t, len(records), b.NextOffset())
		require.EqualValues(t, -1, b.LeaderEpoch())
		want := none
		if s.Producer != nil {
			want = *s.Producer
		}
		require.Equal(t, want, b.Producer())
		largest := int64(math.MinInt64)
		for _, r := range records {
			largest = max(largest, r.Timestamp)
		}
		require.Equal(t, largest, b.MaxTimestamp())
	})
}

func TestSplitGivesBackWhatWasJoined(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var joined []byte
		var want []Batch
		for range rapid.IntRange(0, 5).Draw(t, "batches") {
			b, err := Build(drawSpec(t), drawRecords(t))
			require.NoError(t, err)
			want, joined = append(want, b), append(joined, b...)
		}
		cut := rapid.IntRange(0, len(joined)).Draw(t, "cut") // a fetch response may end anywhere
		whole := 0
		for n := 0; whole < len(want) && n+len(want[whole]) <= cut; whole++ {
			n += len(want[whole])
		}
		var got []Batch
		for b, rest := Split(joined[:cut]); b != nil; b, rest = Split(rest) {
			got = append(got, b)
		}
		require.Len(t, got, whole)
		for i := range got {
			require.Equal(t, want[i], got[i])
		}
	})
}

func TestSplitNeitherLoopsNorLosesImpossibleLengths(t *testing.T) {
	for _, length := range []uint32{0, 4, 0xffffffff, 0x80000000} {
		junk := make([]byte, 100)
		be.PutUint32(junk[offLength:], length)
		b, rest := Split(junk)
		require.Equal(t, Batch(junk), b)
		require.Empty(t, rest)
		require.Error(t, b.Check())
	}
}

func TestAccessorsOfShortBytesAreZero(t *testing.T) {
	for n := range HeaderSize {
		b := Batch(make([]byte, n))
		require.Zero(t, b.BaseOffset()+b.LastOffset()+b.MaxTimestamp()+b.BaseTimestamp()+b.Producer().ID)
		require.Zero(t, b.Count()+b.LastOffsetDelta()+b.LeaderEpoch())
		require.Zero(t, b.Attributes())
		require.Empty(t, b.Payload())
		require.Error(t, b.Check())
		_, err := b.Records()
		require.Error(t, err)
		require.Error(t, b.Rewrite(none))
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	b, err := Build(Spec{Codec: Zstd}, sample(5))
	require.NoError(t, err)
	for i := offLength; i < len(b); i++ {
		if i >= offEpoch && i < offMagic { // the leader epoch is the broker's and outside the CRC
			continue
		}
		damaged := Batch(bytes.Clone(b))
		damaged[i] ^= 0x10
		require.Error(t, damaged.Check(), "byte %d", i)
		require.Error(t, damaged.Rewrite(none), "byte %d: damage must not get a valid CRC", i)
	}
}

// sample returns n records with offsets from 0 on.
func sample(n int) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i] = Record{
			Offset: int64(i), Timestamp: 1_700_000_000_000 + int64(i%7), Key: fmt.Appendf(nil, "key-%d", i),
			Value: fmt.Appendf(nil, "value-%d %s", i, bytes.Repeat([]byte("x"), i%50)), Headers: []Header{{"h", []byte("1")}, {"h", nil}},
		}
	}
	return records
}

// mark sets header fields as a broker or an older producer would, with a right CRC.
func mark(b Batch, attributes uint16, base int64) Batch {
	b = bytes.Clone(b)
	be.PutUint64(b, uint64(base))
	be.PutUint32(b[offEpoch:], 7)
	be.PutUint16(b[offAttributes:], uint16(b.Attributes())|attributes)
	return seal(b)
}

func seal(b Batch) Batch {
	be.PutUint32(b[offCRC:], crc32.Checksum(b[offAttributes:], castagnoli))
	return b
}

func TestRewriteTouchesTheHeaderOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		built, err := Build(Spec{Codec: rapid.SampledFrom(codecs).Draw(t, "codec"), Producer: &Producer{1, 2, 3}, Transactional: rapid.Bool().Draw(t, "txn")}, drawRecords(t))
		require.NoError(t, err)
		flags := rapid.SampledFrom([]uint16{0, bitHorizon}).Draw(t, "flags")
		before := mark(built, flags, rapid.Int64Range(0, 1<<60).Draw(t, "base"))
		b := Batch(bytes.Clone(before))
		p := Producer{rapid.Int64Min(0).Draw(t, "pid"), rapid.Int16Min(0).Draw(t, "epoch"), rapid.Int32Min(0).Draw(t, "sequence")}
		require.NoError(t, b.Rewrite(p))

		require.NoError(t, b.Check())
		require.EqualValues(t, 0, b.BaseOffset())
		require.EqualValues(t, -1, b.LeaderEpoch())
		require.EqualValues(t, before.Codec(), b.Attributes(), "only the codec bits are left")
		require.Equal(t, p, b.Producer())
		require.Equal(t, before.Payload(), b.Payload())
		require.Equal(t, before[offLastDelta:offProducer], b[offLastDelta:offProducer])
		require.Equal(t, before.Count(), b.Count())

		old, err := before.Records()
		require.NoError(t, err)
		now, err := b.Records()
		require.NoError(t, err)
		for i := range now {
			now[i].Offset = old[i].Offset
		}
		require.Equal(t, old, now, "clearing the delete horizon changes no timestamp")
	})
}

func TestLogAppendTimeAppliesToEveryRecord(t *testing.T) {
	b, err := Build(Spec{}, sample(3))
	require.NoError(t, err)
	b = mark(b, bitLogAppend, 0)
	be.PutUint64(b[offMaxTime:], 42)
	records, err := seal(b).Records()
	require.NoError(t, err)
	for _, r := range records {
		require.EqualValues(t, 42, r.Timestamp)
	}
}

// holes builds what compaction leaves: records at the given offsets in a batch that spans them.
func holes(s Spec, base int64, last int32, deltas ...int32) Batch {
	records := sample(len(deltas))
	b, err := encode(s, records, func(i int) int32 { return deltas[i] })
	if err != nil {
		panic(err)
	}
	b = mark(b, 0, base)
	be.PutUint32(b[offLastDelta:], uint32(last))
	return seal(b)
}

func TestReencodeMakesHolesDense(t *testing.T) {
	for _, codec := range codecs {
		b := holes(Spec{Codec: codec}, 1000, 20, 3, 4, 17)
		require.False(t, b.Dense())
		records, err := b.Records()
		require.NoError(t, err)
		require.EqualValues(t, []int64{1003, 1004, 1017}, []int64{records[0].Offset, records[1].Offset, records[2].Offset})
		require.EqualValues(t, 1021, b.NextOffset())
		pieces, err := Encode(Spec{Codec: codec, Producer: &Producer{9, 1, 50}}, records, 0)
		require.NoError(t, err)
		require.Len(t, pieces, 1)
		require.Equal(t, records, pieces[0].Records, "the source offsets stay known")
		dense := pieces[0].Batch
		class, _ := Classify(dense, Case{})
		require.Equal(t, Pass, class)
		got, err := dense.Records()
		require.NoError(t, err)
		for i := range got {
			require.EqualValues(t, i, got[i].Offset)
			got[i].Offset = records[i].Offset
		}
		require.Equal(t, records, got)
	}
}

func TestEncodeSplitsBySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, records := drawSpec(t), drawRecords(t)
		limit := rapid.IntRange(HeaderSize, 2000).Draw(t, "limit")
		pieces, err := Encode(s, records, limit)
		if err != nil {
			var large *TooLargeError
			require.ErrorAs(t, err, &large)
			alone, err := Build(s, records[large.Offset:large.Offset+1])
			require.NoError(t, err)
			require.Equal(t, large.Size, len(alone))
			require.Greater(t, large.Size, limit)
			require.ErrorContains(t, large, "max.message.bytes")
			return
		}
		var got []Record
		for _, p := range pieces {
			require.LessOrEqual(t, len(p.Batch), limit)
			require.NoError(t, p.Batch.Check())
			if s.Producer != nil {
				require.Equal(t, s.Producer.After(int32(len(got))), p.Batch.Producer(), "identities follow one another")
			}
			decoded, err := p.Batch.Records()
			require.NoError(t, err)
			for i := range decoded {
				decoded[i].Offset = p.Records[i].Offset
			}
			require.Equal(t, p.Records, decoded)
			got = append(got, p.Records...)
		}
		require.Equal(t, records, got)
	})
}

func TestSequencesWrap(t *testing.T) {
	p := Producer{1, 1, math.MaxInt32}
	require.EqualValues(t, 0, p.After(1).Sequence)
	require.EqualValues(t, 9, p.After(10).Sequence)
	require.EqualValues(t, math.MaxInt32, Producer{1, 1, math.MaxInt32 - 3}.After(3).Sequence)
}

func TestBuildRefusesNothing(t *testing.T) {
	_, err := Build(Spec{}, nil)
	require.ErrorIs(t, err, ErrNoRecords)
	_, err = Build(Spec{Codec: 5}, sample(1))
	require.ErrorContains(t, err, "codec 5")
}

func TestSizeIsAnUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		sum := HeaderSize
		for _, r := range records {
			sum += r.Size()
		}
		b, err := Build(Spec{}, records)
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), sum)
		require.Less(t, sum-len(b), 20*len(records), "and not far above it")
	})
}
