package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// flushWithin is how long a producer that was told to stop waits for answers.
const flushWithin = 30 * time.Second

// Codecs are the names of all compression codecs.
func Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

// ClusterConfig says how to reach a cluster.
type ClusterConfig struct {
	// Name is the cluster's name in journals.
	Name string
	// Bootstrap are brokers (host:port).
	Bootstrap []string
	// Options are further options of the client (TLS, SASL, ...); they win over ours.
	Options []kgo.Opt
}

// Validate says what is wrong with the config.
func (c ClusterConfig) Validate() error {
	if c.Name == "" || len(c.Bootstrap) == 0 {
		return fmt.Errorf("%w: Cluster.Name is %q and Cluster.Bootstrap %v: both are needed", ErrConfig, c.Name, c.Bootstrap)
	}
	return nil
}

// ProducerConfig says how a Producer sends.
type ProducerConfig struct {
	Generator GeneratorConfig
	Cluster   ClusterConfig
	// Rate is records per second, evenly spaced; 0 as fast as the cluster takes them.
	Rate float64
	// Count is the number of records to send; 0 means until the context ends.
	Count int64
	// Codec is one of Codecs; default none.
	Codec string
	// Linger is how long a batch waits for more records; 0 means 5 ms, negative not at all.
	Linger time.Duration
	// Age is how old records say they are when they are sent. Brokers forget producers by the age of their records, so
	// an aged producer's own retries are not recognised after a broker has restarted.
	Age time.Duration
	// Transactions makes the producer transactional.
	Transactions Transactions
}

// Transactions says how a producer uses transactions; none if ID is empty.
type Transactions struct {
	ID string // transactional.id
	// Size is the number of records per transaction; default 10.
	Size int
	// AbortEvery aborts every n-th transaction; 0 none.
	AbortEvery int
}

// Validate says what is wrong with the config.
func (c ProducerConfig) Validate() error {
	if err := errors.Join(c.Generator.Validate(), c.Cluster.Validate()); err != nil {
		return err
	}
	switch {
	case c.Rate < 0 || c.Count < 0 || c.Transactions.Size < 0 || c.Transactions.AbortEvery < 0 || c.Age < 0:
		return fmt.Errorf("%w: Rate, Count, Age and the numbers of Transactions are never negative", ErrConfig)
	case c.Codec != "" && !slices.Contains(Codecs(), c.Codec):
		return fmt.Errorf("%w: Codec is %q: use one of %v", ErrConfig, c.Codec, Codecs())
	case c.Transactions.ID == "" && (c.Transactions.Size > 0 || c.Transactions.AbortEvery > 0):
		return fmt.Errorf("%w: Transactions has no ID", ErrConfig)
	}
	return nil
}

// Producer sends a generator's records without the SDK: idempotently, acks=all.
type Producer struct {
	cfg    ProducerConfig
	gen    *Generator
	client *kgo.Client
	sent   atomic.Int64
	acked  atomic.Int64

	mu     sync.Mutex
	failed error // the first send that failed; guarded by mu
}

// NewProducer opens a client. The caller calls Close.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	gen, err := NewGenerator(cfg.Generator)
	if err != nil {
		return nil, err
	}
	if cfg.Transactions.Size == 0 {
		cfg.Transactions.Size = 10
	}
	client, err := kgo.NewClient(cfg.options()...)
	if err != nil {
		return nil, fmt.Errorf("workload: open producer %s: %w", cfg.Generator.Producer, err)
	}
	return &Producer{cfg: cfg, gen: gen, client: client}, nil
}

func (c ProducerConfig) options() []kgo.Opt {
	linger := c.Linger
	if linger == 0 {
		linger = 5 * time.Millisecond
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Cluster.Bootstrap...),
		kgo.ClientID("workload-" + c.Generator.Producer),
		kgo.ProducerLinger(max(linger, 0)),
		kgo.ProducerBatchCompression(codec(c.Codec)),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}
	if c.Transactions.ID != "" {
		opts = append(opts, kgo.TransactionalID(c.Transactions.ID))
	}
	return append(opts, c.Cluster.Options...)
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

// Sent is the number of records handed to the client, Acked the number that the cluster has acknowledged.
func (p *Producer) Sent() int64 { return p.sent.Load() }

// Acked is the number of records acknowledged; in transactions, committed.
func (p *Producer) Acked() int64 { return p.acked.Load() }

// Close closes the client.
func (p *Producer) Close() { p.client.Close() }

// Run sends until Count records are sent or ctx ends, waits for every answer, and returns the first send that failed.
// The end of ctx is not a failure. It is called once.
func (p *Producer) Run(ctx context.Context) error {
	pace := newPace(p.cfg.Rate)
	var err error
	if p.cfg.Transactions.ID != "" {
		err = p.runTransactions(ctx, pace)
	} else {
		err = p.runPlain(ctx, pace)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(err, p.failed)
}

func (p *Producer) runPlain(ctx context.Context, pace *pace) error {
	life := context.WithoutCancel(ctx) // a record that was handed over is sent
	for p.more() && pace.wait(ctx) == nil {
		r := p.gen.Next(time.Now().Add(-p.cfg.Age))
		p.sent.Add(1)
		p.client.Produce(life, r.kgo(), func(k *kgo.Record, err error) { p.answered(r, k, err) })
	}
	return p.flush(life)
}

func (p *Producer) more() bool { return p.cfg.Count == 0 || p.sent.Load() < p.cfg.Count }

func (p *Producer) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	if err := p.client.Flush(ctx); err != nil {
		return fmt.Errorf("workload: producer %s: %d records without an answer after %v: %w",
			p.cfg.Generator.Producer, p.client.BufferedProduceRecords(), flushWithin, err)
	}
	return nil
}

func (p *Producer) answered(r Record, k *kgo.Record, err error) {
	if err != nil {
		p.gen.Unknown(r, p.place(k))
		p.fail(r, err)
		return
	}
	p.gen.Acked(r, p.place(k))
	p.acked.Add(1)
}

func (p *Producer) place(k *kgo.Record) Place {
	return Place{Cluster: p.cfg.Cluster.Name, Topic: k.Topic, Partition: k.Partition, Offset: k.Offset}
}

func (p *Producer) fail(r Record, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = fmt.Errorf("workload: send %v to %s: %w", r.ID, r.Topic, err)
	}
}

// kgo converts a record for the client.
func (r Record) kgo() *kgo.Record {
	out := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Timestamp: r.Time}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return out
}
