package replicator

import (
	"context"
	"fmt"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
)

// loader reads the claims and blocks of many partitions at once: a read takes a
// whole control partition, however few of its records are wanted.
type loader struct {
	*sharded[loading]
	read func(context.Context, []events.CopyKey) (map[events.CopyKey]log.Loaded, error)
}

// loading is a partition that somebody wants to know about.
type loading struct {
	key    events.CopyKey
	answer func(log.Loaded, error)
}

func newLoader(read func(context.Context, []events.CopyKey) (map[events.CopyKey]log.Loaded, error)) *loader {
	l := &loader{read: read}
	l.sharded = newSharded(l.answer)
	return l
}

func (l *loader) answer(ctx context.Context, all []loading) {
	keys := make([]events.CopyKey, len(all))
	for i, a := range all {
		keys[i] = a.key
	}
	found, err := l.read(ctx, keys)
	if err != nil {
		err = fmt.Errorf("load the offset map: %w", err)
	}
	for _, a := range all {
		a.answer(found[a.key], err)
	}
}

// load waits for the claims and blocks of one partition.
func (l *loader) load(ctx context.Context, key events.CopyKey) (log.Loaded, error) {
	type answer struct {
		log.Loaded
		err error
	}
	got := make(chan answer, 1)
	l.ask(key, loading{key: key, answer: func(found log.Loaded, err error) { got <- answer{found, err} }})
	select {
	case a := <-got:
		return a.Loaded, a.err
	case <-ctx.Done():
		return log.Loaded{}, ctx.Err()
	}
}

// askLoad asks for the claims and blocks of the partition.
func (p *partition) askLoad(life int) {
	p.w.loads.ask(p.key, loading{key: p.key, answer: func(found log.Loaded, err error) {
		if err == nil {
			p.update(life, func(c *core) { c.loaded(found.Claims, found.Blocks) })
		}
		p.finished(err)
	}})
}
