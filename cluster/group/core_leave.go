package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveTries is how often LeaveGroup is repeated before the broker is left to find out by itself.
const leaveTries = 5

// startLeaving leaves. A join in flight that was sent without a member id must be waited for: it may be creating one, and a
// static member of which nobody knows would stay for its whole session.
func (c *Core) startLeaving(now time.Time) {
	switch c.phase {
	case leaving:
		return
	case fenced:
		c.emit(Left{Err: ErrFenced})
		return
	case idle:
		if c.id == "" {
			c.emit(Left{})
			return
		}
	}
	if c.id != "" {
		c.drop(&c.join)
	}
	c.phase, c.next, c.tries, c.lease = leaving, now, 0, Lease{}
	c.asked, c.plan, c.peers = false, nil, nil
	c.drop(&c.sync)
	c.drop(&c.beat)
	c.endCommits(codeUnknownMember)
	c.failFetches(ErrNotMember)
	c.failConfirms(ErrNotMember)
}

func (c *Core) sendLeave(now time.Time) {
	if c.id == "" {
		c.left(nil)
		return
	}
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group = c.cfg.Group
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.InstanceID = c.id, c.instance()
	r.Members = append(r.Members, m)
	c.depart = c.ask(now, opLeave, r, c.cfg.Request)
}

func (c *Core) onLeave(now time.Time, in Reply) {
	code := int16(codeOK)
	err := in.Err
	if resp, ok := in.Response.(*kmsg.LeaveGroupResponse); ok && err == nil {
		code = resp.ErrorCode
		for _, m := range resp.Members { // the one that is us
			if code == codeOK {
				code = m.ErrorCode
			}
		}
		if code != codeOK {
			err = c.failure(opLeave, code)
		}
	}
	switch c.tries++; {
	case err == nil || code == codeUnknownMember:
		c.left(nil)
	case code != codeOK && !passing(code), c.tries >= leaveTries:
		c.left(err)
	default:
		c.next = c.again(now, opLeave, err, c.tries)
	}
}

func (c *Core) left(err error) {
	c.forget()
	c.phase, c.good = idle, nil
	c.emit(Left{Err: err})
}
