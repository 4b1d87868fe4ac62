package group

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// phase is where a member stands. Heartbeats are sent in syncing, stable and waiting with a generation.
type phase uint8

const (
	idle    phase = iota // outside: not started, left, or refused before ever being in
	joining              // JoinGroup is in flight or about to be sent
	syncing              // joined; as leader asking what there is to assign; SyncGroup in flight or about to be sent
	stable               // assigned
	waiting              // must join again; waits for Ready or the deadline
	leaving              // LeaveGroup in flight or about to be sent
	fenced               // for good: another process is this static member
)

func (p phase) String() string {
	return [...]string{"outside", "joining", "syncing", "assigned", "draining", "leaving", "fenced"}[p]
}

// Core is a membership without I/O: it is told what happened and what time it is, and says what to send and what to report.
// It is not safe for concurrent use. The same inputs at the same times give the same outputs.
type Core struct {
	cfg   Config
	offer Offer  // of the next join
	good  *Offer // what the broker has accepted last

	phase      phase
	before     phase // the join in progress was started from it: where a refusal leads back to
	id         string
	generation int32 // none outside
	leader     bool
	protocol   string
	plan       map[string]Assignment // as leader: what to hand out in this generation
	peers      []Peer                // as leader: the members of this generation
	assigned   Assignment
	assignedIn int32     // generation of assigned
	calm       time.Time // when a request was sent whose answer showed that no rebalance had begun
	lease      Lease

	requests                 map[uint64]request
	last                     uint64 // id of the last request
	join, sync, beat, depart uint64 // the one in flight, else 0
	asked                    bool   // Need was said and not answered
	next                     time.Time
	nextBeat                 time.Time
	deadline                 time.Time
	tries, beatTries         int

	confirms []confirm
	commits  []*commitJob
	fetches  []*fetchJob

	out []Output
}

var errNoAnswer = errors.New("no answer")

// request is one in flight.
type request struct {
	op         string
	generation int32
	member     string
	sent       time.Time
}

// NewCore makes a core that has not started yet.
func NewCore(cfg Config) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Core{cfg: cfg, offer: cfg.Offer.clone(), generation: none, assignedIn: none, requests: map[uint64]request{}}, nil
}

// Step tells the core one thing that happened at a time, and returns what follows, in order. Times never run backwards.
func (c *Core) Step(now time.Time, in Input) []Output {
	c.out = nil
	switch in := in.(type) {
	case Start:
		if c.phase == idle {
			c.rejoin(now)
		}
	case Rejoin:
		c.rejoinWith(now, in.Offer)
	case Ready:
		if c.phase == waiting && in.Generation == c.assignedIn {
			c.rejoin(now)
		}
	case Commit:
		c.addCommit(in)
	case Fetch:
		c.addFetch(in)
	case Confirm:
		c.addConfirm(now, in.ID)
	case Cancel:
		c.cancel(in.ID)
	case Leave:
		c.startLeaving(now)
	case Supply:
		c.onSupply(now, in)
	case Reply:
		c.onReply(now, in)
	}
	c.advance(now)
	return c.out
}

// Lease returns the lease of the present generation; the zero Lease outside, while joining and after a rebalance began.
func (c *Core) Lease() Lease { return c.lease }

// Status returns where the member stands.
func (c *Core) Status() Status {
	s := Status{Phase: c.phase.String(), MemberID: c.id, Generation: c.generation, Leader: c.leader, Protocol: c.protocol, Offer: c.offer.clone()}
	if c.phase == stable {
		s.Assigned = true
		s.Assignment = c.assigned
	}
	return s
}

// Status is a member's view of itself.
type Status struct {
	Phase      string // outside, joining, syncing, assigned, draining, leaving, fenced
	MemberID   string
	Generation int32 // −1 outside
	Leader     bool
	Protocol   string
	Assigned   bool // Assignment is valid
	Assignment Assignment
	Offer      Offer
}

// advance does what is due.
func (c *Core) advance(now time.Time) {
	if c.phase == waiting && !now.Before(c.deadline) {
		c.rejoin(now)
	}
	due := !now.Before(c.next)
	switch {
	case c.phase == joining && c.join == 0 && due:
		c.sendJoin(now)
	case c.phase == syncing && c.sync == 0 && !c.asked && due:
		c.sendSync(now)
	case c.phase == leaving && c.join == 0 && c.depart == 0 && due:
		c.sendLeave(now)
	}
	if c.beats() && c.beat == 0 && !now.Before(c.nextBeat) {
		c.sendHeartbeat(now)
	}
	c.pumpCommits(now)
	c.pumpFetches(now)
}

// Wake returns when the core wants a Tick if nothing happens before; zero: not at all.
func (c *Core) Wake() time.Time {
	var at time.Time
	soonest := func(want bool, t time.Time) {
		if want && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	soonest(c.phase == waiting, c.deadline)
	soonest(c.phase == joining && c.join == 0, c.next)
	soonest(c.phase == syncing && c.sync == 0 && !c.asked, c.next)
	soonest(c.phase == leaving && c.join == 0 && c.depart == 0, c.next)
	soonest(c.beats() && c.beat == 0, c.nextBeat)
	if job := c.headCommit(); job != nil {
		soonest(job.request == 0, job.next)
	}
	for _, job := range c.fetches {
		soonest(job.request == 0 && c.generation != none, job.next)
	}
	return at
}

func (c *Core) emit(o Output) { c.out = append(c.out, o) }

// ask sends a request and remembers under which membership.
func (c *Core) ask(now time.Time, op string, req kmsg.Request, limit time.Duration) uint64 {
	c.last++
	c.requests[c.last] = request{op: op, generation: c.generation, member: c.id, sent: now}
	c.emit(Send{ID: c.last, Op: op, Request: req, Timeout: limit})
	return c.last
}

// drop forgets a request in flight.
func (c *Core) drop(id *uint64) {
	if *id != 0 {
		delete(c.requests, *id)
		c.emit(Drop{ID: *id})
		*id = 0
	}
}

// onReply hands the answer to whoever asked; answers to forgotten requests end here.
func (c *Core) onReply(now time.Time, in Reply) {
	r, known := c.requests[in.ID]
	if !known {
		return
	}
	delete(c.requests, in.ID)
	if in.Response == nil && in.Err == nil {
		in.Err = errNoAnswer
	}
	switch {
	case in.ID == c.join:
		c.join = 0
		c.onJoin(now, in)
	case in.ID == c.sync:
		c.sync = 0
		c.onSync(now, r, in)
	case in.ID == c.beat:
		c.beat = 0
		c.onHeartbeat(now, in.ID, r, in)
	case in.ID == c.depart:
		c.depart = 0
		c.onLeave(now, in)
	case r.op == opCommit:
		c.onCommit(now, r, in)
	case r.op == opFetch:
		c.onFetch(now, r, in)
	}
}

// What is asked of a coordinator, as it appears in errors, hooks and logs.
const (
	opJoin      = "join"
	opSync      = "sync"
	opHeartbeat = "heartbeat"
	opCommit    = "commit offsets"
	opFetch     = "fetch offsets"
	opLeave     = "leave"
	opInventory = "ask what there is to assign"
)

func (c *Core) failure(op string, code int16) *CodeError {
	return &CodeError{Op: op, Group: c.cfg.Group, Code: code}
}

// again reports a failed attempt and returns when to repeat it.
func (c *Core) again(now time.Time, op string, err error, tries int) time.Time {
	next := now.Add(c.backoff(tries))
	c.emit(Retrying{Op: op, Err: err, Tries: tries, Next: next})
	return next
}

// backoff is Backoff·2^(tries−1), at most 20·Backoff, of which jitter takes up to a half.
func (c *Core) backoff(tries int) time.Duration {
	d := min(c.cfg.Backoff<<min(max(tries-1, 0), 10), 20*c.cfg.Backoff)
	if c.cfg.Jitter != nil {
		d -= time.Duration(float64(d) / 2 * c.cfg.Jitter())
	}
	return d
}
