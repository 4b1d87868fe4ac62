package verify

import "sort"

// matching says for every element of a sequence which element of another it is,
// -1 for none; what is matched rises on both sides.
type matching []int

func noMatching(n int) matching {
	m := make(matching, n)
	for i := range m {
		m[i] = -1
	}
	return m
}

// alignDepth bounds how often a stretch is taken apart. Each time at least one
// more pair is found; sequences that need more have hardly anything in common.
const alignDepth = 32

// align matches equal elements of two sequences in order: a longest common
// subsequence where no element repeats, close to one where some do. It takes
// O(n log n) time where a diff would take O(n·d).
func align(a, b []ident) matching {
	m := noMatching(len(a))
	alignInto(m, a, b, 0, alignDepth)
	return m
}

// alignInto fills m, which belongs to a; shift is what b's indexes are off by.
func alignInto(m matching, a, b []ident, shift, depth int) {
	lo := 0
	for lo < len(a) && lo < len(b) && a[lo] == b[lo] {
		m[lo] = lo + shift
		lo++
	}
	hiA, hiB := len(a), len(b)
	for hiA > lo && hiB > lo && a[hiA-1] == b[hiB-1] {
		hiA, hiB = hiA-1, hiB-1
		m[hiA] = hiB + shift
	}
	if lo == hiA || lo == hiB || depth == 0 {
		return
	}
	m, a, b, shift = m[lo:hiA], a[lo:hiA], b[lo:hiB], shift+lo
	pairs := longestRising(ranked(a, b))
	if len(pairs) == 0 {
		return
	}
	fromA, fromB := 0, 0
	for _, p := range append(pairs, pair{len(a), len(b)}) {
		if p.a < len(a) {
			m[p.a] = p.b + shift
		}
		if p.a > fromA && p.b > fromB {
			alignInto(m[fromA:p.a], a[fromA:p.a], b[fromB:p.b], shift+fromB, depth-1)
		}
		fromA, fromB = p.a+1, p.b+1
	}
}

// pair is an index of each sequence.
type pair struct{ a, b int }

// ranked pairs the first of equal elements with the first, the second with the
// second and so on, in order of a.
func ranked(a, b []ident) (pairs []pair) {
	at := make(map[ident][]int, len(b))
	for j, id := range b {
		at[id] = append(at[id], j)
	}
	for i, id := range a {
		if js := at[id]; len(js) > 0 {
			pairs = append(pairs, pair{i, js[0]})
			at[id] = js[1:]
		}
	}
	return pairs
}

// longestRising is the longest choice of pairs, sorted by a, in which b rises,
// too (patience sorting). Of equally long ones it takes the later pairs: the
// record that came too late is then the one out of order.
func longestRising(pairs []pair) []pair {
	var tails []int // by length-1: the index of the pair with the least b that ends such a choice
	before := make([]int, len(pairs))
	for i, p := range pairs {
		n := sort.Search(len(tails), func(n int) bool { return pairs[tails[n]].b >= p.b })
		before[i] = -1
		if n > 0 {
			before[i] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, i)
		}
		tails[n] = i
	}
	out := make([]pair, len(tails))
	for n, i := len(tails)-1, last(tails); n >= 0; n, i = n-1, before[i] {
		out[n] = pairs[i]
	}
	return out
}

func last(tails []int) int {
	if len(tails) == 0 {
		return -1
	}
	return tails[len(tails)-1]
}
