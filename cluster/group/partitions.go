package group

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Partitions is a set of partitions by topic. Lists built by this package are ascending and without repetition.
type Partitions map[string][]int32

// Len counts the partitions.
func (p Partitions) Len() int {
	n := 0
	for _, list := range p {
		n += len(list)
	}
	return n
}

// Topics returns the topics in order.
func (p Partitions) Topics() []string { return slices.Sorted(maps.Keys(p)) }

// Equal compares two sets; a topic without partitions counts as absent.
func (p Partitions) Equal(other Partitions) bool {
	return maps.EqualFunc(p.normal(), other.normal(), slices.Equal[[]int32])
}

// String is for people: "orders[0-3] payments[1]".
func (p Partitions) String() string {
	var words []string
	for topic, list := range p.normal().all() {
		words = append(words, fmt.Sprintf("%s[%s]", topic, formatRanges(list)))
	}
	return strings.Join(words, " ")
}

// normal returns a sorted copy without repetitions and empty topics.
func (p Partitions) normal() Partitions {
	out := make(Partitions, len(p))
	for topic, list := range p {
		if len(list) > 0 {
			sorted := slices.Clone(list)
			slices.Sort(sorted)
			out[topic] = slices.Compact(sorted)
		}
	}
	return out
}

// all iterates over the topics in order.
func (p Partitions) all() func(yield func(string, []int32) bool) {
	return func(yield func(string, []int32) bool) {
		for _, topic := range p.Topics() {
			if !yield(topic, p[topic]) {
				return
			}
		}
	}
}

// maxListed bounds how many partitions one text or message may list, so that "0-2147483647" from elsewhere costs no memory.
const maxListed = 1 << 20

// formatRanges writes an ascending list as "0-3,7": a group's metadata is one record of __consumer_offsets, so size counts.
func formatRanges(list []int32) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(list[i])))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(int(list[j])))
		}
		i = j + 1
	}
	return b.String()
}

// parseRanges reads what formatRanges writes; budget is what may still be listed.
func parseRanges(text string, budget *int) ([]int32, error) {
	var out []int32
	if text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		low, high, err := parseRange(word)
		if err != nil {
			return nil, err
		}
		if *budget -= int(high-low) + 1; *budget < 0 {
			return nil, fmt.Errorf("more than %d partitions listed", maxListed)
		}
		for n := low; n <= high; n++ {
			out = append(out, int32(n))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func parseRange(word string) (low, high int64, err error) {
	first, last, isRange := strings.Cut(word, "-")
	low, errLow := strconv.ParseInt(first, 10, 32)
	high = low
	var errHigh error
	if isRange {
		high, errHigh = strconv.ParseInt(last, 10, 32)
	}
	if errors.Join(errLow, errHigh) != nil || low < 0 || high < low {
		return 0, 0, fmt.Errorf("partition range %q: want a number or low-high", word)
	}
	return low, high, nil
}
