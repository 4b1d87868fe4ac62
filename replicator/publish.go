package replicator

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/portage-kafka/portage/events"
)

// publisher publishes the maps of partitions that have changed: of one
// partition at most every PublishEvery, or at once while a switch waits for it;
// of many in one request.
type publisher struct {
	w    *Worker
	wake chan struct{}

	mu    sync.Mutex
	dirty map[*partition]struct{}
}

// publishAtOnce bounds the partitions of one publication.
const publishAtOnce = 1000

func newPublisher(w *Worker) *publisher {
	return &publisher{w: w, wake: make(chan struct{}, 1), dirty: map[*partition]struct{}{}}
}

// mark says that a partition's map has changed.
func (b *publisher) mark(p *partition) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.dirty[p]; !known {
		b.dirty[p] = struct{}{}
		signal(b.wake)
	}
}

// run publishes what is due until ctx ends.
func (b *publisher) run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		due, wait := b.due()
		if len(due) > 0 {
			err := b.publish(ctx, due, false)
			if err == nil {
				failures = 0
				continue
			}
			failures++
			b.w.cfg.Log.Warn().Err(err).Msg("publishing the offset map failed; trying again")
			wait = min(50*time.Millisecond<<min(failures, 6), 2*time.Second)
		}
		timer := time.NewTimer(wait)
		select {
		case <-b.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return ctx.Err()
}

// due lists the partitions to publish now, or says how long to wait.
func (b *publisher) due() (due []*partition, wait time.Duration) {
	b.mu.Lock()
	all := make([]*partition, 0, len(b.dirty))
	for p := range b.dirty {
		all = append(all, p)
	}
	b.mu.Unlock()
	wait = time.Hour
	for _, p := range all {
		at, dirty := p.dueAt()
		switch {
		case !dirty:
			b.forget(p)
		case at <= b.w.now():
			due = append(due, p)
		default:
			wait = min(wait, at-b.w.now())
		}
	}
	return due, wait
}

// forget drops a clean partition, unless it has changed since.
func (b *publisher) forget(p *partition) {
	b.mu.Lock()
	delete(b.dirty, p)
	b.mu.Unlock()
	if _, dirty := p.dueAt(); dirty {
		b.mark(p)
	}
}

// dueAt is when the partition's map is to be published next.
func (p *partition) dueAt() (at time.Duration, dirty bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.core
	at = c.mapDueAt()
	if p.publishing { // whoever does so is nearly done
		at = max(at, p.w.now()+time.Millisecond)
	}
	return at, c.phase >= recording && c.ledger.dirty() && !p.gone
}

// publish publishes blocks of partitions. With force, one partition's block
// does not wait for its interval.
func (b *publisher) publish(ctx context.Context, parts []*partition, force bool) error {
	for chunk := range slices.Chunk(parts, publishAtOnce) {
		if err := b.publishChunk(ctx, chunk, force); err != nil {
			return err
		}
	}
	return nil
}

func (b *publisher) publishChunk(ctx context.Context, parts []*partition, force bool) error {
	blocks, taken := map[events.CopyKey][]events.Block{}, map[*partition]publication{}
	for _, p := range parts {
		if pub, ok := p.publication(force); ok {
			blocks[p.key] = append(blocks[p.key], pub.block)
			taken[p] = pub
		}
	}
	if len(blocks) == 0 {
		return nil
	}
	start := time.Now()
	err := b.w.offsets.PublishBlocks(ctx, blocks)
	for p, pub := range taken {
		p.published(pub, err)
	}
	if hook := b.w.cfg.Hooks.Published; hook != nil {
		hook(len(blocks), time.Since(start), err)
	}
	return err
}

// publication takes the partition's next block, one at a time.
func (p *partition) publication(force bool) (pub publication, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.publishing {
		return publication{}, false
	}
	pub, ok = p.core.take(p.w.now(), force)
	p.publishing = ok
	return pub, ok
}

// published ends a publication.
func (p *partition) published(pub publication, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.publishing = false
	if err == nil {
		p.core.published(pub, p.w.now())
		p.startVerification()
	}
	p.follow()
	if p.core.phase != copying || p.stream == nil { // the keeper may have waited for it
		p.poke()
	}
}

// flush publishes everything that is not published.
func (b *publisher) flush(ctx context.Context) error {
	for {
		var todo []*partition
		for _, p := range b.w.partitions() {
			if _, dirty := p.dueAt(); dirty {
				todo = append(todo, p)
			}
		}
		if len(todo) == 0 {
			return nil
		}
		if err := b.publish(ctx, todo, true); err != nil {
			return err
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
