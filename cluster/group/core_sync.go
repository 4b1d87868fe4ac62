package group

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sendSync asks for our part, and as leader hands out everybody's. A leader whose question was not answered asks it again.
func (c *Core) sendSync(now time.Time) {
	if len(c.peers) > 0 && c.plan == nil {
		c.lookAgain()
		return
	}
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.Generation, r.MemberID, r.InstanceID = c.cfg.Group, c.generation, c.id, c.instance()
	for _, id := range slices.Sorted(maps.Keys(c.plan)) {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = id, encodeAssignment(c.plan[id])
		r.GroupAssignment = append(r.GroupAssignment, a)
	}
	for _, p := range c.peers { // members that get nothing still need a readable assignment
		if _, has := c.plan[p.ID]; !has {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = p.ID, encodeAssignment(Assignment{})
			r.GroupAssignment = append(r.GroupAssignment, a)
		}
	}
	c.sync = c.ask(now, opSync, r, c.cfg.Rebalance+c.cfg.Request)
}

func (c *Core) lookAgain() {
	var topics []string
	for _, p := range c.peers {
		topics = append(topics, p.Topics...)
	}
	slices.Sort(topics)
	c.need(slices.Compact(topics))
}

func (c *Core) onSync(now time.Time, r request, in Reply) {
	resp, _ := in.Response.(*kmsg.SyncGroupResponse)
	if in.Err != nil || resp == nil {
		c.retry(now, opSync, in.Err)
		return
	}
	switch code := resp.ErrorCode; {
	case code == codeOK:
		c.assign(now, r.sent, resp.MemberAssignment)
	case code == codeRebalance || code == codeGeneration || code == codeProtocol:
		c.rejoin(now) // the generation is over before anything of it was assigned
	case code == codeUnknownMember:
		c.lose(now, opSync, code)
	case code == codeFenced:
		c.fence(opSync)
	case passing(code):
		c.retry(now, opSync, c.failure(opSync, code))
	default:
		c.emit(Refused{Why: c.failure(opSync, code), Offer: c.offer})
		c.forget()
		c.phase = idle
	}
}

// assign takes what the generation gives us. A heartbeat follows at once: only that starts the lease.
func (c *Core) assign(now, sent time.Time, raw []byte) {
	a, err := decodeAssignment(raw)
	if err != nil { // a foreign leader's: with nothing assigned we do no harm, and people see why
		c.emit(Retrying{Op: opSync, Err: err, Tries: 1, Next: now})
	}
	c.phase, c.assigned, c.assignedIn = stable, a, c.generation
	c.tries, c.plan, c.peers = 0, nil, nil
	c.nextBeat = now
	if sent.After(c.calm) {
		c.calm = sent
	}
	c.emit(Assigned{Generation: c.generation, Assignment: a, At: now})
}
