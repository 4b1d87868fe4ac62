package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/rs/zerolog"
)

// How records are fetched: long polls of up to fetchWait that carry every lane of a broker that wants more. A lane that gets
// hungry while a poll is under way does not wait for it: up to fetchPolls run beside each other, and merge again as they end.
const (
	fetchWait  = 500 * time.Millisecond
	fetchPolls = 4
	fetchBytes = 32 << 20
	fetchPause = 200 * time.Millisecond // after a failure, per lane
	stuckPause = 5 * time.Second        // where only a person can help
)

// fetcher fetches for all lanes on one cluster.
type fetcher struct {
	clusters *clusters
	name     string
	topics   []string
	log      zerolog.Logger
	seen     ConsumerObserver
	alarm    func(l *lane, text string)

	mu    sync.Mutex
	lanes map[uint64]*lane
	polls map[int32]int
	known map[string]bool // topics whose leaders the client has been asked for
	kick  chan struct{}
	work  sync.WaitGroup
}

// newFetcher makes a fetcher for topics, by their names on the cluster.
func newFetcher(s *clusters, name string, topics []string, o consumerOptions, alarm func(*lane, string)) *fetcher {
	return &fetcher{
		clusters: s, name: name, topics: topics, log: o.log.With().Str("cluster", name).Logger(), seen: o.observe, alarm: alarm,
		lanes: map[uint64]*lane{}, polls: map[int32]int{}, known: map[string]bool{}, kick: make(chan struct{}, 1),
	}
}

func (f *fetcher) wake() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

func (f *fetcher) add(l *lane) {
	f.mu.Lock()
	f.lanes[l.spec.ID] = l
	f.mu.Unlock()
	f.wake()
}

func (f *fetcher) remove(id uint64) {
	f.mu.Lock()
	delete(f.lanes, id)
	f.mu.Unlock()
}

// run plans polls until the context ends, and waits for those under way.
func (f *fetcher) run(ctx context.Context) {
	defer f.work.Wait()
	c, err := f.clusters.wait(ctx, f.name)
	if err != nil {
		return
	}
	f.learn(ctx, c, f.topics) // before the first lane opens: a switch waits for it
	for ctx.Err() == nil {
		polls, unknown, next := f.plan(time.Now())
		for leader, wanted := range polls {
			f.work.Go(func() { f.poll(ctx, c, leader, wanted) })
		}
		if len(unknown) > 0 {
			f.work.Go(func() { f.resolve(ctx, c, unknown) })
		}
		f.sleep(ctx, next)
	}
}

// want is what to fetch for one lane.
type want struct {
	lane   *lane
	leader int32
	offset int64
	room   int
}

// plan claims the lanes that want more, by the broker that leads their partition, and those whose leader is not known. next is
// how long to wait for the first of those that rest after a failure.
func (f *fetcher) plan(now time.Time) (polls map[int32][]want, unknown []*lane, next time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	polls, next = map[int32][]want{}, time.Minute
	for _, l := range f.lanes {
		w, hungry := l.claim(now)
		switch {
		case !hungry:
			if rest := l.rests(now); rest > 0 {
				next = min(next, rest)
			}
		case w.leader < 0:
			unknown = append(unknown, l)
		case f.polls[w.leader] >= fetchPolls:
			l.release(w.leader, time.Time{}) // with the next poll that ends
		default:
			polls[w.leader] = append(polls[w.leader], w)
		}
	}
	for leader := range polls {
		f.polls[leader]++
	}
	return polls, unknown, next
}

// learn makes the client remember the leaders of topics that it may not know, with one request for all of them: asked one by
// one, lanes that open together would each send their own.
func (f *fetcher) learn(ctx context.Context, c *cluster.Client, topics []string) {
	f.mu.Lock()
	var list []string
	for _, t := range topics {
		if !f.known[t] {
			f.known[t] = true
			list = append(list, t)
		}
	}
	f.mu.Unlock()
	if len(list) == 0 {
		return
	}
	if _, err := c.Topics(ctx, list...); err != nil && ctx.Err() == nil {
		f.log.Debug().Err(err).Msg("look leaders up")
	}
}

// resolve looks the leaders of lanes up. A partition that has none is waited for without the others.
func (f *fetcher) resolve(ctx context.Context, c *cluster.Client, unknown []*lane) {
	var topics []string
	for _, l := range unknown {
		topics = append(topics, l.spec.Topic)
	}
	f.learn(ctx, c, topics)
	for _, l := range unknown {
		f.work.Go(func() {
			defer f.wake()
			leader, err := c.Leader(ctx, l.spec.Topic, l.spec.Partition.ID)
			if err != nil {
				f.fail(ctx, l, err)
				return
			}
			l.release(leader, time.Time{})
		})
	}
}

// fail keeps a lane from being fetched for a while.
func (f *fetcher) fail(ctx context.Context, l *lane, err error) {
	pause := fetchPause
	if errors.Is(err, cluster.ErrOffsetOutOfRange) || errors.Is(err, cluster.ErrUnauthorized) || errors.Is(err, batch.ErrCorrupt) {
		pause = stuckPause
		f.alarm(l, fmt.Sprintf("%s on %s stands still at %d: %v", l.spec.Partition, f.name, l.next.Load(), err))
	}
	if ctx.Err() == nil {
		f.log.Debug().Err(err).Stringer("partition", l.spec.Partition).Msg("fetch")
	}
	f.mu.Lock()
	delete(f.known, l.spec.Topic)
	f.mu.Unlock()
	l.release(-1, time.Now().Add(pause))
}

// sleep waits for a reason to plan again.
func (f *fetcher) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-f.kick:
	case <-t.C:
	case <-ctx.Done():
	}
}

// poll fetches for some lanes from one broker.
func (f *fetcher) poll(ctx context.Context, c *cluster.Client, leader int32, wanted []want) {
	defer f.wake()
	byPartition := map[consume.Partition]want{}
	req := &wire.Fetch{MaxWait: fetchWait, MinBytes: 1, MaxBytes: fetchBytes, Committed: true}
	topics := map[string]int{}
	for _, w := range wanted {
		topic, id := w.lane.spec.Topic, w.lane.spec.Partition.ID
		i, known := topics[topic]
		if !known {
			i, topics[topic] = len(req.Topics), len(req.Topics)
			req.Topics = append(req.Topics, wire.FetchTopic{Topic: topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions,
			wire.FetchPartition{Partition: id, Offset: w.offset, MaxBytes: int32(w.room)})
		byPartition[consume.Partition{Topic: topic, ID: id}] = w
	}
	res, err := c.Fetch(ctx, leader, req)
	f.mu.Lock()
	f.polls[leader]--
	f.mu.Unlock()
	if err == nil {
		for _, p := range res.Partitions {
			at := consume.Partition{Topic: p.Topic, ID: p.Partition}
			if w, asked := byPartition[at]; asked {
				f.deliver(ctx, c, leader, w, p)
				delete(byPartition, at)
			}
		}
		err = errors.New("the broker did not answer for the partition")
	}
	for _, w := range byPartition {
		f.fail(ctx, w.lane, err)
	}
}

// deliver decodes what came for one lane.
func (f *fetcher) deliver(ctx context.Context, c *cluster.Client, leader int32, w want, p wire.FetchedPartition) {
	if err := c.FetchError(leader, p); err != nil {
		f.fail(ctx, w.lane, err)
		return
	}
	part, err := decodeFetched(p, w.offset)
	if len(part.records) > 0 || part.next > w.offset {
		if f.seen.Fetched != nil {
			f.seen.Fetched(f.name, len(part.records), part.bytes)
		}
		w.lane.put(part)
	}
	if err != nil {
		f.fail(ctx, w.lane, fmt.Errorf("offset %d: %w", part.next, err))
		return
	}
	w.lane.release(leader, time.Time{})
}

// decodeFetched decodes the records from an offset on. Aborted records and markers are left out; what was read before an error
// is kept.
func decodeFetched(p wire.FetchedPartition, offset int64) (chunk, error) {
	c := chunk{next: offset, bytes: len(p.Records)}
	filter := batch.NewFilter(p.Aborted)
	for b, rest := batch.Split(p.Records); b != nil; b, rest = batch.Split(rest) {
		if err := b.Check(); err != nil {
			return c, err
		}
		if !filter.Aborted(b) && !b.Control() {
			records, err := b.Records()
			if err != nil {
				return c, err
			}
			for _, r := range records {
				if r.Offset >= offset {
					c.records = append(c.records, r)
				}
			}
		}
		c.next = max(c.next, b.NextOffset())
	}
	return c, nil
}
