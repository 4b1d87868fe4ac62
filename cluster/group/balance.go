package group

import "slices"

// none stands for "no bin".
const none = -1

// problem is a set of items to be shared among bins: who may have them, where they must go, where they were.
type problem struct {
	bins    int
	classes [][]int // sets of bins, each ascending; an item may go to the bins of its class
	items   []item
}

type item struct {
	class int
	pin   int // the bin that must get it, else none
	owner int // the bin that had it, else none; kept unless balance forbids
}

// solution is a problem being solved.
type solution struct {
	problem
	bin  []int     // of each item
	load []int     // items of each bin
	free [][][]int // free[bin][class]: its items that may be moved, in item order
}

// solve returns the bin of every item (none where its class is empty). Pinned items stay where they are pinned, whatever the
// balance. Of the others, as many as possible stay with their owner, and no single move of one item to another bin of its
// class could make the loads more even: where everybody may have everything, loads differ by one at most, pins aside.
// The same problem always has the same solution.
func (p problem) solve() []int {
	s := solution{problem: p, bin: make([]int, len(p.items)), load: make([]int, p.bins), free: make([][][]int, p.bins)}
	for b := range s.free {
		s.free[b] = make([][]int, len(p.classes))
	}
	s.keep()
	s.fill()
	for s.level() {
	}
	return s.bin
}

// keep gives pinned items to their bin and owned ones to their owner.
func (s *solution) keep() {
	for i, it := range s.items {
		switch class := s.classes[it.class]; {
		case it.pin != none:
			s.bin[i] = it.pin
			s.load[it.pin]++
		case it.owner != none && slices.Contains(class, it.owner):
			s.put(i, it.owner)
		default:
			s.bin[i] = none
		}
	}
}

// fill gives every item that has no bin to the least loaded one of its class.
func (s *solution) fill() {
	for i, it := range s.items {
		if s.bin[i] == none && len(s.classes[it.class]) > 0 {
			s.put(i, s.lightest(it.class))
		}
	}
}

func (s *solution) put(i, bin int) {
	s.bin[i] = bin
	s.load[bin]++
	class := s.items[i].class
	s.free[bin][class] = append(s.free[bin][class], i)
}

func (s *solution) lightest(class int) int {
	return slices.MinFunc(s.classes[class], func(a, b int) int { return s.load[a] - s.load[b] })
}

// level moves one item from the most loaded bin that has one to give to the least loaded bin that may have it, and says whether
// it did. Each move lowers the sum of the squared loads, so it ends.
func (s *solution) level() bool {
	donors := make([]int, s.bins)
	for b := range donors {
		donors[b] = b
	}
	slices.SortStableFunc(donors, func(a, b int) int { return s.load[b] - s.load[a] })
	for _, from := range donors {
		class, to := none, none
		for c, items := range s.free[from] {
			if len(items) == 0 {
				continue
			}
			if b := s.lightest(c); s.load[from]-s.load[b] >= 2 && (to == none || s.load[b] < s.load[to]) {
				class, to = c, b
			}
		}
		if to != none {
			items := s.free[from][class]
			last := items[len(items)-1]
			s.free[from][class] = items[:len(items)-1]
			s.load[from]--
			s.put(last, to)
			return true
		}
	}
	return false
}
