package replicator

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// sideError is a failure on one side of the copy, as opposed to the control
// cluster.
type sideError struct {
	side string // events.RouteSource or events.RouteTarget
	err  error
}

func (e *sideError) Error() string { return e.side + ": " + e.err.Error() }
func (e *sideError) Unwrap() error { return e.err }

func onSource(err error) error { return &sideError{side: events.RouteSource, err: err} }
func onTarget(err error) error { return &sideError{side: events.RouteTarget, err: err} }

// patience is how often in a row a permission or a topic may be missing before
// the partition stops: both may be a moment's matter after a change.
const patience = 5

// failed takes note of a failed attempt and stops the partition if nobody but a
// person can help.
func (p *partition) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures++
	p.log.Warn().Err(err).Int("failures", p.failures).Str("phase", p.core.phase.String()).Msg("trying again")
	var side *sideError
	if !errors.As(err, &side) {
		return
	}
	if errors.Is(err, cluster.ErrUnauthorized) || errors.Is(err, cluster.ErrAuthentication) {
		p.denials++
	}
	if p.denials >= patience {
		at := p.core.watermark()
		p.core.halt(CodeUnauthorized, at, at, "%v", err)
		p.follow()
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
	if p.target != nil && p.target != target {
		p.target.buffered.Add(int64(-p.weight))
		p.weight = 0
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
	if p.core.phase == copying && !p.job.paused && p.reader == nil {
		p.reader = r
		r.add(p)
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
	if p.core.phase == copying && !p.job.paused && p.stream == nil {
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
	if wrong, err := p.identify(ctx, source, target, order); err != nil || wrong {
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
// them is another.
func (p *partition) identify(ctx context.Context, source, target *link, order events.CopyOrder) (wrong bool, err error) {
	for _, side := range []struct {
		of    func(error) error
		link  *link
		topic string
		id    string
	}{
		{onSource, source, order.Topic, order.TopicID},
		{onTarget, target, order.TargetTopic, order.TargetTopicID},
	} {
		topics, err := side.link.Topics(ctx, side.topic)
		if err != nil {
			return false, side.of(err)
		}
		t, found := topics[side.topic]
		if reason := p.mismatch(side.link, side.topic, side.id, t, found); reason != "" {
			p.stopAs(CodeRecreated, reason)
			return true, nil
		}
		if !found {
			return false, side.of(fmt.Errorf("topic %s: %w", side.topic, cluster.ErrUnknownTopic))
		}
	}
	return false, nil
}

// stopAs halts the core at its watermark.
func (p *partition) stopAs(code, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.core.watermark()
	p.core.halt(code, at, at, "%s", reason)
	p.follow()
}
