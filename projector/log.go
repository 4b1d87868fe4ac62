package projector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
)

// Reader reads portage.events from where it stands; [log.Reader] is one.
type Reader interface {
	// Next returns the next records in order, all that stand below Page.Next.
	// It waits for some when there are none yet, and returns an empty page when
	// none came.
	Next(ctx context.Context, limit int, wait time.Duration) (log.Page, error)
}

// Log is how to reach portage.events. This package knows no cluster: see the
// example in the package documentation. All functions are required but
// Retriable.
type Log struct {
	// ClusterID is the control cluster's.
	ClusterID string
	// TopicID is the id of portage.events as the cluster has it now, "" where
	// brokers know no topic ids.
	TopicID func(ctx context.Context) (string, error)
	// End is the position behind the last record.
	End func(ctx context.Context) (int64, error)
	// Reader begins to read at a position; it must fail with [log.ErrRecreated]
	// when the topic's id is another than the one given, unless that is "".
	Reader func(from int64, topicID string) Reader
	// Retriable says whether to try again after an error; nil: never.
	Retriable func(error) bool
}

// Validate names the first field that is missing.
func (l Log) Validate() error {
	switch {
	case l.ClusterID == "":
		return errors.New("projector: Log.ClusterID is empty: want the id of the control cluster")
	case l.TopicID == nil, l.End == nil, l.Reader == nil:
		return errors.New("projector: Log.TopicID, Log.End and Log.Reader are required")
	}
	return nil
}

func (l Log) retriable(err error) bool { return l.Retriable != nil && l.Retriable(err) }

// identify compares the log with the one that the store was folded from, and
// returns its ids.
func (l Log) identify(ctx context.Context, m meta) (Identity, error) {
	topic, err := l.TopicID(ctx)
	if err != nil {
		return Identity{}, fmt.Errorf("read the topic id of %s: %w", events.TopicEvents, err)
	}
	id := m.Log
	if m.Applied >= 0 {
		if err := l.recognise(ctx, m, topic); err != nil {
			return id, err
		}
	}
	id.ClusterID, id.TopicID = l.ClusterID, topic
	return id, nil
}

const anew = ": connect to the right cluster, or begin with an empty store"

func (l Log) recognise(ctx context.Context, m meta, topic string) error {
	switch {
	case m.Log.ClusterID != l.ClusterID:
		return fmt.Errorf("%w: the cluster was %s, now it is %s%s", ErrForeignLog, m.Log.ClusterID, l.ClusterID, anew)
	case m.Log.TopicID != topic:
		return &log.TopicError{Err: log.ErrRecreated, Topic: events.TopicEvents, Want: m.Log.TopicID, Have: topic}
	}
	end, err := l.End(ctx)
	if err != nil {
		return fmt.Errorf("read the end of %s: %w", events.TopicEvents, err)
	}
	if end <= m.Applied {
		return truncated(m.Applied, end)
	}
	for _, mark := range []*Landmark{m.Log.First, m.Log.Last} {
		if mark == nil {
			continue
		}
		if err := l.find(ctx, *mark, topic, end); err != nil {
			return err
		}
	}
	return nil
}

func truncated(position, end int64) error {
	return &log.TopicError{Err: log.ErrTruncated, Topic: events.TopicEvents, Position: position, End: end}
}

// find looks whether an event stands where it stood when it was folded.
func (l Log) find(ctx context.Context, mark Landmark, topic string, end int64) error {
	rec, err := l.at(ctx, mark.Position, topic)
	switch {
	case err != nil:
		return fmt.Errorf("read position %d of %s: %w", mark.Position, events.TopicEvents, err)
	case rec == nil:
		return fmt.Errorf("event %s is gone: %w", mark.Digest, truncated(mark.Position, end))
	}
	if now := landmark(rec).Digest; now != mark.Digest {
		return fmt.Errorf("%w: at position %d stands event %q with digest %s, folded was one with %s%s",
			ErrForeignLog, mark.Position, rec.Event.ID, now, mark.Digest, anew)
	}
	return nil
}

// at reads the record at a position, nil when there is none.
func (l Log) at(ctx context.Context, position int64, topic string) (*events.Record, error) {
	reader := l.Reader(position, topic)
	for {
		page, err := reader.Next(ctx, 1, 0)
		if err != nil {
			return nil, err
		}
		for i, rec := range page.Records {
			if rec.Position >= position {
				if rec.Position > position {
					return nil, nil
				}
				return &page.Records[i], nil
			}
		}
		if page.Next > position || page.Next >= page.End {
			return nil, nil
		}
	}
}

// fetched is a page or the error instead of it.
type fetched struct {
	page log.Page
	err  error
}

// pages reads on and hands every page to a function,
// while it reads the next one. It ends when the function says so, with the
// first error of either, or when ctx is done.
func pages(ctx context.Context, r Reader, limit int, wait time.Duration, handle func(log.Page) (done bool, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	ahead := make(chan fetched, 1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		read(ctx, r, limit, wait, ahead)
	}()
	defer func() { cancel(); <-gone }()
	for {
		select {
		case f := <-ahead:
			if f.err != nil {
				return f.err
			}
			if done, err := handle(f.page); done || err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read sends pages until one fails or ctx is done.
func read(ctx context.Context, r Reader, limit int, wait time.Duration, ahead chan<- fetched) {
	for {
		page, err := r.Next(ctx, limit, wait)
		select {
		case ahead <- fetched{page, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}
