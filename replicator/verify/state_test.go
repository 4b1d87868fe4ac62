package verify

import (
	"strings"
	"testing"

	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
)

func places() (source, target Place) {
	return Place{"old", "orders", "aa"}, Place{"new", "orders.v2", "bb"}
}

// full is a result with every field set.
func full() Result {
	of := int64(3)
	return Result{
		Partition: 4, Verdict: Different, From: offsetmap.Pair{Source: 1, Target: 2}, Verified: offsetmap.Pair{Source: 30, Target: 40}, OffMap: true, LookBack: 7,
		UpTo: 50, Records: 20, Passed: 10, Digest: Chain{1, 2}, Count: 1, Kinds: map[Kind]int64{Duplicate: 1},
		Findings:  []Finding{{Kind: Duplicate, Source: -1, Target: 4, Expected: -1, Records: 1, Key: "k", Of: &of, Digest: "00"}},
		Explained: map[Reason]int64{Native: 2}, Behind: true, Stamped: []string{"source"}, Problem: "interrupted",
	}
}

// TestStateKeepsEverything: what is put in comes out again, by its sides, through
// JSON, and shares nothing.
func TestStateKeepsEverything(t *testing.T) {
	source, target := places()
	s := NewState(make([]byte, keyBytes))
	s.Put(source, target, Result{Partition: 4})
	s.Put(source, target, full())
	s.Put(source, target, Result{Partition: 5})
	raw, err := s.Encode()
	require.NoError(t, err)
	again, err := ParseState(raw)
	require.NoError(t, err)
	require.Equal(t, s, again)
	require.Len(t, again.Entries, 2)
	require.Equal(t, make([]byte, keyBytes), again.KeyBytes())
	r, err := again.Find(source, target, 4)
	require.NoError(t, err)
	require.Equal(t, full(), *r)
	r.Kinds[Loss] = 9
	r, err = again.Find(source, target, 4)
	require.NoError(t, err)
	require.Equal(t, full(), *r)
	for _, p := range []int32{0, 6} {
		r, err = again.Find(source, target, p)
		require.NoError(t, err)
		require.Nil(t, r)
	}
	elsewhere := target
	elsewhere.Cluster = "other"
	r, err = again.Find(source, elsewhere, 4)
	require.NoError(t, err)
	require.Nil(t, r)
	recreated := target
	recreated.TopicID = "cc"
	_, err = again.Find(source, recreated, 4)
	require.ErrorContains(t, err, "topic orders.v2 was created anew since it was compared (its id was bb, is cc)")
}

// TestStatesThatAreRefused: nothing is gone on with that may not be what it was.
func TestStatesThatAreRefused(t *testing.T) {
	good := `{"version":1,"key":"` + strings.Repeat("00", 32) + `","partitions":[{"source":{},"target":{},"result":{"verified":{"source":3,"target":3}}}]}`
	for says, text := range map[string]string{
		"unexpected EOF":            good[:20],
		"version 2":                 strings.Replace(good, `"version":1`, `"version":2`, 1),
		"unknown field":             strings.Replace(good, `"result":{`, `"result":{"surprise":1,`, 1),
		`key "zz`:                   strings.Replace(good, `"key":"00`, `"key":"zz`, 1),
		"partitions[0]: from {4 0}": strings.Replace(good, `"result":{`, `"result":{"from":{"source":4},`, 1),
		"-1 records":                strings.Replace(good, `"result":{`, `"result":{"records":-1,`, 1),
		"want 32 bytes":             strings.Replace(good, `"result":{`, `"result":{"digest":"abc",`, 1),
	} {
		_, err := ParseState([]byte(text))
		require.ErrorContains(t, err, says)
	}
	_, err := ParseState([]byte(strings.Replace(good, `"result":{`, `"result":{"digest":"`+strings.Repeat("00", 32)+`",`, 1)))
	require.NoError(t, err)
}

// FuzzState: foreign bytes never panic, and what is read is written alike.
func FuzzState(f *testing.F) {
	source, target := places()
	s := NewState(make([]byte, keyBytes))
	s.Put(source, target, full())
	raw, err := s.Encode()
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseState(b)
		if err != nil {
			return
		}
		raw, err := s.Encode()
		require.NoError(t, err)
		again, err := ParseState(raw)
		require.NoError(t, err)
		twice, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, raw, twice)
	})
}
