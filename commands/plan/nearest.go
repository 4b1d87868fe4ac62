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

// distance is the number of bytes to insert, delete, replace or swap with their
// neighbour to make one name of the other (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
