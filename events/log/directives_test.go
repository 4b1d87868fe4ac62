package log

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

// order is a directive to the group billing, derived from an event.
func order(position int64) events.Directive { return orderTo("billing", position) }

func orderTo(group string, position int64) events.Directive {
	return events.Directive{
		SourceCluster: "src-id", Addressee: events.ToGroup(group), Position: position, Migration: "move",
		Stream: events.GroupStream(group), Version: uint64(position), Phase: events.PhaseOnSource, AtLeast: "0.1",
		Group: &events.GroupOrder{Order: events.OrderSource, Source: "source", Target: "target"},
	}
}

func latest(t *testing.T, d *Directives, group string) int64 {
	t.Helper()
	dir, found, _, err := d.Latest(within(t, 10*time.Second), orderTo(group, 0).Key())
	require.NoError(t, err)
	if !found {
		return -1
	}
	require.Equal(t, orderTo(group, dir.Position), dir)
	return dir.Position
}

// keysOf are the keys that have a value after compaction, as far as a partition was read.
func keysOf(t *testing.T, d *Directives, group string) (positions []int64) {
	t.Helper()
	latest(t, d, group)
	p := &d.parts[orderTo(group, 0).Key().Partition()]
	for position := range p.live[addressed{"src-id", events.ToGroup(group)}] {
		positions = append(positions, position)
	}
	return positions
}

func TestPublishAndLatest(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 10*time.Second)
	d := NewDirectives(f.c, Options{})
	require.EqualValues(t, -1, latest(t, d, "billing"))
	require.NoError(t, d.Publish(ctx, order(4)))
	require.EqualValues(t, 4, latest(t, d, "billing"))
	sent := f.wire.sent()
	require.NoError(t, d.Publish(ctx, order(4)), "again")
	require.Equal(t, sent, f.wire.sent(), "what is there already is not sent")
	require.NoError(t, d.Publish(ctx, order(9)))
	require.Equal(t, []int64{9}, keysOf(t, d, "billing"), "the older key is gone")

	err := d.Publish(ctx, order(4))
	require.ErrorIs(t, err, ErrStale)
	var stale *StaleError
	require.ErrorAs(t, err, &stale)
	require.EqualValues(t, 9, stale.Have)
	require.EqualValues(t, 9, latest(t, NewDirectives(f.c, Options{}), "billing"), "as others read it")
	require.EqualValues(t, -1, latest(t, d, "shipping"), "other addressees have none")
}

func TestPublishRefusesWhatNobodyWouldObey(t *testing.T) {
	f := ready(t, 1)
	wrong := order(4)
	wrong.Group.Order = "jump"
	err := NewDirectives(f.c, Options{}).Publish(within(t, 5*time.Second), wrong)
	var refused *events.Refusal
	require.ErrorAs(t, err, &refused)
	require.Zero(t, f.wire.sent())
}

func TestPublishAmbiguously(t *testing.T) {
	for name, script := range map[string][]line{"lost acknowledgement": {loseAck}, "lost request": {loseSend}, "both": {loseSend, loseAck, loseAck}} {
		t.Run(name, func(t *testing.T) {
			f := ready(t, 1)
			d := NewDirectives(f.c, Options{})
			require.NoError(t, d.Publish(within(t, 10*time.Second), order(3)))
			f.wire.then(script...)
			require.NoError(t, d.Publish(within(t, 10*time.Second), order(4)))
			require.Equal(t, []int64{4}, keysOf(t, NewDirectives(f.c, Options{}), "billing"))
		})
	}
}

// TestStaleWriter: an orchestrator that is late writes an older directive after
// a newer one, with any tool, and tombstones of keys that it knows. The newer
// one stays in force, for whoever reads all along and for whoever starts later,
// before and after compaction.
func TestStaleWriter(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	d := NewDirectives(f.c, Options{})
	tail := d.Watch([]int32{order(0).Key().Partition()})
	defer tail.Close()
	require.NoError(t, d.Publish(ctx, order(9)))
	old, err := events.EncodeDirective(order(5))
	require.NoError(t, err)
	part := order(0).Key().Partition()
	plant(t, f.c, events.TopicDirectives, part, batch.Record{Key: []byte(order(5).Key().String()), Value: old})
	plant(t, f.c, events.TopicDirectives, part, batch.Record{Key: []byte(order(4).Key().String())})
	require.EqualValues(t, 9, latest(t, d, "billing"))
	require.EqualValues(t, 9, latest(t, NewDirectives(f.c, Options{}), "billing"))
	f.Compact()
	require.EqualValues(t, 9, latest(t, NewDirectives(f.c, Options{}), "billing"))
	require.NoError(t, d.Publish(ctx, order(11)))
	require.Equal(t, []int64{11}, keysOf(t, NewDirectives(f.c, Options{}), "billing"), "the next one takes the stale one away")

	var seen []int64
	for len(seen) == 0 || seen[len(seen)-1] != 11 {
		records, _, err := tail.Next(ctx, time.Second)
		require.NoError(t, err)
		for _, r := range records {
			seen = append(seen, r.Directive.Position)
		}
	}
	require.Equal(t, []int64{9, 11}, seen, "who follows never sees the stale one")
}

// TestGarbageIsNotObeyed: what cannot be a directive, under a key of the
// addressee and with the highest position.
func TestGarbageIsNotObeyed(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	d := NewDirectives(f.c, Options{})
	require.NoError(t, d.Publish(ctx, order(9)))
	part := order(0).Key().Partition()
	other, err := events.EncodeDirective(order(10))
	require.NoError(t, err)
	plant(t, f.c, events.TopicDirectives, part,
		batch.Record{Key: []byte(order(50).Key().String()), Value: []byte("garbage")},
		batch.Record{Key: []byte(order(51).Key().String()), Value: other},
		batch.Record{Key: []byte("mark/x"), Value: []byte(`{"position":7}`)},
		batch.Record{Key: []byte("?"), Value: []byte("?")},
		batch.Record{Value: []byte("no key")})
	require.EqualValues(t, 9, latest(t, d, "billing"))
	tail := d.Watch(nil)
	defer tail.Close()
	records := drain(t, tail)
	require.Len(t, records, 6)
	refused := 0
	for _, r := range records {
		if r.Refusal != nil {
			refused++
			require.Nil(t, r.Directive)
			require.Nil(t, r.Mark)
		}
	}
	require.Equal(t, 5, refused)
	require.NoError(t, d.Publish(ctx, order(60)))
	require.Equal(t, []int64{60}, keysOf(t, d, "billing"), "the garbage is taken away with the older ones")
}

// drain reads a follower up to the end.
func drain[R any](t *testing.T, tail *Follower[R]) (all []R) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for {
		records, caughtUp, err := tail.Next(ctx, time.Second)
		require.NoError(t, err)
		all = append(all, records...)
		if caughtUp {
			return all
		}
	}
}

// TestPublishersRace: several orchestrators publish what they derived, in any
// order. The highest position is in force in the end, and the only key.
func TestPublishersRace(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	f := ready(t, 1)
	for range 40 {
		f.wire.then(line(random.IntN(3)))
	}
	ctx := within(t, 60*time.Second)
	const writers, each = 3, 10
	var wg sync.WaitGroup
	for w := range writers {
		order := random.Perm(each)
		wg.Go(func() {
			d := NewDirectives(f.c, Options{})
			for _, i := range order {
				if err := d.Publish(ctx, orderTo("billing", int64(i*writers+w))); err != nil && !errors.Is(err, ErrStale) {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	d := NewDirectives(f.c, Options{})
	require.EqualValues(t, writers*each-1, latest(t, d, "billing"))
	// A last publication takes away what two late writers may have left.
	require.NoError(t, d.Publish(ctx, order(1000)))
	require.Equal(t, []int64{1000}, keysOf(t, NewDirectives(f.c, Options{}), "billing"))
}

func TestMarks(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 10*time.Second)
	d := NewDirectives(f.c, Options{})
	part := order(0).Key().Partition()
	mark := func(d *Directives) int64 {
		_, _, mark, err := d.Latest(ctx, order(0).Key())
		require.NoError(t, err)
		return mark
	}
	require.EqualValues(t, -1, mark(d))
	require.NoError(t, d.PublishMark(ctx, part, 7))
	sent := f.wire.sent()
	require.NoError(t, d.PublishMark(ctx, part, 7))
	require.NoError(t, d.PublishMark(ctx, part, 3))
	require.Equal(t, sent, f.wire.sent(), "a mark never falls")
	require.EqualValues(t, 7, mark(NewDirectives(f.c, Options{})))
	plant(t, f.c, events.TopicDirectives, part, batch.Record{Key: []byte(events.MarkKey(part)), Value: []byte(`{"position":2}`)})
	require.EqualValues(t, 7, mark(d), "not by a late writer's either")
	require.ErrorContains(t, d.PublishMark(ctx, 16, 1), "want 0 to 15")
	require.ErrorContains(t, d.PublishMark(ctx, 0, -1), "want a number from 0")
}

func TestPublishIntoARecreatedTopic(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	d := NewDirectives(f.c, Options{})
	require.NoError(t, d.Publish(ctx, order(9)))
	recreate(t, f, events.TopicDirectives)
	require.Eventually(t, func() bool { return latest(t, d, "billing") == -1 }, 10*time.Second, identityEvery, "what was there is void")
	require.NoError(t, d.Publish(ctx, order(9)))
	require.EqualValues(t, 9, latest(t, NewDirectives(f.c, Options{}), "billing"))
}

func TestLatestWithoutTopic(t *testing.T) {
	f := start(t, 1)
	_, _, _, err := NewDirectives(f.c, Options{}).Latest(within(t, 10*time.Second), order(0).Key())
	require.ErrorIs(t, err, ErrMissing)
}
