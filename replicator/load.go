package replicator

import (
	"context"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
)

// loader reads the map of many partitions at once: whatever is asked for while
// a read is under way goes into the next one. A read takes a whole control
// partition, however few of its records are wanted.
type loader struct {
	read  func(context.Context, []events.CopyKey) (map[events.CopyKey]log.Loaded, error)
	asked chan loadRequest
}

type loadRequest struct {
	key    events.CopyKey
	answer chan loadAnswer
}

type loadAnswer struct {
	loaded log.Loaded
	err    error
}

func newLoader(read func(context.Context, []events.CopyKey) (map[events.CopyKey]log.Loaded, error)) *loader {
	return &loader{read: read, asked: make(chan loadRequest)}
}

// run answers requests until ctx ends.
func (l *loader) run(ctx context.Context) error {
	for {
		var batch []loadRequest
		select {
		case r := <-l.asked:
			batch = append(batch, r)
		case <-ctx.Done():
			return ctx.Err()
		}
		for more := true; more; {
			select {
			case r := <-l.asked:
				batch = append(batch, r)
			default:
				more = false
			}
		}
		l.answer(ctx, batch)
	}
}

func (l *loader) answer(ctx context.Context, batch []loadRequest) {
	keys := make([]events.CopyKey, len(batch))
	for i, r := range batch {
		keys[i] = r.key
	}
	all, err := l.read(ctx, keys)
	for _, r := range batch {
		r.answer <- loadAnswer{loaded: all[r.key], err: err}
	}
}

// load returns the claims and blocks of one partition.
func (l *loader) load(ctx context.Context, key events.CopyKey) (log.Loaded, error) {
	r := loadRequest{key: key, answer: make(chan loadAnswer, 1)}
	select {
	case l.asked <- r:
	case <-ctx.Done():
		return log.Loaded{}, ctx.Err()
	}
	select {
	case a := <-r.answer:
		return a.loaded, a.err
	case <-ctx.Done():
		return log.Loaded{}, ctx.Err()
	}
}
