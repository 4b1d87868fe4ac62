package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// beats says whether heartbeats are sent: as long as the broker counts us in, however long handlers drain.
func (c *Core) beats() bool {
	return c.generation != none && (c.phase == syncing || c.phase == stable || c.phase == waiting)
}

func (c *Core) sendHeartbeat(now time.Time) {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.Generation, r.MemberID, r.InstanceID = c.cfg.Group, c.generation, c.id, c.instance()
	c.beat = c.ask(now, opHeartbeat, r, min(c.cfg.Request, c.cfg.Session/3))
	c.nextBeat = now.Add(c.cfg.Heartbeat)
}

func (c *Core) onHeartbeat(now time.Time, id uint64, r request, in Reply) {
	resp, _ := in.Response.(*kmsg.HeartbeatResponse)
	if r.generation != c.generation || r.member != c.id || !c.beats() {
		return
	}
	if in.Err != nil || resp == nil {
		c.missBeat(now, in.Err)
		return
	}
	switch code := resp.ErrorCode; code {
	case codeOK:
		c.alive(now, id, r.sent)
	case codeRebalance:
		c.rebalance(now)
	case codeGeneration, codeUnknownMember:
		c.lose(now, opHeartbeat, code)
	case codeFenced:
		c.fence(opHeartbeat)
	default: // the lease runs on from the last good one; nothing else can be done
		c.missBeat(now, c.failure(opHeartbeat, code))
	}
}

func (c *Core) missBeat(now time.Time, err error) {
	c.beatTries++
	c.nextBeat = c.again(now, opHeartbeat, err, c.beatTries)
}

// alive notes a heartbeat answered 0. The lease starts when it was sent: that is the latest moment of which the broker's clock
// is known to have started.
func (c *Core) alive(now time.Time, id uint64, sent time.Time) {
	c.beatTries = 0
	if c.phase == waiting {
		return
	}
	c.calm = sent
	if c.phase != stable {
		return
	}
	if c.generation == c.assignedIn {
		c.lease = Lease{Generation: c.generation, Sent: sent, For: min(c.cfg.Session, c.cfg.Rebalance)}
	}
	c.confirms = slices.DeleteFunc(c.confirms, func(w confirm) bool {
		if w.after >= id {
			return false
		}
		c.emit(Confirmed{ID: w.id, Lease: c.lease})
		return true
	})
	if len(c.confirms) > 0 {
		c.nextBeat = now
	}
}

// rebalance is error 27: somebody joined, left or was evicted since the last good heartbeat.
func (c *Core) rebalance(now time.Time) {
	switch {
	case c.phase == syncing || c.phase == stable && c.cfg.Prompt:
		c.rejoin(now)
	case c.phase == stable:
		deadline := c.calm.Add(c.cfg.Rebalance - c.cfg.Margin) // the broker's timeout may run since then
		c.wait(deadline)
		c.emit(RebalanceNeeded{Generation: c.generation, Deadline: deadline})
	}
}

func (c *Core) wait(deadline time.Time) {
	c.phase, c.deadline, c.lease = waiting, deadline, Lease{}
	c.failConfirms(ErrRebalance)
}

// lose is the end of the membership. The member id survives error 22: the broker still knows it.
func (c *Core) lose(now time.Time, op string, code int16) {
	lost := Lost{Generation: c.generation, MemberID: c.id, Why: c.failure(op, code), Outside: c.cfg.StayOut && code == codeUnknownMember}
	held := c.phase == stable || c.phase == waiting
	c.endCommits(code)
	id := c.id
	c.forget()
	if code == codeGeneration {
		c.id = id
	}
	switch {
	case lost.Outside:
		c.phase = idle
	case c.phase == joining:
		c.joinAfresh(now, lost)
		if lost.Generation == none { // a member id that was given out, but not used in time
			return
		}
	case held && !c.cfg.Prompt:
		lost.Deadline = now.Add(c.cfg.Rebalance - c.cfg.Margin)
		c.wait(lost.Deadline)
	default:
		c.rejoin(now)
	}
	c.emit(lost)
}

// joinAfresh goes on with a join whose member id is not known any more.
func (c *Core) joinAfresh(now time.Time, lost Lost) {
	c.before, c.next = idle, now
	if c.tries++; c.tries > 1 {
		c.next = c.again(now, lost.Why.Op, lost.Why, c.tries)
	}
}

// forget drops everything that a membership gave. assignedIn stays: Ready names it.
func (c *Core) forget() {
	c.id, c.generation, c.leader, c.protocol = "", none, false, ""
	c.assigned, c.lease, c.calm = Assignment{}, Lease{}, time.Time{}
	c.asked, c.plan, c.peers = false, nil, nil
	c.drop(&c.sync)
	c.drop(&c.beat)
	c.failFetches(ErrNotMember)
	c.failConfirms(ErrNotMember)
}

// fence is error 82: the static membership belongs to another process, which must not be disturbed.
func (c *Core) fence(op string) {
	lost := Lost{Generation: c.generation, MemberID: c.id, Why: c.failure(op, codeFenced), Final: true}
	c.endCommits(codeFenced)
	c.drop(&c.join)
	c.forget()
	c.phase = fenced
	c.emit(lost)
}

// confirm waits for a heartbeat whose request id is above after.
type confirm struct{ id, after uint64 }

func (c *Core) addConfirm(now time.Time, id uint64) {
	if c.phase != stable {
		c.emit(Confirmed{ID: id, Err: c.outside()})
		return
	}
	c.confirms = append(c.confirms, confirm{id: id, after: c.last})
	c.nextBeat = now
}

// outside says why there is no assigned membership.
func (c *Core) outside() error {
	switch {
	case c.phase == fenced:
		return ErrFenced
	case c.generation == none:
		return ErrNotMember
	}
	return ErrRebalance
}

func (c *Core) failConfirms(err error) {
	for _, w := range c.confirms {
		c.emit(Confirmed{ID: w.id, Err: err})
	}
	c.confirms = nil
}
