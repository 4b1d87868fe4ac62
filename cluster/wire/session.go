package wire

import "container/list"

// FetchSession is the client's side of fetch sessions with one broker (KIP-227). It keeps what is wanted and makes requests
// that name only what has changed since the last one. With a broker that grants no session, because it has none (before
// fetch version 7) or no slot is left, every request names everything.
//
//	s.Set("orders", FetchPartition{…}, owner) // and Drop: what is wanted from now on
//	s.Next(&f)                                // fills in the request
//	served, err := s.Answered(res)            // or s.Failed(), when there was no answer
//
// After a partition was served with records its owner must Set where to go on, or Drop it: the session goes on asking for
// what it was told last. A partition in error must be dropped: it ends every long poll at once.
//
// A partition that is known to have more and gets nothing, answer after answer, is asked for alone: so nobody starves,
// whatever order the broker keeps, and an empty stretch of a compacted log shows (see Served.First).
//
// One request at a time; not safe for concurrent use.
type FetchSession[O comparable] struct {
	id, epoch int32  // of the next request; epoch 0 begins anew
	answers   uint64 // so far

	wanted  map[place]*want[O]
	changed []*want[O] // since the last request

	// Those known or suspected to have more, and the others, each in the order in which they were served.
	behind, calm list.List

	mode  fetchMode
	asked []*want[O] // by the request under way, unless it names changes only
	dry   bool       // nobody got anything from the last incremental request
	room  int32      // MaxBytes of the last request
}

type place struct {
	topic     string
	partition int32
}

type fetchMode uint8

const (
	everything fetchMode = iota // a full request, which may begin a session
	changes                     // an incremental request
	starved                     // a request outside the session, for a few partitions
)

// want is one partition of a session.
type want[O comparable] struct {
	topic string
	FetchPartition
	owner O
	gone  bool // dropped; the broker's session may still have it

	listed bool           // in changed
	known  bool           // told is set
	told   FetchPartition // what the broker was told last

	stable int64  // the last stable offset, as last answered; −1: never
	since  uint64 // the number of answers when it was served, or fell behind
	due    uint64 // the number of answers by which it should have been served again
	at     *list.Element
	in     *list.List
}

// NewFetchSession returns a session that begins with the first request.
func NewFetchSession[O comparable]() *FetchSession[O] {
	return &FetchSession[O]{wanted: map[place]*want[O]{}}
}

// Set makes the session ask for a partition from now on, or from another offset on, on behalf of owner.
func (s *FetchSession[O]) Set(topic string, p FetchPartition, owner O) {
	at := place{topic, p.Partition}
	w := s.wanted[at]
	if w == nil {
		w = &want[O]{topic: topic, stable: -1}
		s.wanted[at] = w
	}
	w.FetchPartition, w.owner, w.gone = p, owner, false
	s.change(w)
	s.arrange(w)
}

// Drop takes a partition out, if it is still this owner's.
func (s *FetchSession[O]) Drop(topic string, partition int32, owner O) {
	w := s.wanted[place{topic, partition}]
	if w == nil || w.gone || w.owner != owner {
		return
	}
	w.gone = true
	w.in.Remove(w.at)
	w.in, w.at = nil, nil
	s.change(w)
}

// Len is the number of partitions that are wanted.
func (s *FetchSession[O]) Len() int { return s.behind.Len() + s.calm.Len() }

func (s *FetchSession[O]) change(w *want[O]) {
	if !w.listed {
		w.listed = true
		s.changed = append(s.changed, w)
	}
}

// arrange puts a partition at the end of the list where it belongs, unless it is there already.
func (s *FetchSession[O]) arrange(w *want[O]) {
	into := &s.calm
	if w.stable < 0 || w.stable > w.Offset {
		into = &s.behind
	}
	if w.in == into {
		return
	}
	if w.in != nil {
		w.in.Remove(w.at)
	}
	w.in, w.at = into, into.PushBack(w)
	s.queue(w)
}

// Next fills Session, Topics and Forget of the request to send now. MaxBytes must be set; MaxWait is taken away from a request
// for partitions that starve, for it holds up the others.
func (s *FetchSession[O]) Next(f *Fetch) {
	f.Topics, f.Forget, s.asked, s.room = nil, nil, s.asked[:0], f.MaxBytes
	switch {
	case s.epoch == 0:
		s.mode, f.Session = everything, &Session{ID: s.id}
		s.all(f)
	case s.starving(f):
		s.mode, f.Session, f.MaxWait = starved, &Session{Epoch: -1}, 0
		s.dry = false
	default:
		s.mode, f.Session = changes, &Session{ID: s.id, Epoch: s.epoch}
		s.increment(f)
	}
}

// all lists everything, those first that were not served for the longest time.
func (s *FetchSession[O]) all(f *Fetch) {
	for _, w := range s.changed {
		s.settle(w)
	}
	s.changed = nil // it may have been long
	for _, l := range []*list.List{&s.behind, &s.calm} {
		for e := l.Front(); e != nil; e = e.Next() {
			s.ask(f, e.Value.(*want[O]))
		}
	}
	for _, w := range s.asked {
		w.known, w.told = true, w.FetchPartition
	}
}

// settle takes a partition off the list of changes, and out of the session if it is to go.
func (s *FetchSession[O]) settle(w *want[O]) {
	w.listed = false
	if w.gone {
		delete(s.wanted, place{w.topic, w.Partition})
	}
}

// increment lists the changes.
func (s *FetchSession[O]) increment(f *Fetch) {
	for _, w := range s.changed {
		switch {
		case w.gone && w.known:
			forget(f, w.topic, w.Partition)
		case !w.gone && (!w.known || w.told != w.FetchPartition):
			add(f, w.topic, w.FetchPartition)
			w.known, w.told = true, w.FetchPartition
		}
		s.settle(w)
	}
	clear(s.changed)
	s.changed = s.changed[:0]
}

// mostStarved bounds the partitions of a request for those that starve.
const mostStarved = 100

// starving asks for the partitions that had to wait for more answers than it takes to serve everybody, or that got nothing
// when nobody did. It returns false if there are none.
func (s *FetchSession[O]) starving(f *Fetch) bool {
	for e := s.behind.Front(); e != nil && len(s.asked) < mostStarved; e = e.Next() {
		w := e.Value.(*want[O])
		if s.answers <= w.since || !s.dry && s.answers <= max(w.due, w.since+s.turn(w)) {
			break
		}
		s.ask(f, w)
	}
	return len(s.asked) > 0
}

// queue notes when a partition begins to wait, and how long it may.
func (s *FetchSession[O]) queue(w *want[O]) { w.since, w.due = s.answers, s.answers+s.turn(w) }

// turn is the number of answers that it takes to serve all that have more, and a few.
func (s *FetchSession[O]) turn(w *want[O]) uint64 {
	return 4 + uint64(int64(s.behind.Len())*int64(max(w.MaxBytes, 0))/int64(max(s.room, w.MaxBytes, 1)))
}

func (s *FetchSession[O]) ask(f *Fetch, w *want[O]) {
	add(f, w.topic, w.FetchPartition)
	s.asked = append(s.asked, w)
}

// add lists a partition; neighbours of one topic share an entry.
func add(f *Fetch, topic string, p FetchPartition) {
	if n := len(f.Topics); n == 0 || f.Topics[n-1].Topic != topic {
		f.Topics = append(f.Topics, FetchTopic{Topic: topic})
	}
	t := &f.Topics[len(f.Topics)-1]
	t.Partitions = append(t.Partitions, p)
}

func forget(f *Fetch, topic string, partition int32) {
	if n := len(f.Forget); n == 0 || f.Forget[n-1].Topic != topic {
		f.Forget = append(f.Forget, ForgetTopic{Topic: topic})
	}
	t := &f.Forget[len(f.Forget)-1]
	t.Partitions = append(t.Partitions, partition)
}
