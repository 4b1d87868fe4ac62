package log

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
)

// Limits of a write.
const (
	// batchLimit is the default max.message.bytes of a topic.
	batchLimit = 1_048_588
	// defaultPatience is how long a write is tried.
	defaultPatience = time.Minute
	// boundAge is how old a known end may be before a write asks for a newer
	// one: it bounds how much is read back after a failure.
	boundAge = time.Minute
)

// AppenderOptions configure an [Appender]; the zero value is ready for use.
type AppenderOptions struct {
	// Nonce makes the last part of a record key: different for every call, in
	// every process. Default: 64 random bits in hex.
	Nonce func() string
	// Patience is how long one call tries (a shorter deadline of its context
	// counts). Default 1 minute.
	Patience time.Duration
	// Logger hears of failed sends; the zero value discards.
	Logger zerolog.Logger
	// Before is called before an event is sent, each time; After once it is in
	// the log. nil is skipped.
	Before, After func(events.Event)
}

// Appender appends events to portage.events, each once as far as the fold is
// concerned: a copy that a retry brings has the same event id.
type Appender struct {
	c *cluster.Client
	o AppenderOptions

	mu    sync.Mutex
	end   int64     // an end that the log had
	known time.Time // when; zero for never
}

// NewAppender returns an appender on the control cluster.
func NewAppender(c *cluster.Client, o AppenderOptions) *Appender {
	if o.Nonce == nil {
		o.Nonce = randomNonce
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	return &Appender{c: c, o: o}
}

// randomNonce is 64 random bits in hex: that two sends of one event ever share
// them is not to be expected.
func randomNonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (package crypto/rand)
	return hex.EncodeToString(b[:])
}

// Append appends one event and returns its position: that of the first copy of
// it that was seen since the call began. An event that a reader would refuse
// is refused with a *events.Refusal before anything is sent; of an
// [ErrOutcomeUnknown] the same event may be appended again at any time.
func (a *Appender) Append(ctx context.Context, e events.Event) (position int64, err error) {
	at, err := a.AppendAll(ctx, []events.Event{e})
	if err != nil {
		return -1, err
	}
	return at[0], nil
}

// AppendAll appends events in order, in one batch (several, one after the
// other, where they do not fit into one of 1 MB), and returns their positions.
// On an error the events before the failed batch are in the log.
func (a *Appender) AppendAll(ctx context.Context, es []events.Event) ([]int64, error) {
	items, err := encodeAll(es)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.o.Patience)
	defer cancel()
	for rest := items; len(rest) > 0; {
		n := fitting(rest)
		if err := a.appendBatch(ctx, rest[:n]); err != nil {
			return nil, fmt.Errorf("append %s: %w", describe(rest[:n]), err)
		}
		rest = rest[n:]
	}
	positions := make([]int64, len(items))
	for i, it := range items {
		positions[i] = it.position
	}
	return positions, nil
}

// item is an event on its way into the log.
type item struct {
	event    events.Event
	value    []byte
	position int64 // −1 until it is known
}

func encodeAll(es []events.Event) ([]*item, error) {
	items := make([]*item, len(es))
	seen := make(map[string]struct{}, len(es))
	for i, e := range es {
		value, err := events.Encode(e)
		if err != nil {
			return nil, err
		}
		name := e.Key("").String()
		if _, twice := seen[name]; twice {
			return nil, fmt.Errorf("event %s of migration %s is to be appended twice in one call: each event once", e.ID, e.Migration)
		}
		seen[name] = struct{}{}
		items[i] = &item{event: e, value: value, position: -1}
	}
	return items, nil
}

// fitting is how many of the items fit into one batch, at least one.
func fitting(items []*item) int {
	const perRecord = 64 // more than lengths, deltas and a long nonce take
	size := batch.HeaderSize
	for i, it := range items {
		size += perRecord + len(it.value) + len(it.event.Key("").String())
		if size > batchLimit && i > 0 {
			return i
		}
	}
	return len(items)
}

func describe(items []*item) string {
	first := items[0].event
	if len(items) == 1 {
		return fmt.Sprintf("%s %s to %s", first.Type, first.ID, events.TopicEvents)
	}
	return fmt.Sprintf("%d events from %s %s on to %s", len(items), first.Type, first.ID, events.TopicEvents)
}

// appendBatch sends the items until each has a position.
func (a *Appender) appendBatch(ctx context.Context, items []*item) error {
	bound, err := a.bound(ctx)
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		err := a.send(ctx, items)
		if err == nil {
			return nil
		}
		a.o.Logger.Warn().Err(err).Int("attempt", attempt).Str("event", items[0].event.ID).Msg("append failed")
		if cluster.Uncertain(err) {
			if lost := a.find(ctx, bound, items); lost != nil {
				return unknown(lost.Error(), err)
			}
			if len(absent(items)) == 0 {
				a.landed(items)
				return nil
			}
		} else if !cluster.Retriable(err) || errors.Is(err, cluster.ErrUnknownTopic) {
			return missing(events.TopicEvents, err)
		}
		if !pause(ctx, attempt) {
			return fmt.Errorf("gave up after %d attempts, the last: %w", attempt+1, err)
		}
	}
}

func absent(items []*item) []*item {
	var out []*item
	for _, it := range items {
		if it.position < 0 {
			out = append(out, it)
		}
	}
	return out
}

// send sends what has no position yet, once, under keys that were never used.
func (a *Appender) send(ctx context.Context, items []*item) error {
	todo := absent(items)
	records := make([]batch.Record, len(todo))
	now := time.Now().UnixMilli() // the broker puts its own time instead (LogAppendTime)
	for i, it := range todo {
		key := it.event.Key(a.o.Nonce()).String()
		records[i] = batch.Record{Timestamp: now, Key: []byte(key), Value: it.value}
		if a.o.Before != nil {
			a.o.Before(it.event)
		}
	}
	b, err := batch.Build(batch.Spec{}, records)
	if err != nil {
		return err
	}
	base, err := a.c.Append(ctx, events.TopicEvents, 0, b)
	if err != nil {
		return err
	}
	for i, it := range todo {
		it.position = base + int64(i)
	}
	a.landed(items)
	return nil
}

// landed remembers the end that the log has at least, and tells the hook.
func (a *Appender) landed(items []*item) {
	a.mu.Lock()
	for _, it := range items {
		if it.position >= a.end {
			a.end, a.known = it.position+1, time.Now()
		}
	}
	a.mu.Unlock()
	for _, it := range items {
		if a.o.After != nil {
			a.o.After(it.event)
		}
	}
}

// bound is an end that the log had before anything is sent: no copy that the
// coming sends bring can stand below it.
func (a *Appender) bound(ctx context.Context) (int64, error) {
	a.mu.Lock()
	end, known := a.end, a.known
	a.mu.Unlock()
	if !known.IsZero() && time.Since(known) < boundAge {
		return end, nil
	}
	end, err := End(ctx, a.c)
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end, a.known = end, time.Now()
	return end, nil
}
