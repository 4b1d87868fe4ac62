package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// rejoinWith replaces the offer and joins with it. A member that has not drained keeps its generation until the broker ends it.
func (c *Core) rejoinWith(now time.Time, offer Offer) {
	if c.phase == fenced || c.phase == leaving {
		return
	}
	if err := c.cfg.validateOffer(offer); err != nil {
		c.emit(Retrying{Op: opJoin, Err: err})
		return
	}
	c.offer = offer.clone()
	c.rejoin(now)
}

// rejoin starts to join, now. A join that is in flight is replaced: the broker answers only the latest of a member.
func (c *Core) rejoin(now time.Time) {
	if c.phase != joining {
		c.before = c.phase
	}
	c.phase, c.next, c.tries = joining, now, 0
	c.lease = Lease{}
	c.asked, c.plan, c.peers = false, nil, nil
	c.drop(&c.join)
	c.drop(&c.sync)
	c.drop(&c.beat)
	c.failConfirms(ErrRebalance)
}

func (c *Core) sendJoin(now time.Time) {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.InstanceID = c.cfg.Group, c.id, c.instance()
	r.SessionTimeoutMillis = int32(c.cfg.Session.Milliseconds())
	r.RebalanceTimeoutMillis = int32(c.cfg.Rebalance.Milliseconds())
	r.ProtocolType = c.offer.Type
	metadata := encodeSubscription(c.offer.Topics, c.offer.Identity, c.assigned, c.assignedIn)
	for _, name := range c.offer.Protocols {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = name, metadata
		r.Protocols = append(r.Protocols, p)
	}
	// The broker answers when all members have joined, at the latest after the longest rebalance timeout in the group; should
	// that be another's and longer than ours, the join is repeated.
	c.join = c.ask(now, opJoin, r, c.cfg.Rebalance+c.cfg.Request)
}

func (c *Core) instance() *string {
	if c.cfg.InstanceID == "" {
		return nil
	}
	return kmsg.StringPtr(c.cfg.InstanceID)
}

func (c *Core) onJoin(now time.Time, in Reply) {
	resp, _ := in.Response.(*kmsg.JoinGroupResponse)
	if c.phase == leaving { // it waited for the member id
		if resp != nil && resp.MemberID != "" {
			c.id = resp.MemberID
		}
		c.next = now
		return
	}
	if in.Err != nil || resp == nil {
		c.retry(now, opJoin, in.Err)
		return
	}
	switch code := resp.ErrorCode; {
	case code == codeOK:
		c.accept(now, resp)
	case code == codeMemberIDRequired:
		c.id = resp.MemberID
		c.next = now
	case code == codeUnknownMember && c.id != "":
		c.lose(now, opJoin, code)
	case code == codeFenced:
		c.fence(opJoin)
	case passing(code) || code == codeRebalance || code == codeUnknownMember:
		c.retry(now, opJoin, c.failure(opJoin, code))
	default:
		c.refuse(now, code)
	}
}

func (c *Core) retry(now time.Time, op string, err error) {
	c.tries++
	c.next = c.again(now, op, err, c.tries)
}

// accept enters a generation. As leader the member needs to know what there is to assign, before it syncs.
func (c *Core) accept(now time.Time, resp *kmsg.JoinGroupResponse) {
	if resp.Generation != c.generation {
		c.endCommits(codeGeneration)
	}
	c.id, c.generation = resp.MemberID, resp.Generation
	c.leader = resp.LeaderID == resp.MemberID
	c.protocol = ""
	if resp.Protocol != nil {
		c.protocol = *resp.Protocol
	}
	offer := c.offer
	c.good = &offer
	c.phase, c.tries, c.beatTries = syncing, 0, 0
	c.next, c.nextBeat = now, now.Add(c.cfg.Heartbeat)
	c.emit(Joined{Generation: c.generation, MemberID: c.id, Leader: c.leader, Protocol: c.protocol})
	if c.leader && !resp.SkipAssignment { // KIP-814: a leader that took over a static membership must leave all as it is
		c.lead(resp.Members)
	}
}

func (c *Core) lead(members []kmsg.JoinGroupResponseMember) {
	var topics []string
	for _, m := range members {
		instance := ""
		if m.InstanceID != nil {
			instance = *m.InstanceID
		}
		p := decodeSubscription(m.MemberID, instance, m.ProtocolMetadata)
		c.peers = append(c.peers, p)
		topics = append(topics, p.Topics...)
	}
	slices.Sort(topics)
	c.need(slices.Compact(topics))
}

func (c *Core) need(topics []string) {
	c.asked = true
	c.emit(Need{Generation: c.generation, Topics: topics})
}

func (c *Core) onSupply(now time.Time, in Supply) {
	if c.phase != syncing || !c.asked || in.Generation != c.generation {
		return
	}
	c.asked = false
	if in.Err != nil {
		c.retry(now, opInventory, in.Err)
		return
	}
	if assign := c.cfg.assignor(c.protocol); assign != nil {
		c.plan = assign(in.Inventory, slices.Clone(c.peers))
	}
	if c.plan == nil {
		c.plan = map[string]Assignment{}
	}
	c.next = now
}

// refuse reports an offer that the broker did not accept. It has changed nothing there: a member goes on under what it had
// offered before, and is told again what it is assigned.
func (c *Core) refuse(now time.Time, code int16) {
	refused := c.offer
	member := c.good != nil && c.generation != none
	if member && c.before != stable && refused.Type == c.good.Type && slices.Equal(refused.Protocols, c.good.Protocols) {
		member = false // even what was accepted is refused now, and the generation is ending
		c.forget()
	}
	c.emit(Refused{Why: c.failure(opJoin, code), Offer: refused, Member: member})
	switch {
	case !member:
		c.phase = idle
	case c.before == stable:
		c.offer, c.phase, c.nextBeat = *c.good, stable, now
		c.emit(Assigned{Generation: c.generation, Assignment: c.assigned, At: now})
	default:
		c.offer, c.next = *c.good, now
	}
}
