package log

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAppendAndRead(t *testing.T) {
	f := ready(t, 1)
	var before, after []string
	a := NewAppender(f.c, AppenderOptions{
		Before: func(e events.Event) { before = append(before, e.ID) },
		After:  func(e events.Event) { after = append(after, e.ID) },
	})
	at, err := a.Append(within(t, 5*time.Second), event(t, "one"))
	require.NoError(t, err)
	require.EqualValues(t, 0, at)
	several, err := a.AppendAll(within(t, 5*time.Second), eventsOf(t, 3))
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3}, several)
	require.Equal(t, []string{"one", "e-0000", "e-0001", "e-0002"}, before)
	require.Equal(t, before, after)

	got := all(t, f.c, 0)
	require.Len(t, got, 4)
	require.Equal(t, "one", got[0].Event.ID)
	require.Nil(t, got[0].Refusal)
	require.Equal(t, events.StartRequested{}, got[0].Body)
	require.Equal(t, "e-0002", got[3].Event.ID)
	require.EqualValues(t, 3, got[3].Position)
	require.WithinDuration(t, time.Now(), got[3].Time, time.Minute, "the time of the append, not the event's own")
}

func TestAppendRefusesWhatNobodyWouldRead(t *testing.T) {
	f := ready(t, 1)
	a := NewAppender(f.c, AppenderOptions{})
	wrong := event(t, "one")
	wrong.Expects = nil
	_, err := a.Append(within(t, 5*time.Second), wrong)
	var refused *events.Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, events.RefusedNoExpects, refused.Code)
	_, err = a.AppendAll(within(t, 5*time.Second), []events.Event{event(t, "one"), event(t, "one")})
	require.ErrorContains(t, err, "twice in one call")
	require.Zero(t, f.wire.sent(), "nothing was sent")
}

func TestAppendAllSplitsWhatDoesNotFit(t *testing.T) {
	f := ready(t, 1)
	es := eventsOf(t, 5)
	for i := range es {
		es[i].Body = []byte(fmt.Sprintf(`{"padding":"%s"}`, strings.Repeat("x", 400_000)))
	}
	at, err := NewAppender(f.c, AppenderOptions{}).AppendAll(within(t, 10*time.Second), es)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1, 2, 3, 4}, at)
	require.Equal(t, 3, f.wire.sent(), "two events of 400 kB fit into one batch of 1 MB")
	got := all(t, f.c, 0)
	require.Len(t, got, 5)
	require.Nil(t, got[4].Refusal)
}

func TestLargestEventFits(t *testing.T) {
	f := ready(t, 1)
	e := event(t, "big")
	value, err := events.Encode(e)
	require.NoError(t, err)
	e.Body = []byte(fmt.Sprintf(`{"p":"%s"}`, strings.Repeat("x", events.MaxEventSize-len(value)-len(`"p":""`))))
	_, err = NewAppender(f.c, AppenderOptions{}).Append(within(t, 10*time.Second), e)
	require.NoError(t, err)
	got := all(t, f.c, 0)
	require.Len(t, got, 1)
	require.Nil(t, got[0].Refusal)
}

// TestAmbiguousAppends: whatever happens to the acknowledgement or the request,
// the event is in the log, once for the fold, at the position that was returned.
func TestAmbiguousAppends(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []line
		sends  int
	}{
		{"lost acknowledgement", []line{loseAck}, 1},
		{"lost request", []line{loseSend}, 2},
		{"lost request twice", []line{loseSend, loseSend}, 3},
		{"lost request, then lost acknowledgement", []line{loseSend, loseAck}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := ready(t, 1)
			a := NewAppender(f.c, AppenderOptions{})
			_, err := a.Append(within(t, 5*time.Second), event(t, "first"))
			require.NoError(t, err)
			f.wire.then(c.script...)
			at, err := a.Append(within(t, 10*time.Second), event(t, "second"))
			require.NoError(t, err)
			require.EqualValues(t, 1, at)
			require.Equal(t, 1+c.sends, f.wire.sent())
			got := all(t, f.c, 0)
			require.Len(t, got, 2)
			require.Equal(t, "second", got[at].Event.ID)
		})
	}
}

// TestLateRequest: a request that was given up for lost arrives after the event
// was appended again. The copies have keys of their own, so compaction keeps
// both where they stand.
func TestLateRequest(t *testing.T) {
	f := ready(t, 1)
	f.wire.then(holdSend)
	at, err := NewAppender(f.c, AppenderOptions{}).Append(within(t, 10*time.Second), event(t, "late"))
	require.NoError(t, err)
	require.EqualValues(t, 0, at)
	require.NoError(t, f.wire.release(within(t, 5*time.Second)))
	_, err = NewAppender(f.c, AppenderOptions{}).Append(within(t, 10*time.Second), event(t, "after"))
	require.NoError(t, err)
	f.Compact()
	got := all(t, f.c, 0)
	require.Len(t, got, 3)
	require.Equal(t, "late", got[0].Event.ID)
	require.Equal(t, got[0].Event, got[1].Event)
}

func TestBatchWithLostAckIsFoundWhole(t *testing.T) {
	f := ready(t, 1)
	f.wire.then(loseAck)
	at, err := NewAppender(f.c, AppenderOptions{}).AppendAll(within(t, 10*time.Second), eventsOf(t, 20))
	require.NoError(t, err)
	for i, p := range at {
		require.EqualValues(t, i, p)
	}
	require.Len(t, all(t, f.c, 0), 20)
	require.Equal(t, 1, f.wire.sent())
}

// TestFirstCopyWins: what another incarnation of the same writer has appended
// meanwhile is not sent again.
func TestFirstCopyWins(t *testing.T) {
	f := ready(t, 1)
	a := NewAppender(f.c, AppenderOptions{})
	_, err := a.Append(within(t, 5*time.Second), event(t, "first"))
	require.NoError(t, err)
	other := NewAppender(f.c, AppenderOptions{})
	_, err = other.Append(within(t, 5*time.Second), event(t, "e-0001"))
	require.NoError(t, err)
	f.wire.then(loseSend)
	at, err := a.AppendAll(within(t, 10*time.Second), eventsOf(t, 3))
	require.NoError(t, err)
	require.Equal(t, []int64{2, 1, 3}, at)
	require.Len(t, all(t, f.c, 0), 4)
}

// TestTimeoutAfterTheWork: error 7 (the replicas did not answer in time); the
// record is in the leader's log.
func TestTimeoutAfterTheWork(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend} {
		t.Run(e.Message, func(t *testing.T) {
			f := ready(t, 1)
			f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e})
			at, err := NewAppender(f.c, AppenderOptions{}).Append(within(t, 10*time.Second), event(t, "one"))
			require.NoError(t, err)
			require.EqualValues(t, 0, at)
			require.Len(t, all(t, f.c, 0), 1)
		})
	}
}

func TestRefusedForTheMoment(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.NotLeaderForPartition, kerr.LeaderNotAvailable} {
		t.Run(e.Message, func(t *testing.T) {
			f := ready(t, 1)
			f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: e, Count: 2})
			at, err := NewAppender(f.c, AppenderOptions{}).Append(within(t, 10*time.Second), event(t, "one"))
			require.NoError(t, err)
			require.EqualValues(t, 0, at)
		})
	}
}

func TestRefusedForGood(t *testing.T) {
	f := ready(t, 1)
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed})
	_, err := NewAppender(f.c, AppenderOptions{}).Append(within(t, 10*time.Second), event(t, "one"))
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.NotErrorIs(t, err, ErrOutcomeUnknown)
	require.ErrorContains(t, err, "StartRequested one")
}

func TestAppendWithoutTopic(t *testing.T) {
	f := start(t, 1)
	_, err := NewAppender(f.c, AppenderOptions{}).Append(within(t, 20*time.Second), event(t, "one"))
	require.ErrorIs(t, err, ErrMissing)
}

// claimMoreLog makes the broker say that its log reaches further than its high
// watermark, as it does while replicas lag; it stops when told.
func claimMoreLog(f *fake) (asked chan struct{}, stop func()) {
	asked = make(chan struct{}, 100)
	var mu sync.Mutex
	lagging := true
	f.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		mu.Lock()
		defer mu.Unlock()
		if !lagging {
			f.DropControl()
			return nil, nil, false
		}
		f.KeepControl()
		asked <- struct{}{}
		r := req.(*kmsg.OffsetForLeaderEpochRequest)
		resp := r.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = r.Topics[0].Topic
		part := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		part.LeaderEpoch, part.EndOffset = 0, 1
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	return asked, func() {
		mu.Lock()
		defer mu.Unlock()
		lagging = false
	}
}

// TestAbsentNeedsProof: while the high watermark has not reached the end of the
// leader's log, nothing is sent again.
func TestAbsentNeedsProof(t *testing.T) {
	f := ready(t, 1)
	asked, stop := claimMoreLog(f)
	f.wire.then(loseSend)
	done := make(chan error, 1)
	ctx := within(t, 20*time.Second)
	go func() {
		_, err := NewAppender(f.c, AppenderOptions{}).Append(ctx, event(t, "one"))
		done <- err
	}()
	for range 3 {
		select {
		case <-asked:
		case err := <-done:
			require.Fail(t, "it did not wait", "%v", err)
		}
	}
	require.Equal(t, 1, f.wire.sent(), "nothing is sent again without proof")
	stop()
	require.NoError(t, <-done)
	require.Equal(t, 2, f.wire.sent())
	require.Len(t, all(t, f.c, 0), 1)
}

func TestOutcomeUnknown(t *testing.T) {
	f := ready(t, 1)
	_, stop := claimMoreLog(f)
	defer stop()
	f.wire.then(loseSend)
	_, err := NewAppender(f.c, AppenderOptions{Patience: 300 * time.Millisecond}).Append(t.Context(), event(t, "one"))
	require.ErrorIs(t, err, ErrOutcomeUnknown)
	require.ErrorIs(t, err, errWire, "the cause is named")
}

func TestCancelledAppendIsUnknown(t *testing.T) {
	f := ready(t, 1)
	a := NewAppender(f.c, AppenderOptions{})
	_, err := a.Append(within(t, 5*time.Second), event(t, "one"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	f.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()
		return nil, nil, false
	})
	_, err = a.Append(ctx, event(t, "two"))
	if !errors.Is(err, ErrOutcomeUnknown) {
		require.NoError(t, err, "unless the answer was faster than the cancellation")
	}
}

// TestAppendersRace: many writers, acknowledgements and requests lost at
// random. Every event is in the log, and stands where its writer was told.
func TestAppendersRace(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	f := ready(t, 3)
	for range 60 {
		f.wire.then(line(random.IntN(4))) // held requests are never released: they are lost
	}
	const writers, each = 4, 20
	positions := make([]map[string]int64, writers)
	var wg sync.WaitGroup
	ctx := within(t, 60*time.Second)
	for w := range writers {
		positions[w] = make(map[string]int64)
		wg.Go(func() {
			a := NewAppender(f.c, AppenderOptions{})
			for i := range each {
				id := fmt.Sprintf("w%d-%d", w, i)
				at, err := a.Append(ctx, event(t, id))
				if err != nil {
					t.Errorf("append %s: %v", id, err)
					return
				}
				positions[w][id] = at
			}
		})
	}
	wg.Wait()
	got := all(t, f.c, 0)
	copies := map[string]int{}
	for _, r := range got {
		copies[r.Event.ID]++
	}
	for w := range writers {
		require.Len(t, positions[w], each)
		last := int64(-1)
		for i := range each {
			id := fmt.Sprintf("w%d-%d", w, i)
			at := positions[w][id]
			require.Equal(t, id, got[at].Event.ID)
			require.Greater(t, at, last, "a writer's events stand in its order")
			require.Equal(t, 1, copies[id], "no request was late, so there is no second copy")
			last = at
		}
	}
}

func TestBoundIsAskedForAgain(t *testing.T) {
	f := ready(t, 1)
	a := NewAppender(f.c, AppenderOptions{})
	ctx := within(t, 5*time.Second)
	_, err := NewAppender(f.c, AppenderOptions{}).AppendAll(ctx, eventsOf(t, 4))
	require.NoError(t, err)
	bound, err := a.bound(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 4, bound)
	_, err = NewAppender(f.c, AppenderOptions{}).Append(ctx, event(t, "five"))
	require.NoError(t, err)
	bound, err = a.bound(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 4, bound, "an older end will do")
	a.known = a.known.Add(-2 * boundAge)
	bound, err = a.bound(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 5, bound, "but not for ever")
}

func TestNoncesDiffer(t *testing.T) {
	require.NotEqual(t, randomNonce(), randomNonce())
	require.Len(t, randomNonce(), 16)
}
