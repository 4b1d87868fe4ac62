package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/agent/internal/produce"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	eventlog "github.com/portage-kafka/portage/events/log"
)

// errTooOld: the directive in force is not for this release.
var errTooOld = errors.New("the directive needs a later release of the SDK: upgrade the service")

// errOpen: see produce.Bind. The orchestrator's next directive or mark tells.
var errOpen = errors.New("they do not tell whether the switch was decided: an orchestrator has to")

// start is what a producer has found out before its first send.
type start struct {
	route     route
	directive events.Directive // of a migration, if told
	told      bool             // the migration knows of this producer and must hear of its route
	barrier   []events.PartitionOffset
}

// begin finds the route, and then stays to tell of this producer to every migration of the topic that begins later. Each step
// is repeated until it succeeds, and none after it has: a producer has one route.
func (p *Producer) begin(ctx context.Context) {
	var key events.DirectiveKey
	var at start
	steps := []func() error{
		func() (err error) { key, err = p.key(ctx); return err },
		func() (err error) { at, err = p.find(ctx, key); return err },
		func() error { return p.acknowledge(ctx, at) },
		func() error { return p.take(ctx, at.route) },
	}
	for _, step := range steps {
		if again(ctx, p.opt.log, "find where to write "+p.cfg.Topic, step) != nil {
			return
		}
	}
	p.work.Go(func() { p.growing(ctx) })
	p.control.watch(ctx, key, func(d events.Directive) { p.met(ctx, d) }, nil)
}

// key names the topic's directive.
func (p *Producer) key(ctx context.Context) (events.DirectiveKey, error) {
	id := p.cfg.HomeID
	if id == "" {
		c, err := p.clusters.get(ctx, p.cfg.Home)
		if err != nil {
			return events.DirectiveKey{}, err
		}
		id = c.ID()
	}
	return events.DirectiveKey{SourceCluster: id, Addressee: events.ToProducers(p.cfg.Topic)}, nil
}

// find reads the directive in force, registers, and decides which route binds this producer.
func (p *Producer) find(ctx context.Context, key events.DirectiveKey) (start, error) {
	d, found, mark, err := p.control.latest(ctx, key)
	if err != nil {
		return start{}, err
	}
	home := start{route: route{side: events.RouteSource, cluster: p.cfg.Home, topic: p.cfg.Topic}}
	if !found || d.Topic == nil {
		return home, nil
	}
	if consume.TooOld(d.AtLeast) {
		return start{}, fmt.Errorf("directive at %d asks for release %s, this is %s: %w", d.Position, d.AtLeast, Version, errTooOld)
	}
	p.heard(d)
	at, err := p.register(ctx, d)
	if err != nil {
		return start{}, err
	}
	side, err := p.bound(ctx, d, mark, at)
	if err != nil {
		return start{}, err
	}
	home.directive, home.told = d, true
	if side == events.RouteSource {
		return home, nil
	}
	barrier, err := p.barrier(ctx, d)
	return start{
		route:     route{side: events.RouteTarget, cluster: d.Topic.Target, topic: d.Topic.TargetTopic},
		directive: d, told: true, barrier: barrier,
	}, err
}

// bound says which route binds a producer that registered at a position. What came after the mark tells in nearly every case;
// only a decision among it, to be judged, needs what came before.
func (p *Producer) bound(ctx context.Context, d events.Directive, mark, at int64) (string, error) {
	mark = max(mark, d.Position)
	records, err := p.control.read(ctx, mark+1, at-1)
	if err != nil {
		return "", err
	}
	if produce.MayRoll(d, records) {
		before, err := p.control.read(ctx, d.Position+1, mark)
		if err != nil {
			return "", err
		}
		records = append(before, records...)
	}
	route, known := produce.Bind(d, mark, records)
	if !known {
		return "", fmt.Errorf("the events from %d to %d: %w", d.Position+1, at-1, errOpen)
	}
	return route, nil
}

// acknowledge tells the migration which route was taken, before anything is sent on it.
func (p *Producer) acknowledge(ctx context.Context, at start) error {
	if !at.told {
		return nil
	}
	return p.routed(ctx, at.directive, at.route.side, at.barrier)
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
	source, err := p.clusters.get(ctx, p.cfg.Home)
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
	return list, p.awaitCopy(ctx, d, list)
}

// awaitCopy follows the offset map of the present copy until its watermarks have passed the barrier.
func (p *Producer) awaitCopy(ctx context.Context, d events.Directive, barrier []events.PartitionOffset) error {
	c, err := p.clusters.get(ctx, p.cfg.Control)
	if err != nil {
		return err
	}
	copied, partitions := map[int32]int64{}, map[int32]bool{}
	for _, b := range barrier {
		partitions[events.CopyKey{Migration: d.Migration, Topic: p.cfg.Topic, Partition: b.Partition}.ControlPartition()] = true
	}
	tail := eventlog.NewOffsets(c, eventlog.Options{Logger: p.opt.log}).Tail(slices.Collect(maps.Keys(partitions)))
	defer func() { _ = tail.Close() }()
	p.opt.log.Info().Str("topic", p.cfg.Topic).Str("migration", d.Migration).Msg("waiting until the copy has passed what the source has")
	for !produce.Passed(barrier, copied) {
		records, _, err := tail.Next(ctx, time.Second)
		for _, r := range records {
			if k := r.Key.Copy; r.Block != nil && k.Migration == d.Migration && k.Topic == p.cfg.Topic && r.Block.Recopies == d.Topic.Recopies {
				copied[k.Partition] = max(copied[k.Partition], r.Block.Watermark)
			}
		}
		if err != nil {
			return fmt.Errorf("wait for the copy to pass what the source had: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// met tells a migration of this producer that began after it had started. Its route stays what it is.
func (p *Producer) met(ctx context.Context, d events.Directive) {
	p.heard(d)
	p.mu.Lock()
	_, known := p.joined[d.Migration]
	side := p.route.side
	p.mu.Unlock()
	if known || d.Topic == nil {
		return
	}
	_, err := p.register(ctx, d)
	if err == nil {
		err = p.routed(ctx, d, side, nil)
	}
	if err != nil && ctx.Err() == nil {
		p.opt.log.Error().Err(err).Str("migration", d.Migration).Msg("the migration cannot be told of this producer")
	}
}

// register appends ProducerSeen, once to a migration, and returns its position.
func (p *Producer) register(ctx context.Context, d events.Directive) (int64, error) {
	body := events.ProducerSeen{Incarnation: p.incarnation, Instance: p.cfg.Instance, Version: Version}
	p.mu.Lock()
	at, known := p.joined[d.Migration]
	if p.route.client != nil {
		body.ProducerIDs = map[string]int64{p.route.cluster: p.identity.ID}
	}
	if !known {
		p.joined[d.Migration] = -1 // from here on the event may be in the log: Close says good-bye
	}
	p.mu.Unlock()
	if known && at >= 0 {
		return at, nil
	}
	at, err := p.tell(ctx, d, body)
	if err == nil {
		p.mu.Lock()
		p.joined[d.Migration] = at
		p.mu.Unlock()
	}
	return at, err
}

// routed appends ProducerRouted.
func (p *Producer) routed(ctx context.Context, d events.Directive, side string, barrier []events.PartitionOffset) error {
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
