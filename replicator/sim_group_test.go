package replicator

// This file plays the workers' group: who owns the partition, and who dies.

// mostOwners bounds the owners of a schedule.
const mostOwners = 9

// govern appoints a successor when there is no owner at work.
func (w *world) govern() {
	o := w.latest()
	switch {
	case o.leaving && (o.core.idle() && !o.core.ledger.dirty() && o.pub == nil || w.one(40)):
		w.reached(gracefulHandover)
		w.kill(o)
		w.succeed()
	case (o.dead || !o.assigned) && w.one(4):
		w.succeed()
	}
}

// succeed appoints a new owner once the former one's lease has ended.
func (w *world) succeed() {
	if o := w.latest(); !o.leaving {
		w.now = max(w.now, o.lease)
	}
	w.appoint()
}

// disturbOwners changes who is at work.
func (w *world) disturbOwners() {
	o := w.latest()
	if len(w.owners) >= mostOwners {
		return
	}
	switch w.n(8) {
	case 0:
		if w.one(2) {
			w.kill(o)
		}
	case 1:
		o.leaving = o.assigned && !o.dead && !o.frozen
	case 2: // it does not hear of the group any more, and goes on
		o.assigned = false
	case 3:
		if w.overlaps && !o.dead {
			w.reached(twoOwners)
			w.appoint()
		}
	case 4, 5:
		if w.stops && !o.dead {
			w.freeze(o)
		}
	case 6:
		w.thaw()
	default:
		if w.shared {
			w.intrude()
		}
	}
}

// freeze stops a process (SIGSTOP), most of all between the look at the lease
// and the send.
func (w *world) freeze(o *owner) {
	o.frozen = true
	w.tracef("owner %d is stopped", o.number)
	if w.one(2) { // long enough for the group to give the partition away
		o.assigned = false
		w.now = max(w.now, o.lease)
	}
}

// thaw lets stopped processes go on.
func (w *world) thaw() {
	for _, o := range w.owners {
		if o.frozen && w.one(2) {
			o.frozen = false
			w.tracef("owner %d goes on", o.number)
		}
	}
}

// kill ends a process. What it has written to connections may still arrive.
func (w *world) kill(o *owner) {
	if o.dead {
		return
	}
	o.dead, o.assigned = true, false
	w.tracef("owner %d dies", o.number)
	kept := w.flights[:0]
	for _, f := range w.flights {
		if f.owner == o && f.stage == held {
			continue
		}
		f.ghost = f.ghost || f.owner == o
		kept = append(kept, f)
	}
	w.flights = kept
}

// point is a place at which an owner may die; true if it does.
func (w *world) point(r reach, o *owner) bool {
	if w.calm || o.dead {
		return false
	}
	for i := range w.crashes {
		c := &w.crashes[i]
		if c.at != r || c.in == 0 {
			continue
		}
		if c.in--; c.in == 0 {
			w.reached(r)
			w.tracef("%v", r)
			w.kill(o)
			return true
		}
	}
	return false
}

// leaderPoint is a place at which the target's leader may die; a replica that
// has everything up to the high watermark follows.
func (w *world) leaderPoint(r reach) bool {
	if w.calm {
		return false
	}
	for i := range w.crashes {
		c := &w.crashes[i]
		if c.at != r || c.in == 0 {
			continue
		}
		if c.in--; c.in == 0 {
			w.reached(r)
			w.targetLoses(w.boundary(w.target, w.target.high(), w.target.end))
			return true
		}
	}
	return false
}
