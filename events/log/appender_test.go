package log

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAppendAndRead(t *testing.T) {
	f := ready(t, 1)
	a := NewAppender(f.c, AppenderOptions{})
	at, err := a.Append(within(t, 5*time.Second), event(t, "one"))
	require.NoError(t, err)
	require.EqualValues(t, 0, at)
	several, err := a.AppendAll(within(t, 5*time.Second), eventsOf(t, 3))
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3}, several)
	got := all(t, f.c, 0)
	require.Len(t, got, 4)
	require.Equal(t, "one", got[0].Event.ID)
	require.Nil(t, got[0].Refusal)
	require.Equal(t, "e-0002", got[3].Event.ID)
	require.EqualValues(t, 3, got[3].Position)
	require.WithinDuration(t, time.Now(), got[3].Time, time.Minute, "the time of the append, not the event's own")
}
