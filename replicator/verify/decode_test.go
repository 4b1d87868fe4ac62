package verify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
)

// The decoder is checked against cluster/batch, which the copier uses: two
// implementations that share no code.

func records(n int) (all []batch.Record) {
	for i := range n {
		r := batch.Record{Offset: int64(i), Timestamp: 1_000 + int64(i)*13, Value: []byte(fmt.Sprintf("value %d", i))}
		if i%3 > 0 {
			r.Key = []byte(fmt.Sprint("key", i))
		}
		if i%4 == 2 {
			r.Value = nil
		}
		if i%5 == 1 {
			r.Headers = []batch.Header{{Key: "a", Value: []byte{1}}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}}}
		}
		all = append(all, r)
	}
	return all
}

func build(t testing.TB, codec batch.Codec, rs []batch.Record) batch.Batch {
	t.Helper()
	b, err := batch.Build(batch.Spec{Codec: codec}, rs)
	require.NoError(t, err)
	return b
}

// seal gives edited bytes a right checksum.
func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func one(t testing.TB, b []byte) raw {
	t.Helper()
	r, rest, ok, err := split(b)
	require.NoError(t, err)
	require.True(t, ok)
	require.Empty(t, rest)
	return r
}

func TestDecodesWhatTheCopierEncodes(t *testing.T) {
	for codec := range batch.Codec(5) {
		rs := records(50)
		b := build(t, codec, rs)
		binary.BigEndian.PutUint64(b, 700)
		r := one(t, b)
		require.EqualValues(t, 750, r.next())
		got, err := r.decode(&unpacker{})
		require.NoError(t, err, codec)
		requireRecords(t, rs, got, 700)
	}
}

func requireRecords(t testing.TB, want []batch.Record, got []record, base int64) {
	t.Helper()
	require.Equal(t, len(want), len(got))
	for i, w := range want {
		g := got[i]
		require.Equal(t, w.Offset+base, g.Offset)
		require.Equal(t, w.Timestamp, g.Timestamp)
		require.Equal(t, w.Key, g.Key)
		require.Equal(t, w.Value, g.Value)
		require.Equal(t, len(w.Headers), len(g.Headers))
		for j, h := range w.Headers {
			require.Equal(t, h.Key, g.Headers[j].Key)
			require.Equal(t, h.Value, g.Headers[j].Value)
		}
	}
}

func TestLogAppendTimeCounts(t *testing.T) {
	b := build(t, batch.None, records(3))
	b[22] |= logAppendTime
	got, err := one(t, seal(b)).decode(&unpacker{})
	require.NoError(t, err)
	for _, r := range got {
		require.EqualValues(t, 1026, r.Timestamp)
	}
}

// TestXerialFraming: the Java client cuts snappy into blocks.
func TestXerialFraming(t *testing.T) {
	rs := records(20)
	plain := build(t, batch.None, rs)
	body := append([]byte("\x82SNAPPY\x00"), 0, 0, 0, 1, 0, 0, 0, 1)
	for _, part := range [][]byte{plain[61:200], plain[200:]} {
		c := snappy.Encode(nil, part)
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(c))), c...)
	}
	framed := append(bytes.Clone(plain[:61]), body...)
	framed[22] |= 2
	got, err := one(t, seal(framed)).decode(&unpacker{})
	require.NoError(t, err)
	requireRecords(t, rs, got, 0)
	framed = framed[:len(framed)-3]
	_, err = one(t, seal(framed)).decode(&unpacker{})
	require.ErrorIs(t, err, errCorrupt)
}

func TestCorruptBatchesAreRefused(t *testing.T) {
	for name, edit := range map[string]func([]byte) []byte{
		"checksum":         func(b []byte) []byte { b[70] ^= 1; return b },
		"old format":       func(b []byte) []byte { b[16] = 1; return seal(b) },
		"too short":        func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], 20); return b },
		"negative length":  func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], 1<<31); return b },
		"negative count":   func(b []byte) []byte { binary.BigEndian.PutUint32(b[57:], 1<<31); return seal(b) },
		"more records":     func(b []byte) []byte { b[60]++; return seal(b) },
		"fewer records":    func(b []byte) []byte { b[60]--; return seal(b) },
		"unknown codec":    func(b []byte) []byte { b[22] |= 7; return seal(b) },
		"not gzip":         func(b []byte) []byte { b[22] |= 1; return seal(b) },
		"not snappy":       func(b []byte) []byte { b[22] |= 2; return seal(b) },
		"not lz4":          func(b []byte) []byte { b[22] |= 3; return seal(b) },
		"not zstd":         func(b []byte) []byte { b[22] |= 4; return seal(b) },
		"record cut short": func(b []byte) []byte { return seal(b[:len(b)-4]) },
	} {
		r, _, ok, err := split(edit(build(t, batch.None, records(5))))
		if err == nil && ok {
			_, err = r.decode(&unpacker{})
		}
		require.ErrorIs(t, err, errCorrupt, name)
	}
}

// TestOffsetsRise: a batch whose records do not stand in order is corrupt.
func TestOffsetsRise(t *testing.T) {
	for _, offsets := range [][]int64{{5, 5, 6}, {5, 7, 6}, {5, 9, 6}} {
		rs := contents(3)
		for i := range rs {
			rs[i].Offset = offsets[i]
		}
		_, err := one(t, encoded(rs, false)).decode(&unpacker{})
		require.ErrorIs(t, err, errCorrupt, "%v", offsets)
	}
}

func TestTruncatedBatchIsLeft(t *testing.T) {
	b := build(t, batch.None, records(5))
	_, _, ok, err := split(b[:len(b)-1])
	require.NoError(t, err)
	require.False(t, ok)
	_, _, ok, err = split(nil)
	require.NoError(t, err)
	require.False(t, ok)
}

// FuzzDecode: foreign bytes never panic, and what decodes does so for the
// copier's decoder, too, to the same records.
func FuzzDecode(f *testing.F) {
	for codec := range batch.Codec(5) {
		f.Add([]byte(build(f, codec, records(5))), false)
	}
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40"), true)
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		if repair && len(b) > 61 { // let the fuzzer get past the checksum
			b = seal(bytes.Clone(b))
			b[16] = 2
			b = seal(b)
		}
		r, _, ok, err := split(b)
		if err != nil || !ok {
			return
		}
		got, err := r.decode(&unpacker{})
		if err != nil {
			return
		}
		other, _ := batch.Split(b)
		want, err := other.Records()
		if err != nil { // the copier is stricter
			return
		}
		for i := range want {
			want[i].Offset -= r.FirstOffset
		}
		requireRecords(t, want, got, r.FirstOffset)
	})
}
