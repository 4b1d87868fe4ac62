package wire

import "math"

// Served is a partition's part of an answer.
type Served[O comparable] struct {
	Owner O
	// From is the offset that was asked for.
	From int64
	FetchedPartition
	// First is true if the broker was bound to return at least one batch of this partition, however large, because nothing
	// came before it: no records then means that there are none between From and the last stable offset.
	First bool
}

// Failed says that there was no answer: the broker may or may not have seen the request. The next one names everything, and
// closes the session that there may be.
func (s *FetchSession[O]) Failed() { s.epoch, s.asked = 0, s.asked[:0] }

// Kafka's error codes that end a session.
const (
	codeSessionNotFound = 70
	codeSessionEpoch    = 71
)

// Answered takes the answer to the request. lost says that the broker does not have the session any more: nothing was
// served, and the next request begins another one. So does every other code in the answer, which is the caller's to judge.
func (s *FetchSession[O]) Answered(res *FetchResult) (served []Served[O], lost bool) {
	s.answers++
	if res.Code != 0 {
		s.Failed()
		if res.Code == codeSessionNotFound {
			s.id = 0
		}
		return nil, res.Code == codeSessionNotFound || res.Code == codeSessionEpoch
	}
	switch s.mode {
	case everything:
		s.begin(res.SessionID)
		return s.inOrder(res), false
	case starved:
		return s.inOrder(res), false
	}
	s.goOn(res.SessionID)
	return s.asServed(res), false
}

// begin takes the session that a full request was given, if it was.
func (s *FetchSession[O]) begin(id int32) {
	s.id, s.epoch = id, 0
	if id != 0 {
		s.epoch = 1
	}
}

// goOn raises the epoch. A broker closes a session that has become empty.
func (s *FetchSession[O]) goOn(id int32) {
	switch {
	case id != s.id:
		s.begin(0)
	case s.epoch == math.MaxInt32:
		s.epoch = 1
	default:
		s.epoch++
	}
}

// inOrder hands out an answer to a list, in the order of the list.
func (s *FetchSession[O]) inOrder(res *FetchResult) []Served[O] {
	got := make(map[place]FetchedPartition, len(res.Partitions))
	for _, p := range res.Partitions {
		got[place{p.Topic, p.Partition}] = p
	}
	out := make([]Served[O], 0, len(res.Partitions))
	first := true
	for _, w := range s.asked {
		p, found := got[place{w.topic, w.Partition}]
		if found {
			out = append(out, s.serve(w, w.Offset, p, first))
		}
		first = first && len(p.Records) == 0
	}
	s.asked = s.asked[:0]
	return out
}

// asServed hands out an answer to changes, in the broker's order.
func (s *FetchSession[O]) asServed(res *FetchResult) []Served[O] {
	first := true
	for _, p := range res.Partitions {
		first = first && len(p.Records) == 0
	}
	s.dry = first
	out := make([]Served[O], 0, len(res.Partitions))
	for _, p := range res.Partitions {
		if w := s.wanted[place{p.Topic, p.Partition}]; w != nil && !w.gone && w.known {
			out = append(out, s.serve(w, w.told.Offset, p, first))
		}
	}
	return out
}

// serve notes what a partition was given.
func (s *FetchSession[O]) serve(w *want[O], from int64, p FetchedPartition, first bool) Served[O] {
	if p.Code == 0 {
		w.stable = p.LastStable
	}
	s.arrange(w)
	if len(p.Records) > 0 {
		s.queue(w)
		w.in.MoveToBack(w.at)
	}
	return Served[O]{Owner: w.owner, From: from, FetchedPartition: p, First: first}
}
