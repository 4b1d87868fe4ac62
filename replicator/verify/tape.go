package verify

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotYet says that a side has not got as far as it was to be compared: an
// open transaction, or an end below it.
var ErrNotYet = errors.New("the log does not reach so far yet")

// ErrOvertaken says that retention took records before they were compared, on
// a side that can only be aligned by its order.
var ErrOvertaken = errors.New("retention has overtaken the comparison")

// tape reads the committed records of one partition in order, up to a bound.
type tape interface {
	// peek returns the next record without moving on; ok is false at the bound.
	peek(ctx context.Context) (r record, ok bool, err error)
	// take moves on behind the record that peek has returned.
	take()
	// whole returns the batch that comes next, if nothing of it was taken and it
	// lies below the bound; takeWhole moves on behind it.
	whole(ctx context.Context) (b raw, ok bool, err error)
	takeWhole()
	// at is the offset from which to go on; start is the log start.
	at() int64
	start() int64
	// seek goes to an offset, if that needs no reading.
	seek(offset int64) bool
	// stamped says whether LogAppendTime was met.
	stamped() bool
	close()
}

// cursor is the tape of a partition of a cluster. It fetches ahead, one page.
type cursor struct {
	pager
	position int64 // behind what was taken
	begin    int64 // offset with which the page begins
	next     int64 // where the one after it begins
	logStart int64
	page     []raw    // kept whole, for seek
	batches  []raw    // what is left of it
	records  []record // of the batch that was opened last
	stamps   bool
	unpacker unpacker
	ahead    chan fetched // one page, while it is fetched
	cancel   context.CancelFunc
}

// fetched is a page, or why there is none.
type fetched struct {
	page page
	err  error
}

// open places a cursor at an offset. Where the log starts above it the cursor
// begins there, or fails if no record may be missed (exact).
func open(ctx context.Context, g pager, from int64) (*cursor, error) {
	start, err := g.logStart(ctx)
	if err != nil {
		return nil, err
	}
	if g.exact && from > 0 && from < start {
		return nil, fmt.Errorf("%s: %w: the log starts at %d, %d comes next", g.Side, ErrOvertaken, start, from)
	}
	at := max(from, start)
	return &cursor{pager: g, position: at, begin: at, next: at, logStart: start}, nil
}

func (c *cursor) at() int64     { return c.position }
func (c *cursor) start() int64  { return c.logStart }
func (c *cursor) stamped() bool { return c.stamps }

func (c *cursor) peek(ctx context.Context) (record, bool, error) {
	for len(c.records) == 0 {
		b, ok, err := c.head(ctx)
		if err != nil || !ok {
			return record{}, false, err
		}
		if err := c.openBatch(b); err != nil {
			return record{}, false, fmt.Errorf("%s: %w", c.Side, err)
		}
	}
	r := c.records[0]
	return r, r.Offset < c.until, nil
}

// openBatch decodes the batch that comes next.
func (c *cursor) openBatch(b raw) error {
	records, err := b.decode(&c.unpacker)
	if err != nil {
		return err
	}
	c.batches = c.batches[1:]
	c.stamps = c.stamps || b.is(logAppendTime)
	for len(records) > 0 && records[0].Offset < c.position {
		records = records[1:]
	}
	c.records = records
	return nil
}

func (c *cursor) take() {
	c.position = c.records[0].Offset + 1
	c.records = c.records[1:]
}

func (c *cursor) whole(ctx context.Context) (raw, bool, error) {
	if len(c.records) > 0 {
		return raw{}, false, nil
	}
	b, ok, err := c.head(ctx)
	return b, ok && b.FirstOffset >= c.position && b.next() <= c.until, err
}

func (c *cursor) seek(offset int64) bool {
	if offset < c.begin || offset > c.next {
		return false
	}
	c.position, c.batches, c.records = offset, c.page, nil
	for len(c.batches) > 0 && c.batches[0].next() <= offset {
		c.batches = c.batches[1:]
	}
	return true
}

func (c *cursor) takeWhole() {
	c.position = c.batches[0].next()
	c.batches = c.batches[1:]
}

// head returns the batch that comes next; ok is false at the bound.
func (c *cursor) head(ctx context.Context) (raw, bool, error) {
	for len(c.batches) == 0 {
		if c.next >= c.until {
			c.position = max(c.position, c.until)
			return raw{}, false, nil
		}
		if err := c.turn(ctx); err != nil {
			return raw{}, false, fmt.Errorf("read %s from offset %d: %w", c.Side, c.next, err)
		}
	}
	return c.batches[0], c.batches[0].FirstOffset < c.until, nil
}

// turn takes the next page and begins to fetch the one after it.
func (c *cursor) turn(ctx context.Context) error {
	var p fetched
	if c.ahead == nil {
		p.page, p.err = c.fetch(ctx, c.next)
	} else {
		p = <-c.ahead
		c.cancel()
		c.ahead = nil
	}
	if p.err != nil {
		return p.err
	}
	c.page, c.batches, c.begin, c.next = p.page.batches, p.page.batches, c.next, p.page.next
	c.logStart = max(c.logStart, p.page.start)
	if c.next < c.until {
		c.fetchAhead(ctx, c.next)
	}
	return nil
}

// fetchAhead fetches a page in a goroutine that turn or close waits for.
func (c *cursor) fetchAhead(ctx context.Context, from int64) {
	ctx, c.cancel = context.WithCancel(ctx)
	c.ahead = make(chan fetched, 1)
	go func(ahead chan<- fetched) {
		p, err := c.fetch(ctx, from)
		ahead <- fetched{p, err}
	}(c.ahead)
}

func (c *cursor) close() {
	if c.ahead != nil {
		c.cancel()
		<-c.ahead
		c.ahead = nil
	}
	c.unpacker.close()
}
