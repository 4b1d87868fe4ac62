package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	eventlog "github.com/portage-kafka/portage/events/log"
	"github.com/rs/zerolog"
)

// How long one attempt at the control cluster may take; attempts are repeated. A read may have much to read, while an event
// that does not get through is soon to be heard of.
const (
	attemptTimeout = 15 * time.Second
	appendTimeout  = 5 * time.Second
)

// control is the way to the control topics. Every call may fail while the cluster is away, and be repeated.
type control struct {
	clusters *clusters
	name     string
	log      zerolog.Logger
	failing  func(what string, err error) // hears of failures; nil: nobody

	mu       sync.Mutex
	appender *eventlog.Appender // kept: it knows the log's end, and does not ask for it before every event
}

// again repeats what must succeed in the end.
func (k *control) again(ctx context.Context, what string, f func() error) error {
	return again(ctx, k.log, what, func() error {
		err := f()
		if err != nil && ctx.Err() == nil && k.failing != nil {
			k.failing(what, err)
		}
		return err
	})
}

// latest reads the directive in force, from the log's end as of now, and the mark of its partition.
func (k *control) latest(ctx context.Context, key events.DirectiveKey) (d events.Directive, found bool, mark int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	c, err := k.clusters.get(ctx, k.name)
	if err != nil {
		return d, false, -1, err
	}
	return eventlog.NewDirectives(c, eventlog.Options{Patience: attemptTimeout, Logger: k.log}).Latest(ctx, key)
}

// append writes an event, repeating it until it is in the log or the context ends. An event that no reader would accept is an
// error at once.
func (k *control) append(ctx context.Context, e events.Event) (at int64, err error) {
	var refusal *events.Refusal
	err = k.again(ctx, "append "+string(e.Type), func() error {
		at, err = k.appendOnce(ctx, e)
		if errors.As(err, &refusal) {
			return nil
		}
		return err
	})
	if refusal != nil {
		return 0, refusal
	}
	return at, err
}

func (k *control) appendOnce(ctx context.Context, e events.Event) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	c, err := k.clusters.get(ctx, k.name)
	if err != nil {
		return 0, err
	}
	return k.appenderOn(c).Append(ctx, e)
}

func (k *control) appenderOn(c *cluster.Client) *eventlog.Appender {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.appender == nil {
		k.appender = eventlog.NewAppender(c, eventlog.AppenderOptions{Patience: appendTimeout, Logger: k.log})
	}
	return k.appender
}

// read returns every record of portage.events from one position to another, both included.
func (k *control) read(ctx context.Context, from, to int64) (all []events.Record, err error) {
	err = k.again(ctx, "read events", func() error {
		all, err = k.readOnce(ctx, from, to)
		return err
	})
	return all, err
}

func (k *control) readOnce(ctx context.Context, from, to int64) (all []events.Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*attemptTimeout)
	defer cancel()
	c, err := k.clusters.get(ctx, k.name)
	if err != nil || to < from {
		return nil, err
	}
	r := eventlog.NewReader(c, from)
	for next := from; next <= to; {
		page, err := r.Next(ctx, 0, time.Second)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			if rec.Position <= to {
				all = append(all, rec)
			}
		}
		next = page.Next
	}
	return all, nil
}

// watch hands over every directive for an addressee that arrives, until the context ends. A tail that cannot go on is begun
// anew: the core ignores what is old.
func (k *control) watch(ctx context.Context, key events.DirectiveKey, seen func(events.Directive), mark func(int64)) {
	_ = k.again(ctx, "follow directives", func() error {
		c, err := k.clusters.get(ctx, k.name)
		if err != nil {
			return err
		}
		tail := eventlog.NewDirectives(c, eventlog.Options{Logger: k.log}).Watch([]int32{key.Partition()})
		defer func() { _ = tail.Close() }()
		return k.follow(ctx, tail, key, seen, mark)
	})
}

// follow ends with an error that a new tail may cure.
func (k *control) follow(ctx context.Context, tail *eventlog.Tail, key events.DirectiveKey, seen func(events.Directive), mark func(int64)) error {
	for ctx.Err() == nil {
		records, _, err := tail.Next(ctx, time.Second)
		for _, r := range records {
			switch {
			case r.Directive != nil && r.Directive.SourceCluster == key.SourceCluster && r.Directive.Addressee == key.Addressee:
				seen(*r.Directive)
			case r.Mark != nil && mark != nil:
				mark(r.Mark.Position)
			case r.Refusal != nil:
				k.log.Debug().Err(r.Refusal).Msg("a directive was refused")
			}
		}
		if errors.Is(err, eventlog.ErrTruncated) || errors.Is(err, eventlog.ErrRecreated) || errors.Is(err, eventlog.ErrMissing) {
			return err
		}
		if err != nil {
			k.log.Warn().Err(err).Msg("follow directives")
			pauseFor(ctx, againFirst)
		}
	}
	return ctx.Err()
}
