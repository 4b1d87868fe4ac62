package events

import (
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDigestIsTheChainThatIsDocumented(t *testing.T) {
	a, b := sample(t, StartRequested{}), sample(t, PauseRequested{Reason: "x"})
	_, first := encoded(t, a)
	_, second := encoded(t, b)
	one := sha256.Sum256(append(make([]byte, 32), first...))
	two := sha256.Sum256(append(one[:], second...))
	require.Equal(t, Digest(two), Digest{}.Extend(a).Extend(b))
	require.NotEqual(t, Digest(two), Digest{}.Extend(b).Extend(a), "the order counts")
}

func TestDigestSeesEveryField(t *testing.T) {
	base := sample(t, StartRequested{})
	base.Extra = map[string]json.RawMessage{"later": raw("1")}
	seen := map[Digest]string{Digest{}.Extend(base): "base"}
	for name, change := range map[string]func(*Event){
		"id": func(e *Event) { e.ID += "x" }, "migration": func(e *Event) { e.Migration += "x" }, "stream": func(e *Event) { e.Stream = "topic/a" },
		"expects": func(e *Event) { e.Expects = u64(5) }, "no expects": func(e *Event) { e.Expects = nil }, "type": func(e *Event) { e.Type = "X" },
		"schema": func(e *Event) { e.Schema = 2 }, "at": func(e *Event) { e.At = e.At.Add(1) }, "kind": func(e *Event) { e.Actor.Kind = Agent },
		"name": func(e *Event) { e.Actor.Name = "bob" }, "host": func(e *Event) { e.Actor.Host = "" }, "cause": func(e *Event) { e.Cause = "" },
		"epoch": func(e *Event) { e.Epoch = 1 }, "body": func(e *Event) { e.Body = raw(`{"a":1}`) }, "later": func(e *Event) { e.Extra = map[string]json.RawMessage{"later": raw("2")} },
		"no later": func(e *Event) { e.Extra = nil },
	} {
		e := base
		change(&e)
		d := Digest{}.Extend(e)
		require.Empty(t, seen[d], "%s does not show", name)
		seen[d] = name
	}
}

// TestDigestIsTheSameInEveryRelease: an event that this release refuses, or
// does not know, has the digest that a release has which knows it.
func TestDigestIsTheSameInEveryRelease(t *testing.T) {
	e := sample(t, StartRequested{})
	_, value := encoded(t, e)
	for _, fields := range []map[string]any{{"schema": 9}, {"type": "TeaServed"}, {"expects": nil}, {"actor": raw(`{"kind":"agent","name":"a"}`)}, {"body": raw(`{"a":[1, 2]}`)}} {
		later := edit(t, value, fields)
		got, _, refused := Decode([]byte(e.Key("n").String()), later)
		require.True(t, refused == nil || !refused.Foreign)
		require.Equal(t, Digest(sha256.Sum256(append(make([]byte, 32), canonical(nil, got)...))), Digest{}.Extend(got))
		require.JSONEq(t, string(later), string(canonical(nil, got)), "nothing of the event is left out")
	}
}

func TestParseDigest(t *testing.T) {
	d := Digest{}.Extend(sample(t, StartRequested{}))
	got, err := ParseDigest(d.String())
	require.NoError(t, err)
	require.Equal(t, d, got)
	for _, s := range []string{"", "ab", d.String() + "00", "ZZ" + d.String()[2:], "AB" + d.String()[2:]} {
		_, err := ParseDigest(s)
		require.ErrorContains(t, err, "64 lower-case hex digits", s)
	}
}

func BenchmarkDigest(b *testing.B) {
	e := sample(b, Drained{Incarnation: "c-1", Member: "m1", Committed: []TopicOffset{{"orders", 0, 12345}}})
	b.ReportAllocs()
	var d Digest
	for b.Loop() {
		d = d.Extend(e)
	}
}
