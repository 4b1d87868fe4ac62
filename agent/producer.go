package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/portage-kafka/portage/agent/internal/produce"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// Producer writes one topic, idempotently: an acknowledged record stands in the log once, and the records of a partition in
// the order in which they were sent.
//
// Which cluster it writes to is found at the start and holds for the life of the process: the topic's directive, moved on by
// the decisions accepted before the producer's own registration. A producer that starts on the target first waits until the
// copy has passed what the source had when it registered, so that nothing it writes overtakes what was written before it.
// Until then sends wait. A migration moves producers by restarting them, one after the other, in any order.
//
// Partitions that are added to the topic are written to within MetadataMaxAge, as Kafka's producers do; keys are spread anew then.
// While its producers are being moved those of the source stay with the partitions that are copied.
//
// An unanswered record is repeated under the same sequence number until it is answered or the producer is closed. It is never
// sent to another cluster. All methods may be called from several goroutines at once.
type Producer struct {
	cfg         ProducerConfig
	opt         producerOptions
	codec       batch.Codec
	clusters    *clusters
	control     *control
	incarnation string
	room        *semaphore.Weighted

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	ready  chan struct{}
	settle context.CancelFunc // ends finding the route and meeting migrations
	found  chan struct{}      // closed when that has ended
	gone   chan struct{}      // closed when Close has ended

	mu       sync.Mutex
	closed   bool
	pending  int           // records without an answer
	idle     chan struct{} // closed when pending falls to 0
	route    route
	lanes    []*sender
	keys     *produce.Partitioner
	joined   map[string]int64 // migrations that know of this producer, and where it registered; −1: perhaps
	identity produce.Producer
	order    events.Directive // the topic's, the latest heard of
}

// route is where a producer writes, for its life.
type route struct {
	side, cluster, topic string
	client               *cluster.Client
}

// NewProducer checks the configuration and starts to find the cluster to write to; Ready tells when it is found. Close it.
func NewProducer(cfg ProducerConfig, opts ...ProducerOption) (*Producer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("producer configuration: %w", err)
	}
	p := &Producer{cfg: cfg, incarnation: newIncarnation(cfg.Instance), ready: make(chan struct{}), joined: make(map[string]int64)}
	for _, o := range opts {
		o.forProducer(&p.opt)
	}
	p.codec, _ = codecOf(cfg.Codec)
	p.room = semaphore.NewWeighted(int64(cfg.BufferBytes))
	p.idle = make(chan struct{})
	close(p.idle)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.clusters = newClusters(cfg.Clusters, p.opt.log)
	p.control = &control{clusters: p.clusters, name: cfg.Control, log: p.opt.log}
	ctx, settle := context.WithCancel(p.ctx)
	p.settle, p.found, p.gone = settle, make(chan struct{}), make(chan struct{})
	p.work.Go(func() {
		defer close(p.found)
		p.begin(ctx)
	})
	return p, nil
}

// Ready is closed once the producer knows where to write and may.
func (p *Producer) Ready() <-chan struct{} { return p.ready }

// Incarnation names this process in events.
func (p *Producer) Incarnation() string { return p.incarnation }

// Route is the cluster that is written to and the topic's name there; empty until Ready.
func (p *Producer) Route() (cluster, topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.route.cluster, p.route.topic
}

// Send writes a record and waits for its acknowledgement. When ctx ends first, the record may still be written: the error
// is ErrUnanswered as well.
func (p *Producer) Send(ctx context.Context, m Message) (Ack, error) {
	type answer struct {
		ack Ack
		err error
	}
	done := make(chan answer, 1)
	if err := p.SendAsync(ctx, m, func(a Ack, err error) { done <- answer{a, err} }); err != nil {
		return Ack{}, err
	}
	select {
	case a := <-done:
		return a.ack, a.err
	case <-ctx.Done():
		return Ack{}, errors.Join(ErrUnanswered, ctx.Err())
	}
}

// SendAsync hands a record over and returns; done is called once, from another goroutine, and must not block. It waits for
// the producer to be ready and for room among the buffered records, as long as ctx allows. On an error nothing was handed
// over and done is not called.
func (p *Producer) SendAsync(ctx context.Context, m Message, done func(Ack, error)) error {
	select {
	case <-p.ready:
	case <-ctx.Done():
		return fmt.Errorf("the producer of %s is not ready: %w", p.cfg.Topic, ctx.Err())
	case <-p.ctx.Done():
		return ErrClosed
	}
	r := record(m)
	size := int64(min(r.Size(), p.cfg.BufferBytes))
	if err := p.room.Acquire(ctx, size); err != nil {
		return fmt.Errorf("no room among the records that wait for an answer: %w", err)
	}
	if err := p.hand(m, &item{record: r, size: size, done: done}); err != nil {
		p.room.Release(size)
		return err
	}
	return nil
}

func record(m Message) batch.Record {
	at := m.Timestamp
	if at.IsZero() {
		at = time.Now()
	}
	return batch.Record{Timestamp: at.UnixMilli(), Key: m.Key, Value: m.Value, Headers: m.Headers}
}

// hand puts a record into its partition's lane.
func (p *Producer) hand(m Message, it *item) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	at := p.keys.Pick(m.Key)
	if m.Partition != nil {
		at = *m.Partition
	}
	if at < 0 || int(at) >= len(p.lanes) {
		return fmt.Errorf("partition %d: %s has %d partitions", at, p.route.topic, len(p.lanes))
	}
	if p.pending == 0 {
		p.idle = make(chan struct{})
	}
	p.pending++
	if full := p.lanes[at].add(it); full && m.Key == nil && m.Partition == nil {
		p.keys.Rotated()
	}
	return nil
}

// answered gives a record's room back and calls its owner.
func (p *Producer) answered(it *item, a Ack, err error) {
	p.room.Release(it.size)
	it.done(a, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending--; p.pending == 0 {
		close(p.idle)
	}
}

// Flush waits until every record handed over so far, and those handed over meanwhile, are answered.
func (p *Producer) Flush(ctx context.Context) error {
	p.mu.Lock()
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close flushes, tells the migration that this producer is gone, and closes all connections. When ctx ends before everything
// is answered, the rest is answered with ErrUnanswered; when it ends while the control cluster is away, the migration waits for
// its orchestrator to find that the producer is silent. A second Close waits for the first.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	second := p.closed
	p.closed = true
	p.mu.Unlock()
	if second {
		select {
		case <-p.gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(p.gone)
	p.settle() // a registration that is under way ends first: what is registered says good-bye
	<-p.found
	err := p.Flush(ctx)
	if err == nil {
		err = p.leave(ctx)
	}
	p.cancel()
	p.work.Wait()
	return errors.Join(err, p.clusters.close())
}
