package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/testkit/workload"
)

// closeWithin bounds the end of a producer: everything sent is answered by then.
const closeWithin = 30 * time.Second

// mostPerSecond is the highest rate that a ticker can keep apart.
const mostPerSecond = 1e6

// produceFlags are those of a producing service.
type produceFlags struct {
	common
	topics        list
	run, producer string
	codec         string
	rate          float64
	keys          int
	bytes         int
	headers       int
	tombstones    int64
}

func parseProduce(args []string) (produceFlags, error) {
	var p produceFlags
	f := flag.NewFlagSet("produce", flag.ContinueOnError)
	p.register(f)
	f.Var(&p.topics, "topic", "topic to write to; may be repeated")
	f.StringVar(&p.run, "run", "", "name of the workload's run")
	f.StringVar(&p.producer, "producer", "", "name of this process in the records; used once")
	f.StringVar(&p.codec, "codec", "none", "none, gzip, snappy, lz4 or zstd")
	f.Float64Var(&p.rate, "rate", 100, "records per second, over all topics")
	f.IntVar(&p.keys, "keys", 50, "number of keys per topic; 0 for records without a key")
	f.IntVar(&p.bytes, "bytes", 100, "size of a value")
	f.IntVar(&p.headers, "headers", 2, "number of headers")
	f.Int64Var(&p.tombstones, "tombstones", 0, "make every n-th record a tombstone")
	err := parse(f, args)
	if err == nil && (p.rate <= 0 || p.rate > mostPerSecond) {
		err = fmt.Errorf("--rate %v: want more than 0 and at most %v", p.rate, mostPerSecond)
	}
	return p, err
}

// produce sends until ctx ends, and then waits until everything sent is answered.
func produce(ctx context.Context, log zerolog.Logger, args []string) (err error) {
	p, err := parseProduce(args)
	if err != nil {
		return err
	}
	all, journal, err := p.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	s := &sender{producers: map[string]*agent.Producer{}, log: log}
	if s.generator, err = p.generator(journal); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, topic := range p.topics {
		if s.producers[topic] != nil { // named twice: written twice as much
			continue
		}
		producer, err := p.dial(topic, all, log)
		if err != nil {
			return err
		}
		s.producers[topic] = producer
	}
	return s.send(ctx, p.rate)
}

func (p produceFlags) generator(journal *workload.Journal) (*workload.Generator, error) {
	return workload.NewGenerator(workload.GeneratorConfig{
		Run: p.run, Producer: p.producer, Topics: p.topics, Keys: p.keys, MinBytes: p.bytes, Headers: p.headers,
		Tombstones: p.tombstones, Seed: seed(p.producer), Journal: journal,
	})
}

func (p produceFlags) dial(topic string, all clusters, log zerolog.Logger) (*agent.Producer, error) {
	log = log.With().Str("topic", topic).Logger()
	return agent.NewProducer(agent.ProducerConfig{
		Topic: topic, Instance: p.instance, Home: p.home, Control: all.Control, Clusters: all.Clusters, Codec: p.codec,
	}, agent.WithLogger(log), agent.WithProducerObserver(agent.ProducerObserver{
		Routed: func(cluster, topic string) { log.Info().Str("cluster", cluster).Str("name", topic).Msg("routed") },
	}))
}

// sender sends a generator's records, each to the producer of its topic.
type sender struct {
	generator *workload.Generator
	producers map[string]*agent.Producer // by topic
	log       zerolog.Logger
}

// send makes a record whenever one is due until ctx ends. A record that was handed over is sent, whatever ctx does.
func (s *sender) send(ctx context.Context, rate float64) error {
	every := time.Duration(float64(time.Second) / rate)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := s.one(ctx, s.generator.Next(now)); err != nil {
				return err
			}
		}
	}
}

// one hands a record over and journals its answer. A record that was never handed over was never sent.
func (s *sender) one(ctx context.Context, r workload.Record) error {
	m := agent.Message{Key: r.Key, Value: r.Value, Timestamp: r.Time}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, agent.Header{Key: h.Key, Value: h.Value})
	}
	err := s.producers[r.Topic].SendAsync(ctx, m, func(a agent.Ack, err error) { s.answered(r, a, err) })
	if err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (s *sender) answered(r workload.Record, a agent.Ack, err error) {
	at := workload.Place{Cluster: a.Cluster, Topic: a.Topic, Partition: a.Partition, Offset: a.Offset}
	if err != nil {
		s.log.Error().Err(err).Stringer("record", r.ID).Msg("not sent")
		s.generator.Unknown(r, at)
		return
	}
	s.generator.Acked(r, at)
}

func (s *sender) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	var errs []error
	for topic, p := range s.producers {
		if err := p.Close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close the producer of %s: %w", topic, err))
		}
	}
	return errors.Join(errs...)
}
