package consume

import (
	"time"

	"github.com/portage-kafka/portage/events"
)

// hold is a hold of one attempt: how long it has lasted, what was drained, and the verdict if it expires.
type hold struct {
	of        attempt
	since     time.Time // zero: nothing is held
	limit     time.Duration
	proceed   bool // stragglers are abandoned rather than the switch
	abandoned bool // that was done
	results   map[Partition]lane
	wish      string // id of the AbortRequested; empty before the hold expired
	reading   uint64
	released  attempt // the attempt in which we were held last and that is over
	paused    time.Time
}

// holdOrRelease starts or ends a hold when an order is put in force.
func (c *Core) holdOrRelease() {
	h := &c.hold
	switch of := c.order.attempt(); {
	case !c.order.held():
		if !h.since.IsZero() {
			h.released = h.of
		}
		h.since, h.wish, h.reading = time.Time{}, "", 0
	case h.since.IsZero() || h.of != of:
		limit := time.Duration(c.order.group.HoldMillis) * time.Millisecond
		if limit <= 0 {
			limit = c.cfg.Hold
		}
		*h = hold{
			of: of, since: c.now, limit: limit, proceed: c.order.group.Straggler == events.StragglerProceed,
			results: map[Partition]lane{}, released: h.released, paused: c.now,
		}
		c.notice(Held, Source, "moving partitions are held, for %v at most", h.expiry().Sub(h.since))
	}
}

// expiry is when an instance stops waiting for the decision. Where stragglers are abandoned when the hold is over, the switch
// gets the same time again to end.
func (h *hold) expiry() time.Time {
	if h.proceed {
		return h.since.Add(2 * h.limit)
	}
	return h.since.Add(h.limit)
}

func (h *hold) wake() time.Time {
	switch {
	case h.since.IsZero() || h.wish != "":
		return time.Time{}
	case h.proceed && !h.abandoned:
		return h.since.Add(h.limit)
	}
	return h.expiry()
}

// watchHold does what is due while partitions are held.
func (c *Core) watchHold() {
	h := &c.hold
	if h.since.IsZero() || c.closing {
		return
	}
	if h.proceed && !h.abandoned && !c.now.Before(h.since.Add(h.limit)) {
		h.abandoned = true
		c.abandonStragglers()
	}
	if h.wish == "" && !c.now.Before(h.expiry()) {
		code, reason := "hold-expired", "no decision within the hold"
		if !h.proceed && len(c.stragglers()) > 0 {
			code, reason = "straggler", "a handler was not done when the hold expired"
		}
		h.wish = c.wishAbort(code, reason)
	}
}

// stragglers are lanes of moving partitions with a record in hand.
func (c *Core) stragglers() (list []*lane) {
	for _, l := range c.lanesOf(c.sides[Source]) {
		if l.state == laneShutting && c.order.moves(l.Partition.Topic) {
			list = append(list, l)
		}
	}
	return list
}

func (c *Core) abandonStragglers() {
	for _, l := range c.stragglers() {
		c.emit(Abandon{Lane: l.ID})
		c.alarm(Source, &l.Partition, "the handler of %s at or after %d is abandoned: the record may be handled again", l.Partition, l.next)
	}
}

// onAppended: our request for an abort stands in the log. What stands before it decides.
func (c *Core) onAppended(in Appended) {
	h := &c.hold
	if h.wish == "" || in.ID != h.wish || h.reading != 0 {
		return
	}
	h.reading = c.next()
	c.emit(ReadEvents{Seq: h.reading, From: c.order.position + 1, To: in.Position})
}

// onEventsRead judges, by the newest directive of the attempt. Only an abort with no decision before it lets us go back;
// anything else is for the next directive to say.
func (c *Core) onEventsRead(in EventsRead) {
	h := &c.hold
	if h.reading == 0 || in.Seq != h.reading || h.since.IsZero() {
		return
	}
	h.reading = 0
	if at, aborted := Verdict(c.order.dir, in.Records); aborted {
		c.back(at)
		return
	}
	c.alarm(Source, nil, "the hold has expired and the decision may have been made: staying held until the directive says so")
}

// Verdict judges the events that follow a directive of a held group: whether the attempt was aborted, and by which event at the
// earliest.
//
// The first AbortRequested of the attempt is accepted if no SwitchCommitted was accepted before, and if its id did not stand in
// the log before: the fold ignores repetitions. Of what stood there before the directive nothing is known here, so an abort
// counts only once one has come whose id an instance has derived from the attempt (our own is one): such an id stands in the log
// no earlier than the attempt, and had the attempt ended then, the directive would not be.
//
// Whether a decision was accepted depends on its stream version, of which only bounds are known here, because the fold may have
// refused events that look right: any SwitchCommitted whose expectation lies within the bounds counts as a decision. So the
// answer "aborted" is always right, and "not aborted" means that the directive has to be waited for.
func Verdict(d events.Directive, records []events.Record) (at int64, aborted bool) {
	highest := d.Version
	seen := map[string]bool{}
	for _, r := range records {
		e := r.Event
		foreign := r.Refusal != nil && r.Refusal.Foreign
		if foreign || e.Migration != d.Migration || r.Position <= d.Position || seen[e.ID] {
			continue
		}
		seen[e.ID] = true // whatever stream it is on, and whatever becomes of it
		kind, known := events.Lookup(e.Type)
		switch {
		case !known || r.Refusal != nil || e.Stream != d.Stream || !kind.Class.Versioned():
			continue
		case e.Type == "SwitchCommitted" && e.Epoch == d.Epoch && *e.Expects >= d.Version && *e.Expects <= highest:
			return 0, false
		case e.Type == "AbortRequested" && events.Judge(kind, events.ReadersAxis, e, events.Standing{Epoch: d.Epoch, Phase: d.Phase}) == "":
			if at == 0 {
				at = r.Position
			}
			if wished(r) {
				return at, true
			}
		}
		highest++
	}
	return 0, false
}

// noticeOpened tells how long the pause was, once lanes of moving partitions are open again.
func (c *Core) noticeOpened() {
	if c.hold.paused.IsZero() || c.order.held() {
		return
	}
	for _, p := range c.partitions() {
		if l := c.lanes[p]; l.state == laneOpen && c.order.moves(p.Topic) {
			c.emit(Notice{Kind: Resumed, Side: l.Side, Position: c.order.position, Pause: c.now.Sub(c.hold.paused), Text: "consuming again"})
			c.hold.paused = time.Time{}
			return
		}
	}
}
