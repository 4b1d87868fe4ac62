package log

import (
	"fmt"
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

// plant appends records as any Kafka tool could.
func plant(t *testing.T, c *cluster.Client, topic string, partition int32, records ...batch.Record) {
	t.Helper()
	b, err := batch.Build(batch.Spec{}, records)
	require.NoError(t, err)
	_, err = c.Append(within(t, 5*time.Second), topic, partition, b)
	require.NoError(t, err)
}

func TestReaderPages(t *testing.T) {
	f := ready(t, 1)
	_, err := NewAppender(f.c, AppenderOptions{}).AppendAll(within(t, 5*time.Second), eventsOf(t, 1000))
	require.NoError(t, err)
	r := NewReader(f.c, 10)
	next := int64(10)
	for next < 1000 {
		page, err := r.Next(within(t, 5*time.Second), 7, 0)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Records), 7)
		require.EqualValues(t, 1000, page.End)
		require.Positive(t, page.Bytes)
		for _, rec := range page.Records {
			require.Equal(t, next, rec.Position)
			require.Equal(t, fmt.Sprintf("e-%04d", next), rec.Event.ID)
			require.NotNil(t, rec.Body)
			next++
		}
		require.Equal(t, next, page.Next)
	}
	page, err := r.Next(within(t, 5*time.Second), 7, 20*time.Millisecond)
	require.NoError(t, err)
	require.Empty(t, page.Records)
	require.EqualValues(t, 1000, page.Next)
}

// TestReaderDecodesInOrder: large pages are decoded side by side.
func TestReaderDecodesInOrder(t *testing.T) {
	f := ready(t, 1)
	_, err := NewAppender(f.c, AppenderOptions{}).AppendAll(within(t, 5*time.Second), eventsOf(t, 3000))
	require.NoError(t, err)
	got := all(t, f.c, 0)
	require.Len(t, got, 3000)
	for i, rec := range got {
		require.EqualValues(t, i, rec.Position)
		require.Equal(t, fmt.Sprintf("e-%04d", i), rec.Event.ID)
		require.Nil(t, rec.Refusal)
	}
}

func TestReaderWaitsForTheNextEvent(t *testing.T) {
	f := ready(t, 1)
	r := NewReader(f.c, 0)
	ctx := within(t, 10*time.Second)
	got := make(chan Page, 1)
	go func() {
		page, err := r.Next(ctx, 0, 10*time.Second)
		if err == nil {
			got <- page
		}
		close(got)
	}()
	_, err := NewAppender(f.c, AppenderOptions{}).Append(ctx, event(t, "one"))
	require.NoError(t, err)
	page := <-got
	require.Len(t, page.Records, 1)
}

func TestReaderGoesPastForeignRecords(t *testing.T) {
	f := ready(t, 1)
	good := event(t, "good")
	value, err := events.Encode(good)
	require.NoError(t, err)
	plant(t, f.c, events.TopicEvents, 0,
		batch.Record{Key: []byte("who knows"), Value: []byte("not ours")},
		batch.Record{Key: []byte(good.Key("n1").String())},
		batch.Record{Value: value},
		batch.Record{Key: []byte(good.Key("n2").String()), Value: value})
	got := all(t, f.c, 0)
	require.Len(t, got, 4)
	for i, code := range []string{events.RefusedJSON, events.RefusedTombstone, events.RefusedNoKey} {
		require.NotNil(t, got[i].Refusal, i)
		require.Equal(t, code, got[i].Refusal.Code)
		require.True(t, got[i].Refusal.Foreign)
	}
	require.Nil(t, got[3].Refusal)
}

// TestCompactionKeepsEvents: a planted pair of foreign records that share a key
// loses its first (so compaction did run), the events stay where they are, and
// the digest is the same.
func TestCompactionKeepsEvents(t *testing.T) {
	f := ready(t, 1)
	a := NewAppender(f.c, AppenderOptions{})
	_, err := a.AppendAll(within(t, 5*time.Second), eventsOf(t, 10))
	require.NoError(t, err)
	plant(t, f.c, events.TopicEvents, 0, batch.Record{Key: []byte("pair"), Value: []byte("1")})
	plant(t, f.c, events.TopicEvents, 0, batch.Record{Key: []byte("pair"), Value: []byte("2")})
	_, err = a.Append(within(t, 5*time.Second), event(t, "last"))
	require.NoError(t, err)
	before := all(t, f.c, 0)
	require.Len(t, before, 13)
	f.Compact()
	after := all(t, f.c, 0)
	require.Len(t, after, 12)
	require.Equal(t, digestOf(before), digestOf(after))
	require.Equal(t, positionsOf(before), positionsOf(after))
}

// digestOf is the log digest of the only migration in the records.
func digestOf(records []events.Record) string {
	var d events.Digest
	seen := map[string]bool{}
	for _, r := range records {
		if (r.Refusal == nil || !r.Refusal.Foreign) && !seen[r.Event.ID] {
			seen[r.Event.ID] = true
			d = d.Extend(r.Event)
		}
	}
	return d.String()
}

func positionsOf(records []events.Record) map[string]int64 {
	at := map[string]int64{}
	for _, r := range records {
		if r.Refusal == nil {
			at[r.Event.ID] = r.Position
		}
	}
	return at
}

func TestReaderNoticesATruncatedLog(t *testing.T) {
	f := ready(t, 1)
	_, err := NewAppender(f.c, AppenderOptions{}).AppendAll(within(t, 5*time.Second), eventsOf(t, 10))
	require.NoError(t, err)

	_, err = NewReader(f.c, 11).Next(within(t, 5*time.Second), 0, 0)
	require.ErrorIs(t, err, ErrTruncated, "above the end")
	var about *TopicError
	require.ErrorAs(t, err, &about)
	require.EqualValues(t, 11, about.Position)
	require.EqualValues(t, 10, about.End)
	require.ErrorContains(t, err, "restore the topic")

	require.NoError(t, f.DeleteRecords(events.TopicEvents, 0, 5))
	_, err = NewReader(f.c, 4).Next(within(t, 5*time.Second), 0, 0)
	require.ErrorIs(t, err, ErrTruncated, "below the start")
	require.ErrorAs(t, err, &about)
	require.EqualValues(t, 5, about.Start)
	require.Len(t, all(t, f.c, 5), 5)
}

func TestReaderNoticesARecreatedLog(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	_, err := NewAppender(f.c, AppenderOptions{}).AppendAll(ctx, eventsOf(t, 5))
	require.NoError(t, err)
	id, err := TopicID(ctx, f.c)
	require.NoError(t, err)
	require.Len(t, id, 32)
	r := NewReader(f.c, 0).Pin(id)
	page, err := r.Next(ctx, 0, 0)
	require.NoError(t, err)
	require.Len(t, page.Records, 5)

	recreate(t, f, events.TopicEvents)
	_, err = NewAppender(f.c, AppenderOptions{}).AppendAll(ctx, eventsOf(t, 8))
	require.NoError(t, err)
	// The new log reaches further than the reader's position: only the id tells.
	for err == nil {
		page, err = r.Next(ctx, 0, 0)
		require.Empty(t, page.Records)
	}
	require.ErrorIs(t, err, ErrRecreated)
	var about *TopicError
	require.ErrorAs(t, err, &about)
	require.Equal(t, id, about.Want)
	require.NotEqual(t, id, about.Have)
	require.ErrorContains(t, err, id)
	_, err = r.Next(ctx, 0, 0)
	require.ErrorIs(t, err, ErrRecreated, "it lasts")
	_, err = NewReader(f.c, 0).Pin(id).Next(ctx, 0, 0)
	require.ErrorIs(t, err, ErrRecreated, "a pinned reader refuses it at once")
}

func recreate(t *testing.T, f *fake, topic string) {
	t.Helper()
	require.NoError(t, f.c.DeleteTopic(within(t, 5*time.Second), topic))
	_, err := Init(within(t, 10*time.Second), f.c, InitOptions{})
	require.NoError(t, err)
}

func TestReaderShorterRecreatedLog(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	_, err := NewAppender(f.c, AppenderOptions{}).AppendAll(ctx, eventsOf(t, 5))
	require.NoError(t, err)
	r := NewReader(f.c, 0)
	_, err = r.Next(ctx, 0, 0)
	require.NoError(t, err)
	recreate(t, f, events.TopicEvents)
	_, err = r.Next(ctx, 0, 0)
	require.ErrorIs(t, err, ErrRecreated, "the position is out of range, and the reason is the better one")
}

func TestReaderGoesOnAfterAFailure(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 10*time.Second)
	_, err := NewAppender(f.c, AppenderOptions{}).Append(ctx, event(t, "one"))
	require.NoError(t, err)
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed})
	r := NewReader(f.c, 0)
	_, err = r.Next(ctx, 0, 0)
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	page, err := r.Next(ctx, 0, 0)
	require.NoError(t, err)
	require.Len(t, page.Records, 1)
}

func TestReaderWithoutTopic(t *testing.T) {
	f := start(t, 1)
	_, err := NewReader(f.c, 0).Next(within(t, 10*time.Second), 0, 0)
	require.ErrorIs(t, err, ErrMissing)
	require.ErrorContains(t, err, "portage init")
	_, err = End(within(t, 10*time.Second), f.c)
	require.ErrorIs(t, err, ErrMissing)
	_, err = TopicID(within(t, 10*time.Second), f.c)
	require.ErrorIs(t, err, ErrMissing)
}

func TestEnd(t *testing.T) {
	f := ready(t, 3)
	ctx := within(t, 10*time.Second)
	end, err := End(ctx, f.c)
	require.NoError(t, err)
	require.Zero(t, end)
	_, err = NewAppender(f.c, AppenderOptions{}).AppendAll(ctx, eventsOf(t, 3))
	require.NoError(t, err)
	end, err = End(ctx, f.c)
	require.NoError(t, err)
	require.EqualValues(t, 3, end)
	proven, err := logEnd(ctx, f.c, events.TopicEvents, 0)
	require.NoError(t, err)
	require.EqualValues(t, 3, proven)
}
