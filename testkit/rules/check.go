package rules

import (
	"cmp"
	"slices"
)

// Rule is one rule of the repository.
type Rule struct {
	// Name is what violations carry.
	Name string
	// Why is one sentence for whoever meets the rule first.
	Why   string
	check func(*Tree) []Violation
}

// All are the rules, in the order in which they are reported. "markers" comes last: it judges what the others left unused.
func All() []Rule {
	return []Rule{
		{"parse", "a file that does not parse hides everything else", func(t *Tree) []Violation { return t.broken }},
		{"imports", "the architecture is who may import whom (ARCHITECTURE.md, Rooms)", checkImports},
		{"libraries", "a library has one home, so that it can be replaced there", checkLibraries},
		{"purity", "what is folded must fold the same way everywhere and always", checkPurity},
		{"order", "the order of a map must not show in anything that is folded or simulated", checkOrder},
		{"cores", "decisions take time and chance as inputs, so that the simulator can run them", checkCores},
		{"docs", "a package and its names can be used without reading their code", checkDocs},
		{"functions", "a function fits on a screen", checkFunctions},
		{"files", "a file holds one thought", checkFiles},
		{"init", "nothing happens at import", checkInit},
		{"panic", "an error is a value; a panic is for what cannot be", checkPanic},
		{"words", "what is unfinished is not in the tree", checkWords},
		{"sleep", "wait for a state, not for a time", checkSleep},
		{"tiers", "a test that is never run proves nothing", checkTiers},
		{"surroundings", "flags, environment, files and exit codes are cmd's business", checkSurroundings},
		{"globals", "state lives in values that somebody owns", checkGlobals},
		{"markers", "an exception names its reason and is needed", checkMarkers},
	}
}

// Check runs all rules over the tree and returns what they found, by rule in the order of All, then by place.
func Check(t *Tree) map[string][]Violation {
	found := map[string][]Violation{}
	for _, r := range All() {
		all := r.check(t)
		slices.SortFunc(all, func(a, b Violation) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
		})
		if len(all) > 0 {
			found[r.Name] = all
		}
	}
	return found
}
