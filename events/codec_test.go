package events

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	e, err := New("01J", "m", MigrationStream, Actor{Kind: Operator, Name: "ann"}, time.Now(), StartRequested{})
	require.NoError(t, err)
	v := uint64(3)
	e.Expects = &v
	b, err := Encode(e)
	require.NoError(t, err)
	t.Log(string(b))
	d, body, refused := Decode([]byte(e.Key("n").String()), b)
	require.Nil(t, refused)
	require.Equal(t, StartRequested{}, body)
	require.Equal(t, e.Extend(), d.Extend())
}

func (e Event) Extend() Digest { return Digest{}.Extend(e) }

func BenchmarkDecode(b *testing.B) {
	e, _ := New("01J", "m", GroupStream("billing"), Actor{Kind: Agent, Name: "billing-7-aabbccdd", Host: "node-17"}, time.Now(), Drained{Incarnation: "billing-7-aabbccdd", Member: "consumer-1-1234",
		Committed: []TopicOffset{{"orders", 0, 12345}, {"orders", 1, 12345}, {"orders", 2, 12345}}})
	e.Epoch = 3
	v, err := Encode(e)
	if err != nil {
		b.Fatal(err)
	}
	k := []byte(e.Key("aaaabbbbccccdddd").String())
	b.ReportAllocs()
	b.SetBytes(int64(len(v)))
	for b.Loop() {
		Decode(k, v)
	}
}
func BenchmarkDigest(b *testing.B) {
	e, _ := New("01J", "m", GroupStream("billing"), Actor{Kind: Agent, Name: "billing-7-aabbccdd", Host: "node-17"}, time.Now(), Drained{Incarnation: "billing-7-aabbccdd", Member: "consumer-1-1234",
		Committed: []TopicOffset{{"orders", 0, 12345}, {"orders", 1, 12345}, {"orders", 2, 12345}}})
	b.ReportAllocs()
	var d Digest
	for b.Loop() {
		d = d.Extend(e)
	}
}
