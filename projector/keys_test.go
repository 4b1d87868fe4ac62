package projector

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// anyName draws strings that are hard on an escape.
func anyName() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 2, 'a', '/', 0x7f, 0xff}), 0, 6, -1)
}

func TestKeysOfStringsKeepTheirOrderAndParts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := rapid.SliceOfN(anyName(), 2, 2).Draw(rt, "a")
		b := rapid.SliceOfN(anyName(), 2, 2).Draw(rt, "b")
		ka, kb := topicKey(a[0], a[1]), topicKey(b[0], b[1])
		require.Equal(rt, slices.CompareFunc(a, b, strings.Compare), bytes.Compare(ka, kb))
		parts, err := cutStrings(ka[1:], 2)
		require.NoError(rt, err)
		require.Equal(rt, a, parts)
		prefix := newKey(spaceTopic).str(a[0])
		within := bytes.Compare(kb, prefix) >= 0 && bytes.Compare(kb, prefix.end()) < 0
		require.Equal(rt, a[0] == b[0], within, "a prefix holds exactly what begins with it")
	})
}

func TestKeysOfNumbersKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := rapid.Int64Range(0, math.MaxInt64).Draw(rt, "a")
		b := rapid.Int64Range(0, math.MaxInt64).Draw(rt, "b")
		require.Equal(rt, cmp.Compare(a, b), bytes.Compare(noteKey(a), noteKey(b)))
		back, err := lastNumber(noteKey(a))
		require.NoError(rt, err)
		require.Equal(rt, a, back)
		require.Equal(rt, b > a, bytes.Compare(noteKey(b), noteKey(a).end()) >= 0)
	})
}

func TestMalformedKeys(t *testing.T) {
	for _, k := range []string{"", "a", "a\x00", "a\x00\x02", "a\x00\x01rest"} {
		_, err := cutStrings([]byte(k), 1)
		require.ErrorIs(t, err, errKey, "%q", k)
	}
	_, err := lastNumber([]byte("short"))
	require.ErrorIs(t, err, errKey)
}

func anyNote() *rapid.Generator[fsm.Note] {
	return rapid.Custom(func(rt *rapid.T) fsm.Note {
		n := fsm.Note{
			Position: 7, ID: rapid.String().Draw(rt, "id"), Migration: rapid.String().Draw(rt, "migration"),
			Stream: events.Stream(rapid.String().Draw(rt, "stream")), Type: events.Type(rapid.String().Draw(rt, "type")),
			Verdict: rapid.SampledFrom(verdicts[:]).Draw(rt, "verdict"), Reason: rapid.String().Draw(rt, "reason"),
		}
		if moves := rapid.SliceOfN(rapid.String(), 0, 3).Draw(rt, "moves"); len(moves) > 0 {
			n.Moves = moves
		}
		return n
	})
}

func TestNotesComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := anyNote().Draw(rt, "note")
		millis := rapid.Int64Range(-1_000_000, 4_000_000_000_000).Draw(rt, "millis")
		back, err := decodeNote(7, encodeNote(nil, n, millis))
		require.NoError(rt, err)
		require.Equal(rt, Note{Note: n, Time: time.UnixMilli(millis).UTC()}, back)
	})
}

func FuzzNote(f *testing.F) {
	f.Add(encodeNote(nil, fsm.Note{Verdict: fsm.Refused, ID: "id", Reason: "r", Moves: []string{"a", "b"}}, 1))
	f.Add([]byte{0, 0, 1})
	f.Add([]byte{2, 0x80})
	f.Add([]byte{9})
	f.Add([]byte{1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeNote(7, b)
		if err != nil {
			require.ErrorIs(t, err, errNote)
			return
		}
		again, err := decodeNote(7, encodeNote(nil, n.Note, n.Time.UnixMilli()))
		require.NoError(t, err)
		require.Equal(t, n, again)
	})
}

func TestSumIsOfAMultiset(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rapid.String(), 1, 8).Draw(rt, "rows")
		var forth, back Sum
		for i := range rows {
			forth.add(rowHash([]byte("k"), []byte(rows[i])))
			back.add(rowHash([]byte("k"), []byte(rows[len(rows)-1-i])))
		}
		require.Equal(rt, forth, back, "in any order")
		twice := forth
		twice.add(rowHash([]byte("k"), []byte(rows[0])))
		require.NotEqual(rt, forth, twice, "a row that is there twice counts twice")
		for _, r := range rows {
			back.sub(rowHash([]byte("k"), []byte(r)))
		}
		require.Equal(rt, Sum{}, back, "what is taken back is gone")
	})
}

func TestRowHashTellsKeyAndValueApart(t *testing.T) {
	require.NotEqual(t, rowHash([]byte("ab"), []byte("c")), rowHash([]byte("a"), []byte("bc")))
	// SHA-256 over 0000000000000001 'a' 'b', computed with sha256sum.
	require.Equal(t, "bfd8d48c5ab028a9c554ccc9d65ed6fc15a987f4f98cdd8bbfd5f17860493bac", rowHash([]byte("a"), []byte("b")).String())
}

func TestSumCarries(t *testing.T) {
	most := Sum{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}
	one := Sum{3: 1}
	s := most
	s.add(one)
	require.Equal(t, Sum{}, s)
	s.sub(one)
	require.Equal(t, most, s)
	require.Equal(t, strings.Repeat("f", 64), most.String())
}

func TestDigestsComeBack(t *testing.T) {
	d := Digests{Migration: "m", Log: events.Digest{1, 2}, State: Sum{1, 2, 3, 4}, Events: 5, Position: 6, Plain: 7, Sealed: 8}
	raw, err := json.Marshal(d)
	require.NoError(t, err)
	var back Digests
	require.NoError(t, json.Unmarshal(raw, &back))
	require.Equal(t, d, back)
	for _, bad := range []string{`{"log":1}`, `{"log":"zz"}`, `{"log":"` + d.Log.String() + `","state":"zz"}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &back))
	}
}
