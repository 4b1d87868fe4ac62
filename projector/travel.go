package projector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
)

// Bound is how much of the log to fold.
type Bound struct {
	// Position is the last one to fold, unless Time is set.
	Position int64
	// Time bounds by the broker's clock: the first record with a later time and
	// all after it are left out, so that a clock that was set back reorders
	// nothing. It has the resolution of the log, a millisecond.
	Time time.Time
}

// AtPosition folds up to a position, itself included.
func AtPosition(position int64) Bound { return Bound{Position: position} }

// AtTime folds what the log was at a time.
func AtTime(t time.Time) Bound { return Bound{Time: t} }

// String names the bound.
func (b Bound) String() string {
	if b.Time.IsZero() {
		return fmt.Sprintf("position %d", b.Position)
	}
	return b.Time.UTC().Format(time.RFC3339Nano)
}

// includes reports whether a record lies within the bound.
func (b Bound) includes(rec *events.Record) bool {
	if b.Time.IsZero() {
		return rec.Position <= b.Position
	}
	return rec.Time.UnixMilli() <= b.Time.UnixMilli()
}

// cut is the page up to the bound; true when the bound lies in it.
func (b Bound) cut(p log.Page) (log.Page, bool) {
	next, keep := p.Next, len(p.Records)
	for i := range p.Records {
		if !b.includes(&p.Records[i]) {
			next, keep = p.Records[i].Position, i
			break
		}
	}
	if b.Time.IsZero() {
		next = min(next, b.Position+1)
	}
	return log.Page{Records: p.Records[:keep], Next: next, End: p.End}, next < p.Next
}

// At folds the log from its beginning up to a bound into memory. The caller
// closes the store. A position that the log has not reached is [ErrBeyondEnd];
// a later time is the end of the log.
func At(ctx context.Context, l Log, b Bound) (*Store, error) {
	s, err := prefix(ctx, l, b)
	if err != nil {
		return nil, fmt.Errorf("fold the log as of %s: %w", b, err)
	}
	return s, nil
}

func prefix(ctx context.Context, l Log, b Bound) (*Store, error) {
	end, err := l.End(ctx)
	if err != nil {
		return nil, err
	}
	if b.Time.IsZero() && b.Position >= end {
		return nil, fmt.Errorf("%w: it ends before position %d", ErrBeyondEnd, end)
	}
	if b.Time.IsZero() && b.Position < -1 {
		return nil, errors.New("want a position from 0, or -1 for the empty log")
	}
	return inMemory(ctx, l, end, b.cut)
}

// inMemory folds a log from its beginning up to an end, or to where cut says.
func inMemory(ctx context.Context, l Log, end int64, cut func(log.Page) (log.Page, bool)) (*Store, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	s, err := Open(Options{Logger: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	if err := foldInto(ctx, s, l, end, cut); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func foldInto(ctx context.Context, s *Store, l Log, end int64, cut func(log.Page) (log.Page, bool)) error {
	f, err := newFold(s, fsm.New(), false)
	if err != nil {
		return err
	}
	if f.meta.Log, err = l.identify(ctx, f.meta); err != nil {
		return err
	}
	if end == 0 {
		return nil
	}
	return pages(ctx, l.Reader(0, f.meta.Log.TopicID), foldLimit, foldWait, func(p log.Page) (bool, error) {
		p, last := cut(p)
		if p.Next > f.meta.Applied+1 {
			if err := f.page(p.Records, p.Next); err != nil {
				return true, err
			}
		}
		return last || p.Next >= end, nil
	})
}

// How a log is read that is folded into memory.
const (
	foldLimit = 5000
	foldWait  = time.Second
)

// Replayed is the result of an audit.
type Replayed struct {
	// Health tells how much was folded and how many checkpoints were compared.
	Health Health
	// Digests are those of the migrations asked for, by name.
	Digests []Digests
}

// Replay folds the log from its beginning to its end in memory, comparing every
// checkpoint, and reports the digests of a migration, or of all if it is "". It
// stops at the first checkpoint that differs ([CheckpointError]).
func Replay(ctx context.Context, l Log, migration string) (Replayed, error) {
	end, err := l.End(ctx)
	if err != nil {
		return Replayed{}, fmt.Errorf("replay the log: %w", err)
	}
	s, err := inMemory(ctx, l, end, func(p log.Page) (log.Page, bool) { return p, false })
	if err != nil {
		return Replayed{}, fmt.Errorf("replay the log: %w", err)
	}
	v := s.View()
	r, err := replayed(v, migration)
	return r, errors.Join(err, v.Close(), s.Close())
}

func replayed(v *View, migration string) (Replayed, error) {
	r := Replayed{Health: v.Health()}
	all, err := v.AllDigests()
	if err != nil {
		return r, err
	}
	for _, d := range all {
		if migration == "" || d.Migration == migration {
			r.Digests = append(r.Digests, d)
		}
	}
	if migration != "" && len(r.Digests) == 0 {
		return r, fmt.Errorf("replay the log: there is no migration %q in it: see the names that status lists", migration)
	}
	return r, nil
}
