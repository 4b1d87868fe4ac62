package wire_test

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start returns an embedded cluster and a transport to it; both end with the test.
func start(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *wire.Transport) {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(4, "t")}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	w := connect(t, k.ListenAddrs()...)
	return k, w
}

func connect(t *testing.T, bootstrap ...string) *wire.Transport {
	w := wire.NewTransport(config(bootstrap...))
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

func config(bootstrap ...string) wire.Config {
	return wire.Config{
		Bootstrap: bootstrap, ClientID: "test", Dial: (&net.Dialer{}).DialContext,
		DialTimeout: 5 * time.Second, IdleTimeout: time.Minute, Refresh: time.Minute,
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func produce(partition int32, values ...string) *wire.Produce {
	records := make([]batch.Record, len(values))
	for i, v := range values {
		records[i] = batch.Record{Timestamp: 1000, Value: []byte(v)}
	}
	b, err := batch.Build(batch.Spec{}, records)
	if err != nil {
		panic(err)
	}
	return &wire.Produce{Acks: -1, Timeout: 5 * time.Second, Topics: []wire.ProduceTopic{{"t", []wire.ProducePartition{{partition, b}}}}}
}

func fetch(wait time.Duration, partition int32, offset int64) *wire.Fetch {
	return &wire.Fetch{MaxWait: wait, MinBytes: 1, MaxBytes: 1 << 20, Topics: []wire.FetchTopic{{"t", []wire.FetchPartition{{partition, offset, 1 << 20}}}}}
}

// limited makes a broker of an older version as far as Produce and Fetch go.
func limited(produce, fetch int16) kfake.Opt {
	v := kversion.Stable()
	v.SetMaxKeyVersion(0, produce)
	v.SetMaxKeyVersion(1, fetch)
	return kfake.MaxVersions(v)
}

func TestProduceAndFetchAtEveryVersion(t *testing.T) {
	for v := int16(4); v <= 11; v++ {
		_, w := start(t, limited(max(3, v-3), v))
		ctx := within(t)
		res, err := w.Produce(ctx, 0, produce(1, "a", "b"))
		require.NoError(t, err, "version %d", v)
		require.Equal(t, []wire.ProducedPartition{{Topic: "t", Partition: 1, Base: 0, AppendTime: -1, LogStart: logStart(max(3, v-3) >= 5)}}, res.Partitions, "version %d", v)
		got, err := w.Fetch(ctx, 0, fetch(0, 1, 0))
		require.NoError(t, err, "version %d", v)
		require.Len(t, got.Partitions, 1)
		p := got.Partitions[0]
		require.Zero(t, p.Code)
		require.EqualValues(t, 2, p.HighWatermark)
		b, _ := batch.Split(p.Records)
		records, err := b.Records()
		require.NoError(t, err)
		require.Equal(t, "b", string(records[1].Value), "version %d", v)
	}
}

func logStart(known bool) int64 {
	if known {
		return 0
	}
	return -1
}

func TestTooOldForRawBatches(t *testing.T) {
	_, w := start(t, limited(2, 3))
	_, err := w.Produce(within(t), 0, produce(0, "a"))
	var v *wire.VersionError
	require.ErrorAs(t, err, &v)
	_, err = w.Fetch(within(t), 0, fetch(0, 0, 0))
	require.ErrorAs(t, err, &v)
	require.Equal(t, 1, dataConnections(t, w), "a version error does not cost the connection")
}

// dataConnections waits until only pooled connections are left and counts those beyond the metadata connection.
func dataConnections(t *testing.T, w *wire.Transport) int {
	t.Helper()
	return w.Connections() - 1
}

func TestManyPartitionsInOneRequest(t *testing.T) {
	_, w := start(t)
	ctx := within(t)
	p := &wire.Produce{Acks: -1, Timeout: time.Second, Topics: []wire.ProduceTopic{{Topic: "t"}, {Topic: "missing"}}}
	for i := range int32(4) {
		p.Topics[0].Partitions = append(p.Topics[0].Partitions, produce(i, "x", strings.Repeat("y", 50_000)).Topics[0].Partitions...)
	}
	p.Topics[1].Partitions = p.Topics[0].Partitions[:1]
	res, err := w.Produce(ctx, 0, p)
	require.NoError(t, err)
	codes := map[string]int{}
	for _, part := range res.Partitions {
		if part.Code != 0 {
			codes[part.Topic]++
		}
	}
	require.Equal(t, map[string]int{"missing": 1}, codes, "only the unknown topic is refused")
	f := fetch(0, 0, 0)
	for i := int32(1); i < 4; i++ {
		f.Topics[0].Partitions = append(f.Topics[0].Partitions, wire.FetchPartition{Partition: i, MaxBytes: 1 << 20})
	}
	got, err := w.Fetch(ctx, 0, f)
	require.NoError(t, err)
	require.Len(t, got.Partitions, 4)
	for _, part := range got.Partitions {
		require.EqualValues(t, 2, part.HighWatermark)
	}
	f.Buf = got.Buffer()
	again, err := w.Fetch(ctx, 0, f)
	require.NoError(t, err)
	require.Same(t, &got.Buffer()[0], &again.Buffer()[0], "the buffer is used again")
}

func TestFetchSession(t *testing.T) {
	_, w := start(t)
	ctx := within(t)
	f := fetch(0, 0, 0)
	f.Session = &wire.Session{ID: 0, Epoch: 0}
	first, err := w.Fetch(ctx, 0, f)
	require.NoError(t, err)
	require.NotZero(t, first.SessionID)
	require.Len(t, first.Partitions, 1)

	next := &wire.Fetch{MinBytes: 1, MaxBytes: 1 << 20, Session: &wire.Session{ID: first.SessionID, Epoch: 1}}
	idle, err := w.Fetch(ctx, 0, next)
	require.NoError(t, err)
	require.Zero(t, idle.Code)
	require.Empty(t, idle.Partitions, "nothing changed")

	_, err = w.Produce(ctx, 0, produce(0, "new"))
	require.NoError(t, err)
	next.Session.Epoch = 2
	changed, err := w.Fetch(ctx, 0, next)
	require.NoError(t, err)
	require.Len(t, changed.Partitions, 1)

	next.Session.Epoch, next.Forget = 3, []wire.ForgetTopic{{"t", []int32{0}}}
	forgotten, err := w.Fetch(ctx, 0, next)
	require.NoError(t, err)
	require.Empty(t, forgotten.Partitions)
	next.Session.Epoch = 9
	wrong, err := w.Fetch(ctx, 0, next)
	require.NoError(t, err)
	require.EqualValues(t, 71, wrong.Code, "INVALID_FETCH_SESSION_EPOCH")
}

func TestAnyAtTheHighestCommonVersion(t *testing.T) {
	v := kversion.Stable()
	v.SetMaxKeyVersion(3, 9)
	_, w := start(t, kfake.MaxVersions(v))
	ctx := within(t)
	resp, err := w.Any(ctx, -1, kmsg.NewPtrMetadataRequest(), wire.AnyVersion())
	require.NoError(t, err)
	require.EqualValues(t, 9, resp.GetVersion(), "flexible, the broker's limit")
	resp, err = w.Any(ctx, -1, kmsg.NewPtrMetadataRequest(), wire.Exactly(1))
	require.NoError(t, err)
	require.EqualValues(t, 1, resp.GetVersion())
	_, err = w.Any(ctx, -1, kmsg.NewPtrMetadataRequest(), wire.Exactly(12))
	var missing *wire.VersionError
	require.ErrorAs(t, err, &missing)
	_, err = w.Any(ctx, -1, kmsg.NewPtrVoteRequest(), wire.AnyVersion())
	require.ErrorAs(t, err, &missing, "an API that brokers do not offer")
	require.False(t, missing.Offered)

	offers, err := w.Versions(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, wire.Range{Min: 0, Max: 9}, offers[3])
	ask := kmsg.NewPtrApiVersionsRequest()
	ask.ClientSoftwareName, ask.ClientSoftwareVersion = "portage", "1"
	resp, err = w.Any(ctx, 0, ask, wire.AnyVersion())
	require.NoError(t, err, "a flexible ApiVersions response has a header without tags")
	require.Empty(t, resp.(*kmsg.ApiVersionsResponse).ErrorCode)
}

func TestLongPollsDoNotDelayOthers(t *testing.T) {
	_, w := start(t)
	ctx := within(t)
	var polls sync.WaitGroup
	var ended atomic.Int32
	for i := range int32(4) {
		polls.Add(1)
		go func() {
			defer polls.Done()
			_, err := w.Fetch(ctx, 0, fetch(15*time.Second, i, 0))
			ended.Add(1)
			assert.NoError(t, err)
		}()
	}
	require.Eventually(t, func() bool { return w.Connections() >= 5 }, 5*time.Second, time.Millisecond, "each poll has a connection")
	for range 20 {
		_, err := w.Any(ctx, 0, kmsg.NewPtrMetadataRequest(), wire.AnyVersion())
		require.NoError(t, err)
	}
	require.Zero(t, ended.Load(), "nothing has waited for a poll")
	for i := range int32(4) { // end the polls
		_, err := w.Produce(ctx, 0, produce(i, "x"))
		require.NoError(t, err)
	}
	polls.Wait()
}

func TestCancelledCallLeavesNothingBehind(t *testing.T) {
	_, w := start(t)
	ctx, cancel := context.WithCancel(within(t))
	f := fetch(15*time.Second, 0, 0)
	f.Buf = make([]byte, 1<<10)
	failed := make(chan error)
	go func() {
		_, err := w.Fetch(ctx, 0, f)
		failed <- err
	}()
	require.Eventually(t, func() bool { return w.Connections() >= 2 }, 5*time.Second, time.Millisecond)
	cancel()
	err := <-failed
	require.ErrorIs(t, err, context.Canceled)
	clear(f.Buf) // under -race: nobody writes to it any more
	_, err = w.Any(within(t), 0, kmsg.NewPtrMetadataRequest(), wire.AnyVersion())
	require.NoError(t, err)
}

func TestDeadlineIsKept(t *testing.T) {
	_, w := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := w.Fetch(ctx, 0, fetch(15*time.Second, 0, 0))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begin), 5*time.Second)
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	_, w := start(t)
	failed := make(chan error)
	go func() {
		_, err := w.Fetch(within(t), 0, fetch(15*time.Second, 0, 0))
		failed <- err
	}()
	require.Eventually(t, func() bool { return w.Connections() >= 2 }, 5*time.Second, time.Millisecond)
	require.NoError(t, w.Close())
	require.Error(t, <-failed)
	require.Zero(t, w.Connections())
	_, err := w.Versions(within(t), -1)
	require.ErrorIs(t, err, wire.ErrClosed)
	require.NoError(t, w.Close(), "closing twice is fine")
}

func TestUnknownBroker(t *testing.T) {
	k, w := start(t)
	ctx := within(t)
	_, err := w.Versions(ctx, 0)
	require.NoError(t, err)
	_, err = w.Versions(ctx, 7)
	require.ErrorIs(t, err, wire.ErrUnknownBroker)
	id, _, err := k.AddNode(7, 0)
	require.NoError(t, err)
	_, err = w.Versions(ctx, id)
	require.NoError(t, err, "a broker that has just joined is found at once")
}

func TestDeadPooledConnectionsAreReplaced(t *testing.T) {
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("needs a unix")
	}
	var mu sync.Mutex
	var served []net.Conn
	listen := kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		return &tap{Listener: l, seen: func(c net.Conn) {
			mu.Lock()
			defer mu.Unlock()
			served = append(served, c)
		}}, err
	})
	_, w := start(t, listen)
	ctx := within(t)
	_, err := w.Produce(ctx, 0, produce(0, "a"))
	require.NoError(t, err)
	mu.Lock()
	for _, c := range served {
		require.NoError(t, c.Close()) // as a broker that stops
	}
	mu.Unlock()
	time.Sleep(20 * time.Millisecond) // let the FIN arrive
	res, err := w.Produce(ctx, 0, produce(0, "b"))
	require.NoError(t, err, "nothing was sent on the dead connection")
	require.EqualValues(t, 1, res.Partitions[0].Base)
}

type tap struct {
	net.Listener
	seen func(net.Conn)
}

func (l *tap) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.seen(c)
	}
	return c, err
}

// kafka-go would ask for every topic of the cluster every few seconds.
func TestBrokerListCostsNoTopics(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "t"))
	require.NoError(t, err)
	defer k.Close()
	var asked, topics atomic.Int32
	k.ControlKey(3, func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked.Add(1)
		if m := req.(*kmsg.MetadataRequest); m.Topics == nil || len(m.Topics) > 0 {
			topics.Add(1)
		}
		return nil, nil, false
	})
	cfg := config(k.ListenAddrs()...)
	cfg.Refresh = 10 * time.Millisecond
	w := wire.NewTransport(cfg)
	_, err = w.Versions(within(t), 0)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return asked.Load() > 5 }, 5*time.Second, time.Millisecond)
	require.Zero(t, topics.Load())
	require.NoError(t, w.Close())
}

func TestConnectOnce(t *testing.T) {
	k, w := start(t)
	require.NoError(t, w.Connect(within(t)))
	require.Equal(t, 1, w.Connections())
	require.NoError(t, w.Connect(within(t)))
	require.Equal(t, 1, w.Connections(), "the one that was not used is closed")
	_, err := w.Versions(within(t), -1)
	require.NoError(t, err)
	unused := connect(t, k.ListenAddrs()...)
	require.NoError(t, unused.Connect(within(t)))
	require.NoError(t, unused.Close())
	require.Zero(t, unused.Connections())
	require.ErrorIs(t, unused.Connect(within(t)), wire.ErrClosed)
}

// One bootstrap address that swallows packets must not use up the time of the others.
func TestSilentBootstrapAddress(t *testing.T) {
	k, _ := start(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	cfg := config(append(k.ListenAddrs(), silent.Addr().String())...)
	cfg.DialTimeout = 400 * time.Millisecond
	for range 4 {
		w := wire.NewTransport(cfg)
		require.NoError(t, w.Connect(within(t)))
		require.NoError(t, w.Close())
	}
	cfg.Bootstrap = []string{silent.Addr().String(), "127.0.0.1:1"}
	w := wire.NewTransport(cfg)
	err = w.Connect(within(t))
	var seeds *wire.SeedError
	require.ErrorAs(t, err, &seeds)
	require.ErrorContains(t, err, "127.0.0.1:1")
	require.ErrorContains(t, err, silent.Addr().String())
	require.NoError(t, w.Close())
}

func TestUnreachableBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, err = connect(t, address).Versions(within(t), -1)
	var dial *wire.DialError
	require.ErrorAs(t, err, &dial)
	require.Equal(t, address, dial.Address)
	require.Equal(t, "connect", dial.Stage)
}

// A listener that answers with something else must end in an error that names it, not in a huge allocation.
func TestForeignListeners(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n":                                         "HTTP",
		"\x15\x03\x03\x00\x02\x02\x46":                                             "it wants TLS",
		"\x00\x00\x00\x0e\x00\x00\x00\x01\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00": "malformed",
		"": "closed the connection",
		"\x00\x00\x00\x0e\x00\x00\x00\x01\x00\x00": "closed the connection",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte(answer))
				_, _ = c.Read(make([]byte, 1024))
				_ = c.Close()
			}
		}()
		_, err = connect(t, l.Addr().String()).Versions(within(t), -1)
		require.ErrorContains(t, err, want)
		require.NoError(t, l.Close())
		<-done
	}
}
