package agent

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/portage-kafka/portage/agent/internal/produce"
	"github.com/portage-kafka/portage/events"
)

// open makes the lanes: from here on records may be sent.
func (p *Producer) open(ctx context.Context, r route) error {
	n, err := p.count(ctx, r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.route, p.keys = r, produce.NewPartitioner(n, rand.Uint32())
	p.extend(n)
	close(p.ready)
	if p.opt.observe.Routed != nil {
		p.opt.observe.Routed(r.cluster, r.topic)
	}
	return nil
}

// count asks how many partitions there are to write to.
func (p *Producer) count(ctx context.Context, r route) (int32, error) {
	topics, err := r.client.Topics(ctx, r.topic)
	if err != nil {
		return 0, err
	}
	t, ok := topics[r.topic]
	if !ok {
		return 0, fmt.Errorf("topic %s is not on %s: create it", r.topic, r.cluster)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return produce.Writable(p.order, r.side, int32(len(t.Partitions))), nil
}

// extend starts the lanes that are missing among the first n; p.mu is held.
func (p *Producer) extend(n int32) {
	for q := int32(len(p.lanes)); q < n; q++ {
		l := newSender(p, q, p.identity)
		p.lanes = append(p.lanes, l)
		p.work.Go(l.run)
	}
	p.keys.Grow(n)
}

// growing looks for partitions that were added, until the context ends.
func (p *Producer) growing(ctx context.Context) {
	for pauseFor(ctx, nextCount(p.cfg.MetadataMaxAge)) {
		n, err := p.count(ctx, p.route) // it holds for life
		if err != nil {
			if ctx.Err() == nil {
				p.opt.log.Debug().Err(err).Msg("ask for partition counts")
			}
			continue
		}
		p.mu.Lock()
		p.extend(n)
		p.mu.Unlock()
	}
}

// heard keeps the latest directive of the topic.
func (p *Producer) heard(d events.Directive) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.Topic != nil && (p.order.Topic == nil || d.Position >= p.order.Position) {
		p.order = d
	}
}
