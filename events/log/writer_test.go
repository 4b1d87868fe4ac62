package log

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func progressWriter(f *fake) *writer {
	return &writer{c: f.c, o: Options{}.withDefaults(), topic: events.TopicProgress}
}

func rec(key, value string) batch.Record {
	return batch.Record{Timestamp: time.Now().UnixMilli(), Key: []byte(key), Value: []byte(value)}
}

// contents are the values of a partition, in order.
func contents(t *testing.T, c *cluster.Client, topic string, partition int32) (values []string) {
	t.Helper()
	s := scanner{c: c, topic: identity{topic: topic}, partition: partition}
	require.NoError(t, s.toEnd(within(t, 10*time.Second), func() {}, func(r cluster.Record) { values = append(values, string(r.Value)) }))
	return values
}

func TestWriterWritesOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []line
	}{
		{"all well", nil},
		{"lost acknowledgement", []line{loseAck}},
		{"lost acknowledgements", []line{loseAck, loseAck, loseAck}},
		{"lost request", []line{loseSend}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := ready(t, 1)
			w := progressWriter(f)
			f.wire.then(c.script...)
			for i := range 3 {
				require.NoError(t, w.write(within(t, 10*time.Second), map[int32][]batch.Record{2: {rec("k", fmt.Sprint(i))}}))
			}
			require.Equal(t, []string{"0", "1", "2"}, contents(t, f.c, events.TopicProgress, 2))
		})
	}
}

// TestLateCopyIsDropped: a request that was given up for lost arrives after the
// same key was written anew. With an unnumbered producer the older value would
// be the last one now.
func TestLateCopyIsDropped(t *testing.T) {
	f := ready(t, 1)
	w := progressWriter(f)
	ctx := within(t, 10*time.Second)
	f.wire.then(holdSend)
	require.NoError(t, w.write(ctx, map[int32][]batch.Record{0: {rec("k", "old")}}))
	require.NoError(t, w.write(ctx, map[int32][]batch.Record{0: {rec("k", "new")}}))
	require.NoError(t, f.wire.release(ctx))
	require.Equal(t, []string{"old", "new"}, contents(t, f.c, events.TopicProgress, 0))
}

// TestGivenUpBatch: a write that was given up has landed, or arrives after
// another was made; either way the other one is the last.
func TestGivenUpBatch(t *testing.T) {
	for _, c := range []struct {
		name  string
		first line
		want  []string
	}{
		{"landed", loseAck, []string{"first", "given up", "last"}},
		{"late", holdSend, []string{"first", "last"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := ready(t, 1)
			w := progressWriter(f)
			require.NoError(t, w.write(within(t, 10*time.Second), map[int32][]batch.Record{0: {rec("k", "first")}}))
			f.wire.then(c.first)
			f.wire.then(slices.Repeat([]line{loseSend}, 50)...)
			short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err := w.write(short, map[int32][]batch.Record{0: {rec("k", "given up")}})
			require.ErrorIs(t, err, ErrOutcomeUnknown)
			f.wire.clear()
			require.NoError(t, w.write(within(t, 10*time.Second), map[int32][]batch.Record{0: {rec("k", "last")}}))
			require.NoError(t, f.wire.release(within(t, 5*time.Second)))
			require.Equal(t, c.want, contents(t, f.c, events.TopicProgress, 0))
		})
	}
}

func TestWriterManyPartitions(t *testing.T) {
	f := ready(t, 3)
	w := progressWriter(f)
	records := map[int32][]batch.Record{}
	for p := range int32(events.ControlPartitions) {
		for i := range 3 {
			records[p] = append(records[p], rec(fmt.Sprint(i), fmt.Sprint(p, i)))
		}
	}
	f.wire.then(loseAck, deliver, loseSend)
	require.NoError(t, w.write(within(t, 10*time.Second), records))
	for p := range int32(events.ControlPartitions) {
		require.Equal(t, []string{fmt.Sprint(p, 0), fmt.Sprint(p, 1), fmt.Sprint(p, 2)}, contents(t, f.c, events.TopicProgress, p))
	}
	require.LessOrEqual(t, f.wire.sent(), 3+3, "one request to each leader, and what was lost again")
}

func TestWriterSplits(t *testing.T) {
	f := ready(t, 1)
	big := string(make([]byte, 400_000))
	require.NoError(t, progressWriter(f).write(within(t, 10*time.Second), map[int32][]batch.Record{1: {rec("a", big), rec("b", big), rec("c", big), rec("d", "x")}}))
	require.Len(t, contents(t, f.c, events.TopicProgress, 1), 4)
	require.Equal(t, 2, f.wire.sent())
	err := progressWriter(f).write(within(t, 10*time.Second), map[int32][]batch.Record{1: {rec("a", big+big+big)}})
	var large *batch.TooLargeError
	require.ErrorAs(t, err, &large)
}

// TestWriterBeginsAnew: brokers that have forgotten the producer, or fenced it.
func TestWriterBeginsAnew(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch} {
		t.Run(e.Message, func(t *testing.T) {
			f := ready(t, 1)
			w := progressWriter(f)
			ctx := within(t, 10*time.Second)
			require.NoError(t, w.write(ctx, map[int32][]batch.Record{0: {rec("k", "1")}}))
			before := w.parts[0].identity
			f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e})
			require.NoError(t, w.write(ctx, map[int32][]batch.Record{0: {rec("k", "2")}}))
			require.NoError(t, w.write(ctx, map[int32][]batch.Record{0: {rec("k", "3")}}))
			require.Equal(t, []string{"1", "2", "3"}, contents(t, f.c, events.TopicProgress, 0))
			require.NotEqual(t, []any{before.ID, before.Epoch}, []any{w.parts[0].identity.ID, w.parts[0].identity.Epoch})
		})
	}
}

func TestWriterTakesADuplicateForDone(t *testing.T) {
	f := ready(t, 1)
	w := progressWriter(f)
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.DuplicateSequenceNumber})
	require.NoError(t, w.write(within(t, 10*time.Second), map[int32][]batch.Record{0: {rec("k", "1")}}))
}

func TestWriterFailsForGood(t *testing.T) {
	f := ready(t, 1)
	w := progressWriter(f)
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Partitions: []int32{1}})
	err := w.write(within(t, 10*time.Second), map[int32][]batch.Record{0: {rec("k", "a")}, 1: {rec("k", "b")}})
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.ErrorContains(t, err, "portage.progress/1")
	require.NotErrorIs(t, err, ErrOutcomeUnknown)
	require.Equal(t, []string{"a"}, contents(t, f.c, events.TopicProgress, 0), "the other partition was written")
	require.Empty(t, contents(t, f.c, events.TopicProgress, 1))
}

func TestWriterWithoutTopic(t *testing.T) {
	f := start(t, 1)
	err := progressWriter(f).write(within(t, 10*time.Second), map[int32][]batch.Record{0: {rec("k", "a")}})
	require.ErrorIs(t, err, ErrMissing)
}

// TestEpochsRunOut: after 32767 the writer takes another producer id.
func TestEpochsRunOut(t *testing.T) {
	f := ready(t, 1)
	w := progressWriter(f)
	ctx := within(t, 10*time.Second)
	require.NoError(t, w.write(ctx, map[int32][]batch.Record{0: {rec("k", "1")}}))
	id := w.parts[0].identity.ID
	w.parts[0].identity.Epoch = 32766
	w.parts[0].raise()
	require.NoError(t, w.write(ctx, map[int32][]batch.Record{0: {rec("k", "2")}}))
	require.NotEqual(t, id, w.parts[0].identity.ID)
	require.Equal(t, []string{"1", "2"}, contents(t, f.c, events.TopicProgress, 0))
}
