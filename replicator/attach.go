package replicator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// side is one side of a copy.
type side string

const (
	sourceSide side = events.RouteSource
	targetSide side = events.RouteTarget
)

// sideError is a failure on one side of the copy, as opposed to the control
// cluster.
type sideError struct {
	side side
	err  error
}

func (e *sideError) Error() string { return string(e.side) + ": " + e.err.Error() }
func (e *sideError) Unwrap() error { return e.err }

func onSource(err error) error { return &sideError{side: sourceSide, err: err} }
func onTarget(err error) error { return &sideError{side: targetSide, err: err} }

// failed takes note of a failed attempt, stops the partition if nobody but a
// person can help, and says how long to wait. The lock is held.
func (p *partition) failed(err error) time.Duration {
	p.failures++
	p.log().Warn().Err(err).Int("failures", p.failures).Str("phase", p.core.phase.String()).Msg("trying again")
	var on *sideError
	if errors.As(err, &on) && (errors.Is(err, cluster.ErrUnauthorized) || errors.Is(err, cluster.ErrAuthentication)) {
		p.deny(on.side, err.Error())
		p.follow()
	}
	return backoff(p.failures)
}

// denial is since when a side denies us access, and when it did so last.
type denial struct{ since, last time.Duration }

// denialGap is how far apart two denials may be to belong together: attempts
// follow one another within backoff's limit and some seconds for the calls.
const denialGap = 15 * time.Second

// deny notes that a side denies us access, and stops the partition once it has
// done so for the configured time without a break. The lock is held.
func (p *partition) deny(s side, reason string) {
	now := p.w.now()
	d, known := p.denied[s]
	if !known || now-d.last > denialGap {
		d.since = now
	}
	d.last = now
	if p.denied == nil {
		p.denied = map[side]denial{}
	}
	p.denied[s] = d
	if now-d.since >= p.w.cfg.Patience {
		at := p.core.watermark()
		p.core.halt(CodeUnauthorized, at, at, "%s", reason)
	}
}

// connect returns the clusters and the order of the partition.
func (p *partition) connect(ctx context.Context) (source, target *link, order events.CopyOrder, err error) {
	p.mu.Lock()
	order = p.job.copy()
	p.mu.Unlock()
	if source, err = p.w.links.to(ctx, order.Source); err != nil {
		return nil, nil, order, onSource(err)
	}
	if target, err = p.w.links.to(ctx, order.Target); err != nil {
		return nil, nil, order, onTarget(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.target != target {
		p.discount()
	}
	p.source, p.target = source, target
	return source, target, order, nil
}

// attachReader joins the fetches from the source partition's leader.
func (p *partition) attachReader(ctx context.Context) error {
	source, _, order, err := p.connect(ctx)
	if err != nil {
		return err
	}
	leader, err := source.Leader(ctx, order.Topic, p.key.Partition)
	if err != nil {
		return onSource(err)
	}
	r := source.reader(p.run, leader)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.core.phase == copying && !p.core.paused && p.seat == nil {
		p.sit(r)
	}
	return nil
}

// attachStream joins the produce requests to the target partition's leader.
func (p *partition) attachStream(ctx context.Context) error {
	_, target, order, err := p.connect(ctx)
	if err != nil {
		return err
	}
	leader, err := target.Leader(ctx, order.TargetTopic, p.key.Partition)
	if err != nil {
		return onTarget(err)
	}
	s := target.stream(p.run, leader, order.TargetTopic, p.key.Partition)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.core.phase == copying && !p.core.paused && p.stream == nil {
		p.stream = s
		p.follow()
	}
	return nil
}

// lookAround finds out why a fetch was out of range.
func (p *partition) lookAround(ctx context.Context) error {
	source, target, order, err := p.connect(ctx)
	if err != nil {
		return err
	}
	if _, wrong, err := p.identify(ctx, source, target, order); err != nil || wrong {
		return err
	}
	start, err := offsetOf(ctx, source, order.Topic, p.key.Partition, cluster.Earliest)
	if err != nil {
		return onSource(err)
	}
	end, err := offsetOf(ctx, source, order.Topic, p.key.Partition, cluster.Latest)
	if err != nil {
		return onSource(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.beyond != nil {
		from := *p.beyond
		p.beyond = nil
		p.core.outOfRange(from, start, end)
		p.follow()
	}
	return nil
}

// identify compares the topics with the order and stops the partition if one of
// them is another. Of the bounds it returns the leaders' epochs.
func (p *partition) identify(ctx context.Context, source, target *link, order events.CopyOrder) (b bounds, wrong bool, err error) {
	for _, x := range []struct {
		of     func(error) error
		link   *link
		topic  string
		id     string
		epochs *int32
	}{
		{onSource, source, order.Topic, order.TopicID, &b.sourceEpochs},
		{onTarget, target, order.TargetTopic, order.TargetTopicID, &b.targetEpochs},
	} {
		topics, err := x.link.Topics(ctx, x.topic)
		if err != nil {
			return b, false, x.of(err)
		}
		t, found := topics[x.topic]
		if reason := p.mismatch(x.link, x.topic, x.id, t, found); reason != "" {
			p.stopAs(CodeRecreated, reason)
			return b, true, nil
		}
		if !found {
			return b, false, x.of(fmt.Errorf("topic %s: %w", x.topic, cluster.ErrUnknownTopic))
		}
		*x.epochs = leaderEpochs(t, p.key.Partition)
	}
	return b, false, nil
}

// stopAs halts the core at its watermark.
func (p *partition) stopAs(code, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.core.watermark()
	p.core.halt(code, at, at, "%s", reason)
	p.follow()
}
