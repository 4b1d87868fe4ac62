package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/agent/internal/produce"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	eventlog "github.com/portage-kafka/portage/events/log"
)

// begin finds the route, and then stays to tell of this producer to every migration of the topic that begins later.
func (p *Producer) begin() {
	var homeID string
	err := again(p.ctx, p.opt.log, "find where to write "+p.cfg.Topic, func() (err error) {
		if homeID, err = p.homeID(p.ctx); err != nil {
			return err
		}
		return p.find(p.ctx, homeID)
	})
	if err != nil {
		return
	}
	key := events.DirectiveKey{SourceCluster: homeID, Addressee: events.ToProducers(p.cfg.Topic)}
	p.control.watch(p.ctx, key, func(d events.Directive) { p.met(d) }, nil)
}

func (p *Producer) homeID(ctx context.Context) (string, error) {
	if p.cfg.HomeID != "" {
		return p.cfg.HomeID, nil
	}
	c, err := p.clusters.get(ctx, p.cfg.Home)
	if err != nil {
		return "", err
	}
	return c.ID(), nil
}

// find reads the directive in force and takes the route that binds this producer.
func (p *Producer) find(ctx context.Context, homeID string) error {
	key := events.DirectiveKey{SourceCluster: homeID, Addressee: events.ToProducers(p.cfg.Topic)}
	d, found, mark, err := p.control.latest(ctx, key)
	if err != nil {
		return err
	}
	home := route{side: events.RouteSource, cluster: p.cfg.Home, topic: p.cfg.Topic}
	if !found || d.Topic == nil {
		return p.take(ctx, home)
	}
	at, err := p.register(ctx, d)
	if err != nil {
		return err
	}
	records, err := p.control.read(ctx, min(mark, d.Position)+1, at-1)
	if err != nil {
		return err
	}
	if produce.Bind(d, records) == events.RouteSource {
		if err := p.take(ctx, home); err != nil {
			return err
		}
		return p.routed(ctx, d, nil)
	}
	barrier, err := p.barrier(ctx, d)
	if err != nil {
		return err
	}
	if err := p.routed(ctx, d, barrier); err != nil {
		return err
	}
	return p.take(ctx, route{side: events.RouteTarget, cluster: d.Topic.Target, topic: d.Topic.TargetTopic})
}

// take opens the route's cluster and gets an identity there.
func (p *Producer) take(ctx context.Context, r route) (err error) {
	if r.client, err = p.clusters.get(ctx, r.cluster); err != nil {
		return err
	}
	id, epoch, err := r.client.InitProducerID(ctx)
	if err != nil {
		return err
	}
	p.identity = produce.Producer{ID: id, Epoch: epoch}
	return p.open(ctx, r)
}

// barrier reads the source's ends, after the registration, and waits until the copy has passed them. Once the switch is over
// the copy has passed every end that counts.
func (p *Producer) barrier(ctx context.Context, d events.Directive) ([]events.PartitionOffset, error) {
	if d.Phase == events.PhaseOnTarget {
		return nil, nil
	}
	source, err := p.clusters.get(ctx, d.Topic.Source)
	if err != nil {
		return nil, err
	}
	parts := make([]int32, d.Topic.Partitions)
	for i := range parts {
		parts[i] = int32(i)
	}
	ends, err := source.ListOffsets(ctx, p.cfg.Topic, parts, cluster.Latest)
	if err != nil {
		return nil, err
	}
	list := make([]events.PartitionOffset, len(parts))
	for i, n := range parts {
		list[i] = events.PartitionOffset{Partition: n, Offset: ends[n]}
	}
	return list, p.awaitCopy(ctx, d.Migration, list)
}

// copyPoll is how often the copy's progress is looked at while a producer waits for it.
const copyPoll = 50 * time.Millisecond

func (p *Producer) awaitCopy(ctx context.Context, migration string, list []events.PartitionOffset) error {
	c, err := p.clusters.get(ctx, p.cfg.Control)
	if err != nil {
		return err
	}
	offsets := eventlog.NewOffsets(c, eventlog.Options{Logger: p.opt.log})
	keys := make([]events.CopyKey, len(list))
	for i, b := range list {
		keys[i] = events.CopyKey{Migration: migration, Topic: p.cfg.Topic, Partition: b.Partition}
	}
	for {
		loaded, err := offsets.LoadAll(ctx, keys)
		if err != nil {
			return err
		}
		copied := func(partition int32) (at int64) {
			for _, b := range loaded[events.CopyKey{Migration: migration, Topic: p.cfg.Topic, Partition: partition}].Blocks {
				at = max(at, b.Watermark)
			}
			return at
		}
		if produce.Passed(list, copied) {
			return nil
		}
		pauseFor(ctx, copyPoll)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// met tells a migration of this producer that began after it had started.
func (p *Producer) met(d events.Directive) {
	p.mu.Lock()
	known := p.joined[d.Migration] || d.Topic == nil
	p.mu.Unlock()
	if known {
		return
	}
	if _, err := p.register(p.ctx, d); err != nil {
		p.opt.log.Error().Err(err).Str("migration", d.Migration).Msg("the migration cannot be told of this producer")
		return
	}
	if err := p.routed(p.ctx, d, nil); err != nil {
		p.opt.log.Error().Err(err).Str("migration", d.Migration).Msg("the migration cannot be told of this producer's route")
	}
}

// register appends ProducerSeen and returns its position.
func (p *Producer) register(ctx context.Context, d events.Directive) (int64, error) {
	body := events.ProducerSeen{Incarnation: p.incarnation, Instance: p.cfg.Instance, Version: Version}
	p.mu.Lock()
	if p.route.client != nil {
		body.ProducerIDs = map[string]int64{p.route.cluster: p.identity.ID}
	}
	p.mu.Unlock()
	at, err := p.tell(ctx, d, body)
	if err == nil {
		p.mu.Lock()
		p.joined[d.Migration] = true
		p.mu.Unlock()
	}
	return at, err
}

// routed appends ProducerRouted with the route that this producer has taken or, behind a barrier, is about to take.
func (p *Producer) routed(ctx context.Context, d events.Directive, barrier []events.PartitionOffset) error {
	p.mu.Lock()
	side := p.route.side
	p.mu.Unlock()
	if side == "" {
		side = events.RouteTarget
	}
	_, err := p.tell(ctx, d, events.ProducerRouted{Incarnation: p.incarnation, Route: side, Barrier: barrier})
	return err
}

// leave says good-bye to every migration that knows of this producer.
func (p *Producer) leave(ctx context.Context) error {
	p.mu.Lock()
	var names []string
	for m := range p.joined {
		names = append(names, m)
	}
	p.mu.Unlock()
	var errs []error
	for _, m := range names {
		_, err := p.tell(ctx, events.Directive{Migration: m, Position: -1}, events.ProducerLeft{Incarnation: p.incarnation})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// tell appends an event to the topic's stream. Its id is derived from what it answers, so a repetition repeats it.
func (p *Producer) tell(ctx context.Context, d events.Directive, body events.Body) (int64, error) {
	stream := events.TopicStream(p.cfg.Topic)
	cause := ""
	if d.Position >= 0 {
		cause = fmt.Sprintf("directive/%d", d.Position)
	}
	id := events.DeriveID(string(body.EventType()), d.Migration, string(stream), p.incarnation)
	actor := events.Actor{Kind: events.Agent, Name: p.incarnation, Host: p.cfg.Host}
	e, err := events.New(id, d.Migration, stream, actor, time.Now().UTC(), body)
	if err != nil {
		return 0, err
	}
	e.Cause = cause
	return p.control.append(ctx, e)
}
