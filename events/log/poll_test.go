package log

import (
	"testing"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

func TestDecodeBatches(t *testing.T) {
	b, err := batch.Build(batch.Spec{}, []batch.Record{rec("a", "1"), rec("b", "2"), rec("c", "3")})
	require.NoError(t, err)
	records, next, err := decodeBatches(b, 1)
	require.NoError(t, err)
	require.EqualValues(t, 3, next)
	require.Len(t, records, 2, "a fetch may begin below the offset asked for")
	require.Equal(t, "b", string(records[0].Key))

	records, next, err = decodeBatches(append(append(batch.Batch{}, b...), b[:30]...), 0)
	require.NoError(t, err)
	require.Len(t, records, 3, "and end in a truncated batch")
	require.EqualValues(t, 3, next)

	_, next, err = decodeBatches(b[:30], 0)
	require.ErrorIs(t, err, batch.ErrCorrupt, "but not be nothing else")
	require.Zero(t, next)
	broken := append(batch.Batch{}, b...)
	broken[len(broken)-1] ^= 1
	_, _, err = decodeBatches(broken, 0)
	require.ErrorIs(t, err, batch.ErrCorrupt)

	records, next, err = decodeBatches(nil, 7)
	require.NoError(t, err)
	require.Empty(t, records)
	require.EqualValues(t, 7, next)
}

// TestWatchedMarks: only higher ones come.
func TestWatchedMarks(t *testing.T) {
	w := watched{directives: map[addressed]int64{}, marks: map[int32]int64{}}
	come := func(partition int32, value string) bool {
		r, keep := w.fold(partition, cluster.Record{Key: []byte(events.MarkKey(partition)), Value: []byte(value)})
		require.NoError(t, r.Refusal)
		require.Equal(t, keep, r.Mark != nil)
		return keep
	}
	require.True(t, come(3, `{"position":0}`))
	require.True(t, come(3, `{"position":5}`))
	require.False(t, come(3, `{"position":5}`))
	require.False(t, come(3, `{"position":4}`))
	require.True(t, come(4, `{"position":4}`))
	r, keep := w.fold(3, cluster.Record{Key: []byte(events.MarkKey(3)), Value: []byte(`{}`)})
	require.True(t, keep)
	require.ErrorContains(t, r.Refusal, "field position: is required")
}

// TestWatchedDirectives: the same position may come again (with another
// content it is the newer word on the same event), a lower one never.
func TestWatchedDirectives(t *testing.T) {
	w := watched{directives: map[addressed]int64{}, marks: map[int32]int64{}}
	come := func(d events.Directive) bool {
		value, err := events.EncodeDirective(d)
		require.NoError(t, err)
		_, keep := w.fold(0, cluster.Record{Key: []byte(d.Key().String()), Value: value})
		return keep
	}
	require.True(t, come(order(5)))
	require.True(t, come(order(5)))
	require.False(t, come(order(4)))
	require.True(t, come(orderTo("shipping", 1)), "another addressee")
	other := order(2)
	other.SourceCluster = "other-id"
	require.True(t, come(other), "another source cluster")
	require.True(t, come(order(6)))
	_, keep := w.fold(0, cluster.Record{Key: []byte(order(5).Key().String())})
	require.False(t, keep, "an older one was removed")
}
