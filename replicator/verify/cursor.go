package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/wire"
)

// ErrNotYet says that a side has not got as far as it was to be compared: an
// open transaction, or an end below it.
var ErrNotYet = errors.New("the log does not reach so far yet")

// fetchBytes bounds one fetch.
const fetchBytes = 4 << 20

// cursor reads the committed records of one partition in order.
type cursor struct {
	Side
	next    int64 // where to fetch
	until   int64 // records from here on are not wanted
	pending []record
}

// open places a cursor at an offset, or at the log start if that is higher.
func open(ctx context.Context, s Side, from, until int64) (*cursor, int64, error) {
	starts, err := s.Client.ListOffsets(ctx, s.Topic, []int32{s.Partition}, cluster.Earliest)
	if err != nil {
		return nil, 0, fmt.Errorf("read the log start of %s: %w", s, err)
	}
	start := starts[s.Partition]
	return &cursor{Side: s, next: max(from, start), until: until}, start, nil
}

// peek returns the next record without moving on; ok is false at the end.
func (c *cursor) peek(ctx context.Context) (r record, ok bool, err error) {
	for len(c.pending) == 0 {
		if c.next >= c.until {
			return record{}, false, nil
		}
		if err := c.fetch(ctx); err != nil {
			return record{}, false, fmt.Errorf("read %s from offset %d: %w", c.Side, c.next, err)
		}
	}
	r = c.pending[0]
	return r, r.offset < c.until, nil
}

// take is peek and moves on.
func (c *cursor) take(ctx context.Context) (r record, ok bool, err error) {
	r, ok, err = c.peek(ctx)
	if ok {
		c.pending = c.pending[1:]
	}
	return r, ok, err
}

func (c *cursor) fetch(ctx context.Context) error {
	leader, err := c.Client.Leader(ctx, c.Topic, c.Partition)
	if err != nil {
		return err
	}
	res, err := c.Client.Fetch(ctx, leader, &wire.Fetch{MaxBytes: fetchBytes, Committed: true, Topics: []wire.FetchTopic{{
		Topic: c.Topic, Partitions: []wire.FetchPartition{{Partition: c.Partition, Offset: c.next, MaxBytes: fetchBytes}},
	}}})
	if err != nil {
		return err
	}
	if res.Code != 0 || len(res.Partitions) != 1 {
		return fmt.Errorf("fetch: %s, %d partitions in the answer", cluster.CodeName(res.Code), len(res.Partitions))
	}
	p := res.Partitions[0]
	if err := c.Client.FetchError(leader, p); err != nil {
		return err
	}
	return c.read(p)
}

// read takes the batches of one answer. A partition asked for alone gets at
// least one batch while there are any below the last stable offset.
func (c *cursor) read(p wire.FetchedPartition) error {
	before := c.next
	drop := newAborts(p)
	for b, rest, ok, err := split(p.Records); ; b, rest, ok, err = split(rest) {
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if drop.batch(b) || b.next() <= c.next {
			c.next = max(c.next, b.next())
			continue
		}
		if err := c.keep(b); err != nil {
			return err
		}
	}
	if c.next > before {
		return nil
	}
	if p.LastStable <= c.next {
		return fmt.Errorf("%w: it ends at %d, wanted is %d", ErrNotYet, p.LastStable, c.until)
	}
	c.next = p.LastStable // compaction took all that was between
	return nil
}

func (c *cursor) keep(b raw) error {
	records, err := b.decode()
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.offset >= c.next {
			c.pending = append(c.pending, r)
		}
	}
	c.next = b.next()
	return nil
}

// aborts knows the aborted transactions of one answer.
type aborts struct {
	first map[int64][]int64 // by producer id, ascending
	open  map[int64]bool
}

func newAborts(p wire.FetchedPartition) *aborts {
	a := &aborts{first: map[int64][]int64{}, open: map[int64]bool{}}
	for _, t := range p.Aborted {
		a.first[t.ProducerID] = append(a.first[t.ProducerID], t.First)
	}
	return a
}

// batch says whether a batch holds no records for consumers: it is a marker, or
// of a transaction that was aborted. A producer's transaction lasts from its
// first offset to the producer's next marker.
func (a *aborts) batch(b raw) bool {
	id := b.ProducerID
	if list := a.first[id]; b.is(transactional) && !a.open[id] {
		for i, first := range list {
			if first <= b.next()-1 {
				a.open[id] = true
				a.first[id] = append(list[:i:i], list[i+1:]...)
				break
			}
		}
	}
	if b.is(control) {
		a.open[id] = false
		return true
	}
	return b.is(transactional) && a.open[id]
}
