package batch

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
)

// FuzzBatch feeds foreign bytes to everything that reads a batch.
func FuzzBatch(f *testing.F) {
	for _, c := range codecs {
		f.Add([]byte(must(Build(Spec{Codec: c}, sample(3)))))
	}
	f.Add([]byte(emptied(5, 3)))
	f.Add([]byte(holes(Spec{}, 5, 9, 1, 2)))
	f.Add([]byte(oldFormat(1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		for b, rest := Split(data); b != nil; b, rest = Split(rest) {
			total += len(b)
			Classify(b, Case{Limit: 1000})
			NewFilter([]Aborted{{1, 2}}).Aborted(b)
			readBatch(t, b)
			if len(b) >= HeaderSize { // the checksum would hide the rest from the fuzzer
				sealed := seal(bytes.Clone(b))
				readBatch(t, sealed)
			}
		}
		require.LessOrEqual(t, total, len(data))
	})
}

// readBatch decodes, and what decodes must survive being encoded again.
func readBatch(t *testing.T, b Batch) {
	records, err := b.Records()
	if err != nil || len(records) == 0 {
		return
	}
	require.Len(t, records, int(b.Count()))
	again, err := Build(Spec{}, records)
	require.NoError(t, err)
	got, err := again.Records()
	require.NoError(t, err)
	require.Len(t, got, len(records))
	d := NewDigester(nil)
	for i := range got {
		require.Equal(t, d.Record(records[i]), d.Record(got[i]))
	}
}

func FuzzDecompress(f *testing.F) {
	for _, c := range codecs {
		packed, err := compress(c, []byte("hello hello hello hello"))
		require.NoError(f, err)
		f.Add(int8(c), packed)
	}
	f.Add(int8(Snappy), append(append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7), s2.EncodeSnappy(nil, []byte("hello"))...))
	f.Fuzz(func(t *testing.T, codec int8, data []byte) {
		raw, err := decompress(Codec(codec), data, 1<<20)
		if err != nil || codec < 0 || Codec(codec) > Zstd {
			return
		}
		packed, err := compress(Codec(codec), raw)
		require.NoError(t, err)
		again, err := decompress(Codec(codec), packed, 1<<20)
		require.NoError(t, err)
		require.True(t, bytes.Equal(raw, again))
	})
}

func TestXerialFraming(t *testing.T) {
	head := append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1)
	block := func(s string) []byte {
		c := s2.EncodeSnappy(nil, []byte(s))
		return append(be.AppendUint32(nil, uint32(len(c))), c...)
	}
	raw, err := decompress(Snappy, bytes.Join([][]byte{head, block("hello "), block("world")}, nil), 100)
	require.NoError(t, err)
	require.Equal(t, "hello world", string(raw))
	for name, bad := range map[string][]byte{
		"half a length": append(bytes.Clone(head), 0, 0),
		"too long":      append(bytes.Clone(head), 0, 0, 1, 0, 1),
		"damaged":       append(bytes.Clone(head), 0, 0, 0, 3, 0xff, 0xff, 0xff),
	} {
		_, err := decompress(Snappy, bad, 100)
		require.Error(t, err, name)
	}
}

// A few bytes that claim or hold gigabytes end in an error, not in the gigabytes.
func TestBombs(t *testing.T) {
	claim := append([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, make([]byte, 100)...) // snappy: 4 GiB
	_, err := decompress(Snappy, claim, maxDecoded)
	require.Error(t, err)
	for _, codec := range []Codec{Gzip, Snappy, LZ4, Zstd} {
		packed, err := compress(codec, make([]byte, 100_000))
		require.NoError(t, err)
		_, err = decompress(codec, packed, 99_999)
		require.ErrorIs(t, err, errTooBig, "%s", codec)
		_, err = decompress(codec, packed, 100_000)
		require.NoError(t, err, "%s", codec)
	}
}

func BenchmarkRewrite(b *testing.B) {
	batch := must(Build(Spec{}, sample(1000)))
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		if err := batch.Rewrite(none); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	for _, c := range codecs {
		batch := must(Build(Spec{Codec: c}, sample(1000)))
		b.Run(c.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := batch.Records(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
