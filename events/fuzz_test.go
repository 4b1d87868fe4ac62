package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// seed adds the golden records and some that are nearly right.
func seed(f *testing.F, pattern string) {
	files, err := filepath.Glob(filepath.Join(goldenDir, pattern))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, path := range files {
		text := mustRead(f, path)
		var g golden
		require.NoError(f, json.Unmarshal(text, &g))
		f.Add([]byte(g.Key), []byte(g.Value))
		f.Add([]byte(g.Key), bytes.Replace(g.Value, []byte(`"schema":1`), []byte(`"schema":1,"schem\u0061":1`), 1))
		f.Add([]byte(g.Key), append(bytes.Clone(g.Value), ' ', '\n', 0))
		f.Add([]byte(g.Key+"/x"), []byte(g.Value))
		f.Add([]byte(g.Key), bytes.Replace(g.Value, []byte(`:`), []byte(`:[{"é":-0.5e+7,"\ud83d\ude80":null,"t":true}],"x":`), 1))
		f.Add([]byte(g.Key), bytes.Replace(g.Value, []byte(`:"`), []byte(`:"\\\"\ud800`), 1))
	}
	f.Add([]byte(nil), []byte(nil))
	f.Add([]byte("a/b/c/d"), []byte(strings.Repeat("[", 100)))
}

// checkRefusal: what a refusal says agrees with encoding/json.
func checkRefusal(t *testing.T, value []byte, r *Refusal) {
	require.NotEmpty(t, r.Reason)
	require.Less(t, len(r.Reason), 4000)
	trimmed := bytes.TrimLeft(value, " \t\r\n")
	if r.Code == RefusedJSON && len(trimmed) > 0 && trimmed[0] == '{' {
		require.False(t, json.Valid(value), "refused as no JSON, and is some: %s", r.Reason)
	}
}

func FuzzDecode(f *testing.F) {
	seed(f, "*.json")
	f.Fuzz(func(t *testing.T, key, value []byte) {
		e, body, refused := Decode(key, value)
		if refused != nil {
			require.Nil(t, body)
			checkRefusal(t, value, refused)
			if refused.Foreign {
				require.Equal(t, Event{}, e)
				return
			}
		}
		require.True(t, json.Valid(value))
		k, err := ParseKey(string(key))
		require.NoError(t, err)
		require.Equal(t, k, e.Key(k.Nonce))
		again := canonical(nil, e)
		if len(again) > MaxEventSize {
			return // escapes and times may grow a value that was as large as can be
		}
		e2, body2, refused2 := Decode(key, again)
		require.Equal(t, refused == nil, refused2 == nil)
		require.Equal(t, e, e2)
		require.Equal(t, body, body2)
		require.Equal(t, string(again), string(canonical(nil, e2)), "the canonical form is its own")
		require.Equal(t, Digest{}.Extend(e), Digest{}.Extend(e2))
		encoded, err := Encode(e)
		require.Equal(t, refused == nil, err == nil)
		if err == nil {
			require.Equal(t, string(again), string(encoded))
		}
	})
}

func FuzzDecodeDirective(f *testing.F) {
	seed(f, "values/directive-*.json")
	f.Fuzz(func(t *testing.T, key, value []byte) {
		d, err := DecodeDirective(key, value)
		if refusedValue(t, value, err) {
			require.Equal(t, Directive{}, d, "nothing that could be obeyed")
			return
		}
		require.Equal(t, string(key), d.Key().String())
		again, err := EncodeDirective(d)
		require.NoError(t, err)
		back, err := DecodeDirective(key, again)
		require.NoError(t, err)
		final, err := EncodeDirective(back)
		require.NoError(t, err)
		require.Equal(t, string(again), string(final))
	})
}

func FuzzDecodeBlock(f *testing.F) {
	seed(f, "values/block.json")
	f.Fuzz(func(t *testing.T, key, value []byte) {
		k, b, err := DecodeBlock(key, value)
		if refusedValue(t, value, err) {
			return
		}
		require.Equal(t, string(key), k.String())
		again, err := EncodeBlock(b)
		require.NoError(t, err)
		k2, b2, err := DecodeBlock(key, again)
		require.NoError(t, err)
		require.Equal(t, k, k2)
		require.Equal(t, b, b2)
	})
}

func FuzzDecodeClaim(f *testing.F) {
	seed(f, "values/claim.json")
	f.Fuzz(func(t *testing.T, key, value []byte) {
		k, c, err := DecodeClaim(key, value)
		if refusedValue(t, value, err) {
			return
		}
		require.Equal(t, string(key), k.String())
		again, err := EncodeClaim(c)
		require.NoError(t, err)
		_, c2, err := DecodeClaim(key, again)
		require.NoError(t, err)
		require.Equal(t, c, c2)
	})
}

func FuzzDecodeProgress(f *testing.F) {
	seed(f, "values/progress.json")
	seed(f, "values/mark.json")
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if partition, m, err := DecodeMark(key, value); !refusedValue(t, value, err) {
			require.Equal(t, string(key), MarkKey(partition))
			again, err := EncodeMark(m)
			require.NoError(t, err)
			_, m2, err := DecodeMark(key, again)
			require.NoError(t, err)
			require.Equal(t, m, m2)
		}
		k, p, err := DecodeProgress(key, value)
		if refusedValue(t, value, err) {
			return
		}
		require.Equal(t, string(key), k.String())
		again, err := EncodeProgress(p)
		require.NoError(t, err)
		_, p2, err := DecodeProgress(key, again)
		require.NoError(t, err)
		require.Equal(t, p, p2)
	})
}

// refusedValue checks the error of a decoder and says whether there is one.
func refusedValue(t *testing.T, value []byte, err error) bool {
	if err == nil {
		require.True(t, json.Valid(value))
		return false
	}
	var refused *Refusal
	require.True(t, errors.As(err, &refused), "%v is no refusal", err)
	checkRefusal(t, value, refused)
	return true
}

// FuzzKeys: a key that is accepted has no other spelling.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{"m/group/a/b/id/n", "c/group/a/5", "mark/7", "m/t/3", "m/t/3/1.2", "m/t/3/claim/1/n", "//////", "m/t/03/1.2", "m/t/3/1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := ParseKey(s); err == nil {
			require.Equal(t, s, k.String())
		}
		if k, err := ParseDirectiveKey(s); err == nil {
			require.Equal(t, s, k.String())
			require.Less(t, k.Partition(), int32(ControlPartitions))
		}
		if p, err := ParseMarkKey(s); err == nil {
			require.Equal(t, s, MarkKey(p))
		}
		if k, err := ParseCopyKey(s); err == nil {
			require.Equal(t, s, k.String())
		}
		if k, err := ParseOffsetsKey(s); err == nil {
			require.Equal(t, s, k.String())
		}
		if d, err := ParseDigest(s); err == nil {
			require.Equal(t, s, d.String())
		}
	})
}
