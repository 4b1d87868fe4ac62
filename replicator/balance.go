package replicator

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/cluster/group"
)

// This file is pure: it says who copies what. Partitions stay with their owners;
// counts differ by one at most; what has to move is chosen so that the bytes per
// second are even, too, and the partitions of a topic are spread. Where the bytes
// are far from even in spite of that, partitions are exchanged.

// nobody owns a partition that is new, or whose owner is gone.
const nobody = -1

// unit is a partition to be shared.
type unit struct {
	name  string
	topic string  // its migration and topic
	rate  float64 // bytes per second
	owner int     // index of a member, or nobody
}

// sharer is a share-out in the making.
type sharer struct {
	units []unit
	to    []int // the member that gets a unit
	load  []load
	lists map[int][]int // of members, sorted, once exchanges have begun
}

// load is what a member has.
type load struct {
	count, quota int
	rate         float64
	topics       map[string]int
}

// share returns the member of each unit, for a number of members. The same
// arguments give the same result; units are in any order.
func share(units []unit, members int) []int {
	s := &sharer{units: units, to: make([]int, len(units)), load: make([]load, members), lists: map[int][]int{}}
	if members == 0 {
		for i := range s.to {
			s.to[i] = nobody
		}
		return s.to
	}
	for m := range s.load {
		s.load[m].topics = map[string]int{}
	}
	for i, u := range units {
		s.to[i] = nobody
		if u.owner != nobody {
			s.give(i, u.owner)
		}
	}
	s.setQuotas()
	for m := range s.load {
		s.takeSurplus(m)
	}
	s.placeOrphans()
	s.exchange()
	return s.to
}

func (s *sharer) give(i, m int) {
	l := &s.load[m]
	s.to[i] = m
	l.count++
	l.rate += s.units[i].rate
	l.topics[s.units[i].topic]++
}

func (s *sharer) take(i int) {
	l := &s.load[s.to[i]]
	s.to[i] = nobody
	l.count--
	l.rate -= s.units[i].rate
	l.topics[s.units[i].topic]--
}

// setQuotas lets counts differ by one at most; those who have more may keep one
// more.
func (s *sharer) setQuotas() {
	each, extra := len(s.units)/len(s.load), len(s.units)%len(s.load)
	order := make([]int, len(s.load))
	for m := range order {
		order[m] = m
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.load[b].count, s.load[a].count) })
	for rank, m := range order {
		s.load[m].quota = each
		if rank < extra {
			s.load[m].quota++
		}
	}
}

// takeSurplus takes away what a member has above its quota: a sample that has its
// part of every rate and of every topic.
func (s *sharer) takeSurplus(m int) {
	surplus := s.load[m].count - s.load[m].quota
	if surplus <= 0 {
		return
	}
	mine := s.sorted(func(i int) bool { return s.to[i] == m })
	for k := range surplus {
		s.take(mine[(2*k+1)*len(mine)/(2*surplus)])
	}
}

// sorted are the units that f likes, the busiest first, topic by topic.
func (s *sharer) sorted(f func(int) bool) (out []int) {
	for i := range s.units {
		if f(i) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, s.compare)
	return out
}

func (s *sharer) compare(a, b int) int {
	x, y := s.units[a], s.units[b]
	return cmp.Or(cmp.Compare(y.rate, x.rate), strings.Compare(x.topic, y.topic), strings.Compare(x.name, y.name))
}

// placeOrphans gives away what nobody has, the busiest first: each to the member
// that has the least to do, then the fewest partitions of the topic. Of what has
// no rate yet, the topic comes first: whoever happens to have less to do now must
// not get all partitions of a topic that will be busy.
func (s *sharer) placeOrphans() {
	for _, i := range s.sorted(func(i int) bool { return s.to[i] == nobody }) {
		best := nobody
		for m := range s.load {
			if s.load[m].count < s.load[m].quota && (best == nobody || s.lighter(m, best, s.units[i])) {
				best = m
			}
		}
		s.give(i, best)
	}
}

// lighter says whether a member should rather get a unit than another one.
func (s *sharer) lighter(a, b int, u unit) bool {
	x, y := s.load[a], s.load[b]
	byRate, byTopic := cmp.Compare(x.rate, y.rate), cmp.Compare(x.topics[u.topic], y.topics[u.topic])
	if u.rate == 0 {
		byRate, byTopic = byTopic, byRate
	}
	return cmp.Or(byRate, byTopic, cmp.Compare(x.count-x.quota, y.count-y.quota)) < 0
}

// Partitions are exchanged only where it matters, because each that moves stands
// still for a moment: while the busiest member has more than uneven times its
// share, and matters bytes per second more than the idlest, if the two come closer
// by worth times a share, and not many.
const (
	uneven       = 1.25
	matters      = 1 << 20
	worth        = 0.02
	mostExchange = 100
)

// shifted says whether a member's rate is so far from what the group knows of it
// that partitions may have to be exchanged.
func shifted(known, rate float64) bool {
	return math.Abs(rate-known) > max(matters, known/2)
}

// exchange evens the rates out between the busiest and the idlest member.
func (s *sharer) exchange() {
	total := 0.0
	for _, l := range s.load {
		total += l.rate
	}
	mean := total / float64(len(s.load))
	for range mostExchange {
		busy, idle := 0, 0
		for m := range s.load {
			if s.load[m].rate > s.load[busy].rate {
				busy = m
			}
			if s.load[m].rate < s.load[idle].rate {
				idle = m
			}
		}
		even := s.load[busy].rate <= uneven*mean || s.load[busy].rate-s.load[idle].rate < matters
		if even || !s.swap(busy, idle, worth*mean) {
			return
		}
	}
}

// swap exchanges the two partitions that bring two members closest together. It
// returns false if none brings them closer by worth.
func (s *sharer) swap(busy, idle int, worth float64) bool {
	apart := s.load[busy].rate - s.load[idle].rate
	from, to := s.list(busy), s.list(idle)
	best, give, get := apart-worth, nobody, nobody
	for j, k := 0, 0; j < len(from) && k < len(to); {
		moved := s.units[from[j]].rate - s.units[to[k]].rate
		if left := max(apart-2*moved, 2*moved-apart); left < best {
			best, give, get = left, j, k
		}
		if 2*moved > apart { // too much: give less; else get less
			j++
		} else {
			k++
		}
	}
	if give == nobody {
		return false
	}
	x, y := from[give], to[get]
	s.take(x)
	s.take(y)
	s.give(x, idle)
	s.give(y, busy)
	s.lists[busy] = s.insert(slices.Delete(from, give, give+1), y)
	s.lists[idle] = s.insert(slices.Delete(to, get, get+1), x)
	return true
}

// list is what a member has, sorted.
func (s *sharer) list(m int) []int {
	if s.lists[m] == nil {
		s.lists[m] = s.sorted(func(i int) bool { return s.to[i] == m })
	}
	return s.lists[m]
}

func (s *sharer) insert(list []int, i int) []int {
	at, _ := slices.BinarySearchFunc(list, i, s.compare)
	return slices.Insert(list, at, i)
}

// assign is the assignor of the workers' group (see package cluster/group). What
// members say about their rates is kept in known, for those that are gone by the
// next time.
func assign(inv group.Inventory, peers []group.Peer, known map[string]float64) map[string]group.Assignment {
	members := slices.DeleteFunc(slices.Clone(peers), func(p group.Peer) bool { return p.Kind == group.KindGuard })
	slices.SortFunc(members, func(a, b group.Peer) int {
		return cmp.Or(cmp.Compare(a.Incarnation, b.Incarnation), cmp.Compare(a.ID, b.ID))
	})
	owner, since := map[string]int{}, map[string]int32{}
	for m, p := range members {
		rates, told := decodeRates(p.Stamp, len(p.Owned.Units))
		for i, name := range p.Owned.Units {
			if at, claimed := since[name]; claimed && p.OwnedGeneration <= at {
				continue
			}
			owner[name], since[name] = m, p.OwnedGeneration
			if told {
				known[name] = rates[i]
			}
		}
	}
	names := slices.Compact(slices.Sorted(slices.Values(inv.Units)))
	units := make([]unit, len(names))
	for i, name := range names {
		m, owned := owner[name]
		if !owned {
			m = nobody
		}
		units[i] = unit{name: name, topic: name[:strings.LastIndexByte(name, '/')+1], rate: known[name], owner: m}
	}
	out := map[string]group.Assignment{}
	for i, m := range share(units, len(members)) {
		if m != nobody {
			a := out[members[m].ID]
			a.Units = append(a.Units, names[i])
			out[members[m].ID] = a
		}
	}
	return out
}
