package replicator

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
)

// resolveBytes bounds one read of a resolve.
const resolveBytes = 4 << 20

// perform does what the core asks for and gives it the answer.
func (p *partition) perform(ctx context.Context, a ask, life int) error {
	switch a.kind {
	case askProducer:
		return p.doProducer(ctx, life)
	case askBounds:
		return p.doBounds(ctx, life)
	case askTarget:
		return p.doTarget(ctx, a.from, life)
	case askSource:
		return p.doSource(ctx, a.from, life)
	case askEpoch:
		return p.doEpoch(ctx, int32(a.from), life)
	case askReport:
		return p.doReport(ctx, life)
	}
	return nil
}

func (p *partition) doProducer(ctx context.Context, life int) error {
	_, target, _, err := p.connect(ctx)
	if err != nil {
		return err
	}
	id, epoch, err := target.InitProducerID(ctx)
	if err != nil {
		return onTarget(fmt.Errorf("get a producer id: %w", err))
	}
	p.update(life, func(c *core) { c.produced(id, epoch) })
	return nil
}

// doBounds makes sure that the topics are the right ones and reads their edges.
func (p *partition) doBounds(ctx context.Context, life int) error {
	source, target, order, err := p.connect(ctx)
	if err != nil {
		return err
	}
	b, wrong, err := p.identify(ctx, source, target, order)
	if err != nil || wrong {
		return err
	}
	if b.sourceStart, err = offsetOf(ctx, source, order.Topic, p.key.Partition, cluster.Earliest); err != nil {
		return onSource(err)
	}
	if b.maxBytes, err = sizeLimit(ctx, target, order.TargetTopic); err != nil {
		return onTarget(err)
	}
	if b.targetEnd, err = settledEnd(ctx, target, order.TargetTopic, p.key.Partition); err != nil {
		return onTarget(err)
	}
	if b.targetStart, err = offsetOf(ctx, target, order.TargetTopic, p.key.Partition, cluster.Earliest); err != nil {
		return onTarget(err)
	}
	p.update(life, func(c *core) {
		c.bounded(b)
		if c.phase == resolving && c.resolve.gap >= 0 {
			p.log().Warn().Int64("from", c.resolve.gap).Msg("a block of the offset map is lost: it is made anew from the target and the source")
		}
	})
	return nil
}

// limitSetting is the topic setting that bounds the size of a batch.
const limitSetting = "max.message.bytes"

// sizeLimit is the topic's limit for one batch; 0 if the broker does not
// say.
func sizeLimit(ctx context.Context, l *link, topic string) (int, error) {
	configs, err := l.TopicConfigs(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("read max.message.bytes of %s: %w", topic, err)
	}
	n, err := strconv.Atoi(configs[limitSetting].Value)
	if err != nil {
		return 0, nil //nolint:nilerr // see above
	}
	return n, nil
}

func (p *partition) doTarget(ctx context.Context, from int64, life int) error {
	_, target, order, err := p.connect(ctx)
	if err != nil {
		return err
	}
	got, err := readRaw(ctx, target, order.TargetTopic, p.key.Partition, from, false)
	if errors.Is(err, cluster.ErrOffsetOutOfRange) { // its log start has moved
		p.update(life, func(c *core) { c.again() })
		return nil
	}
	if err != nil {
		return onTarget(err)
	}
	p.update(life, func(c *core) { c.targetRead(got.Records) })
	return nil
}

func (p *partition) doSource(ctx context.Context, from int64, life int) error {
	source, _, order, err := p.connect(ctx)
	if err != nil {
		return err
	}
	got, err := readRaw(ctx, source, order.Topic, p.key.Partition, from, true)
	if errors.Is(err, cluster.ErrOffsetOutOfRange) {
		p.mu.Lock()
		p.beyond = &from
		p.mu.Unlock()
		return p.lookAround(ctx)
	}
	if err != nil {
		return onSource(err)
	}
	p.update(life, func(c *core) { c.sourceRead(pageOf(got, true)) })
	return nil
}

// doEpoch asks the source where a leader epoch ended.
func (p *partition) doEpoch(ctx context.Context, epoch int32, life int) error {
	source, _, order, err := p.connect(ctx)
	if err != nil {
		return err
	}
	topics, err := source.Topics(ctx, order.Topic)
	if err != nil {
		return onSource(err)
	}
	t, found := topics[order.Topic]
	if reason := p.mismatch(source, order.Topic, order.TopicID, t, found); reason != "" { // its epochs tell nothing
		p.stopAs(CodeRecreated, reason)
		return nil
	}
	part, err := led(t, order.Topic, p.key.Partition)
	if err != nil {
		return onSource(err)
	}
	end, err := epochEnd(ctx, source, order.Topic, part, epoch)
	if err != nil {
		return onSource(err)
	}
	p.log().Debug().Int32("epoch", epoch).Int64("end", end).Msg("the source has another leader")
	p.update(life, func(c *core) { c.epochEnded(epoch, end) })
	return nil
}

// doReport appends the stop to the log, inside the lease only: an owner whose
// lease has ended takes the next owner's batches for a fault.
func (p *partition) doReport(ctx context.Context, life int) error {
	if p.w.lease() <= p.w.now() {
		return errNoLease
	}
	p.mu.Lock()
	j, s := p.job, *p.core.stop
	p.mu.Unlock()
	p.log().Error().Str("code", s.code).Int64("from", s.from).Int64("to", s.to).Msg(s.reason)
	body := events.CopyStopped{Partition: p.key.Partition, Code: s.code, From: s.from, To: s.to, Reason: s.reason}
	if err := p.append(ctx, j, j.cause(), p.key.Partition, body); err != nil {
		return err
	}
	if p.w.cfg.Hooks.Stopped != nil {
		p.w.cfg.Hooks.Stopped(p.key, s.code, s.reason)
	}
	p.update(life, func(c *core) { c.reported() })
	return nil
}

// acknowledgeShared says that other writers are expected from now on.
func (p *partition) acknowledgeShared(ctx context.Context) error {
	p.mu.Lock()
	j := p.job
	p.mu.Unlock()
	if err := p.append(ctx, j, j.cause(), p.key.Partition, events.CopyShared{Partition: p.key.Partition}); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shared = j.Epoch
	return nil
}

// append appends an event about a partition of the topic. Its id follows from
// what it answers, so a repetition is recognised.
func (p *partition) append(ctx context.Context, j *job, cause string, number int32, body events.Body) error {
	kind, _ := events.Lookup(body.EventType())
	actor := events.Actor{Kind: events.Worker, Name: p.w.cfg.Name, Host: p.w.cfg.Host}
	key := events.CopyKey{Migration: p.key.Migration, Topic: p.key.Topic, Partition: number}
	id := events.DeriveID(string(body.EventType()), key.String(), cause, strconv.FormatUint(uint64(j.Epoch), 10), actor.Name)
	e, err := events.New(id, p.key.Migration, events.TopicStream(p.key.Topic), actor, time.Now(), body)
	if err != nil {
		return fmt.Errorf("encode %s: %w", body.EventType(), err)
	}
	e.Cause = cause
	if kind.Epoch {
		e.Epoch = j.Epoch
	}
	if _, err := p.w.appender.Append(ctx, e); err != nil {
		return err
	}
	return nil
}

// readRaw is one fetch of one partition.
func readRaw(ctx context.Context, l *link, topic string, partition int32, from int64, committed bool) (wire.FetchedPartition, error) {
	leader, err := l.Leader(ctx, topic, partition)
	if err != nil {
		return wire.FetchedPartition{}, err
	}
	res, err := l.Fetch(ctx, leader, &wire.Fetch{
		MinBytes: 0, MaxBytes: resolveBytes, Committed: committed,
		Topics: []wire.FetchTopic{{Topic: topic, Partitions: []wire.FetchPartition{{Partition: partition, Offset: from, MaxBytes: resolveBytes}}}},
	})
	if err != nil {
		return wire.FetchedPartition{}, err
	}
	if res.Code != 0 || len(res.Partitions) != 1 {
		return wire.FetchedPartition{}, fmt.Errorf("fetch %s/%d from offset %d: %s, %d partitions in the answer", topic, partition, from, cluster.CodeName(res.Code), len(res.Partitions))
	}
	return res.Partitions[0], l.FetchError(leader, res.Partitions[0])
}

// pageOf is a fetched partition as a core takes it.
func pageOf(f wire.FetchedPartition, first bool) page {
	return page{high: f.HighWatermark, stable: f.LastStable, start: f.LogStart, aborted: f.Aborted, records: f.Records, first: first}
}
