package projector

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
)

// BenchmarkFold folds a log that is in memory and decoded: judging, rows,
// notes, indexes, digests and commits, without Kafka and JSON of events.
func BenchmarkFold(b *testing.B) {
	l := newFakeLog(newWorld(1, 5, 200, 2).write(100_000))
	for _, where := range []string{"memory", "folder"} {
		b.Run(where, func(b *testing.B) { benchFold(b, l, where) })
	}
}

func benchFold(b *testing.B, l *fakeLog, where string) {
	for b.Loop() {
		o := Options{}
		if where == "folder" {
			o.Dir = b.TempDir()
		}
		s, err := Open(o)
		require.NoError(b, err)
		catchUp(b, s, l)
		require.NoError(b, s.Close())
	}
	b.ReportMetric(float64(len(l.records))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkFollow folds one event at a time, as during a switch.
func BenchmarkFollow(b *testing.B) {
	w := newWorld(1, 1, 50, 0)
	l := newFakeLog(w.write(1000))
	s := memory(b)
	p := catchUp(b, s, l)
	for b.Loop() {
		b.StopTimer()
		l.set(w.write(1))
		b.StartTimer()
		_, err := p.CatchUp(context.Background())
		require.NoError(b, err)
	}
}

// BenchmarkTopics lists the topics of a migration of ten thousand.
func BenchmarkTopics(b *testing.B) {
	w := newWorld(1, 1, 10_000, 0)
	l := newFakeLog(w.write(30_000))
	s := memory(b)
	catchUp(b, s, l)
	v := view(b, s)
	for b.Loop() {
		topics, err := v.Topics("m0")
		require.NoError(b, err)
		require.Len(b, topics, 10_000)
	}
}

// BenchmarkDecode is what a reader does before the fold.
func BenchmarkDecode(b *testing.B) {
	records := newWorld(1, 5, 200, 0).write(10_000)
	values := make([][]byte, len(records))
	keys := make([][]byte, len(records))
	for i, r := range records {
		values[i], _ = events.Encode(r.Event)
		keys[i] = []byte(r.Event.Key("n").String())
	}
	for b.Loop() {
		for i := range values {
			events.Decode(keys[i], values[i])
		}
	}
	b.ReportMetric(float64(len(values))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
