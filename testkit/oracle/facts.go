package oracle

import (
	"cmp"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/testkit/workload"
)

// seen is one record as it stands in a log.
type seen struct {
	side      side
	topic     int // index into Config.Topics
	partition int32
	offset    int64
	id        workload.ID
	tombstone bool
	sum       uint64 // over key, value, headers and time
	err       error  // of Identify
}

// see reads a record's identity and digest.
func see(seed maphash.Seed, s side, topic int, r *kgo.Record) seen {
	headers := make([]workload.Header, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = workload.Header{Key: h.Key, Value: h.Value}
	}
	id, err := workload.Identify(r.Key, r.Value, headers)
	out := seen{side: s, topic: topic, partition: r.Partition, offset: r.Offset, id: id, err: err, tombstone: r.Value == nil}
	var h maphash.Hash
	h.SetSeed(seed)
	frame := func(b []byte) {
		maphash.WriteComparable(&h, [2]int{len(b), boolInt(b == nil)})
		_, _ = h.Write(b) // never fails
	}
	frame(r.Key)
	frame(r.Value)
	for _, x := range headers {
		frame([]byte(x.Key))
		frame(x.Value)
	}
	maphash.WriteComparable(&h, r.Timestamp.UnixMilli())
	out.sum = h.Sum64()
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// record names a record of a topic: its lane (topic, producer and key) and its number there.
type record struct {
	lane int
	seq  int64
}

// lane is what numbers rise in.
type lane struct {
	topic         int
	producer, key string
}

// copies are a record's appearances in one log.
type copies struct {
	n         int
	partition int32 // of the first
	offset    int64 // of the first
	sum       uint64
}

// fact is all that is known of one record.
type fact struct {
	lane      int
	seq       int64
	sent      bool
	aborted   bool
	unknown   bool
	tombstone bool
	altered   bool
	reordered bool
	home      side // where it was sent
	at        workload.Place
	acked     int64 // journal time; 0 not acknowledged
	in        [2]copies
}

// visible reports whether the record stands in any log.
func (f *fact) visible() bool { return f.in[source].n+f.in[target].n > 0 }

// handling is one handler entry of a judged record.
type handling struct {
	*workload.Entry // of Config.Entries
	fact            int
	side            side
	excused         bool
}

// facts are the evidence, arranged by record. Indexes of facts are stable.
type facts struct {
	cfg     Config
	lanes   []lane
	laneOf  map[lane]int
	list    []fact
	indexOf map[record]int
	logs    [2][]seen             // judged records, by topic, partition and offset
	altered []seen                // altered records of this run, or of one that cannot be told
	foreign [2]map[int]int        // by side: topic → records that are not judged
	handled map[string][]handling // by group, in order of their beginning
	commits map[groupAt]int64     // offsets that groups have committed on the source; see readCommits
	strays  int                   // entries of clusters, topics or runs that are not judged
}

// newFacts arranges logs and journals. logs may come in any order.
func newFacts(cfg Config, logs []seen) *facts {
	f := &facts{cfg: cfg, laneOf: map[lane]int{}, indexOf: map[record]int{}, handled: map[string][]handling{}}
	f.foreign = [2]map[int]int{{}, {}}
	logs = slices.Clone(logs)
	slices.SortFunc(logs, func(a, b seen) int {
		return cmp.Or(cmp.Compare(a.side, b.side), cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset))
	})
	judged := slices.DeleteFunc(logs, func(s seen) bool { return !f.admit(s) })
	for _, s := range judged {
		f.count(s)
	}
	onTarget, _ := slices.BinarySearchFunc(judged, target, func(s seen, at side) int { return cmp.Compare(s.side, at) })
	f.logs = [2][]seen{judged[:onTarget], judged[onTarget:]}
	excused := map[excuse]bool{}
	for _, e := range cfg.Excused {
		if _, topic, ok := f.place(&e); ok {
			excused[excuse{e.Group, f.find(topic, e.ID)}] = true
		}
	}
	for i := range cfg.Entries {
		f.addEntry(&cfg.Entries[i], excused)
	}
	for _, l := range f.handled {
		slices.SortStableFunc(l, func(a, b handling) int { return cmp.Compare(a.At, b.At) })
	}
	return f
}

// excuse names a record that a group may handle again.
type excuse struct {
	group string
	fact  int
}

// admit reports whether a record is judged by what it says it is; an altered one that still says so is not lost as well.
func (f *facts) admit(s seen) bool {
	altered := errors.Is(s.err, workload.ErrAltered)
	unreadable := altered && s.id.Run == ""
	if s.err != nil && !altered || s.id.Run != f.cfg.Run && !unreadable {
		f.foreign[s.side][s.topic]++
		return false
	}
	if altered {
		f.altered = append(f.altered, s)
	}
	return !unreadable
}

// count enters a judged record; records come in the order of their log.
func (f *facts) count(s seen) {
	x := &f.list[f.find(s.topic, s.id)]
	x.tombstone = x.tombstone || s.tombstone
	x.altered = x.altered || s.err != nil
	c := &x.in[s.side]
	if c.n == 0 {
		*c = copies{partition: s.partition, offset: s.offset, sum: s.sum}
	}
	c.n++
}

// find returns the index of a record's fact, which it creates if need be.
func (f *facts) find(topic int, id workload.ID) int {
	l := lane{topic, id.Producer, id.Key}
	li, ok := f.laneOf[l]
	if !ok {
		li = len(f.lanes)
		f.laneOf[l] = li
		f.lanes = append(f.lanes, l)
	}
	r := record{li, id.Seq}
	i, ok := f.indexOf[r]
	if !ok {
		i = len(f.list)
		f.indexOf[r] = i
		f.list = append(f.list, fact{lane: li, seq: id.Seq})
	}
	return i
}

// place says which log and topic an entry is about.
func (f *facts) place(e *workload.Entry) (side, int, bool) {
	s, ok := f.cfg.side(e.Cluster)
	if e.Offset < 0 && e.Cluster == "" { // never sent: on the source, if it were anywhere
		s, ok = source, true
	}
	if !ok || e.Run != f.cfg.Run {
		return 0, 0, false
	}
	topic, ok := f.cfg.topic(s, e.Topic)
	return s, topic, ok
}

func (f *facts) addEntry(e *workload.Entry, excused map[excuse]bool) {
	s, topic, ok := f.place(e)
	if !ok {
		f.strays++
		return
	}
	i := f.find(topic, e.ID)
	x := &f.list[i]
	x.tombstone = x.tombstone || e.Tombstone
	switch e.Kind {
	case workload.KindSent:
		x.sent, x.home, x.at, x.acked = true, s, e.Place, e.At
	case workload.KindAborted:
		x.aborted = true
	case workload.KindUnknown:
		x.unknown = true
	case workload.KindHandled:
		f.handled[e.Group] = append(f.handled[e.Group], handling{Entry: e, fact: i, side: s, excused: excused[excuse{e.Group, i}]})
	}
}

// id puts a record's identity together again.
func (f *facts) id(x *fact) workload.ID {
	l := f.lanes[x.lane]
	return workload.ID{Run: f.cfg.Run, Producer: l.producer, Key: l.key, Seq: x.seq}
}

// topicOf is the index of a record's topic.
func (f *facts) topicOf(x *fact) int { return f.lanes[x.lane].topic }
