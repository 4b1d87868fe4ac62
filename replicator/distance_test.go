package replicator

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestDistance: the shortest round trip of the last seconds counts.
func TestDistance(t *testing.T) {
	var d distance
	require.Zero(t, d.trip())
	ms := time.Millisecond
	for _, step := range []struct{ at, took, want time.Duration }{
		{1 * ms, 30 * ms, 30 * ms},
		{2 * ms, 20 * ms, 20 * ms},
		{3 * ms, 90 * ms, 20 * ms},
		{distancePeriod + 2*ms, 50 * ms, 20 * ms},
		{2*distancePeriod + 3*ms, 60 * ms, 50 * ms},
		{3*distancePeriod + 4*ms, 70 * ms, 60 * ms},
		{3*distancePeriod + 5*ms, 2 * ms, 2 * ms},
	} {
		d.observe(step.at, step.took, 0)
		require.Equal(t, step.want, d.trip(), "%+v", step)
	}
}

// TestLargeRequestsAreNotFar: a request of many bytes takes its time next door, too.
func TestLargeRequestsAreNotFar(t *testing.T) {
	var d distance
	d.observe(1, 60*time.Millisecond, 1<<20)
	require.Equal(t, 40*time.Millisecond, d.trip())
	d.observe(2, 60*time.Millisecond, 10<<20)
	require.EqualValues(t, 1, d.trip(), "but there was one")
}

// TestMergingOverADistance: the farther the target, the larger the batches.
func TestMergingOverADistance(t *testing.T) {
	for trip, want := range map[time.Duration][2]int{
		0:                     {4 << 10, 64 << 10},
		9 * time.Millisecond:  {4 << 10, 64 << 10},
		10 * time.Millisecond: {209715, 209715},
		time.Minute:           {960 << 10, 960 << 10},
	} {
		d := distance{present: trip}
		below, upTo := d.merging(4<<10, 64<<10)
		require.Equal(t, want, [2]int{below, upTo}, trip)
	}
	d := distance{present: 10 * time.Millisecond}
	below, upTo := d.merging(1<<20, 2<<20)
	require.Equal(t, [2]int{1 << 20, 2 << 20}, [2]int{below, upTo}, "what was configured is the least")
}

// slowConn is a connection on which everything written arrives later.
type slowConn struct {
	net.Conn
	delay time.Duration
	queue chan slowBytes
	done  chan struct{}
	once  sync.Once
}

type slowBytes struct {
	at time.Time
	b  []byte
}

func slowDial(delay time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s := &slowConn{Conn: c, delay: delay, queue: make(chan slowBytes, 1000), done: make(chan struct{})}
		go s.deliver()
		return s, nil
	}
}

func (s *slowConn) deliver() {
	for {
		select {
		case x := <-s.queue:
			time.Sleep(time.Until(x.at))
			if _, err := s.Conn.Write(x.b); err != nil {
				return
			}
		case <-s.done:
			return
		}
	}
}

func (s *slowConn) Write(b []byte) (int, error) {
	select {
	case s.queue <- slowBytes{time.Now().Add(s.delay), append([]byte(nil), b...)}:
		return len(b), nil
	case <-s.done:
		return 0, net.ErrClosed
	}
}

func (s *slowConn) Close() error {
	s.once.Do(func() { close(s.done) })
	return s.Conn.Close()
}

// TestFarTarget: over a distance the batches of a partition travel together, and
// what arrives is the same.
func TestFarTarget(t *testing.T) {
	e, _ := onKfake(t, embedded.Options{})
	o := e.topic("orders", 1, nil)
	fill(t, e.sourceAddr, o, 0, 4000, kgo.ProducerBatchMaxBytes(16<<10), kgo.ProducerBatchCompression(kgo.NoCompression()))
	far, err := cluster.Open(e.within(time.Minute), "target", cluster.Config{Bootstrap: e.targetAddr, Dial: slowDial(20 * time.Millisecond)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = far.Close() })
	e.publish(o)
	e.start(func(c *Config) {
		c.MergeBelow = 1
		clusters := c.Clusters
		c.Clusters = func(ctx context.Context, name string) (*cluster.Client, error) {
			if name == "target" {
				return far, nil
			}
			return clusters(ctx, name)
		}
	})
	e.copied(o)
	e.same(o)
	written, arrived := e.batches(e.source, o.Topic, 0), e.batches(e.target, o.TargetTopic, 0)
	require.Less(t, len(arrived), len(written)/3)
}
