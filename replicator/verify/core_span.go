package verify

import (
	"maps"
	"sort"

	"github.com/portage-kafka/portage/cluster/batch"
)

// mark is a place that a comparison has passed.
type mark struct {
	source, target int64    // offsets to go on from
	chains         [2]Chain // of the source, of the target; equal but inside of a span
	records        int64    // on both sides, since the comparison began
	passed         int64    // of them in batches that were compared as bytes

	// Of a span: how many of its records were spare, and of its notes.
	spared map[Reason]int64
	notes  int
}

// note is a hole, or the key of a record on both sides that a hole may wait for.
type note struct {
	key       batch.Digest
	hole      *Finding
	tombstone bool
}

// span is a range of records, digested on both sides. Inside it marks are set at
// every step, so that a difference is found without comparing every record.
// Nothing of it counts before the range, or its part up to a mark, is known to
// be equal.
type span struct {
	now   mark
	marks []mark // the first is where the range begins
	notes []note
	step  int64
	items int64 // records of either side that were taken
	due   int64 // items at which the next mark is set
}

// newSpan begins a range after a place up to which both sides are equal.
func newSpan(from mark, step int64) *span {
	from.chains[1], from.spared, from.notes = from.chains[0], nil, 0
	return &span{now: from, marks: []mark{from}, step: step, due: step}
}

// pair digests a record of each side.
func (s *span) pair(source, target batch.Digest) {
	s.digest(0, source)
	s.digest(1, target)
	s.now.records++
	s.items++
}

// batch digests a batch of n records whose bytes are equal on both sides.
func (s *span) batch(payload batch.Digest, n int64) {
	s.digest(0, payload)
	s.digest(1, payload)
	s.now.records += n
	s.now.passed += n
	s.items += n
}

// alone digests a record that one side has and the other should have: from
// here on the chains differ.
func (s *span) alone(side int, d batch.Digest) {
	s.digest(side, d)
	s.items++
}

func (s *span) digest(side int, d batch.Digest) {
	s.now.chains[side] = s.now.chains[side].then(d)
}

// spare takes a record that may be alone.
func (s *span) spare(why Reason) {
	if s.now.spared == nil {
		s.now.spared = make(map[Reason]int64)
	}
	s.now.spared[why]++
	s.items++
}

// note remembers what is to become of a hole.
func (s *span) note(n note) {
	s.notes = append(s.notes, n)
	s.now.notes = len(s.notes)
	if n.hole != nil {
		s.items++
	}
}

// at says how far both sides have come, and marks the place when it is due.
func (s *span) at(source, target int64) {
	s.now.source, s.now.target = source, target
	if s.items >= s.due {
		m := s.now
		m.spared = maps.Clone(m.spared)
		s.marks = append(s.marks, m)
		s.due = s.items + s.step
	}
}

// cut ends a span where it is.
func (s *span) cut() *span {
	s.marks = append(s.marks, s.now)
	return s
}

// equal says whether the range is the same on both sides.
func (s *span) equal() bool { return s.now.chains[0] == s.now.chains[1] }

// lastEqual bisects to the last mark up to which both sides are equal: chains
// that differ once differ for ever.
func (s *span) lastEqual() mark {
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].chains[0] != s.marks[i].chains[1] })
	return s.marks[i-1] // the first mark is equal by construction
}
