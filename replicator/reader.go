package replicator

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/wire"
)

// reader fetches from one source broker for all partitions that are attached
// to it, in one request after the other. Every request lists what it wants in
// full; a session that sends changes only (KIP-227) would live here.
type reader struct {
	*link
	broker int32
	wake   chan struct{}

	mu    sync.Mutex
	parts []*partition
	turn  int    // where the next request begins, so that all get their share
	buf   []byte // of the last answer, used again
}

func (r *reader) add(p *partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts = append(r.parts, p)
	signal(r.wake)
}

func (r *reader) remove(p *partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.parts, p); i >= 0 {
		r.parts = slices.Delete(r.parts, i, i+1)
	}
}

// inTurn is the attached partitions, each time from another one on.
func (r *reader) inTurn() []*partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parts) == 0 {
		return nil
	}
	r.turn = (r.turn + 1) % len(r.parts)
	return slices.Concat(r.parts[r.turn:], r.parts[:r.turn])
}

// wish is one partition of a request.
type wish struct {
	p    *partition
	life int
	from int64
	wire.FetchPartition
	topic string
}

// crowded is how long a broker may hold a fetch that leaves partitions out
// because they have too much to send already: they may be ready again soon.
const crowded = 5 * time.Millisecond

// run fetches until ctx ends.
func (r *reader) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		wishes, left := r.plan()
		if len(wishes) == 0 {
			r.rest(ctx, left)
			continue
		}
		if err := r.fetch(ctx, wishes, left > 0); err != nil && ctx.Err() == nil {
			failures++
			r.w.cfg.Log.Warn().Err(err).Str("cluster", r.Name()).Int32("broker", r.broker).Msg("fetching failed; looking for the leaders again")
			r.scatter(wishes)
			r.sleep(ctx, min(50*time.Millisecond<<min(failures, 6), 2*time.Second))
			continue
		}
		failures = 0
	}
}

// rest waits until a partition wants something; with some left out, not long.
func (r *reader) rest(ctx context.Context, left int) {
	if left > 0 {
		r.sleep(ctx, 10*crowded)
		return
	}
	select {
	case <-r.wake:
	case <-ctx.Done():
	}
}

func (r *reader) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// plan is what to ask for, hungry partitions first, and how many partitions are
// left out for lack of room.
func (r *reader) plan() (wishes []wish, left int) {
	var others []wish
	for _, p := range r.inTurn() {
		w, hungry, ok := p.wish(r)
		switch {
		case !ok:
			left++
		case hungry:
			wishes = append(wishes, w)
		default:
			others = append(others, w)
		}
	}
	return append(wishes, others...), left
}

// request lists the wishes in their order: the broker serves the first one
// whatever its size.
func (r *reader) request(wishes []wish, crowd bool) *wire.Fetch {
	f := &wire.Fetch{MaxWait: r.w.cfg.FetchWait, MinBytes: 1, MaxBytes: int32(r.w.cfg.FetchBytes), Committed: true, Buf: r.buf}
	if crowd {
		f.MaxWait = min(f.MaxWait, crowded)
	}
	for _, w := range wishes {
		if n := len(f.Topics); n == 0 || f.Topics[n-1].Topic != w.topic {
			f.Topics = append(f.Topics, wire.FetchTopic{Topic: w.topic})
		}
		t := &f.Topics[len(f.Topics)-1]
		t.Partitions = append(t.Partitions, w.FetchPartition)
	}
	return f
}

// fetch makes one request and hands the answer out.
func (r *reader) fetch(ctx context.Context, wishes []wish, crowd bool) error {
	start := time.Now()
	res, err := r.Fetch(ctx, r.broker, r.request(wishes, crowd))
	if err == nil && res.Code != 0 {
		err = r.FetchError(r.broker, wire.FetchedPartition{Code: res.Code})
	}
	size := 0
	if err == nil {
		size = r.hand(wishes, res)
		r.buf = res.Buffer()
	}
	if hook := r.w.cfg.Hooks.Fetched; hook != nil {
		hook(r.Name(), r.broker, len(wishes), size, time.Since(start), err)
	}
	return err
}

// hand gives every partition its part. As long as nothing came before it, the
// broker was bound to give a partition at least one batch.
func (r *reader) hand(wishes []wish, res *wire.FetchResult) (size int) {
	type place struct {
		topic     string
		partition int32
	}
	got := make(map[place]wire.FetchedPartition, len(res.Partitions))
	for _, f := range res.Partitions {
		got[place{f.Topic, f.Partition}] = f
	}
	for _, w := range wishes {
		f, found := got[place{w.topic, w.Partition}]
		if !found {
			continue
		}
		w.p.fetched(r, w, f, size == 0)
		size += len(f.Records)
	}
	return size
}

// scatter sends the partitions back to their keepers, who look for the leader.
func (r *reader) scatter(wishes []wish) {
	for _, w := range wishes {
		w.p.leave(r)
	}
}

// wish is what a partition wants from its reader now; ok is false while it has
// no room. hungry says that there is something that it did not get.
func (p *partition) wish(r *reader) (w wish, hungry, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, wants := p.core.wants()
	if p.reader != r || !wants || p.target.buffered.Load() >= int64(p.w.cfg.TargetBuffer) {
		return wish{}, false, false
	}
	w = wish{p: p, life: p.life, from: from, topic: p.job.copy().Topic}
	w.FetchPartition = wire.FetchPartition{Partition: p.key.Partition, Offset: from, MaxBytes: int32(p.w.cfg.PartitionBytes)}
	return w, p.core.lastStable > from, true
}

// fetched takes the partition's part of an answer.
func (p *partition) fetched(r *reader, w wish, f wire.FetchedPartition, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reader != r || p.life != w.life {
		return
	}
	if f.Code != 0 {
		p.refetch(f.Code, w.from)
		return
	}
	p.refusals = 0
	delete(p.denied, sourceSide)
	page := pageOf(f, first)
	page.records = bytes.Clone(page.records) // the buffer is used again, and the batches may wait
	p.core.fetched(w.from, page)
	p.follow()
	if p.core.pastEpoch != nil {
		signal(p.wake)
	}
}

// refetch takes an error of a partition. One partition in error ends every long
// poll at once, so it leaves the reader. The lock is held.
func (p *partition) refetch(code int16, from int64) {
	p.detachReader()
	switch code {
	case 1: // OFFSET_OUT_OF_RANGE
		p.beyond = &from
	case 29: // TOPIC_AUTHORIZATION_FAILED
		p.deny(sourceSide, fmt.Sprintf("the source refuses our reads (%s); grant READ on the topic", cluster.CodeName(code)))
	}
	p.log.Debug().Int16("code", code).Int64("from", from).Msg("a fetch was refused")
	p.follow()
	p.retryLater()
}

// leave goes back to the keeper after the reader's broker failed.
func (p *partition) leave(r *reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reader == r {
		p.detachReader()
		p.retryLater()
	}
}
