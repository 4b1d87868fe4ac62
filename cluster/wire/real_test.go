package wire_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestRealFetchSession: Apache Kafka keeps a session as FetchSession expects: it grants one, needs to be told changes only,
// serves in turn, and a session that it does not know costs one request.
func TestRealFetchSession(t *testing.T) {
	for _, version := range []string{realkafka.Oldest, realkafka.Target} {
		t.Run(version, func(t *testing.T) {
			k := realkafka.ForTest(t, realkafka.Options{Name: "sessions", Version: version})
			client, err := kgo.NewClient(kgo.SeedBrokers(k.Bootstrap(realkafka.Internal)...))
			require.NoError(t, err)
			defer client.Close()
			_, err = kadm.NewClient(client).CreateTopic(within(t), 20, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")}, "t") // the records are old
			require.NoError(t, err)
			w := connect(t, k.Bootstrap(realkafka.Internal)...)
			s := &conversation{t: t, w: w, FetchSession: wire.NewFetchSession[int32](), at: map[int32]int64{}, broker: int32(k.Brokers()[0])}
			for p := range int32(20) {
				s.set(p, 0)
			}
			s.eventuallyReady()
			s.incremental()
			s.serve()
			s.forgotten()
		})
	}
}

// conversation is a session with a broker; what is served is asked for no more.
type conversation struct {
	*wire.FetchSession[int32]
	t      *testing.T
	w      *wire.Transport
	broker int32
	at     map[int32]int64
}

func (c *conversation) set(p int32, offset int64) {
	c.Set("t", wire.FetchPartition{Partition: p, Offset: offset, MaxBytes: 100}, p)
	c.at[p] = offset
}

// exchange makes one request and returns what it said and what was served.
func (c *conversation) exchange(maxBytes int32) (*wire.Fetch, []wire.Served[int32], bool) {
	c.t.Helper()
	f := &wire.Fetch{MaxWait: 100 * time.Millisecond, MinBytes: 1, MaxBytes: maxBytes}
	c.Next(f)
	res, err := c.w.Fetch(within(c.t), c.broker, f)
	require.NoError(c.t, err)
	served, lost := c.Answered(res)
	for _, s := range served {
		require.Equal(c.t, s.Partition, s.Owner)
		require.Equal(c.t, c.at[s.Partition], s.From)
	}
	return f, served, lost
}

// eventuallyReady waits until every partition is answered without an error: right after the topic was created some are not.
func (c *conversation) eventuallyReady() {
	for ready := map[int32]bool{}; len(ready) < 20; {
		_, served, _ := c.exchange(1 << 20)
		for _, s := range served {
			if s.Code == 0 {
				ready[s.Partition] = true
			}
		}
	}
}

// incremental requires a session that says and hears nothing while nothing happens.
func (c *conversation) incremental() {
	for heard := 1; heard > 0; { // a partition that was in error is told once more
		f, served, _ := c.exchange(1 << 20)
		require.Positive(c.t, f.Session.Epoch, "the broker grants a session")
		require.Empty(c.t, f.Topics)
		heard = len(served)
	}
}

// serve reads three records of every partition in answers that have room for two partitions: the request names those that were
// served before, and everybody has a turn.
func (c *conversation) serve() {
	for range 3 {
		for p := range int32(20) {
			_, err := c.w.Produce(within(c.t), c.broker, produce(p, "v"))
			require.NoError(c.t, err)
		}
	}
	end, changed, calm := time.Now().Add(time.Minute), 0, true
	for left := 60; left > 0; {
		f, served, _ := c.exchange(250)
		if f.Session.Epoch > 0 {
			require.Equal(c.t, changed, named(f), "a request names what was served before")
			changed = 0
		}
		for _, s := range served {
			calm = calm && s.Code == 0 // a broker that has lost touch with its controller leads nothing for a while
			if len(s.Records) > 0 {
				left--
				changed++
				c.set(s.Partition, s.From+1)
			}
		}
		all := slices.Collect(maps.Values(c.at))
		require.True(c.t, !calm || slices.Max(all)-slices.Min(all) <= 2, "somebody is served twice before others once: %v", c.at)
		require.True(c.t, time.Now().Before(end), "in vain: everything is read, have %v", c.at)
	}
}

func named(f *wire.Fetch) (n int) {
	for _, topic := range f.Topics {
		n += len(topic.Partitions)
	}
	return n
}

// forgotten loses the session in both ways that a broker knows.
func (c *conversation) forgotten() {
	for _, f := range []*wire.Fetch{
		{Session: &wire.Session{}}, // a session of somebody else's, which is not ours
		{Session: &wire.Session{ID: 12345, Epoch: 7}},
	} {
		f.MinBytes, f.MaxBytes = 1, 1000
		_, err := c.w.Fetch(within(c.t), c.broker, f)
		require.NoError(c.t, err)
	}
	f, _, lost := c.exchange(1 << 20)
	require.False(c.t, lost)
	stolen := &wire.Fetch{MinBytes: 1, MaxBytes: 1000, Session: &wire.Session{ID: f.Session.ID, Epoch: f.Session.Epoch + 1}}
	_, err := c.w.Fetch(within(c.t), c.broker, stolen)
	require.NoError(c.t, err)
	_, _, lost = c.exchange(1 << 20)
	require.True(c.t, lost, "the epoch has moved on (71)")
	f, _, _ = c.exchange(1 << 20)
	require.Zero(c.t, f.Session.Epoch)
	require.NotZero(c.t, f.Session.ID, "closes the former session")
	f, _, _ = c.exchange(1 << 20)
	gone := &wire.Fetch{MinBytes: 1, MaxBytes: 1000, Session: &wire.Session{ID: f.Session.ID, Epoch: -1}}
	_, err = c.w.Fetch(within(c.t), c.broker, gone)
	require.NoError(c.t, err)
	_, _, lost = c.exchange(1 << 20)
	require.True(c.t, lost, "the session is closed (70)")
	f, _, _ = c.exchange(1 << 20)
	require.Equal(c.t, &wire.Session{}, f.Session)
}
