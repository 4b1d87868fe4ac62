package verify

import (
	"bytes"
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
// its text, whole or line by line, and shares nothing.
func TestStateKeepsEverything(t *testing.T) {
	source, target := places()
	s := NewState(make([]byte, keyBytes))
	appended, err := s.Encode()
	require.NoError(t, err)
	for _, r := range []Result{{Partition: 4}, full(), {Partition: 5}} {
		line, err := s.Put(source, target, r)
		require.NoError(t, err)
		appended = append(appended, line...)
	}
	whole, err := s.Encode()
	require.NoError(t, err)
	require.Equal(t, 3, bytes.Count(whole, []byte("\n")), "of a partition only the last result is kept")
	for _, text := range [][]byte{whole, appended, append(bytes.Clone(appended), `{"source":{"clus`...)} {
		again, err := ParseState(text)
		require.NoError(t, err)
		require.Equal(t, s, again)
		require.Equal(t, make([]byte, keyBytes), again.Key())
		r, err := again.Find(source, target, 4)
		require.NoError(t, err)
		require.Equal(t, full(), *r)
		r.Kinds[Loss] = 9
		r, err = again.Find(source, target, 4)
		require.NoError(t, err)
		require.Equal(t, full(), *r)
	}
}

// TestStateFindsByItsSides: another partition, topic or cluster has no result; a
// topic that was created anew is an error.
func TestStateFindsByItsSides(t *testing.T) {
	source, target := places()
	s := NewState(make([]byte, keyBytes))
	_, err := s.Put(source, target, full())
	require.NoError(t, err)
	elsewhere, other := target, source
	elsewhere.Cluster, other.Topic = "other", "clicks"
	for _, ask := range []struct {
		source, target Place
		partition      int32
	}{{source, target, 0}, {source, elsewhere, 4}, {other, target, 4}, {target, source, 4}} {
		r, err := s.Find(ask.source, ask.target, ask.partition)
		require.NoError(t, err)
		require.Nil(t, r)
	}
	recreated := target
	recreated.TopicID = "cc"
	_, err = s.Find(source, recreated, 4)
	require.ErrorContains(t, err, "topic orders.v2 was created anew since it was compared (its id was bb, is cc)")
}

// TestStatesThatAreRefused: nothing is gone on with that may not be what it was.
func TestStatesThatAreRefused(t *testing.T) {
	head := `{"version":1,"key":"` + strings.Repeat("00", 32) + `"}` + "\n"
	good := head + `{"source":{},"target":{},"result":{"verified":{"source":3,"target":3}}}` + "\n"
	_, err := ParseState([]byte(good))
	require.NoError(t, err)
	for says, text := range map[string]string{
		"hold no whole line": good[:20],
		"line 1: version 2":  strings.Replace(good, `"version":1`, `"version":2`, 1),
		"unknown field":      strings.Replace(good, `"result":{`, `"result":{"surprise":1,`, 1),
		`key "zz`:            strings.Replace(good, `"key":"00`, `"key":"zz`, 1),
		"line 2: from {4 0}": strings.Replace(good, `"result":{`, `"result":{"from":{"source":4},`, 1),
		"-1 records":         strings.Replace(good, `"result":{`, `"result":{"records":-1,`, 1),
		`digest "abc"`:       strings.Replace(good, `"result":{`, `"result":{"digest":"abc",`, 1),
		"more than one":      strings.Replace(good, `}}}`, `}}}{}`, 1),
		"line 2: EOF":        head + "\n",
	} {
		_, err := ParseState([]byte(text))
		require.ErrorContains(t, err, says)
	}
}

// FuzzState: foreign bytes never panic, and what is read is written alike.
func FuzzState(f *testing.F) {
	source, target := places()
	s := NewState(make([]byte, keyBytes))
	_, err := s.Put(source, target, full())
	require.NoError(f, err)
	text, err := s.Encode()
	require.NoError(f, err)
	f.Add(text)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseState(b)
		if err != nil {
			return
		}
		text, err := s.Encode()
		require.NoError(t, err)
		again, err := ParseState(text)
		require.NoError(t, err)
		twice, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, text, twice)
	})
}
