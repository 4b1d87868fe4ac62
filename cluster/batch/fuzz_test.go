package batch

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// seeds are what the fuzzer begins with: what real brokers served, page by page, and what none serves.
func seeds(tb testing.TB) [][]byte {
	tb.Helper()
	dense := must(Build(Spec{Codec: Zstd, Producer: &Producer{1, 0, 0}, Transactional: true}, sample(3)))
	all := [][]byte{{}, make([]byte, HeaderSize), dense[:70], mark(dense, 7, 0), oldFormat(3), emptied(5, 3), holes(Spec{}, 5, 9, 1, 2)}
	files, err := filepath.Glob("testdata/classes/*.json")
	require.NoError(tb, err)
	require.NotEmpty(tb, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(tb, err)
		var golden struct{ Batches []struct{ Raw string } }
		require.NoError(tb, json.Unmarshal(text, &golden))
		var page []byte
		for _, b := range golden.Batches {
			raw, err := hex.DecodeString(b.Raw)
			require.NoError(tb, err)
			page = append(page, raw...)
		}
		all = append(all, page)
	}
	return all
}

// The corpus reaches every rule of the class table, so the fuzzer need not find the way to any.
func TestSeedsReachEveryRule(t *testing.T) {
	reached := map[string]bool{} // by the part that is the rule's own
	look := func(b Batch) {
		for _, c := range []Case{{}, {Limit: 1}, {Aborted: true}} {
			_, reason := Classify(b, c)
			reached[ruleOf(reason)] = true
		}
	}
	for _, page := range seeds(t) {
		look(page) // as if it were one batch
		for b, rest := Split(page); b != nil; b, rest = Split(rest) {
			look(b)
		}
	}
	for _, r := range classes {
		require.True(t, reached[r.reason], r.reason)
	}
}

// FuzzBatch feeds foreign bytes to everything that reads a batch.
func FuzzBatch(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		filter := NewFilter([]Aborted{{1, 2}})
		for b, rest := Split(data); b != nil; b, rest = Split(rest) {
			total += len(b)
			aborted := filter.Aborted(b)
			class, reason := Classify(b, Case{Aborted: aborted, Limit: 1000})
			require.NotEmpty(t, reason)
			readBatch(t, b)
			rewriteBatch(t, b, class)
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

// rewriteBatch: what passes through keeps its records, and what is refused keeps its bytes.
func rewriteBatch(t *testing.T, b Batch, class Class) {
	before := bytes.Clone(b)
	after := Batch(bytes.Clone(b))
	if err := after.Rewrite(Producer{7, 1, 5}); err != nil {
		require.Equal(t, Batch(before), after)
		return
	}
	if class != Pass {
		return
	}
	require.NoError(t, after.Check())
	require.Equal(t, Batch(before).Payload(), after.Payload())
	class, reason := Classify(after, Case{Limit: 1000})
	require.Equal(t, Pass, class, reason)
}

func FuzzDecompress(f *testing.F) {
	for _, c := range codecs {
		packed, err := compress(c, []byte("hello hello hello hello"))
		require.NoError(f, err)
		f.Add(int8(c), packed)
	}
	for _, page := range seeds(f) {
		for b, rest := Split(page); b != nil; b, rest = Split(rest) {
			if b.Codec() != None {
				f.Add(int8(b.Codec()), b.Payload())
			}
		}
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

// A zstd frame that claims more than its bytes can hold costs no memory; one that says nothing meets the limit.
func TestZstdClaims(t *testing.T) {
	claim := be.AppendUint32([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0}, 0x00000010) // single segment, 4 bytes of size: 256 MB
	claim = append(claim, make([]byte, 100)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decompress(Zstd, claim, maxDecoded)
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))

	var silent bytes.Buffer
	w, err := zstd.NewWriter(&silent, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 300_000)) // in pieces, as Java writes: the frame begins before its size is known
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.NoError(t, w.Close())
	var head zstd.Header
	require.NoError(t, head.Decode(silent.Bytes()))
	require.False(t, head.HasFCS)
	_, err = decompress(Zstd, silent.Bytes(), 299_999)
	require.ErrorIs(t, err, errTooBig)
	raw, err := decompress(Zstd, silent.Bytes(), 300_000)
	require.NoError(t, err)
	require.Len(t, raw, 300_000)
	packed, err := compress(Zstd, make([]byte, 64<<20)) // the best there is
	require.NoError(t, err)
	_, err = decompress(Zstd, packed, maxDecoded)
	require.NoError(t, err, "%d bytes hold 64 MiB", len(packed))
}

func BenchmarkBuild(b *testing.B) {
	records := sample(1000)
	for _, c := range codecs {
		b.Run(c.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Build(Spec{Codec: c}, records); err != nil {
					b.Fatal(err)
				}
			}
		})
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
