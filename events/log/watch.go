package log

import (
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// DirectiveRecord is a record of portage.directives that changes something, or
// one that was refused.
type DirectiveRecord struct {
	Partition int32
	Offset    int64
	// One of these is set.
	Directive *events.Directive
	Mark      *events.Mark
	Refusal   error
}

// Tail follows directives and marks.
type Tail = Follower[DirectiveRecord]

// Watch follows one, some or all partitions (nil). Of an addressee's directives
// only such come as are derived from a later event than the last that came, or
// from the same; of marks only higher ones.
func (d *Directives) Watch(partitions []int32) *Tail {
	seen := watched{directives: make(map[addressed]int64), marks: make(map[int32]int64)}
	return follow(d.c, events.TopicDirectives, orAll(partitions), seen.fold)
}

func orAll(partitions []int32) []int32 {
	if partitions != nil {
		return partitions
	}
	all := make([]int32, events.ControlPartitions)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// watched is what a tail has handed out: positions of events.
type watched struct {
	directives map[addressed]int64
	marks      map[int32]int64
}

func (w watched) fold(partition int32, r cluster.Record) (DirectiveRecord, bool) {
	out := DirectiveRecord{Partition: partition, Offset: r.Offset}
	if _, err := events.ParseMarkKey(string(r.Key)); err == nil {
		_, mark, err := events.DecodeMark(r.Key, r.Value)
		if err != nil {
			out.Refusal = err
			return out, true
		}
		if last, found := w.marks[partition]; found && mark.Position <= last {
			return out, false
		}
		w.marks[partition], out.Mark = mark.Position, &mark
		return out, true
	}
	if r.Value == nil {
		return out, false // an older directive was removed
	}
	dir, err := events.DecodeDirective(r.Key, r.Value)
	if err != nil {
		out.Refusal = err
		return out, true
	}
	to := addressed{dir.SourceCluster, dir.Addressee}
	if last, found := w.directives[to]; found && dir.Position < last {
		return out, false
	}
	w.directives[to], out.Directive = dir.Position, &dir
	return out, true
}
