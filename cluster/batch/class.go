package batch

import "fmt"

// Class is what a copier does with a batch.
type Class uint8

// The classes. Whatever is not Pass leaves the producer's bytes behind or has none to copy.
const (
	// Pass: Rewrite and send the bytes.
	Pass Class = iota + 1
	// Reencode: Records, then Encode; one batch unless that grows over the limit.
	Reencode
	// Cut: larger than the target allows; Records, then Encode with the limit.
	Cut
	// Skip: nothing to copy; the offsets become a gap in the map.
	Skip
	// Refuse: portage cannot copy it; the partition stops with the reason.
	Refuse
)

// String names the class.
func (c Class) String() string {
	switch c {
	case Pass:
		return "pass through"
	case Reencode:
		return "re-encode"
	case Cut:
		return "split"
	case Skip:
		return "skip"
	case Refuse:
		return "refuse"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Case is what Classify needs to know besides the batch.
type Case struct {
	Aborted bool // it belongs to an aborted transaction (Filter)
	Limit   int  // max.message.bytes of the target topic; 0: none
}

// rule is a row of the class table.
type rule struct {
	class  Class
	reason string
	holds  func(Batch, Case) bool
	more   func(Batch) string // adds to the reason what is wrong with this batch; may be nil
}

// classes is the one table of batch classes: the first rule that holds decides.
var classes = []rule{
	{Refuse, "the bytes are not a record batch", func(b Batch, _ Case) bool { return b.Magic() < 0 || b.Magic() > Magic }, strange},
	{Refuse, "message format 0 or 1: set message.format.version of the source topic to 0.11.0 or later, so that no more are written, and let retention remove these or write them anew", func(b Batch, _ Case) bool { return b.Magic() < Magic }, nil},
	{Refuse, "the header does not fit the bytes", func(b Batch, _ Case) bool { return b.checkShape() != nil }, misshapen},
	{Skip, "transaction marker", func(b Batch, _ Case) bool { return b.Control() }, nil},
	{Skip, "emptied by compaction", func(b Batch, _ Case) bool { return b.Count() == 0 }, nil},
	{Skip, "aborted transaction", func(_ Batch, c Case) bool { return c.Aborted }, nil},
	{Refuse, "unknown compression codec", func(b Batch, _ Case) bool { return b.Codec() > Zstd }, unpackable},
	{Cut, "larger than the target's max.message.bytes", func(b Batch, c Case) bool { return c.Limit > 0 && len(b) > c.Limit }, nil},
	{Reencode, "compaction removed records", func(b Batch, _ Case) bool { return !b.Dense() }, nil},
	{Reencode, "LogAppendTime", func(b Batch, _ Case) bool { return b.LogAppendTime() }, nil},
	{Pass, "dense, CreateTime", func(Batch, Case) bool { return true }, nil},
}

// Classify says what to do with a batch and why. It looks at the header alone: Rewrite and Records check the bytes.
func Classify(b Batch, c Case) (Class, string) {
	for _, r := range classes {
		if !r.holds(b, c) {
			continue
		}
		if r.more == nil {
			return r.class, r.reason
		}
		return r.class, r.reason + r.more(b)
	}
	return Refuse, "no rule" // impossible: the last rule always holds
}

// damaged is what to do about bytes that no broker should have.
const damaged = "; read them again, and look at the segment with kafka-dump-log.sh if they stay so"

func strange(b Batch) string {
	return fmt.Sprintf(": %d bytes, format version %d%s", len(b), b.Magic(), damaged)
}

func misshapen(b Batch) string { return fmt.Sprintf(": %v%s", b.checkShape(), damaged) }

func unpackable(b Batch) string {
	return fmt.Sprintf(" %d: none, gzip, snappy, lz4 and zstd are known", int8(b.Codec()))
}
