package log

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"golang.org/x/sync/errgroup"
)

// Follower follows some or all partitions of a state topic, from their starts:
// first what is there, then what comes. It holds one long poll to each broker
// that leads one of them. Make one with Watch or Tail, and Close it.
type Follower[R any] struct {
	c     *cluster.Client
	topic identity
	// fold turns a record into what Next returns, or drops it. It is called by
	// Next alone.
	fold func(partition int32, r cluster.Record) (R, bool)

	parts  []*followed
	pages  chan followedPage
	begin  sync.Once
	cancel context.CancelFunc
	ctx    context.Context
	done   chan struct{}

	behind int // partitions that Next has not seen at their end yet
	failed error
}

// followed is one partition; its fields belong to the goroutine that polls it,
// ended to Next.
type followed struct {
	id    int32
	begun bool
	next  int64
	goal  int64 // the end when the follower began
	told  bool  // that its end was reached
	ended bool
}

// followedPage is what a poll brought.
type followedPage struct {
	part    *followed
	records []cluster.Record
	// ended says that the records reach to the partition's end as of the poll,
	// and to the one that it had when the follower began.
	ended bool
	err   error
	fatal bool
}

// longPoll is how long a broker may hold an empty poll: what ends sooner is
// noticed sooner, and costs an empty answer.
const longPoll = 500 * time.Millisecond

func follow[R any](c *cluster.Client, topic string, partitions []int32, fold func(int32, cluster.Record) (R, bool)) *Follower[R] {
	ctx, cancel := context.WithCancel(context.Background())
	f := &Follower[R]{
		c: c, topic: identity{topic: topic}, fold: fold, ctx: ctx, cancel: cancel,
		pages: make(chan followedPage, len(partitions)+1), done: make(chan struct{}), behind: len(partitions),
	}
	for _, p := range partitions {
		f.parts = append(f.parts, &followed{id: p})
		f.topic.partition = p
	}
	return f
}

// Close ends the follower and waits for its goroutines. It may be called more
// than once, but not at the same time as Next.
func (f *Follower[R]) Close() error {
	f.cancel()
	f.begin.Do(func() { close(f.done) }) // Next was never called: nothing runs
	<-f.done
	return nil
}

// Next returns the records that have come, in the order of each partition, and
// waits up to wait for the first. caughtUp says that every partition has been
// read to an end that it had after the follower began. While brokers cannot be
// reached, or do not know the topic, it returns the errors and goes on trying;
// [ErrTruncated] and [ErrRecreated] end the follower for good.
func (f *Follower[R]) Next(ctx context.Context, wait time.Duration) (records []R, caughtUp bool, err error) {
	f.begin.Do(func() { go f.run() })
	if f.failed != nil {
		return nil, false, f.failed
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case page := <-f.pages:
		records, err = f.take(records, page)
	case <-timer.C:
	case <-ctx.Done():
		return nil, f.behind == 0, ctx.Err()
	}
	for err == nil {
		select {
		case page := <-f.pages:
			records, err = f.take(records, page)
			continue
		default:
		}
		break
	}
	return records, f.behind == 0, err
}

func (f *Follower[R]) take(records []R, page followedPage) ([]R, error) {
	if page.err != nil {
		if page.fatal {
			f.failed = page.err
		}
		return records, page.err
	}
	for _, r := range page.records {
		if out, keep := f.fold(page.part.id, r); keep {
			records = append(records, out)
		}
	}
	if page.ended && !page.part.ended {
		page.part.ended = true
		f.behind--
	}
	return records, nil
}

// run polls until Close, in rounds: a round ends when a leader has moved or
// cannot be reached.
func (f *Follower[R]) run() {
	defer close(f.done)
	if len(f.parts) == 0 {
		return // nothing to follow: caught up for ever
	}
	for attempt := 0; f.ctx.Err() == nil; attempt++ {
		polled, err := f.round()
		fatal := errors.Is(err, ErrTruncated) || errors.Is(err, ErrRecreated)
		if err != nil && (fatal || !polled) {
			f.hand(f.ctx, followedPage{err: fmt.Errorf("follow %s: %w", f.topic.topic, err), fatal: fatal})
		}
		if fatal {
			return
		}
		if polled { // a leader that moves is no failure yet
			attempt = 0
		}
		pause(f.ctx, attempt)
	}
}

// hand gives a page to Next; false when the follower ends.
func (f *Follower[R]) hand(ctx context.Context, page followedPage) bool {
	select {
	case f.pages <- page:
		return true
	case <-ctx.Done():
		return false
	}
}

// round polls every leader until one of the polls fails; polled says that each
// of them had answered before.
func (f *Follower[R]) round() (polled bool, err error) {
	if err := f.topic.check(f.ctx, f.c, true); err != nil {
		return false, err
	}
	byLeader := make(map[int32][]*followed)
	for _, p := range f.parts {
		if err := f.prepare(p); err != nil {
			return false, err
		}
		leader, err := f.c.Leader(f.ctx, f.topic.topic, p.id)
		if err != nil {
			return false, missing(f.topic.topic, err)
		}
		byLeader[leader] = append(byLeader[leader], p)
	}
	group, ctx := errgroup.WithContext(f.ctx)
	var answered atomic.Int64
	for leader, parts := range byLeader {
		group.Go(func() error {
			for first := true; ; first = false {
				if err := f.poll(ctx, leader, parts); err != nil {
					return err
				}
				if first {
					answered.Add(1)
				}
			}
		})
	}
	err = group.Wait()
	return int(answered.Load()) == len(byLeader), err
}

// prepare finds the start of a partition and the end that it has now.
func (f *Follower[R]) prepare(p *followed) (err error) {
	if p.begun {
		return nil
	}
	if p.goal, err = endOf(f.ctx, f.c, f.topic.topic, p.id); err != nil {
		return err
	}
	if p.next, err = startOf(f.ctx, f.c, f.topic.topic, p.id); err != nil {
		return err
	}
	p.begun = true
	return nil
}
