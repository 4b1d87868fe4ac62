package log

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
)

// Offsets publishes and loads the offset map: claims of lineages and blocks.
type Offsets struct {
	c *cluster.Client
	o Options
	// A claim does not wait for blocks that a partition does not take now.
	blocks, claims *writer
}

// NewOffsets returns the offset map on the control cluster.
func NewOffsets(c *cluster.Client, o Options) *Offsets {
	o = o.withDefaults()
	return &Offsets{
		c: c, o: o,
		blocks: &writer{c: c, o: o, topic: events.TopicOffsets}, claims: &writer{c: c, o: o, topic: events.TopicOffsets},
	}
}

// PublishBlock writes a block of a partition's map, over its former state.
func (f *Offsets) PublishBlock(ctx context.Context, k events.CopyKey, b events.Block) error {
	return f.PublishBlocks(ctx, map[events.CopyKey][]events.Block{k: {b}})
}

// PublishBlocks writes blocks of many partitions, in one request to each
// leader. On an error some may be in the topic.
func (f *Offsets) PublishBlocks(ctx context.Context, blocks map[events.CopyKey][]events.Block) error {
	var todo outgoing
	for _, k := range sortedKeys(blocks) {
		for _, b := range blocks[k] {
			value, err := events.EncodeBlock(b)
			if err != nil {
				return fmt.Errorf("block %s: %w", b.Key(k), err)
			}
			todo.add(b.Key(k), value)
		}
	}
	return f.blocks.write(ctx, todo.records)
}

// PublishClaims writes one claim each of many partitions, in one request to each
// leader. Whether it counts is for the owner to see who loads the partition
// again: another claim may precede it. On an error some may be in the topic.
func (f *Offsets) PublishClaims(ctx context.Context, claims map[events.CopyKey]events.Claim) error {
	var todo outgoing
	for _, k := range sortedKeys(claims) {
		c := claims[k]
		value, err := events.EncodeClaim(c)
		if err != nil {
			return fmt.Errorf("claim %s: %w", c.Key(k), err)
		}
		todo.add(c.Key(k), value)
	}
	return f.claims.write(ctx, todo.records)
}

// outgoing is records on their way to portage.offsets, by partition.
type outgoing struct{ records map[int32][]batch.Record }

func (o *outgoing) add(k events.OffsetsKey, value []byte) {
	if o.records == nil {
		o.records = make(map[int32][]batch.Record)
	}
	p := k.Copy.ControlPartition()
	o.records[p] = append(o.records[p], batch.Record{Timestamp: time.Now().UnixMilli(), Key: []byte(k.String()), Value: value})
}

func sortedKeys[V any](m map[events.CopyKey]V) []events.CopyKey {
	keys := make([]events.CopyKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b events.CopyKey) int {
		return cmp.Or(cmp.Compare(a.Migration, b.Migration), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return keys
}

// has finds a claim that is there already: a repetition of the same record.
func has(claims []events.Claim, c events.Claim) bool { return slices.Contains(claims, c) }

// Loaded is what portage.offsets says about one partition of a topic.
type Loaded struct {
	// Claims are in the order of the log, Blocks by owner epoch and number.
	Claims []events.Claim
	Blocks []events.Block
}

// Load reads the claims of a partition in the order of the log, void ones
// among them, and its blocks by owner epoch and number. A record under the
// partition's keys that is refused is an error: a map is never guessed.
func (f *Offsets) Load(ctx context.Context, k events.CopyKey) (claims []events.Claim, blocks []events.Block, err error) {
	all, err := f.LoadAll(ctx, []events.CopyKey{k})
	if err != nil {
		return nil, nil, err
	}
	return all[k].Claims, all[k].Blocks, nil
}

// LoadAll is Load for many partitions; each control partition is read once.
func (f *Offsets) LoadAll(ctx context.Context, keys []events.CopyKey) (map[events.CopyKey]Loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, f.o.Patience)
	defer cancel()
	wanted := make(map[int32]*loading)
	for _, k := range keys {
		p := k.ControlPartition()
		if wanted[p] == nil {
			wanted[p] = &loading{}
		}
		wanted[p].keys = append(wanted[p].keys, k)
	}
	out := make(map[events.CopyKey]Loaded, len(keys))
	for p, l := range wanted {
		l.clear()
		s := scanner{c: f.c, topic: identity{topic: events.TopicOffsets, partition: p}, partition: p}
		if err := errors.Join(s.toEnd(ctx, l.clear, l.visit), errors.Join(l.refused...)); err != nil {
			return nil, fmt.Errorf("load the offset map of %d partitions from %s/%d: %w", len(l.keys), events.TopicOffsets, p, err)
		}
		for _, k := range l.keys {
			out[k] = l.found[k].loaded()
		}
	}
	return out, nil
}

// loading collects the records of some keys.
type loading struct {
	keys    []events.CopyKey
	found   map[events.CopyKey]*collected
	refused []error
}

type collected struct {
	claims []events.Claim
	blocks map[events.OffsetsKey]events.Block
}

func (l *loading) clear() {
	l.found, l.refused = make(map[events.CopyKey]*collected), nil
	for _, k := range l.keys {
		l.found[k] = &collected{blocks: make(map[events.OffsetsKey]events.Block)}
	}
}

func (l *loading) visit(r cluster.Record) {
	key, err := events.ParseOffsetsKey(string(r.Key))
	into := l.found[key.Copy]
	if err != nil || into == nil {
		return
	}
	switch {
	case r.Value == nil:
		delete(into.blocks, key)
	case key.Claim:
		_, c, refused := events.DecodeClaim(r.Key, r.Value)
		err = refused
		if refused == nil && !has(into.claims, c) {
			into.claims = append(into.claims, c)
		}
	default:
		_, b, refused := events.DecodeBlock(r.Key, r.Value)
		err = refused
		if refused == nil {
			into.blocks[key] = b
		}
	}
	if err != nil {
		l.refused = append(l.refused, fmt.Errorf("offset %d: %w", r.Offset, err))
	}
}

func (c *collected) loaded() Loaded {
	out := Loaded{Claims: c.claims}
	for _, b := range c.blocks {
		out.Blocks = append(out.Blocks, b)
	}
	slices.SortFunc(out.Blocks, func(a, b events.Block) int {
		return cmp.Or(cmp.Compare(a.OwnerEpoch, b.OwnerEpoch), cmp.Compare(a.Number, b.Number))
	})
	return out
}

// OffsetsRecord is a record of portage.offsets, or one that was refused.
type OffsetsRecord struct {
	Partition int32
	Offset    int64
	Key       events.OffsetsKey
	// One of these is set.
	Claim   *events.Claim
	Block   *events.Block
	Refusal error
}

// OffsetsTail follows claims and blocks.
type OffsetsTail = Follower[OffsetsRecord]

// Tail follows one, some or all partitions (nil) of portage.offsets.
func (f *Offsets) Tail(partitions []int32) *OffsetsTail {
	return follow(f.c, events.TopicOffsets, orAll(partitions), offsetsRecord)
}

func offsetsRecord(partition int32, r cluster.Record) (OffsetsRecord, bool) {
	out := OffsetsRecord{Partition: partition, Offset: r.Offset}
	key, err := events.ParseOffsetsKey(string(r.Key))
	switch {
	case r.Value == nil:
		return out, false
	case err != nil:
		out.Refusal = err
	case key.Claim:
		var c events.Claim
		out.Key, c, out.Refusal = events.DecodeClaim(r.Key, r.Value)
		out.Claim = &c
	default:
		var b events.Block
		out.Key, b, out.Refusal = events.DecodeBlock(r.Key, r.Value)
		out.Block = &b
	}
	if out.Refusal != nil {
		out.Claim, out.Block = nil, nil
	}
	return out, true
}
