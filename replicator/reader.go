package replicator

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/wire"
)

// reader fetches from one source broker for all partitions that have a seat in
// it, in one request after the other. An incremental session (KIP-227) makes a
// request name only the partitions whose offsets have changed.
//
// Partitions that have too much to send leave the session and come back when
// there is room; those in error leave their seats, for one would end every long
// poll at once.
type reader struct {
	*link
	broker int32
	wake   chan struct{}

	mu sync.Mutex
	// touched are the seats whose wishes may have changed.
	touched map[*seat]struct{}

	// What follows is the loop's own.
	session *wire.FetchSession[*seat]
	seats   map[*seat]struct{}
	crowded map[*seat]struct{} // without room of their own
	lanes   map[lane]*laneState
	buf     []byte // of the last answer, used again
}

// lane is what partitions have in common that are held up together: those of
// one migration on their way to one target.
type lane struct {
	migration string
	target    *link
}

// laneState says how many seats a lane has, and whether it has left the session.
type laneState struct {
	seats int
	out   bool
}

func newReader(l *link, broker int32) *reader {
	return &reader{
		link: l, broker: broker, wake: make(chan struct{}, 1), touched: map[*seat]struct{}{},
		session: wire.NewFetchSession[*seat](), seats: map[*seat]struct{}{}, crowded: map[*seat]struct{}{}, lanes: map[lane]*laneState{},
	}
}

// touch says that a seat's wish may have changed.
func (r *reader) touch(s *seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.touched[s] = struct{}{}
	signal(r.wake)
}

// run fetches until ctx ends.
func (r *reader) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		r.review()
		most, pause := r.regulate()
		if most == 0 || r.session.Len() == 0 {
			r.rest(ctx, pause)
			continue
		}
		err := r.fetch(ctx, most, pause)
		if err == nil || ctx.Err() != nil {
			failures = 0
			continue
		}
		failures++
		r.w.cfg.Log.Warn().Err(err).Str("cluster", r.Name()).Int32("broker", r.broker).Msg("fetching failed; looking for the leaders again")
		r.relocate(ctx)
		wait(ctx, min(50*time.Millisecond<<min(failures, 6), 2*time.Second))
	}
}

// rest waits until a partition wants something, or may have it: at the latest
// after a pause, if there is one.
func (r *reader) rest(ctx context.Context, pause time.Duration) {
	var over <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-r.wake:
	case <-over:
	case <-ctx.Done():
	}
}

// review brings the session up to date with the wishes that have changed.
func (r *reader) review() {
	for s := range r.takeTouched() {
		r.admit(s)
	}
}

func (r *reader) takeTouched() map[*seat]struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.touched) == 0 {
		return nil
	}
	touched := r.touched
	r.touched = map[*seat]struct{}{}
	return touched
}

// admit enters one seat's wish into the session.
func (r *reader) admit(s *seat) {
	from, wish := s.wish()
	delete(r.crowded, s)
	if wish == seatLeft {
		r.leave(s)
		return
	}
	if _, known := r.seats[s]; !known {
		r.seats[s] = struct{}{}
		if r.lanes[s.lane] == nil {
			r.lanes[s.lane] = &laneState{}
		}
		r.lanes[s.lane].seats++
	}
	switch {
	case wish == seatFull:
		r.crowded[s] = struct{}{}
		fallthrough
	case r.lanes[s.lane].out:
		r.session.Drop(s.p.key.Topic, s.p.key.Partition, s)
	default:
		part := wire.FetchPartition{Partition: s.p.key.Partition, Offset: from, MaxBytes: int32(r.w.cfg.PartitionBytes)}
		r.session.Set(s.p.key.Topic, part, s)
	}
}

func (r *reader) leave(s *seat) {
	r.session.Drop(s.p.key.Topic, s.p.key.Partition, s)
	if _, known := r.seats[s]; !known {
		return
	}
	delete(r.seats, s)
	if r.lanes[s.lane].seats--; r.lanes[s.lane].seats == 0 {
		delete(r.lanes, s.lane)
	}
}

// regulate lets lanes out of the session that are held up, and in again, and says
// how many bytes to ask for. If all are held up there are none, and the session
// stays as it is; pause is when one that is held up may go on, 0 if that is not
// known.
func (r *reader) regulate() (most int, pause time.Duration) {
	moved := map[lane]bool{}
	for l, state := range r.lanes {
		n, wait := r.allowed(l)
		if most = max(most, n); wait > 0 && (pause == 0 || wait < pause) {
			pause = wait
		}
		if held := n == 0; held != state.out {
			moved[l] = held
		}
	}
	if most == 0 {
		return 0, pause
	}
	for l, out := range moved {
		r.lanes[l].out = out
	}
	for s := range r.seats {
		if len(moved) == 0 {
			break
		}
		if _, affected := moved[s.lane]; affected {
			r.admit(s)
		}
	}
	return most, pause
}

// leastFetch is the least that is asked for under a bound: less would cost more
// requests than it spares.
const leastFetch = 64 << 10

// allowed is how many bytes of a lane may be fetched now; if none because of a
// bound, it says how long to wait.
func (r *reader) allowed(l lane) (n int, wait time.Duration) {
	if r.w.buffer.full() || l.target.buffer.full() {
		return 0, 0
	}
	most := r.w.cfg.FetchBytes
	n, wait = r.w.limits.left(most, r.w.now(), l.limits(r)...)
	if wait > 0 {
		return 0, wait
	}
	return max(n, min(leastFetch, most)), 0
}

// limits are the bounds that a lane is under.
func (l lane) limits(r *reader) []limit { return limitsOf(l.migration, r.name, l.target.name) }

// crowdedWait is how long a broker may hold a fetch that leaves out partitions
// because they have too much to send already: they may be ready again soon.
const crowdedWait = 5 * time.Millisecond

// spare is the size up to which the memory of an answer is kept.
const spare = 1 << 20

// fetch makes one request for a number of bytes and hands the answer out. The
// broker may hold it for a pause, if there is one.
func (r *reader) fetch(ctx context.Context, most int, pause time.Duration) error {
	f := &wire.Fetch{MaxWait: r.w.cfg.FetchWait, MinBytes: 1, MaxBytes: int32(most), Committed: true, Buf: r.buf}
	if len(r.crowded) > 0 {
		f.MaxWait = min(f.MaxWait, crowdedWait)
	}
	if pause > 0 {
		f.MaxWait = min(f.MaxWait, pause)
	}
	r.session.Next(f)
	wanted, start := r.session.Len(), time.Now()
	res, err := r.Fetch(ctx, r.broker, f)
	size := 0
	if err != nil {
		r.session.Failed()
	} else {
		size, err = r.hand(res)
		r.keep(res.Buffer(), size)
	}
	if hook := r.w.cfg.Hooks.Fetched; hook != nil {
		hook(r.Name(), r.broker, wanted, size, time.Since(start), err)
	}
	return err
}

// keep keeps the memory of an answer for the next one, unless it is much more
// than this one needed.
func (r *reader) keep(buf []byte, size int) {
	r.buf = buf
	if cap(buf) > spare && size < cap(buf)/16 {
		r.buf = nil
	}
}

// hand gives every partition its part of an answer.
func (r *reader) hand(res *wire.FetchResult) (size int, err error) {
	served, lost := r.session.Answered(res)
	switch {
	case lost:
		r.w.cfg.Log.Debug().Str("cluster", r.Name()).Int32("broker", r.broker).Int16("code", res.Code).Msg("the broker has closed the fetch session; beginning another one")
		return 0, nil
	case res.Code != 0:
		return 0, r.FetchError(r.broker, wire.FetchedPartition{Code: res.Code})
	}
	for _, x := range served {
		x.Owner.fetched(x)
		r.admit(x.Owner)
		r.w.limits.taken(len(x.Records), r.w.now(), x.Owner.lane.limits(r)...)
		size += len(x.Records)
	}
	return size, nil
}

// relocate sends the partitions back to their keepers that another broker leads
// now. If nobody can be asked, all stay where they are.
func (r *reader) relocate(ctx context.Context) {
	names := map[string]struct{}{}
	for s := range r.seats {
		names[s.p.key.Topic] = struct{}{}
	}
	if len(names) == 0 {
		return
	}
	topics, err := r.Topics(ctx, slices.Collect(maps.Keys(names))...)
	if len(topics) == 0 && err != nil {
		return
	}
	for s := range r.seats {
		if !leads(topics[s.p.key.Topic], s.p.key.Partition, r.broker) {
			s.release()
		}
	}
}

// leads says whether a broker leads a partition.
func leads(t cluster.Topic, partition, broker int32) bool {
	for _, p := range t.Partitions {
		if p.ID == partition {
			return p.Leader == broker
		}
	}
	return false
}
