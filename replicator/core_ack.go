package replicator

import (
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/cluster/batch"
)

// answer is what a target said about one batch.
type answer struct {
	// code is Kafka's error code, base the offset of the first record.
	code    int16
	base    int64
	message string
	// err is set when there was no answer: whether the batch is on the target
	// is not known.
	err error
}

// verdict is what an answer means.
type verdict uint8

const (
	landed   verdict = iota // in the log
	doubtful                // perhaps in the log: recheck
	reorder                 // the broker expects another sequence: recheck, then claim anew
	tooLarge                // not in the log; to be split
	refused                 // not in the log; never will be
	outdated                // a later epoch exists
)

// verdictOf reads Kafka's error codes
// (https://kafka.apache.org/protocol#protocol_error_codes). What is not listed
// is doubtful: a recheck is always right.
func verdictOf(code int16) verdict {
	switch code {
	case 0:
		return landed
	case 10, 18: // MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE
		return tooLarge
	case 32, 42, 43, 44, 76, 87: // INVALID_TIMESTAMP, INVALID_REQUEST, UNSUPPORTED_FOR_MESSAGE_FORMAT, POLICY_VIOLATION, UNSUPPORTED_COMPRESSION_TYPE, INVALID_RECORD
		return refused
	case 45, 46, 59: // OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER, UNKNOWN_PRODUCER_ID
		return reorder
	case 47, 90: // INVALID_PRODUCER_EPOCH, PRODUCER_FENCED
		return outdated
	}
	return doubtful
}

// answered takes the answer to a batch that send returned.
func (c *core) answered(it *item, a answer) {
	if !it.flying {
		return
	}
	it.flying = false
	c.queue.flying = false
	if a.err != nil {
		c.doubt("no answer: %v", a.err)
	} else {
		c.judgeAnswer(it, a)
	}
	c.settle()
}

func (c *core) judgeAnswer(it *item, a answer) {
	switch verdictOf(a.code) {
	case landed:
		it.acked, it.base = true, a.base
	case tooLarge:
		it.sent = false
		c.split(it)
	case refused:
		it.sent = false
		c.refusedBy(it, a)
	case outdated:
		if c.phase != halted {
			c.phase = fenced
		}
	case reorder:
		c.queue.reorder = true
		c.doubt("the target expects another sequence number (error %d %s)", a.code, a.message)
	default:
		c.doubt("error %d %s", a.code, a.message)
	}
}

func (c *core) doubt(format string, args ...any) {
	if c.queue.doubt == "" {
		c.queue.doubt = fmt.Sprintf(format, args...)
		c.attempt++
	}
}

// settle books what has landed, in order, and begins a recheck when one is due
// and nothing is on its way any more.
func (c *core) settle() {
	q := &c.queue
	for c.phase != rechecking && q.made > 0 && q.items[0].acked && q.doubt == "" {
		if it := q.items[0]; !c.plausible(it) {
			c.doubt("the target put a batch at offset %d where %d was expected", it.base, c.ledger.expected)
			break
		}
		c.book(q.items[0].base)
	}
	if c.phase == copying && q.doubt != "" && !q.flying {
		c.phase = rechecking
		c.beginResolve()
	}
	c.haltIfDone()
}

// plausible says whether an acknowledged base offset is the expected one. With
// other writers about it may lie higher; but the target is looked at after the
// first batch of an epoch, for a former owner may have written last, or an election
// have made room for the others, and after one that was sent twice, for the first
// copy may have come late.
func (c *core) plausible(it *item) bool {
	if !c.shared {
		return it.base == c.ledger.expected
	}
	return c.ledger.sequence != 0 && (it.base == c.ledger.expected || it.base > c.ledger.expected && !it.resent)
}

// book enters the first item into the map.
func (c *core) book(base int64) {
	it := c.queue.items[0]
	c.queue.pop()
	if err := c.ledger.add(it.runs, base, it.next); err != nil {
		c.haltHere(CodeDiverged, "enter the batch of source offset %d at target offset %d: %v; copy the topic anew", it.runs[0].source, base, err)
		return
	}
	c.ledger.sequence = it.producer.After(it.count).Sequence
	c.ledger.roll(c.blockRuns)
	c.attempt = 0
	c.records += int64(it.count)
	c.bytes += int64(len(it.bytes))
}

// split replaces a batch that is too large for the target by two halves: the
// sequence was not consumed, so they carry the same range.
func (c *core) split(it *item) {
	records, err := it.bytes.Records()
	if err == nil && len(records) == 1 {
		err = &batch.TooLargeError{Offset: it.runs[0].source, Size: len(it.bytes), Limit: len(it.bytes) - 1}
	}
	if err != nil {
		c.halt(CodeRefusedBatch, it.runs[0].source, it.end(), "source offset %d: %v", it.runs[0].source, err)
		return
	}
	number(records, it.runs)
	p := it.producer
	pieces, err := batch.Encode(batch.Spec{Codec: it.bytes.Codec(), Producer: &p}, records, len(it.bytes)-1)
	var large *batch.TooLargeError
	if errors.As(err, &large) {
		c.halt(CodeRefusedBatch, large.Offset, large.Offset+1, "%v", large)
		return
	}
	if err != nil {
		c.halt(CodeRefusedBatch, it.runs[0].source, it.end(), "source offset %d: %v", it.runs[0].source, err)
		return
	}
	c.maxBytes = len(it.bytes) - 1
	c.instead(it, itemsOf(pieces))
}

// instead puts parts of the first item in its place.
func (c *core) instead(it *item, parts []*item) {
	last := parts[len(parts)-1]
	last.next, last.weight = it.next, it.weight
	c.queue.items = append(parts, c.queue.items[1:]...)
	c.queue.made += len(parts) - 1
}

// refusedBy looks for the record that the target refuses, by halves, where it
// refuses records and not the batch: those before it are copied, and the stop
// names it alone. As in split, the sequence was not consumed.
func (c *core) refusedBy(it *item, a answer) {
	records, err := it.bytes.Records()
	if err != nil || len(records) == 1 || remedy(a.code) == "" {
		at := it.runs[0].source
		c.halt(CodeRefusedBatch, at, it.end(), "the target refuses what stands at source offset %d (error %d %s)%s", at, a.code, a.message, remedy(a.code))
		return
	}
	number(records, it.runs)
	var parts []*item
	p := it.producer
	for _, half := range [][]batch.Record{records[:len(records)/2], records[len(records)/2:]} {
		pieces, err := batch.Encode(batch.Spec{Codec: it.bytes.Codec(), Producer: &p}, half, 0)
		if err != nil {
			c.halt(CodeRefusedBatch, it.runs[0].source, it.end(), "source offset %d: %v", it.runs[0].source, err)
			return
		}
		parts = append(parts, itemsOf(pieces)...)
		p = p.After(int32(len(half)))
	}
	c.instead(it, parts)
}

// remedy is what a person can do about a record that is refused, "" for other
// refusals.
func remedy(code int16) string {
	switch code {
	case 32:
		return "; raise message.timestamp.after.max.ms of the target topic and retry, or accept this loss"
	case 87:
		return "; a compacted topic takes no record without a key: set cleanup.policy=delete on the target topic until the copy is verified and retry, or accept this loss"
	}
	return ""
}

// number gives records their source offsets back.
func number(records []batch.Record, runs []stretch) {
	i := 0
	for _, r := range runs {
		for n := range r.count {
			records[i].Offset = r.source + n
			i++
		}
	}
}
