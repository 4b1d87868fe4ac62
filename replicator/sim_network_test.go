package replicator

import (
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
)

// flight is a produce request on its way.
type flight struct {
	owner      *owner
	life       int
	it         *item
	bytes      batch.Batch
	lease      time.Duration
	connection int // which keeps the order
	leader     int32
	stage      stage
	ghost      bool // nobody waits for it any more
	answer     answer
	until      int64 // the high watermark that it waits for
}

// stage is how far a request has come.
type stage uint8

const (
	held    stage = iota // taken from the core, not written to the connection
	wired                // on the connection, or in the broker's queue
	logged               // in the leader's log, waiting for the followers
	replied              // the answer is on its way
)

// advance brings a request one step further: the first of its connection.
func (w *world) advance() {
	if len(w.flights) == 0 {
		return
	}
	f := w.flights[w.n(len(w.flights))]
	for _, x := range w.flights {
		if x.owner == f.owner && x.connection == f.connection && (f.stage != held || x.stage == held) {
			f = x
			break
		}
	}
	switch f.stage {
	case held:
		w.depart(f)
	case wired:
		w.arrive(f)
	case logged:
		w.replicated(f)
	default:
		w.deliver(f)
	}
	f.owner.watch()
}

func (w *world) remove(f *flight) {
	if i := slices.Index(w.flights, f); i >= 0 {
		w.flights = slices.Delete(w.flights, i, i+1)
	}
}

// depart writes the request to its connection. A process that was stopped in
// between mostly notices that its lease has ended, but it may be just past that.
func (w *world) depart(f *flight) {
	o := f.owner
	if o.frozen {
		return
	}
	if w.now >= f.lease && (!w.one(3) || w.calm) {
		w.reached(stoppedNoticed)
		w.remove(f)
		o.answered(f, answer{err: errConnection})
		return
	}
	if w.now >= f.lease {
		w.reached(stoppedSentLate)
		w.tracef("owner %d: a batch is sent after the lease", o.number)
	}
	f.stage = wired
	w.point(afterSend, o)
}

// arrive lets the broker handle the request.
func (w *world) arrive(f *flight) {
	o := f.owner
	switch {
	case f.ghost && w.one(3): // and with it what follows on the connection
		w.flights = slices.DeleteFunc(w.flights, func(x *flight) bool { return x.owner == o && x.connection == f.connection })
		return
	case !f.ghost && w.chance(w.breaks, 10):
		w.reached(connectionLost)
		w.breakConnection(o)
		return
	case !f.ghost && w.point(beforeAppend, o), w.leaderPoint(leaderBeforeAppend):
		return
	case f.leader != w.target.epoch:
		f.stage, f.answer = replied, answer{code: 6, base: -1}
		return
	case w.chance(w.breaks, 40):
		w.reached(refusedForNow)
		f.stage, f.answer = replied, answer{code: []int16{3, 6, 19}[w.n(3)], base: -1}
		return
	}
	w.handle(f)
	if !f.ghost && !w.point(afterAppend, o) {
		w.leaderPoint(leaderAfterAppend)
	}
}

// handle appends the batch, or refuses it.
func (w *world) handle(f *flight) {
	o, end, dedups := f.owner, w.target.end, w.target.dedups
	superseded, forgot := w.superseded(o), w.target.known[f.bytes.Producer().ID] == nil
	f.answer, f.until = w.target.accept(f.bytes)
	f.stage = logged
	if f.answer.code != 0 {
		f.stage = replied
	}
	landed := w.target.end > end
	w.late = w.late || landed && w.standsTwice(f)
	switch {
	case landed && superseded:
		w.reached(lateZombie)
		w.late, w.unfenced = true, true
	case landed && f.ghost:
		w.reached(ghostLanded)
		w.late = w.late || forgot
	case f.answer.code == 47:
		w.reached(zombieFenced)
	case f.answer.code == 45 && w.calm && !f.ghost:
		w.fail("owner %d sends sequence %d, undisturbed, and the broker expects another", o.number, f.bytes.Producer().Sequence)
	case f.answer.code == 10:
		w.reached(batchSplit)
	case w.target.dedups > dedups:
		w.reached(dedupRetry)
	}
	if w.trace != nil {
		p := f.bytes.Producer()
		w.tracef("target: %d.%d %d +%d of owner %d (ghost %v): code %d base %d, the log ends at %d", p.ID, p.Epoch, p.Sequence, f.bytes.Count(), o.number, f.ghost, f.answer.code, f.answer.base, w.target.end)
	}
}

// standsTwice says that a batch is on the target twice: the broker had forgotten
// it meanwhile, and the first had come when nobody looked any more.
func (w *world) standsTwice(f *flight) bool {
	n := 0
	for _, b := range w.target.batches {
		if b.Producer() == f.bytes.Producer() {
			n++
		}
	}
	return n > 1
}

// replicated lets the broker answer, once the followers have the batch or it
// has waited too long.
func (w *world) replicated(f *flight) {
	switch {
	case w.target.high() >= f.until:
		if w.chance(w.breaks, 40) {
			w.reached(refusedForNow)
			f.answer = answer{code: 20, base: -1}
		}
	case w.chance(true, 8):
		w.reached(timedOut)
		f.answer.code = 7
	default:
		return
	}
	f.stage = replied
}

// deliver brings the answer to the owner, or loses it.
func (w *world) deliver(f *flight) {
	o := f.owner
	switch {
	case f.ghost:
		w.remove(f)
	case o.frozen:
	case w.chance(w.breaks, 10):
		w.reached(ackLost)
		w.breakConnection(o)
	case w.point(beforeAck, o):
	default:
		w.remove(f)
		o.answered(f, f.answer)
		w.point(afterAck, o)
	}
}

// answered gives the core an answer, unless it has begun anew since.
func (o *owner) answered(f *flight, a answer) {
	if f.life == o.life && !o.dead {
		o.w.tracef("owner %d is answered: code %d base %d %v", o.number, a.code, a.base, a.err)
		o.core.answered(f.it, a)
	}
}

// breakConnection leaves an owner's requests without an answer. Those that were
// sent may still arrive.
func (w *world) breakConnection(o *owner) {
	o.connection++
	for _, f := range slices.Clone(w.flights) {
		if f.owner != o || f.ghost {
			continue
		}
		if f.stage == held { // it goes over the next connection
			f.connection = o.connection
			continue
		}
		f.ghost = true
		o.answered(f, answer{err: errConnection})
	}
}

// followed says whether a later owner has loaded the map already.
func (w *world) followed(o *owner) bool {
	return slices.ContainsFunc(w.owners[o.number+1:], func(x *owner) bool { return x.core.phase >= resolving || x.life > 0 })
}

// superseded says whether a later owner has looked at the target already.
func (w *world) superseded(o *owner) bool {
	for _, x := range w.owners[o.number+1:] {
		if x.core.phase > resolving || x.core.resolve.state > askBounds || x.bounding != nil && (x.bounding.next > 2 || x.bounding.settle.begun) {
			return true
		}
	}
	return false
}
