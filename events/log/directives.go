package log

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// Directives publishes and looks up directives.
type Directives struct {
	c     *cluster.Client
	o     Options
	w     *writer
	parts [events.ControlPartitions]directivePartition
}

// directivePartition is what one partition says, as far as it was read.
type directivePartition struct {
	mu   sync.Mutex // held for a whole look-up or publication
	scan scanner
	mark int64 // −1 for none
	live map[addressed]map[int64]liveDirective
}

// addressed is who directives compete for.
type addressed struct {
	cluster   string
	addressee events.Addressee
}

// liveDirective is a key that has a value: a directive, or what was refused as
// one.
type liveDirective struct {
	dir   events.Directive
	value []byte
	valid bool
}

// NewDirectives returns the directives on the control cluster.
func NewDirectives(c *cluster.Client, o Options) *Directives {
	o = o.withDefaults()
	d := &Directives{c: c, o: o, w: &writer{c: c, o: o, topic: events.TopicDirectives}}
	for i := range d.parts {
		p := &d.parts[i]
		p.scan = scanner{c: c, topic: identity{topic: events.TopicDirectives, partition: int32(i)}, partition: int32(i)}
		p.clear()
	}
	return d
}

func (p *directivePartition) clear() {
	p.mark, p.live = -1, make(map[addressed]map[int64]liveDirective)
}

// Latest returns the directive that is in force for an addressee and the mark
// of its partition (−1 for none), after reading the partition to the end that
// it has when Latest is called. The key's position is ignored.
func (d *Directives) Latest(ctx context.Context, k events.DirectiveKey) (dir events.Directive, found bool, mark int64, err error) {
	p := &d.parts[k.Partition()]
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := d.refresh(ctx, p); err != nil {
		return events.Directive{}, false, -1, fmt.Errorf("look up the directive for %s: %w", k.Addressee, err)
	}
	dir, found = p.latest(addressed{k.SourceCluster, k.Addressee})
	return dir, found, p.mark, nil
}

func (d *Directives) refresh(ctx context.Context, p *directivePartition) error {
	ctx, cancel := context.WithTimeout(ctx, d.o.Patience)
	defer cancel()
	return p.scan.toEnd(ctx, p.clear, func(r cluster.Record) {
		if refused := p.apply(r); refused != nil {
			d.o.Logger.Warn().Err(refused).Int32("partition", p.scan.partition).Int64("offset", r.Offset).Msg("refused a directive")
		}
	})
}

// apply folds one record. What is refused still occupies its key.
func (p *directivePartition) apply(r cluster.Record) error {
	k, notDirective := events.ParseDirectiveKey(string(r.Key))
	switch {
	case notDirective != nil:
		_, m, err := events.DecodeMark(r.Key, r.Value)
		if err != nil {
			return err
		}
		p.mark = max(p.mark, m.Position)
		return nil
	case r.Value == nil:
		delete(p.live[addressed{k.SourceCluster, k.Addressee}], k.Position)
		return nil
	}
	to := addressed{k.SourceCluster, k.Addressee}
	if p.live[to] == nil {
		p.live[to] = make(map[int64]liveDirective)
	}
	dir, err := events.DecodeDirective(r.Key, r.Value)
	p.live[to][k.Position] = liveDirective{dir: dir, value: bytes.Clone(r.Value), valid: err == nil}
	return err
}

func (p *directivePartition) latest(to addressed) (dir events.Directive, found bool) {
	for _, l := range p.live[to] {
		if l.valid && (!found || l.dir.Position > dir.Position) {
			dir, found = l.dir, true
		}
	}
	return dir, found
}

// Publish makes a directive the one in force: it appends it, reads it back, and
// then removes the addressee's older ones. It may be repeated. A directive
// derived from a later event is never replaced: see [StaleError].
func (d *Directives) Publish(ctx context.Context, dir events.Directive) error {
	value, err := events.EncodeDirective(dir)
	if err != nil {
		return fmt.Errorf("directive %s: %w", dir.Key(), err)
	}
	p := &d.parts[dir.Key().Partition()]
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := d.publish(ctx, p, dir, value); err != nil {
		return fmt.Errorf("publish directive %s: %w", dir.Key(), err)
	}
	return nil
}

func (d *Directives) publish(ctx context.Context, p *directivePartition, dir events.Directive, value []byte) error {
	to := addressed{dir.SourceCluster, dir.Addressee}
	if err := d.refresh(ctx, p); err != nil {
		return err
	}
	if have, found := p.latest(to); found && have.Position > dir.Position {
		return &StaleError{Addressee: string(dir.Addressee), Position: dir.Position, Have: have.Position}
	}
	if there := p.live[to][dir.Position]; !bytes.Equal(there.value, value) {
		if err := d.put(ctx, p, dir.Key().String(), value); err != nil {
			return err
		}
		if err := d.refresh(ctx, p); err != nil {
			return err
		}
	}
	have, found := p.latest(to)
	if !found || have.Position < dir.Position {
		return fmt.Errorf("it was acknowledged and is not in %s/%d: the topic loses records", events.TopicDirectives, p.scan.partition)
	}
	if err := d.retire(ctx, p, to, have.Position); err != nil {
		return err
	}
	if have.Position > dir.Position { // another orchestrator was faster
		return &StaleError{Addressee: string(dir.Addressee), Position: dir.Position, Have: have.Position}
	}
	return nil
}

// retire removes the keys below a position whose directive was read back.
func (d *Directives) retire(ctx context.Context, p *directivePartition, to addressed, below int64) error {
	var tombs []batch.Record
	for position := range p.live[to] {
		if position < below {
			key := events.DirectiveKey{SourceCluster: to.cluster, Addressee: to.addressee, Position: position}
			tombs = append(tombs, batch.Record{Timestamp: time.Now().UnixMilli(), Key: []byte(key.String())})
		}
	}
	if len(tombs) == 0 {
		return nil
	}
	return d.w.write(ctx, map[int32][]batch.Record{p.scan.partition: tombs})
}

func (d *Directives) put(ctx context.Context, p *directivePartition, key string, value []byte) error {
	return d.w.write(ctx, map[int32][]batch.Record{p.scan.partition: {{Timestamp: time.Now().UnixMilli(), Key: []byte(key), Value: value}}})
}

// PublishMark says that a partition is complete up to an event position. A
// lower position than the one that stands there changes nothing.
func (d *Directives) PublishMark(ctx context.Context, partition int32, position int64) error {
	if partition < 0 || partition >= events.ControlPartitions {
		return fmt.Errorf("publish a mark: partition %d: want 0 to %d", partition, events.ControlPartitions-1)
	}
	value, err := events.EncodeMark(events.Mark{Position: position})
	if err != nil {
		return fmt.Errorf("publish the mark of partition %d: %w", partition, err)
	}
	p := &d.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := d.refresh(ctx, p); err != nil {
		return fmt.Errorf("publish the mark of partition %d: %w", partition, err)
	}
	if p.mark >= position {
		return nil
	}
	return d.put(ctx, p, events.MarkKey(partition), value)
}
