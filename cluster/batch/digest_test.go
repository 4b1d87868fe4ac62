package batch

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDigestIsAContract(t *testing.T) {
	d := NewDigester([]byte("0123456789abcdef0123456789abcdef"))
	r := Record{Offset: 5, Timestamp: 1_700_000_000_000, Key: []byte("k"), Value: nil, Headers: []Header{{"a", []byte("1")}, {"a", nil}}}
	sum := d.Record(r)
	require.Equal(t, "82715c38508bacc918a1b199c30fc8d9", hex.EncodeToString(sum[:]), "digests are stored: they must not change")
	r.Offset = 99
	require.Equal(t, sum, d.Record(r), "the offset is not part of a record")
}

func TestDigestTellsRecordsApart(t *testing.T) {
	d := NewDigester([]byte("key"))
	base := Record{Timestamp: 1, Key: []byte("ab"), Value: []byte("c"), Headers: []Header{{"x", []byte("1")}, {"y", []byte("2")}}}
	seen := map[Digest]string{d.Record(base): "base"}
	for name, change := range map[string]func(*Record){
		"time":               func(r *Record) { r.Timestamp = 2 },
		"key moves to value": func(r *Record) { r.Key, r.Value = []byte("a"), []byte("bc") },
		"null key":           func(r *Record) { r.Key = nil },
		"empty key":          func(r *Record) { r.Key = []byte{} },
		"null value":         func(r *Record) { r.Value = nil },
		"empty value":        func(r *Record) { r.Value = []byte{} },
		"no headers":         func(r *Record) { r.Headers = nil },
		"header order":       func(r *Record) { r.Headers = []Header{{"y", []byte("2")}, {"x", []byte("1")}} },
		"header null":        func(r *Record) { r.Headers = []Header{{"x", nil}, {"y", []byte("2")}} },
		"header key moves":   func(r *Record) { r.Headers = []Header{{"x1", nil}, {"y", []byte("2")}} },
	} {
		r := base
		change(&r)
		sum := d.Record(r)
		require.Empty(t, seen[sum], name)
		seen[sum] = name
	}
	require.Empty(t, seen[NewDigester([]byte("another key")).Record(base)])
	require.NotEqual(t, NewDigester([]byte("key\x00")).Record(base), d.Record(base), "padding is not part of the key")
	require.Equal(t, NewDigester(make([]byte, 100)).Record(base), NewDigester(make([]byte, 100)).Record(base), "long keys work")
}

func TestPayloadDigestSurvivesRewrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDigester([]byte("key"))
		b, err := Build(drawSpec(t), drawRecords(t))
		require.NoError(t, err)
		b = mark(b, 0, 1000)
		before := d.Payload(b)
		require.NoError(t, b.Rewrite(Producer{5, 5, 5}))
		require.Equal(t, before, d.Payload(b))
		other, err := Build(drawSpec(t), drawRecords(t))
		require.NoError(t, err)
		if string(other.Payload()) != string(b.Payload()) {
			require.NotEqual(t, before, d.Payload(other))
		}
	})
}

func BenchmarkDigest(b *testing.B) {
	d := NewDigester([]byte("key"))
	r := Record{Timestamp: 1, Key: []byte("key"), Value: make([]byte, 1000)}
	b.SetBytes(1000)
	for b.Loop() {
		d.Record(r)
	}
}
