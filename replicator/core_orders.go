package replicator

import (
	"slices"
	"strconv"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// orders folds directives into what is to be copied. It is pure.
type orders struct {
	copies map[place]events.Directive
	pools  map[string]events.Directive // by migration
	groups map[place]standstill        // by group
}

// place is a topic or a group on a source cluster, by the cluster's id.
type place struct{ source, name string }

// standstill is what the latest directive of a group, of a position, makes wait:
// topics with their migration, while the group reads from neither side.
type standstill struct {
	position int64
	topics   []string
}

// job is what is to be done about one topic.
type job struct {
	events.Directive
	paused bool
	// tooNew says that only a later release of the worker can obey.
	tooNew bool
	// awaited says that a group stands still until the copy has passed what it
	// has read.
	awaited bool
}

// copy is the directive's order.
func (j job) copy() events.CopyOrder { return *j.Copy }

// losses are the records of a partition that were given up.
func (j job) losses(partition int32) []events.Interval {
	return slices.DeleteFunc(slices.Clone(j.Copy.Losses), func(l events.Interval) bool { return l.Partition != partition })
}

// cause is what acknowledgements of the directive cite.
func (j job) cause() string { return "directive/" + strconv.FormatInt(j.Position, 10) }

func newOrders() *orders {
	return &orders{copies: map[place]events.Directive{}, pools: map[string]events.Directive{}, groups: map[place]standstill{}}
}

// apply folds one directive; of two for the same addressee the later one wins.
func (o *orders) apply(d events.Directive) {
	switch {
	case d.Copy != nil && d.Addressee == events.ToCopy(d.Copy.Topic):
		at := place{d.SourceCluster, d.Copy.Topic}
		if have, known := o.copies[at]; !known || have.Position <= d.Position {
			o.copies[at] = d
		}
	case d.Pool != nil && d.Addressee == events.ToPool(d.Migration):
		if have, known := o.pools[d.Migration]; !known || have.Position <= d.Position {
			o.pools[d.Migration] = d
		}
	case d.Group != nil:
		at := place{d.SourceCluster, string(d.Addressee)}
		if o.groups[at].position <= d.Position {
			o.groups[at] = standstillOf(d)
		}
	}
}

func standstillOf(d events.Directive) standstill {
	s := standstill{position: d.Position}
	if d.Group.Order == events.OrderHold {
		for _, t := range d.Group.Topics {
			s.topics = append(s.topics, topicName(d.Migration, t.Topic))
		}
	}
	return s
}

// awaited are the topics that groups stand still for.
func (o *orders) awaited() map[string]bool {
	out := map[string]bool{}
	for _, s := range o.groups { //rules:ordered a map is made of a map
		for _, name := range s.topics {
			out[name] = true
		}
	}
	return out
}

// wanted says whether workers have anything to do for a copy order.
func wanted(c events.CopyOrder) bool { return c.Run || len(c.Verify) > 0 }

// jobs are the topics to be worked on, by migration and topic.
func (o *orders) jobs() map[string]job {
	out, awaited := make(map[string]job, len(o.copies)), o.awaited()
	for _, d := range o.copies { //rules:ordered a map is made of a map
		if wanted(*d.Copy) {
			name := topicName(d.Migration, d.Copy.Topic)
			j := o.job(d)
			j.awaited = awaited[name]
			out[name] = j
		}
	}
	return out
}

func topicName(migration, topic string) string { return migration + "/" + topic }

func (o *orders) job(d events.Directive) job {
	pool, known := o.pools[d.Migration]
	tooNew := !newEnough(Version, d.AtLeast)
	return job{Directive: d, paused: tooNew || !d.Copy.Run || (known && pool.Pool.Paused), tooNew: tooNew}
}

// units names every partition to be worked on, sorted.
func (o *orders) units() []string {
	var out []string
	for _, d := range o.copies { //rules:ordered sorted below
		if wanted(*d.Copy) {
			for p := range d.Copy.Partitions {
				out = append(out, events.CopyKey{Migration: d.Migration, Topic: d.Copy.Topic, Partition: p}.String())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// newEnough compares releases such as 0.1 or 1.12.3 number by number; what is
// no number counts as 0, what is missing, too.
func newEnough(have, want string) bool {
	h, w := strings.Split(have, "."), strings.Split(want, ".")
	for i := range max(len(h), len(w)) {
		if a, b := part(h, i), part(w, i); a != b {
			return a > b
		}
	}
	return true
}

func part(list []string, i int) int {
	if i >= len(list) {
		return 0
	}
	n, err := strconv.Atoi(list[i])
	if err != nil {
		return 0
	}
	return n
}
