package replicator

import (
	"fmt"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// stretch is a run of consecutive source offsets.
type stretch struct{ source, count int64 }

// ledger keeps the part of the offset map that this owner writes, in blocks:
// the one that grows, and full ones that are not published yet. A position
// counts only once the block that holds it is published.
type ledger struct {
	number   int           // of the block that grows
	current  offsetmap.Map // begun where the former block ended
	sequence int32         // next sequence of the lineage
	// expected is the target offset after everything of ours. It is the map's
	// target end, or lies above it by records that have no origin any more.
	expected int64
	full     []events.Block
	// changes counts changes of the blocks, clean those that are published.
	changes, clean uint64
	last           time.Duration // of the last publication
	published      bool          // there was one
	counts         int64         // published watermark
}

// begin continues a map that is published up to a watermark and a target end.
func (l *ledger) begin(source, target int64) error {
	m, err := offsetmap.New(source, target)
	if err != nil {
		return fmt.Errorf("begin block 0: %w", err)
	}
	*l = ledger{current: m, expected: target, counts: source, changes: 1}
	return nil
}

// rebegin lets an empty map begin somewhere else.
func (l *ledger) rebegin(source, target int64) error {
	m, err := offsetmap.New(source, target)
	if err != nil {
		return err
	}
	l.current = m
	l.changes++
	return nil
}

// add records that a batch stands at a target offset: its records' source
// offsets, and the source offset from which reading goes on.
func (l *ledger) add(runs []stretch, target, next int64) error {
	for _, r := range runs {
		if err := l.current.Skip(r.source); err != nil {
			return err
		}
		if err := l.current.Append(offsetmap.Run{Source: r.source, Target: target, Count: r.count}); err != nil {
			return err
		}
		target += r.count
	}
	l.expected = max(l.expected, target)
	return l.skip(next)
}

// skip moves the watermark over offsets that have no image.
func (l *ledger) skip(to int64) error {
	l.changes++
	return l.current.Skip(to)
}

// end is where the map ends on both sides.
func (l *ledger) end() (source, target int64) { return l.current.Watermark(), l.current.TargetEnd() }

// roll closes the growing block when it has too many runs.
func (l *ledger) roll(most int) {
	if l.current.Len() < most {
		return
	}
	source, target := l.end()
	l.full = append(l.full, l.block())
	next, err := offsetmap.New(source, target)
	if err != nil { // impossible: they are the ends of a map
		return
	}
	l.number, l.current = l.number+1, next
	l.changes++
}

func (l *ledger) block() events.Block {
	source, target := l.end()
	return events.Block{
		Number: l.number, Runs: l.current.Pack(), Watermark: source,
		TargetEnd: max(target, l.expected), Sequence: l.sequence,
	}
}

// disown keeps what is not published from being so.
func (l *ledger) disown() { l.clean, l.full = l.changes, nil }

// dirty says that something is not published.
func (l *ledger) dirty() bool { return l.changes != l.clean }

// dueAt is the earliest time of the next publication; full blocks do not wait.
func (l *ledger) dueAt(every time.Duration) time.Duration {
	if !l.published || len(l.full) > 0 {
		return 0
	}
	return l.last + every
}

// take returns the oldest block that is not published and its version: full
// blocks have version 0.
func (l *ledger) take() (events.Block, uint64) {
	if len(l.full) > 0 {
		return l.full[0], 0
	}
	return l.block(), l.changes
}

// done takes note of a publication.
func (l *ledger) done(b events.Block, version uint64, now time.Duration) {
	l.last, l.published = now, true
	l.counts = max(l.counts, b.Watermark)
	if version == 0 {
		l.full = l.full[min(1, len(l.full)):]
		return
	}
	l.clean = version
}
