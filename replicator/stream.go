package replicator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/wire"
)

// stream sends batches to one target broker, one request at a time: at most one
// batch of each partition, so that their order is kept whatever happens.
type stream struct {
	*link
	broker int32
	wake   chan struct{}

	mu     sync.Mutex
	queue  []*partition // with something to send, in turn
	queued map[*partition]bool

	distance distance // the loop's own
}

func newStream(l *link, broker int32) *stream {
	return &stream{link: l, broker: broker, wake: make(chan struct{}, 1), queued: map[*partition]bool{}}
}

// ready says that a partition has something to send.
func (s *stream) ready(p *partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.queued[p] {
		s.queued[p] = true
		s.queue = append(s.queue, p)
		signal(s.wake)
	}
}

func (s *stream) remove(p *partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queued[p] {
		delete(s.queued, p)
		s.queue = slices.DeleteFunc(s.queue, func(x *partition) bool { return x == p })
	}
}

// take removes and returns the first partition of the queue.
func (s *stream) take() *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	p := s.queue[0]
	s.queue = s.queue[1:]
	delete(s.queued, p)
	return p
}

// parcel is one batch of a request.
type parcel struct {
	p     *partition
	life  int
	it    *item
	topic string
}

// leaseRetry is how often a stream looks whether the lease holds again.
const leaseRetry = 20 * time.Millisecond

// run sends until ctx ends.
func (s *stream) run(ctx context.Context) {
	for ctx.Err() == nil {
		lease := s.w.lease()
		switch {
		case s.empty():
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
		case lease <= s.w.now():
			wait(ctx, leaseRetry)
		default:
			if parcels := s.collect(lease); len(parcels) > 0 {
				s.send(ctx, parcels, lease)
			}
		}
	}
}

func (s *stream) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) == 0
}

// collect takes one batch each from the partitions that have one, until the
// request is full.
func (s *stream) collect(lease time.Duration) []parcel {
	var out []parcel
	var back []*partition
	for size := 0; size < s.w.cfg.RequestBytes; {
		p := s.take()
		if p == nil {
			break
		}
		x, ok, later := p.parcel(s, lease)
		if ok {
			out = append(out, x)
			size += len(x.it.bytes)
		}
		if later {
			back = append(back, p)
		}
	}
	for _, p := range back {
		s.ready(p)
	}
	slices.SortStableFunc(out, func(a, b parcel) int { return compareKeys(a.p.key, b.p.key) })
	return out
}

// send makes one request and hands the answers out.
func (s *stream) send(ctx context.Context, parcels []parcel, lease time.Duration) {
	start, size := time.Now(), 0
	req := &wire.Produce{Acks: -1, Timeout: s.w.cfg.ProduceTimeout}
	for _, x := range parcels {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != x.topic {
			req.Topics = append(req.Topics, wire.ProduceTopic{Topic: x.topic})
		}
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, wire.ProducePartition{Partition: x.p.key.Partition, Records: x.it.bytes})
		size += len(x.it.bytes)
	}
	// Nothing may be sent once the lease has ended, not even by a connection that took long to open.
	within, cancel := context.WithDeadline(ctx, s.w.origin.Add(lease))
	defer cancel()
	res, err := s.Produce(within, s.broker, req)
	if err == nil {
		s.distance.observe(s.w.now(), time.Since(start), size)
	}
	if hook := s.w.cfg.Hooks.Produced; hook != nil {
		hook(s.Name(), s.broker, len(parcels), size, time.Since(start), err)
	}
	s.hand(parcels, res, err)
}

// errNotAnswered says that a response left a partition out.
var errNotAnswered = errors.New("the response does not answer for the partition")

func (s *stream) hand(parcels []parcel, res *wire.ProduceResult, err error) {
	type place struct {
		topic     string
		partition int32
	}
	got := map[place]wire.ProducedPartition{}
	if err == nil {
		for _, r := range res.Partitions {
			got[place{r.Topic, r.Partition}] = r
		}
	}
	for _, x := range parcels {
		a := answer{err: err}
		if r, found := got[place{x.topic, x.p.key.Partition}]; found {
			a = answer{code: r.Code, base: r.Base, message: messageOf(r)}
		} else if err == nil {
			a.err = errNotAnswered
		}
		x.p.answered(x, a)
	}
}

// messageOf is the broker's explanation.
func messageOf(r wire.ProducedPartition) string {
	for _, e := range r.Records {
		if r.Message == "" && e.Message != "" {
			return e.Message
		}
	}
	return r.Message
}

// parcel takes the partition's next batch for its stream. later is true if there
// is one that may not be sent now, because the lease has just ended.
func (p *partition) parcel(s *stream, lease time.Duration) (x parcel, ok, later bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stream != s {
		return parcel{}, false, false
	}
	p.core.mergeBelow, p.core.mergeUpTo = s.distance.merging(p.w.cfg.MergeBelow, p.w.cfg.MergeUpTo)
	it, ok := p.core.send(p.w.now(), lease)
	if !ok {
		if p.core.phase != copying { // encoding has met the end of the road
			p.follow()
		}
		return parcel{}, false, p.core.sendable() && !p.core.paused
	}
	return parcel{p: p, life: p.life, it: it, topic: p.job.copy().TargetTopic}, true, false
}

// answered takes the answer to a batch.
func (p *partition) answered(x parcel, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x.life != p.life {
		return
	}
	before := p.core.queue.doubt
	p.core.answered(x.it, a)
	switch {
	case isDenial(a.code):
		p.deny(targetSide, fmt.Sprintf("the target refuses our writes (%s %s); grant WRITE on the topic", cluster.CodeName(a.code), a.message))
	case a.err == nil:
		delete(p.denied, targetSide)
	}
	if d := p.core.queue.doubt; d != "" && before == "" {
		p.doubted(d)
	}
	p.follow()
	if p.again {
		p.poke()
	}
}

// doubted lets the recheck wait if there was no progress since the last one.
func (p *partition) doubted(why string) {
	if n := p.core.attempt; n > 1 {
		p.recheckAfter = p.w.now() + backoff(n-1)
	}
	p.log().Warn().Str("why", why).Msg("rechecking the target")
	if p.w.cfg.Hooks.Doubt != nil {
		p.w.cfg.Hooks.Doubt(p.key, why)
	}
}

// isDenial says whether an error code speaks of missing rights: TOPIC_, CLUSTER_
// and TRANSACTIONAL_ID_AUTHORIZATION_FAILED.
func isDenial(code int16) bool { return code == 29 || code == 31 || code == 65 }
