package log

import (
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

// order is a directive to the group billing, derived from an event.
func order(position int64) events.Directive {
	return events.Directive{
		SourceCluster: "src-id", Addressee: events.ToGroup("billing"), Position: position, Migration: "move",
		Stream: events.GroupStream("billing"), Version: uint64(position), Phase: events.PhaseOnSource, AtLeast: "0.1",
		Group: &events.GroupOrder{Order: events.OrderSource, Source: "source", Target: "target"},
	}
}

func TestPublishAndLatest(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 10*time.Second)
	d := NewDirectives(f.c, Options{})
	_, found, mark, err := d.Latest(ctx, order(0).Key())
	require.NoError(t, err)
	require.False(t, found)
	require.EqualValues(t, -1, mark)
	require.NoError(t, d.Publish(ctx, order(4)))
	require.NoError(t, d.Publish(ctx, order(4)))
	require.NoError(t, d.Publish(ctx, order(9)))
	require.ErrorIs(t, d.Publish(ctx, order(4)), ErrStale)
	require.NoError(t, d.PublishMark(ctx, order(0).Key().Partition(), 9))
	got, found, mark, err := NewDirectives(f.c, Options{}).Latest(ctx, order(0).Key())
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, order(9), got)
	require.EqualValues(t, 9, mark)

	tail := d.Watch(nil)
	defer tail.Close()
	var seen []DirectiveRecord
	for caughtUp := false; !caughtUp; {
		var records []DirectiveRecord
		records, caughtUp, err = tail.Next(ctx, time.Second)
		require.NoError(t, err)
		seen = append(seen, records...)
	}
	require.Len(t, seen, 3, "positions 4, 9 and the mark")
}
