package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/wire"
)

// pager reads pages of one partition. It may be used from several goroutines.
type pager struct {
	Side
	until    int64 // records from here on are not wanted
	bytes    int32
	patience time.Duration
	// exact says that the log start must not overtake the reader.
	exact bool
}

// page is a run of batches that hold records for consumers, checked, and where
// the next one begins. Start is the log start then.
type page struct {
	batches     []raw
	next, start int64
}

func (g *pager) logStart(ctx context.Context) (int64, error) {
	return g.offset(ctx, cluster.Earliest, "log start")
}

// fetch reads one page. It is patient with brokers that are away.
func (g *pager) fetch(ctx context.Context, from int64) (page, error) {
	begin := time.Now()
	for attempt := 0; ; attempt++ {
		p, err := g.fetchOnce(ctx, from)
		if err == nil || !cluster.Retriable(err) || time.Since(begin) >= g.patience {
			return p, err
		}
		timer := time.NewTimer(min(10*time.Millisecond<<min(attempt, 10), time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return page{}, ctx.Err()
		}
	}
}

func (g *pager) fetchOnce(ctx context.Context, from int64) (page, error) {
	leader, err := g.Client.Leader(ctx, g.Topic, g.Partition)
	if err != nil {
		return page{}, err
	}
	res, err := g.Client.Fetch(ctx, leader, &wire.Fetch{MaxBytes: g.bytes, Committed: true, Topics: []wire.FetchTopic{{
		Topic: g.Topic, Partitions: []wire.FetchPartition{{Partition: g.Partition, Offset: from, MaxBytes: g.bytes}},
	}}})
	if err != nil {
		return page{}, err
	}
	if res.Code != 0 || len(res.Partitions) != 1 {
		return page{}, fmt.Errorf("fetch: %s, %d partitions in the answer", cluster.CodeName(res.Code), len(res.Partitions))
	}
	p := res.Partitions[0]
	err = g.Client.FetchError(leader, p)
	if errors.Is(err, cluster.ErrOffsetOutOfRange) {
		return g.overtaken(ctx, from, err)
	}
	if err != nil {
		return page{}, err
	}
	return g.read(p, from)
}

// overtaken goes on at the log start where retention has taken what was to come.
func (g *pager) overtaken(ctx context.Context, from int64, cause error) (page, error) {
	start, err := g.logStart(ctx)
	switch {
	case err != nil:
		return page{}, err
	case start <= from:
		return page{}, cause
	case g.exact:
		return page{}, fmt.Errorf("%w: the log starts at %d now", ErrOvertaken, start)
	}
	return page{next: start, start: start}, nil
}

// read takes the batches of one answer. A partition asked for alone gets at
// least one batch while there are any below the last stable offset.
func (g *pager) read(p wire.FetchedPartition, from int64) (page, error) {
	out := page{next: from, start: p.LogStart}
	drop := newAborts(p)
	for b, rest, ok, err := split(p.Records); ok || err != nil; b, rest, ok, err = split(rest) {
		if err != nil {
			return page{}, err
		}
		if !drop.batch(b) && b.next() > from && b.NumRecords > 0 {
			out.batches = append(out.batches, b)
		}
		out.next = max(out.next, b.next())
	}
	switch {
	case out.next > from:
		return out, nil
	case len(p.Records) > 0:
		return page{}, fmt.Errorf("%w: %d bytes hold no whole batch", errCorrupt, len(p.Records))
	case p.LastStable <= from:
		return page{}, fmt.Errorf("%w: it ends at %d, wanted is %d", ErrNotYet, p.LastStable, g.until)
	}
	out.next = p.LastStable // compaction took all that was between
	return out, nil
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
