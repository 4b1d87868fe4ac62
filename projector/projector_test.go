package projector

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
)

// running starts Run; the returned function ends it and returns its error.
func running(t *testing.T, p *Projector) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestRunFollowsTheLog(t *testing.T) {
	w := newWorld(1, 2, 3, 10)
	l := newFakeLog(w.write(10))
	s := memory(t)
	var records atomic.Int64
	p, err := New(Config{Store: s, Log: l.Log(), Wait: time.Hour, Hooks: Hooks{Committed: func(c Commit) { records.Add(int64(c.Records)) }}})
	require.NoError(t, err)
	stop := running(t, p)
	for range 20 {
		w.write(7)
		l.set(append([]events.Record(nil), w.records...))
		require.NoError(t, s.Wait(within(t), w.at-1))
		v := s.View()
		requireEqual(t, w.fold, v)
		require.NoError(t, v.Close())
	}
	require.EqualValues(t, len(w.records), records.Load())
	require.Equal(t, Status{Applied: w.at - 1, End: w.at}, p.Status())
	_, err = p.CatchUp(t.Context())
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, p.Run(t.Context()), ErrBusy)
	require.NoError(t, stop())
}

func TestRunGetsOverWhatPasses(t *testing.T) {
	w := newWorld(1, 2, 3, 10)
	l := newFakeLog(w.write(100))
	l.split = func() int { return 10 }
	var failures, failed atomic.Int64
	l.err = func(int64) error {
		if n := failures.Add(1); n%3 != 0 {
			return errPassing
		}
		return nil
	}
	s := memory(t)
	var heard bytes.Buffer
	p, err := New(Config{
		Store: s, Log: l.Log(), Retry: time.Microsecond, RetryMost: time.Millisecond, Logger: zerolog.New(&heard),
		Hooks: Hooks{Failed: func(err error) { failed.Add(1) }},
	})
	require.NoError(t, err)
	stop := running(t, p)
	require.NoError(t, s.Wait(within(t), w.at-1))
	require.NoError(t, stop())
	requireEqual(t, w.fold, view(t, s))
	require.Positive(t, failed.Load())
	require.Contains(t, heard.String(), errPassing.Error())
}

func TestRunStopsForWhatLasts(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	l := newFakeLog(w.write(20))
	l.split = func() int { return 10 }
	broken := errors.New("somebody took the log away")
	l.err = func(from int64) error {
		if from >= 10 {
			return broken
		}
		return nil
	}
	s := memory(t)
	p, err := New(Config{Store: s, Log: l.Log()})
	require.NoError(t, err)
	require.ErrorIs(t, p.Run(t.Context()), broken)
	require.EqualValues(t, 9, s.Applied(), "what came before stays")
	require.ErrorIs(t, p.Status().Err, broken)
	require.NoError(t, s.Wait(t.Context(), 9))
	err = s.Wait(t.Context(), 10)
	require.ErrorIs(t, err, broken, "who waits hears why it is in vain")
	require.ErrorContains(t, err, "position 10 will not be folded")
	_, err = p.CatchUp(t.Context())
	require.ErrorIs(t, err, broken)

	l.err = nil
	applied, err := p.CatchUp(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 19, applied)
	require.NoError(t, p.Status().Err)
	requireEqual(t, w.fold, view(t, s))
}

func TestCatchUpIsDoneAtOnceWhenNothingIsNew(t *testing.T) {
	l := newFakeLog(newWorld(1, 1, 3, 0).write(20))
	s := memory(t)
	p := catchUp(t, s, l)
	l.err = func(from int64) error {
		require.NotEqual(t, int64(20), from, "nothing is read behind the end")
		return nil
	}
	applied, err := p.CatchUp(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 19, applied)
	applied, err = catchUp(t, memory(t), newFakeLog(nil)).CatchUp(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, -1, applied)
}

func TestCatchUpEndsWithItsContext(t *testing.T) {
	l := newFakeLog(newWorld(1, 1, 3, 0).write(20))
	l.mu.Lock()
	l.records = l.records[:10] // the end says 20, the rest is late
	l.mu.Unlock()
	log := l.Log()
	log.Reader = func(int64, string) Reader { return &fakeReader{l: l, at: 20} }
	p, err := New(Config{Store: memory(t), Log: log, Wait: time.Hour})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.CatchUp(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRowsAreForgottenWhenTheyAreMany(t *testing.T) {
	w := newWorld(1, 2, 10, 0)
	w.write(300)
	s := memory(t)
	f, err := newFold(s, newDumb().machines, false)
	require.NoError(t, err)
	for i := 0; i < len(w.records); i += 10 {
		require.NoError(t, f.page(w.records[i:i+10], w.records[i+9].Position+1))
		f.rows.trim(3)
		require.LessOrEqual(t, len(f.rows.topics.cells), 3)
	}
	f.rows.fresh.ids = nil // as if there had been too many
	w.write(100)
	w.append(w.records[5].Event)
	require.NoError(t, f.page(w.records[300:], w.at))
	requireEqual(t, w.fold, view(t, s))
}
