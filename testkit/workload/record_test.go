package workload

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// generator returns a generator whose journal goes to the buffer.
func generator(t require.TestingT, cfg GeneratorConfig) (*Generator, *bytes.Buffer) {
	var out bytes.Buffer
	if cfg.Run == "" {
		cfg.Run, cfg.Producer = "run", "p1"
	}
	if cfg.Topics == nil {
		cfg.Topics = []string{"orders"}
	}
	cfg.Journal = NewJournal(&out)
	g, err := NewGenerator(cfg)
	require.NoError(t, err)
	return g, &out
}

func TestRecordsSayWhoTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, _ := generator(t, GeneratorConfig{
			Keys:     rapid.IntRange(1, 3).Draw(t, "keys"),
			MinBytes: rapid.IntRange(0, 200).Draw(t, "min"), MaxBytes: 300,
			Headers:    rapid.IntRange(0, 8).Draw(t, "headers"),
			Tombstones: rapid.Int64Range(0, 3).Draw(t, "tombstones"),
			Seed:       rapid.Uint64().Draw(t, "seed"),
		})
		next := map[string]int64{}
		for n := int64(1); n < 20; n++ {
			r := g.Next(time.UnixMicro(1_700_000_000_123_456))
			id, err := Identify(r.Key, r.Value, r.Headers)
			require.NoError(t, err)
			require.Equal(t, r.ID, id)
			require.Equal(t, next[id.Key], id.Seq, "numbers rise by one per key")
			next[id.Key]++
			require.Equal(t, g.cfg.Tombstones > 0 && n%g.cfg.Tombstones == 0, r.Value == nil)
			require.EqualValues(t, 1_700_000_000_123, r.Time.UnixMilli())
			require.Zero(t, r.Time.Nanosecond()%1e6)
		}
	})
}

func TestSizesAreKept(t *testing.T) {
	g, _ := generator(t, GeneratorConfig{MinBytes: 200, MaxBytes: 210, Keys: 2})
	sizes := map[int]bool{}
	for range 500 {
		sizes[len(g.Next(time.Now()).Value)] = true
	}
	for size := range sizes {
		require.True(t, 200 <= size && size <= 210, "%d", size)
	}
	require.Len(t, sizes, 11)
}

// Any change to key, value or headers shows, whatever it is.
func TestAlteredRecordsShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, _ := generator(t, GeneratorConfig{Keys: 2, MinBytes: 50, MaxBytes: 120, Headers: 4, Tombstones: rapid.Int64Range(0, 1).Draw(t, "tombstone")})
		r := g.Next(time.Now())
		change := rapid.SampledFrom([]string{"key", "no key", "value", "header key", "header value", "null header", "header dropped", "headers swapped"}).Draw(t, "change")
		switch change {
		case "key":
			r.Key = append(r.Key, '!')
		case "no key":
			r.Key = nil
		case "value":
			if r.Value == nil {
				id := &r.Headers[len(r.Headers)-1]
				id.Value = flip(t, id.Value)
			} else {
				r.Value = flip(t, r.Value)
			}
		case "header key":
			r.Headers[0].Key += "!"
		case "header value":
			r.Headers[1].Value = append(r.Headers[1].Value, '!')
		case "null header":
			require.Nil(t, r.Headers[2].Value)
			r.Headers[2].Value = []byte{}
		case "header dropped":
			r.Headers = r.Headers[1:]
		case "headers swapped":
			r.Headers[0], r.Headers[1] = r.Headers[1], r.Headers[0]
		}
		_, err := Identify(r.Key, r.Value, r.Headers)
		require.ErrorIs(t, err, ErrAltered, change)
	})
}

// flip changes one bit behind the magic bytes.
func flip(t *rapid.T, b []byte) []byte {
	out := bytes.Clone(b)
	at := rapid.IntRange(3, len(b)-1).Draw(t, "byte")
	out[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	return out
}

func TestForeignRecords(t *testing.T) {
	for name, r := range map[string]Record{
		"empty value":              {Value: []byte{}},
		"other bytes":              {Value: []byte("hello, world")},
		"tombstone":                {Key: []byte("k")},
		"tombstone, other headers": {Key: []byte("k"), Headers: []Header{{Key: "trace"}}},
		"another version":          {Value: []byte("wl\x02aaaaaaaaaaaaaaaaa")},
	} {
		_, err := Identify(r.Key, r.Value, r.Headers)
		require.ErrorIs(t, err, ErrForeign, name)
	}
}

// Whatever the bytes, Identify answers, and what it accepts is what was sealed.
func FuzzIdentify(f *testing.F) {
	g, _ := generator(f, GeneratorConfig{Keys: 1, Headers: 1, Tombstones: 2})
	for range 2 {
		r := g.Next(time.Now())
		f.Add(r.Key, r.Value, r.Headers[0].Value, r.Headers[len(r.Headers)-1].Value)
	}
	f.Fuzz(func(t *testing.T, key, value, h1, h2 []byte) {
		headers := []Header{{Key: "header-0", Value: h1}, {Key: HeaderName, Value: h2}}
		for _, v := range [][]byte{value, nil} {
			id, err := Identify(key, v, headers)
			if err == nil {
				require.Equal(t, string(key), id.Key)
				continue
			}
			if !(bytes.HasPrefix(v, []byte("wl\x01")) || bytes.HasPrefix(h2, []byte("wl\x01"))) {
				require.ErrorIs(t, err, ErrForeign)
			}
		}
	})
}
