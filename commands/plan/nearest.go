package plan

import (
	"fmt"
	"strings"
)

// Nearest finds the one of sorted names that a shortened or mistyped one may
// stand for: the only one that begins with it, else the closest by edit distance,
// which is at most half of the name.
func Nearest(name string, all []string) (string, bool) {
	if whole, ok := onlyPrefixed(name, all); ok {
		return whole, true
	}
	best, least := "", len(name)/2+1
	for _, candidate := range all {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best, best != ""
}

// onlyPrefixed is the only name that begins with a prefix.
func onlyPrefixed(prefix string, all []string) (only string, ok bool) {
	for _, candidate := range all {
		if !strings.HasPrefix(candidate, prefix) {
			continue
		}
		if ok || prefix == "" {
			return "", false
		}
		only, ok = candidate, true
	}
	return only, ok
}

// meant is the fix for a name that is not there.
func meant(name string, all []string) string {
	if near, ok := Nearest(name, all); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "mend its name, or leave it out"
}

// distance is the Levenshtein distance of two names, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
