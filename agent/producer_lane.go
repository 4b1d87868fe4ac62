package agent

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/agent/internal/produce"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
)

// item is one record on its way.
type item struct {
	record batch.Record
	size   int64
	done   func(Ack, error)
}

// sender sends the records of one partition, one batch at a time.
type sender struct {
	p         *Producer
	partition int32
	core      produce.Lane
	wake      chan struct{}

	mu    sync.Mutex
	items []*item
	bytes int
}

func newSender(p *Producer, partition int32, who produce.Producer) *sender {
	s := &sender{p: p, partition: partition, wake: make(chan struct{}, 1)}
	s.core.Renew(who)
	return s
}

// add queues a record and reports whether the batch that it fell into is full.
func (s *sender) add(it *item) (full bool) {
	s.mu.Lock()
	s.items = append(s.items, it)
	before := s.bytes
	s.bytes += it.record.Size()
	full = before/s.p.cfg.BatchBytes != s.bytes/s.p.cfg.BatchBytes
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return full
}

// run sends until the producer closes; what is left then is unanswered.
func (s *sender) run() {
	for {
		select {
		case <-s.wake:
		case <-s.p.ctx.Done():
			s.fail(s.cut(-1), ErrUnanswered)
			return
		}
		s.linger()
		for items := s.cut(s.p.cfg.BatchBytes); len(items) > 0; items = s.cut(s.p.cfg.BatchBytes) {
			s.send(items)
		}
	}
}

// linger lets more records come, unless a batch is full.
func (s *sender) linger() {
	s.mu.Lock()
	full := s.bytes >= s.p.cfg.BatchBytes
	s.mu.Unlock()
	if !full && s.p.cfg.Linger > 0 {
		pauseFor(s.p.ctx, s.p.cfg.Linger)
	}
}

// cut takes the records of the next batch; all of them when limit is negative.
func (s *sender) cut(limit int) []*item {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, bytes := 0, 0
	for n < len(s.items) && (limit < 0 || n == 0 || bytes+s.items[n].record.Size() <= limit) {
		bytes += s.items[n].record.Size()
		n++
	}
	out := s.items[:n:n]
	s.items, s.bytes = s.items[n:], s.bytes-bytes
	return out
}

// send sends a batch until it is answered, or the producer closes.
func (s *sender) send(items []*item) {
	if s.p.ctx.Err() != nil {
		s.fail(items, ErrUnanswered)
		return
	}
	start := time.Now()
	b, err := s.build(items)
	if err != nil {
		s.fail(items, err)
		return
	}
	for attempts := 1; ; attempts++ {
		base, err := s.p.route.client.Append(s.p.ctx, s.p.route.topic, s.partition, b)
		outcome := s.core.Answered(answerOf(err))
		if outcome == produce.Again {
			if s.p.ctx.Err() != nil {
				s.fail(items, ErrUnanswered)
				return
			}
			s.p.opt.log.Debug().Err(err).Int32("partition", s.partition).Int("attempts", attempts).Msg("batch not answered, sending it again")
			pauseFor(s.p.ctx, s.core.Pause())
			continue
		}
		if s.p.opt.observe.Sent != nil {
			s.p.opt.observe.Sent(s.partition, len(items), attempts, time.Since(start), err)
		}
		s.settle(items, outcome, base, err)
		return
	}
}

func (s *sender) build(items []*item) (batch.Batch, error) {
	stamp, err := s.core.Take(len(items))
	if err != nil {
		return nil, err
	}
	records := make([]batch.Record, len(items))
	for i, it := range items {
		records[i] = it.record
	}
	return batch.Build(batch.Spec{
		Codec: s.p.codec, Producer: &batch.Producer{ID: stamp.ID, Epoch: stamp.Epoch, Sequence: stamp.Sequence},
	}, records)
}

// answerOf says what an append's error tells of the batch.
func answerOf(err error) produce.Answer {
	if err == nil {
		return produce.Answer{Answered: true}
	}
	code, answered := cluster.Code(err)
	unsure := cluster.Uncertain(err)
	return produce.Answer{Code: code, Answered: answered, Passing: cluster.Retriable(err) || unsure, Uncertain: unsure}
}

// settle answers the records of a batch, or sends them again where they are not in the log for sure.
func (s *sender) settle(items []*item, o produce.Outcome, base int64, err error) {
	switch o {
	case produce.Stored:
		s.stored(items, base, err)
		return
	case produce.Forgotten:
		s.renew()
		s.send(items)
		return
	case produce.Broken:
		doubtful := s.core.Doubtful()
		s.renew()
		if doubtful {
			s.fail(items, errors.Join(ErrUnanswered, err))
			return
		}
	}
	if len(items) > 1 {
		// One record may be what the broker does not take: each is sent alone, so that the others get through.
		for _, it := range items {
			s.send([]*item{it})
		}
		return
	}
	s.fail(items, fmt.Errorf("%s/%d: %w", s.p.route.topic, s.partition, err))
}

// stored acknowledges records from an offset on; on an error the broker has them, and does not say where.
func (s *sender) stored(items []*item, base int64, err error) {
	for i, it := range items {
		a := Ack{Cluster: s.p.route.cluster, Topic: s.p.route.topic, Partition: s.partition, Offset: -1}
		if err == nil {
			a.Offset = base + int64(i)
		}
		s.p.answered(it, a, nil)
	}
}

// renew gets the lane another identity after a broker has lost track of the former one.
func (s *sender) renew() {
	_ = again(s.p.ctx, s.p.opt.log, "get another producer id", func() error {
		id, epoch, err := s.p.route.client.InitProducerID(s.p.ctx)
		if err == nil {
			s.core.Renew(produce.Producer{ID: id, Epoch: epoch})
		}
		return err
	})
}

func (s *sender) fail(items []*item, err error) {
	for _, it := range items {
		s.p.answered(it, Ack{}, err)
	}
}
