package oracle

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// groupAt is a partition of the source as a group reads it; the topic is an index into Config.Topics.
type groupAt struct {
	group string
	partitionOf
}

// readCommits asks the source how far groups have committed, for those that read compacted topics: only there may a group
// have passed a record that it never saw.
func readCommits(ctx context.Context, cfg Config) (map[groupAt]int64, error) {
	compacted := func(topic string) bool {
		i, ok := cfg.topic(source, topic)
		return ok && cfg.Topics[i].Compacted
	}
	commits := map[groupAt]int64{}
	for _, g := range cfg.Groups {
		if cfg.Source.Name == "" || !slices.ContainsFunc(g.Topics, compacted) {
			continue
		}
		if err := readGroup(ctx, cfg, g.Name, commits); err != nil {
			return nil, fmt.Errorf("oracle: read the offsets of group %s on %s: %w", g.Name, cfg.Source.Name, err)
		}
	}
	return commits, nil
}

func readGroup(ctx context.Context, cfg Config, group string, into map[groupAt]int64) error {
	r, err := openReader(cfg.Source)
	if err != nil {
		return err
	}
	defer r.close()
	offsets, err := r.admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	for topic, partitions := range offsets {
		if i, ok := cfg.topic(source, topic); ok {
			for p, o := range partitions {
				into[groupAt{group, partitionOf{i, p}}] = o.At
			}
		}
	}
	return offsets.Error()
}

// answerLate is how much later than a record's writing its producer may have journalled the answer, on a busy machine.
const answerLate = int64(2 * time.Second)

// cleaned reports whether compaction on the source explains that a group never handled a record that was copied before it was
// taken. All of it must be so: the record is gone there; the group has read past its place there, and not only crossed to
// a place behind it; and a later record of its key, without which no cleaner takes it, was on the source by then.
func (f *facts) cleaned(group string, x *fact) bool {
	k := f.keyOf(x)
	gone := f.cfg.Source.Name != "" && x.sent && x.home == source && x.in[source].n == 0
	if !f.cfg.Topics[k.topic].Compacted || k.key == "" || !gone {
		return false
	}
	at, passed := f.passed(group, x)
	return passed && f.superseded(x, at)
}

// passed tells whether a group has read past the place of a record on the source, and when at the latest: it has handled one
// behind it there, or committed an offset behind it there before it handled anything on the target.
func (f *facts) passed(group string, x *fact) (at int64, ok bool) {
	here := partitionOf{f.topicOf(x), x.at.Partition}
	at = math.MaxInt64 - answerLate
	for _, h := range f.handled[group] { // in order of their beginning
		switch {
		case here != partitionOf{f.topicOf(&f.list[h.fact]), h.Partition}:
		case h.side == source && h.Offset > x.at.Offset:
			return h.At, true
		case h.side == target:
			at = min(at, h.At)
		}
	}
	return at, f.commits[groupAt{group, here}] > x.at.Offset
}

// superseded tells whether a later record of the same key had been written to the source by a time. One without an answer in
// the journals may have been.
func (f *facts) superseded(x *fact, at int64) bool {
	k := f.keyOf(x)
	return slices.ContainsFunc(f.list, func(y fact) bool {
		return f.keyOf(&y) == k && !y.aborted && (y.sent || y.visible()) && f.origin(x).before(f.origin(&y)) && f.origin(&y).side == source && y.acked <= at+answerLate
	})
}
