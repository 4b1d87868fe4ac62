package rules

import "testing"

func TestPurity(t *testing.T) {
	one := func(lines ...string) map[string]string { return map[string]string{"fsm/a.go": src("fsm", lines...)} }
	runAll(t, []planted{
		{"times as values", one(`import "time"`, "const a = time.Second", "func b(t time.Time) time.Time { return t.Add(a) }"), nil},
		{"the clock", one(`import "time"`, "func a() time.Time { return time.Now() }"), []string{"fsm/a.go:4: [purity] time.Now is used here"}},
		{"the clock as a value", one(`import "time"`, "func a() any { return time.Now }"), []string{"fsm/a.go:4: [purity] time.Now is used here"}},
		{"a timer", one(`import "time"`, "func a() { time.NewTimer(1) }"), []string{"fsm/a.go:4: [purity] time.NewTimer"}},
		{"a deadline", one(`import "context"`, "func a(c context.Context) { context.WithTimeout(c, 1) }"), []string{"fsm/a.go:4: [purity] context.WithTimeout"}},
		{"an id out of the clock", one(`import "github.com/oklog/ulid/v2"`, "func a() any { return ulid.Make() }"), []string{"fsm/a.go:4: [purity] v2.Make"}},
		{"chance", one(use("math/rand/v2")), []string{"fsm/a.go:3: [purity] math/rand/v2 is used here"}},
		{"strong chance", one(use("crypto/rand")), []string{"fsm/a.go:3: [purity] crypto/rand is used here"}},
		{"locks", one(use("sync")), []string{"fsm/a.go:3: [purity] sync is used here"}},
		{"I/O", one(use("os"), use("net/http")), []string{"fsm/a.go:3: [purity] os is used here", "fsm/a.go:4: [purity] net/http is used here"}},
		{"a goroutine", one("func a() { go a() }"), []string{"fsm/a.go:3: [purity] a goroutine"}},
		{"a channel", one("func a(c chan int) {", "	c <- 1", "	<-c", "	select {}", "}"),
			[]string{"fsm/a.go:3: [purity] a channel", "fsm/a.go:4: [purity] a channel", "fsm/a.go:5: [purity] a channel", "fsm/a.go:6: [purity] a channel"}},
		{"below", map[string]string{"fsm/roster/a.go": src("roster", use("sync"))}, []string{"fsm/roster/a.go:3: [purity]"}},
		{"beside", map[string]string{"events/log/a.go": src("log", use("sync"))}, nil},
		{"in a test", map[string]string{"fsm/a_test.go": plain("fsm", use("sync"))}, nil},
		{"a generator", map[string]string{"events/schema/gen/a.go": src("main", use("os"))}, nil},
	})
}

func TestOrder(t *testing.T) {
	one := func(lines ...string) map[string]string { return map[string]string{"fsm/a.go": src("fsm", lines...)} }
	const found, iterator = "[order] a range over a map", "[order] maps."
	runAll(t, []planted{
		{"a map", one("func a(m map[int]int) {", "	for range m {", "	}", "}"), []string{"fsm/a.go:4: " + found}},
		{"a slice", one("func a(m []int) {", "	for range m {", "	}", "}"), nil},
		{"a named type", one("type set map[int]bool", "func a(m set) {", "	for range m {", "	}", "}"), []string{"fsm/a.go:5: " + found}},
		{"a field of a result", one("type b struct{ m map[int]int }", "func c() *b { return nil }", "func a() {", "	for range c().m {", "	}", "}"), []string{"fsm/a.go:6: " + found}},
		{"a local", one("func a() {", "	m := make(map[int]int)", "	for range m {", "	}", "}"), []string{"fsm/a.go:5: " + found}},
		{"from a type of another package of ours", map[string]string{
			"fsm/a.go":        src("fsm", `import "`+ours("fsm/roster")+`"`, "func a() {", "	for range roster.All() {", "	}", "}"),
			"fsm/roster/b.go": src("roster", "// All is a fixture.", "func All() map[int]int { return nil }"),
		}, []string{"fsm/a.go:5: " + found}},
		{"from the standard library", one(`import "maps"`, "func a(m map[int]int) {", "	for range maps.Clone(m) {", "	}", "}"), []string{"fsm/a.go:5: " + found}},
		{"generic", one("func a[M ~map[K]V, K comparable, V any](m M) {", "	for range m {", "	}", "}"), []string{"fsm/a.go:4: " + found}},
		{"with a reason behind", one("func a(m map[int]int) (n int) {", "	for _, v := range m { //rules:ordered summed up", "		n += v", "	}", "	return n", "}"), nil},
		{"with a reason above", one("func a(m map[int]int) (n int) {", "	//rules:ordered summed up", "	for _, v := range m {", "		n += v", "	}", "	return n", "}"), nil},
		{"an iterator", one(`import "maps"`, "func a(m map[int]int) {", "	for range maps.Keys(m) {", "	}", "}"), []string{"fsm/a.go:5: " + iterator + "Keys"}},
		{"sorted", one(`import ("maps"; "slices")`, "func a(m map[int]int) {", "	for range slices.Sorted(maps.Keys(m)) {", "	}", "}"), nil},
		{"collected and sorted", one(`import ("maps"; "slices")`, "func a(m map[int]int) []int { return sorted(slices.Collect(maps.Keys(m))) }", "func sorted(l []int) []int { slices.Sort(l); return l }"), nil},
		{"collected unsorted", one(`import ("maps"; "slices")`, "func a(m map[int]int) []int { return slices.Collect(maps.Values(m)) }"), []string{"fsm/a.go:4: " + iterator + "Values"}},
		{"in a core", map[string]string{"agent/core.go": src("agent", "func a(m map[int]int) {", "	for range m {", "	}", "}")}, []string{"agent/core.go:4: " + found}},
		{"beside a core", map[string]string{"agent/core.go": src("agent"), "agent/shell.go": plain("agent", "func a(m map[int]int) {", "	for range m {", "	}", "}")}, nil},
		{"elsewhere", map[string]string{"projector/a.go": src("projector", "func a(m map[int]int) {", "	for range m {", "	}", "}")}, nil},
		{"in spite of an unknown library", one(`import "github.com/looplab/fsm"`, "func a(f *fsm.FSM, m map[int]int) {", "	f.Event()", "	for range m {", "	}", "}"), []string{"fsm/a.go:6: " + found}},
	})
}

func TestCores(t *testing.T) {
	clock := src("agent", `import "time"`, "func a() time.Time { return time.Now() }")
	const found = ": [cores] time.Now is used here"
	runAll(t, []planted{
		{"a core", map[string]string{"agent/core.go": clock}, []string{"agent/core.go:4" + found}},
		{"a part of one", map[string]string{"agent/core_hold.go": clock}, []string{"agent/core_hold.go:4" + found}},
		{"its shell", map[string]string{"agent/shell.go": clock}, nil},
		{"its test", map[string]string{"agent/core_test.go": plain("agent", `import "time"`, "func a() time.Time { return time.Now() }")}, nil},
		{"in a subpackage", map[string]string{"replicator/lineage/core.go": clock}, []string{"replicator/lineage/core.go:4" + found}},
		{"a file of that name elsewhere", map[string]string{"projector/core.go": clock}, nil},
		{"a lock and a goroutine", map[string]string{"cluster/group/core.go": src("group", use("sync"), "func a() { go a() }")},
			[]string{"cluster/group/core.go:3: [cores] sync", "cluster/group/core.go:4: [cores] a goroutine"}},
	})
}
