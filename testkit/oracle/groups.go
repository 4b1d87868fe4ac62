package oracle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/portage-kafka/portage/testkit/workload"
)

// judgeGroup names what is wrong with how a group handled its topics.
func (f *facts) judgeGroup(rep *Report, g Group) {
	byFact := map[int][]handling{} // in order of their beginning
	instances := map[string]bool{}
	for _, h := range f.handled[g.Name] {
		byFact[h.fact] = append(byFact[h.fact], h)
		instances[h.Instance] = true
	}
	rep.Groups = append(rep.Groups, GroupCount{Group: g.Name, Handled: len(f.handled[g.Name]), Records: len(byFact), Instances: len(instances)})
	f.judgeTimes(rep, g, byFact)
	f.judgeTurns(rep, g, byFact)
	f.judgeSides(rep, g)
}

// judgeTimes names records that were handled too often or never.
func (f *facts) judgeTimes(rep *Report, g Group, byFact map[int][]handling) {
	for i := range f.list {
		x := &f.list[i]
		handled := byFact[i]
		if len(handled) == 0 {
			if x.in[target].n > 0 && !x.aborted && g.reads(f, x) && !f.cleaned(g.Name, x) {
				rep.name(Unprocessed, g.Name, 1, f.example(x, "never handled"))
			}
			continue
		}
		allowed := max(1, x.in[source].n, x.in[target].n)
		if extra := len(handled) - allowed; extra > 0 {
			e := Example{ID: f.id(x), Place: handled[allowed].Place, Instance: handled[allowed].Instance}
			e.Note = fmt.Sprintf("handled %d times, first by %s at %v", len(handled), handled[0].Instance, handled[0].Place)
			rep.nameOrExcuse(handled[0].excused, Reprocessed, g.Name, extra, e)
		}
	}
}

// reads reports whether the group reads the topic of a record.
func (g Group) reads(f *facts, x *fact) bool {
	return slices.Contains(g.Topics, f.cfg.Topics[f.topicOf(x)].Name)
}

// turn is the first handling of a record that stands on the target.
type turn struct {
	handling
	key       string
	topic     int
	partition int32
	offset    int64 // on the target
}

// judgeTurns names records that were begun for the first time before an earlier record of their key was handled.
func (f *facts) judgeTurns(rep *Report, g Group, byFact map[int][]handling) {
	var turns []turn
	for i, handled := range byFact {
		x := &f.list[i]
		if k, at := f.keyOf(x), x.in[target]; at.n > 0 && !x.reordered && k.key != "" {
			turns = append(turns, turn{handled[0], k.key, k.topic, at.partition, at.offset})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition), cmp.Compare(a.key, b.key), cmp.Compare(a.offset, b.offset))
	})
	var last turn // of the same key, the one that was finished last
	for n, t := range turns {
		same := n > 0 && last.topic == t.topic && last.partition == t.partition && last.key == t.key
		if same && t.At < last.End {
			e := f.exampleOf(t.handling, fmt.Sprintf("begun before %v was handled", last.ID))
			rep.nameOrExcuse(t.excused || last.excused, Overtaken, g.Name, 1, e)
		}
		if !same || t.End > last.End {
			last = t
		}
	}
}

// partitionOf names a partition on both clusters.
type partitionOf struct {
	topic     int
	partition int32
}

// judgeSides names records that were begun while one of the same partition was in a handler on the other cluster.
func (f *facts) judgeSides(rep *Report, g Group) {
	type latest struct {
		handling
		known bool
	}
	last := map[partitionOf]*[2]latest{}
	for _, h := range f.handled[g.Name] {
		p := partitionOf{f.topicOf(&f.list[h.fact]), h.Partition}
		if last[p] == nil {
			last[p] = &[2]latest{}
		}
		other := last[p][1-h.side]
		if other.known && h.At < other.End {
			e := f.exampleOf(h, fmt.Sprintf("begun while %s had %v", other.Instance, other.Place))
			rep.nameOrExcuse(h.excused || other.excused, TwoClusters, g.Name, 1, e)
		}
		if mine := &last[p][h.side]; !mine.known || h.End > mine.End {
			*mine = latest{h, true}
		}
	}
}

func (f *facts) exampleOf(h handling, note string) Example {
	return Example{ID: workload.ID{Run: h.Run, Producer: h.Producer, Key: h.Key, Seq: h.Seq}, Place: h.Place, Instance: h.Instance, Note: note}
}
