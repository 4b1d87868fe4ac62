package log

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
)

// Sentinels for errors.Is.
var (
	// ErrTruncated: the log does not reach to a position that was read before,
	// or no longer begins at or below it.
	ErrTruncated = errors.New("the log was truncated")
	// ErrRecreated: the topic was deleted and created again.
	ErrRecreated = errors.New("the topic was deleted and created again")
	// ErrMissing: a control topic does not exist.
	ErrMissing = errors.New("the control topic does not exist: run portage init")
	// ErrUnfit: a control topic has settings that portage cannot work with.
	ErrUnfit = errors.New("a control topic is not as portage needs it")
	// ErrStale: a directive derived from a later event is there already.
	ErrStale = errors.New("a later directive is in force")
	// ErrOutcomeUnknown: a write may be in the log, or may still get there.
	ErrOutcomeUnknown = errors.New("outcome unknown: the write may be in the log")
)

// TopicError is what is wrong with a control topic as a whole; it wraps
// [ErrTruncated] or [ErrRecreated].
type TopicError struct {
	Err       error
	Topic     string
	Partition int32
	// Position is what was to be read; Start and End are the partition's as of
	// the failure. Offsets.
	Position, Start, End int64
	// Want and Have are the topic's ids for ErrRecreated, else empty.
	Want, Have string
}

// Error puts it all in one line.
func (e *TopicError) Error() string {
	if e.Want != "" {
		return fmt.Sprintf("%s: %v: it had the topic id %s, it has %s: restore the topic, or begin with an empty store",
			e.Topic, e.Err, e.Want, e.Have)
	}
	return fmt.Sprintf("%s/%d: %v: position %d was to be read, the log has %d to %d: restore the topic, or begin with an empty store",
		e.Topic, e.Partition, e.Err, e.Position, e.Start, e.End)
}

// Unwrap returns the sentinel.
func (e *TopicError) Unwrap() error { return e.Err }

// StaleError says which directive is in force instead; it wraps [ErrStale].
type StaleError struct {
	Addressee      string
	Position, Have int64 // of the directive that was refused and of the one in force
}

// Error puts it all in one line.
func (e *StaleError) Error() string {
	return fmt.Sprintf("directive for %s from event %d: %v, from event %d", e.Addressee, e.Position, ErrStale, e.Have)
}

// Unwrap returns the sentinel.
func (e *StaleError) Unwrap() error { return ErrStale }

// unknown makes a failed write whose outcome is open an ErrOutcomeUnknown.
func unknown(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrOutcomeUnknown, err)
}

// missing explains a cluster's "unknown topic" where a control topic is meant.
func missing(topic string, err error) error {
	if errors.Is(err, cluster.ErrUnknownTopic) {
		return fmt.Errorf("%s: %w: %w", topic, ErrMissing, err)
	}
	return err
}

// pause waits before another attempt: 20, 40, 80 … up to 1000 ms. It returns
// false when ctx ends.
func pause(ctx context.Context, attempt int) bool {
	t := time.NewTimer(min(20*time.Millisecond<<min(attempt, 10), time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
