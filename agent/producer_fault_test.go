package agent

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// failing lets the source answer the next sends with errors, one after the other.
func (p *plant) failing(errs ...*kerr.Error) {
	for _, err := range errs {
		p.pair.Source.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err})
	}
}

// answers collects what became of records.
type answers struct {
	mu   sync.Mutex
	errs []error
	done chan struct{}
	want int
}

func newAnswers(n int) *answers { return &answers{done: make(chan struct{}), want: n} }

func (a *answers) add(_ Ack, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.errs = append(a.errs, err); len(a.errs) == a.want {
		close(a.done)
	}
}

// all waits until every record is answered.
func (a *answers) all(t *testing.T) []error {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(20 * time.Second):
		t.Fatal("not all records are answered")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.errs
}

func ready(t *testing.T, p *Producer) {
	t.Helper()
	select {
	case <-p.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the producer does not get ready")
	}
}

func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// A broker that has lost track of a sequence refuses a record that can be sent again, under another identity.
func TestProducerForgotten(t *testing.T) {
	p := newPlant(t)
	producer := p.producer()
	zero := int32(0)
	message := Message{Partition: &zero, Value: []byte("v")}
	for _, err := range []*kerr.Error{kerr.UnknownProducerID, kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch} {
		_, sent := producer.Send(t.Context(), message)
		require.NoError(t, sent)
		p.failing(err)
		_, sent = producer.Send(t.Context(), message)
		require.NoError(t, sent, err.Message)
	}
	p.failing(kerr.UnknownProducerID, kerr.UnknownProducerID)
	_, sent := producer.Send(t.Context(), message)
	require.ErrorIs(t, sent, kerr.UnknownProducerID, "a new identity did not help")
	send(t, producer, 1)
	require.Equal(t, 7, p.count(p.pair.Source, "orders"))
}

// A record that was stored without an acknowledgement and then refused is not known to be there or not, and the next ones are
// written once all the same.
func TestProducerDoubt(t *testing.T) {
	p := newPlant(t)
	producer := p.producer()
	send(t, producer, 1)
	p.failing(kerr.RequestTimedOut, kerr.TopicAuthorizationFailed)
	_, err := producer.Send(t.Context(), Message{Key: []byte("k"), Value: []byte("doubtful")})
	require.ErrorIs(t, err, ErrUnanswered)
	require.ErrorIs(t, err, kerr.TopicAuthorizationFailed)
	send(t, producer, 10)
	require.Equal(t, 12, p.count(p.pair.Source, "orders"))
}

// While the source is away a sender may give up waiting, and the record is still written once the source is back.
func TestProducerGivesUpWaiting(t *testing.T) {
	p := newPlant(t)
	cfg := p.config()
	cfg.BatchBytes, cfg.BufferBytes = 100, 150
	producer := p.start(cfg)
	ready(t, producer)
	p.pair.Source.Cut()
	_, err := producer.Send(shortly(t), Message{Value: make([]byte, 100)})
	require.ErrorIs(t, err, ErrUnanswered)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	err = producer.SendAsync(shortly(t), Message{Value: make([]byte, 100)}, nil)
	require.ErrorContains(t, err, "no room")
	require.ErrorIs(t, producer.Flush(shortly(t)), context.DeadlineExceeded)
	p.pair.Source.Heal()
	require.NoError(t, producer.Flush(t.Context()))
	require.Equal(t, 1, p.count(p.pair.Source, "orders"))
}

// A producer that is closed while the source is away answers everything, what was sent and what waited behind it, and a second
// Close waits for the first.
func TestProducerClosedUnanswered(t *testing.T) {
	p := newPlant(t)
	cfg := p.config()
	cfg.BatchBytes = 100
	producer := p.start(cfg)
	ready(t, producer)
	p.pair.Source.Cut()
	zero, got := int32(0), newAnswers(5)
	for range 5 {
		require.NoError(t, producer.SendAsync(t.Context(), Message{Partition: &zero, Value: make([]byte, 80)}, got.add))
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() { first <- producer.Close(ctx) }()
	require.Eventually(t, func() bool {
		producer.mu.Lock()
		defer producer.mu.Unlock()
		return producer.closed
	}, 10*time.Second, time.Millisecond)
	require.ErrorIs(t, producer.Close(shortly(t)), context.DeadlineExceeded, "the first Close is not done")
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	require.NoError(t, producer.Close(t.Context()))
	for _, err := range got.all(t) {
		require.ErrorIs(t, err, ErrUnanswered)
	}
}

// An observer hears of the route and of every batch, and the producer tells who and where it is.
func TestProducerObserver(t *testing.T) {
	p := newPlant(t)
	type batch struct {
		partition         int32
		records, attempts int
		err               error
	}
	routed, sent := make(chan [2]string, 1), make(chan batch, 10)
	producer := p.producer(WithProducerObserver(ProducerObserver{
		Routed: func(cluster, topic string) { routed <- [2]string{cluster, topic} },
		Sent: func(partition int32, records, attempts int, _ time.Duration, err error) {
			sent <- batch{partition, records, attempts, err}
		},
	}))
	ready(t, producer)
	require.Equal(t, [2]string{"source", "orders"}, <-routed)
	on, topic := producer.Route()
	require.Equal(t, [2]string{"source", "orders"}, [2]string{on, topic})
	require.Regexp(t, "^web-0-[0-9a-f]{16}$", producer.Incarnation())
	two := int32(2)
	p.failing(kerr.RequestTimedOut)
	_, err := producer.Send(t.Context(), Message{Partition: &two})
	require.NoError(t, err)
	require.Equal(t, batch{2, 1, 2, nil}, <-sent)
}

// A topic that is missing at home is waited for: nothing is created by a producer.
func TestProducerWaitsForItsTopic(t *testing.T) {
	p := newPlant(t)
	cfg := p.config()
	cfg.Topic = "later"
	warnings := make(chan string, 100)
	producer := p.start(cfg, WithLogger(hearing(warnings)))
	require.Contains(t, <-warnings, "topic later is not on source: create it")
	require.NoError(t, p.pair.Source.CreateTopic(embedded.Topic{Name: "later", Partitions: 1}))
	require.EqualValues(t, 0, send(t, producer, 1)[0].Offset)
}

// A starter with the target as its route needs the source for its barrier, and waits for it; once the switch is over it does not.
func TestProducerSourceAway(t *testing.T) {
	for _, k := range []struct {
		phase events.Phase
		heal  bool
	}{{events.PhaseRolling, true}, {events.PhaseOnTarget, false}} {
		t.Run(string(k.phase), func(t *testing.T) {
			p := newPlant(t)
			p.copied()
			p.publish(0, k.phase, events.RouteTarget)
			p.pair.Source.Cut()
			cfg := p.config()
			cfg.HomeID = p.pair.Source.ID()
			warnings := make(chan string, 100)
			producer := p.start(cfg, WithLogger(hearing(warnings)))
			if k.heal {
				require.Contains(t, <-warnings, "find where to write orders")
				p.pair.Source.Heal()
			}
			require.Equal(t, "target", send(t, producer, 1)[0].Cluster)
			require.Equal(t, []string{"ProducerSeen", "ProducerRouted"}, p.events(), "registered once, however often it looked")
		})
	}
}

// A batch that is refused is taken apart: what was wrong with it may be one record, and the order stays.
func TestProducerTakesABatchApart(t *testing.T) {
	t.Parallel() // it lingers for a while
	p := newPlant(t)
	cfg := p.config()
	cfg.Linger = time.Second
	sizes := make(chan int, 10)
	producer := p.start(cfg, WithProducerObserver(ProducerObserver{Sent: func(_ int32, records, _ int, _ time.Duration, _ error) { sizes <- records }}))
	ready(t, producer)
	p.failing(kerr.MessageTooLarge)
	zero, acks, errs := int32(0), make(chan Ack, 3), make(chan error, 3)
	for range 3 {
		require.NoError(t, producer.SendAsync(t.Context(), Message{Partition: &zero, Value: []byte("v")}, func(a Ack, err error) {
			acks <- a
			errs <- err
		}))
	}
	require.NoError(t, producer.Flush(t.Context()))
	for want := range int64(3) {
		require.NoError(t, <-errs)
		require.Equal(t, want, (<-acks).Offset)
	}
	require.Equal(t, []int{3, 1, 1, 1}, []int{<-sizes, <-sizes, <-sizes, <-sizes})
}

// A configuration is checked before anything is connected.
func TestProducerConfigIsChecked(t *testing.T) {
	p := newPlant(t)
	for want, spoil := range map[string]func(*ProducerConfig){
		`fields Topic "" and Instance "web-0"`:  func(c *ProducerConfig) { c.Topic = "" },
		"field MetadataMaxAge is -1ns":          func(c *ProducerConfig) { c.MetadataMaxAge = -1 },
		"fields Linger -1ns":                    func(c *ProducerConfig) { c.Linger = -1 },
		"BatchBytes 65536 and BufferBytes 1000": func(c *ProducerConfig) { c.BufferBytes = 1000 },
	} {
		cfg := p.config()
		spoil(&cfg)
		_, err := NewProducer(cfg)
		require.ErrorContains(t, err, want)
	}
}
