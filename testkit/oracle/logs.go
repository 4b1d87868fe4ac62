package oracle

import (
	"fmt"

	"github.com/portage-kafka/portage/testkit/workload"
)

// judgeLogs names what is wrong with the logs.
func (f *facts) judgeLogs(rep *Report) {
	f.judgeOrder(rep)
	f.judgeAltered(rep)
	latest := f.latest()
	for i := range f.list {
		x := &f.list[i]
		count := &rep.Topics[f.topicOf(x)]
		count.add(x)
		here := x.in[target]
		switch {
		case x.aborted && x.visible():
			rep.name(Aborted, "", 1, f.example(x, "visible, though its transaction was aborted"))
		case (x.sent || x.visible()) && here.n == 0 && f.compacted(x, latest):
			count.Compacted++
		case x.sent && here.n == 0:
			rep.name(Loss, "", 1, f.example(x, "acknowledged, not on the target"))
		case x.visible() && here.n == 0:
			rep.name(Loss, "", 1, f.example(x, "on the source, not on the target"))
		case here.n > 1:
			rep.name(Duplicate, "", here.n-1, f.example(x, fmt.Sprintf("%d times on the target, %d on the source", here.n, x.in[source].n)))
		}
	}
}

// position orders the records of one key by where they were written first.
type position struct {
	side   side
	offset int64
}

func (p position) before(q position) bool {
	return p.side < q.side || p.side == q.side && p.offset < q.offset
}

// topicKey is what compaction keeps the last record of.
type topicKey struct {
	topic int
	key   string
}

// latest finds the last record of every key, of compacted topics only.
func (f *facts) latest() map[topicKey]position {
	last := map[topicKey]position{}
	for i := range f.list {
		x := &f.list[i]
		k := f.keyOf(x)
		if !f.cfg.Topics[k.topic].Compacted || x.aborted || !x.sent && !x.visible() {
			continue
		}
		if at := f.origin(x); last[k].before(at) {
			last[k] = at
		}
	}
	return last
}

func (f *facts) keyOf(x *fact) topicKey {
	l := f.lanes[x.lane]
	return topicKey{l.topic, l.key}
}

// origin is where a record was written first.
func (f *facts) origin(x *fact) position {
	switch {
	case x.sent:
		return position{x.home, x.at.Offset}
	case x.in[source].n > 0:
		return position{source, x.in[source].offset}
	}
	return position{target, x.in[target].offset}
}

// compacted reports whether compaction explains that a record is not on the target.
func (f *facts) compacted(x *fact, latest map[topicKey]position) bool {
	k := f.keyOf(x)
	if !f.cfg.Topics[k.topic].Compacted || k.key == "" || x.at.Offset < 0 {
		return false
	}
	if f.origin(x).before(latest[k]) {
		return true
	}
	return x.tombstone && x.in[source].n == 0
}

// laneAt is a lane within one partition.
type laneAt struct {
	lane      int
	partition int32
}

// judgeOrder walks the target log: numbers of a lane rise, and records that were written to the source keep its order.
func (f *facts) judgeOrder(rep *Report) {
	highest := map[laneAt]int64{}
	topic, partition, reached := -1, int32(0), int64(0) // the partition that is being walked, and how far the source's got
	for _, s := range f.logs[target] {
		x := &f.list[f.find(s.topic, s.id)]
		if first := x.in[target]; first.partition != s.partition || first.offset != s.offset {
			continue // a duplicate, named as such
		}
		if s.topic != topic || s.partition != partition {
			topic, partition, reached = s.topic, s.partition, -1
		}
		at := laneAt{x.lane, s.partition}
		before, known := highest[at]
		from := x.in[source]
		copied := from.n > 0 && from.partition == s.partition && f.origin(x).side == source
		switch {
		case known && x.seq < before:
			x.reordered = true
			rep.name(Reorder, "", 1, f.example(x, fmt.Sprintf("after number %d of the same key", before)))
		case copied && from.offset < reached:
			x.reordered = true
			rep.name(Reorder, "", 1, f.example(x, fmt.Sprintf("at source offset %d, after source offset %d", from.offset, reached)))
		}
		highest[at] = max(before, x.seq)
		if copied {
			reached = max(reached, from.offset)
		}
	}
}

// judgeAltered names records that are not what was sent, or differ between the two logs.
func (f *facts) judgeAltered(rep *Report) {
	for _, s := range f.altered {
		rep.name(Altered, "", 1, Example{Place: f.seenAt(s), ID: s.id, Note: s.err.Error()})
	}
	for i := range f.list {
		x := &f.list[i]
		if x.altered || x.in[source].n == 0 || x.in[target].n == 0 || x.in[source].sum == x.in[target].sum {
			continue
		}
		rep.name(Altered, "", 1, f.example(x, "value, headers or time differ from the source's"))
	}
}

func (f *facts) seenAt(s seen) workload.Place {
	p := workload.Place{Cluster: f.cfg.Source.Name, Topic: f.cfg.Topics[s.topic].Name, Partition: s.partition, Offset: s.offset}
	if s.side == target {
		p.Cluster, p.Topic = f.cfg.Target.Name, f.cfg.Topics[s.topic].target()
	}
	return p
}

// example shows where a record is: on the target, else on the source, else where it was sent.
func (f *facts) example(x *fact, note string) Example {
	e := Example{ID: f.id(x), Place: x.at, Note: note}
	for _, s := range []side{target, source} {
		if c := x.in[s]; c.n > 0 {
			e.Place = f.seenAt(seen{side: s, topic: f.topicOf(x), partition: c.partition, offset: c.offset})
			return e
		}
	}
	return e
}
