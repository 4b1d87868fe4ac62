package produce

import (
	"errors"
	"time"
)

// Producer is an identity that a cluster has given out for idempotent writes.
type Producer struct {
	ID    int64
	Epoch int16
}

// Lane sequences the batches of one partition. The zero value has no identity
// yet: see Renew. It belongs to one goroutine.
type Lane struct {
	producer Producer
	sequence int32
	count    int32
	busy     bool
	tries    int
	doubtful bool // an attempt at the batch under way may have been stored
}

// Renew starts the lane under a new identity, at sequence 0. No batch may be
// under way.
func (l *Lane) Renew(p Producer) { *l = Lane{producer: p} }

// Stamp is what a batch is written under.
type Stamp struct {
	Producer
	Sequence int32
}

// ErrBusy says that a batch is under way already.
var ErrBusy = errors.New("a batch of the partition is under way")

// Take puts a batch of so many records under way. Its stamp stays the same until
// Answer has said what became of it.
func (l *Lane) Take(records int) (Stamp, error) {
	if l.busy {
		return Stamp{}, ErrBusy
	}
	l.busy, l.count, l.tries, l.doubtful = true, int32(records), 0, false
	return Stamp{l.producer, l.sequence}, nil
}

// Answer is what a broker said to a batch, or what stands for silence.
type Answer struct {
	// Code is the broker's error code, 0 for stored; it counts only if Answered.
	Code     int16
	Answered bool
	// Passing is true for failures that a repetition may mend.
	Passing bool
	// Uncertain is true for failures after which the batch may be in the log all the same.
	Uncertain bool
}

// Outcome is what an answer means.
type Outcome uint8

// The outcomes.
const (
	// Stored: the batch is in the log, once.
	Stored Outcome = iota
	// Again: send the same bytes again, after Pause.
	Again
	// Refused: the batch is not in the log; the sequence was not consumed.
	Refused
	// Forgotten: the batch is not in the log, for the broker has lost track of the
	// lane's sequence. Its records may be sent again, under a new identity.
	Forgotten
	// Broken: the batch is refused, and the lane needs a new identity before its
	// next batch: the broker has lost track of its sequence, or an earlier attempt
	// may be in the log under the sequence that the next batch would carry. Brokers
	// compare sequences only, so the next batch would vanish.
	Broken
)

// Error codes of Kafka that mean something to a lane.
const (
	codeOutOfOrder      = 45
	codeDuplicate       = 46
	codeInvalidEpoch    = 47
	codeInvalidMapping  = 49
	codeUnknownProducer = 59
)

// Answered says what an answer means for the batch under way.
func (l *Lane) Answered(a Answer) Outcome {
	if !l.busy {
		return Refused
	}
	switch {
	case a.Answered && (a.Code == 0 || a.Code == codeDuplicate):
		l.busy, l.sequence = false, next(l.sequence, l.count)
		return Stored
	case !a.Answered || a.Passing:
		l.tries++
		l.doubtful = l.doubtful || !a.Answered || a.Uncertain
		return Again
	}
	l.busy = false
	if l.doubtful {
		return Broken
	}
	switch a.Code {
	case codeOutOfOrder, codeInvalidEpoch, codeInvalidMapping, codeUnknownProducer:
		if l.sequence > 0 {
			return Forgotten
		}
		return Broken // a new identity would not help
	}
	return Refused
}

// Doubtful says whether the last batch may be in the log although it was refused
// in the end: an attempt before had no answer, or one that leaves it open.
func (l *Lane) Doubtful() bool { return l.doubtful }

// next adds to a sequence number; it wraps from 2^31-1 to 0, as brokers expect.
func next(sequence, count int32) int32 {
	return int32((int64(sequence) + int64(count)) % (1 << 31))
}

// Pauses between repetitions.
const (
	firstPause = 20 * time.Millisecond
	mostPause  = time.Second
)

// Pause is how long to wait before the batch is sent again: 20 ms, doubling up
// to 1 s.
func (l *Lane) Pause() time.Duration {
	return min(firstPause<<min(l.tries-1, 10), mostPause)
}
