package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// Kind is how two sides differ at one place. The names appear in reports and
// stay as they are.
type Kind string

// The kinds of difference.
const (
	Loss      Kind = "loss"      // the source has a record, the target has none for it
	Duplicate Kind = "duplicate" // the target has a record once more
	Extra     Kind = "extra"     // the target has a record that is nothing of the source's
	Reorder   Kind = "reorder"   // the target has a record before or after those that it stood with
	Corrupted Kind = "corrupted" // key or value differ
	Headers   Kind = "headers"   // headers differ, their order included; key and value do not
	Timestamp Kind = "timestamp" // nothing but the timestamp differs
	Vanished  Kind = "vanished"  // the source has lost a record that the target has, and nothing excuses it
	Displaced Kind = "displaced" // the map says another target offset than where the records stand
	Unaligned Kind = "unaligned" // the sides have nothing in common for so long that the comparison ended
)

// Reason is why a record that only one side has is no difference.
type Reason string

// The reasons.
const (
	SourceCompacted Reason = "source_compacted" // the source's cleaner took it after it was copied
	SourceExpired   Reason = "source_expired"   // it lies below the source's log start
	TargetCompacted Reason = "target_compacted" // the target's cleaner took it: a later record of the key is there, or it was a tombstone
	TargetExpired   Reason = "target_expired"   // the target's retention took it
	Native          Reason = "native"           // others wrote it to the target
	GivenUp         Reason = "given_up"         // a person has given it up
)

// Verdict is the outcome of a comparison.
type Verdict string

// The verdicts.
const (
	Identical Verdict = "identical"
	Different Verdict = "different"
	Unknown   Verdict = "unknown" // not everything could be compared, and nothing differs so far
)

// Finding is one difference, or a run of them.
type Finding struct {
	Kind Kind `json:"kind"`
	// Source and Target are the offsets, -1 where there is none. Of a duplicate
	// Source is the origin of the copy that stands where it should.
	Source int64 `json:"source"`
	Target int64 `json:"target"`
	// Expected is the target offset that the map says, -1 for none or no map.
	Expected int64 `json:"expected"`
	// Records is how many the finding stands for: 1 but for displaced runs.
	Records int64 `json:"records"`
	// Key is the record's key, shortened; NullKey tells null from empty.
	Key     string `json:"key"`
	NullKey bool   `json:"null_key,omitempty"`
	// Fields are those in which the records differ: key, value, headers, timestamp.
	Fields []string `json:"fields,omitempty"`
	// Of is the target offset of which a duplicate is the repetition.
	Of *int64 `json:"of,omitempty"`
	// Digest is the keyed digest of the record, of the target's where it has one.
	Digest string `json:"digest,omitempty"`

	whole     batch.Digest
	timestamp int64
}

// String puts the finding in words, with the record's key.
func (f Finding) String() string {
	if f.Key == "" {
		return f.place()
	}
	return fmt.Sprintf("%s (key %q)", f.place(), f.Key)
}

// place says what is wrong where.
func (f Finding) place() string {
	switch f.Kind {
	case Loss:
		if f.Expected < 0 {
			return fmt.Sprintf("source %d is missing on the target", f.Source)
		}
		return fmt.Sprintf("source %d is missing on the target (expected at %d)", f.Source, f.Expected)
	case Duplicate:
		return fmt.Sprintf("target %d repeats target %d", f.Target, *f.Of)
	case Extra:
		return fmt.Sprintf("target %d is no record of the source", f.Target)
	case Reorder:
		return fmt.Sprintf("source %d stands out of order, at target %d", f.Source, f.Target)
	case Vanished:
		return fmt.Sprintf("source %d is gone, its image is target %d", f.Source, f.Target)
	case Displaced:
		return fmt.Sprintf("%d records from source %d on stand from target %d on, the map says %d", f.Records, f.Source, f.Target, f.Expected)
	case Unaligned:
		return fmt.Sprintf("from source %d and target %d on the sides have nothing in common", f.Source, f.Target)
	}
	return fmt.Sprintf("source %d and target %d differ in %s", f.Source, f.Target, strings.Join(f.Fields, ", "))
}

// Result is the outcome for one partition, so far. It is all that a later
// comparison needs to go on (Request.After).
type Result struct {
	Partition int32   `json:"partition"`
	Verdict   Verdict `json:"result"`
	// From is where the comparison began, Verified up to where everything was
	// accounted for on both sides.
	From     offsetmap.Pair `json:"from"`
	Verified offsetmap.Pair `json:"verified"`
	// OffMap says that the sides do not stand there as the map says.
	OffMap bool `json:"off_map,omitempty"`
	// LookBack is the target offset from which on what is repeated is searched for.
	LookBack int64 `json:"look_back"`
	// UpTo is the source offset that was asked for.
	UpTo int64 `json:"up_to"`
	// Records is how many stand on both sides, Passed how many of them were
	// compared as stored bytes, without decompressing.
	Records int64 `json:"records"`
	Passed  int64 `json:"passed_through"`
	// Digest is a chain over the records that both sides have, in order: see
	// [Chain]. Equal keys and equal logs give equal digests.
	Digest Chain `json:"digest"`
	// Count is the number of differences, Kinds splits it up; Findings are the
	// first of them.
	Count    int64          `json:"differences"`
	Kinds    map[Kind]int64 `json:"kinds,omitempty"`
	Findings []Finding      `json:"findings,omitempty"`
	// Explained counts records that only one side has for a good reason.
	Explained map[Reason]int64 `json:"explained,omitempty"`
	// Losses are the source offsets that a person has given up; records that the
	// source has there, and the target has not, are explained.
	Losses []events.Interval `json:"losses,omitempty"`
	// Behind says that the target is live and has not all of the source yet.
	Behind bool `json:"behind,omitempty"`
	// Stamped are the sides whose batches carry LogAppendTime: there the time
	// that is compared is the broker's, as consumers see it.
	Stamped []string `json:"log_append_time,omitempty"`
	// Problem says why the result is not final.
	Problem string `json:"problem,omitempty"`
}

// listed is how many findings a summary lists.
const listed = 20

// Summary says what differs, "" if nothing does.
func (r Result) Summary() string {
	if r.Count == 0 {
		return ""
	}
	var parts []string
	rest := r.Count
	for _, f := range r.Findings[:min(len(r.Findings), listed)] {
		parts = append(parts, f.place())
		rest -= f.Records
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d more", rest))
	}
	return fmt.Sprintf("%d differences: %s", r.Count, strings.Join(parts, "; "))
}

// clone shares nothing with r.
func (r *Result) clone() Result {
	c := *r
	c.Kinds, c.Explained = maps.Clone(r.Kinds), maps.Clone(r.Explained)
	c.Findings, c.Stamped = slices.Clone(r.Findings), slices.Clone(r.Stamped)
	return c
}
