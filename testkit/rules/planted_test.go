package rules

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted is one or more sources and what the rules must find in them, as "path:line: [rule] beginning of the text".
type planted struct {
	name  string
	files map[string]string
	want  []string
}

// run checks the sources and compares everything found in them: a planted violation must be found, and nothing else.
func (p planted) run(t *testing.T) {
	t.Helper()
	found := Check(Parse(p.files))
	var got []string
	for _, r := range All() {
		for _, v := range found[r.Name] {
			got = append(got, v.String())
		}
	}
	require.Len(t, got, len(p.want), "found:\n%s", strings.Join(got, "\n"))
	for i, w := range p.want {
		require.True(t, strings.HasPrefix(got[i], w), "want %q\n got %q", w, got[i])
	}
}

func runAll(t *testing.T, all []planted) {
	t.Helper()
	for _, p := range all {
		t.Run(p.name, p.run)
	}
}

// src is a package with a proper comment on line 1, its clause on line 2, and the lines given from line 3 on.
func src(pkg string, lines ...string) string {
	return "// Package " + pkg + " is a fixture with a comment that is long enough.\npackage " + pkg + "\n" + strings.Join(lines, "\n") + "\n"
}

// plain is a test file's or second file's head: no comment, the clause on line 1.
func plain(pkg string, lines ...string) string {
	return "package " + pkg + "\n" + strings.Join(lines, "\n") + "\n"
}

func use(imports ...string) string {
	var b strings.Builder
	for _, i := range imports {
		b.WriteString(`import _ "` + i + `"` + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func ours(name string) string { return Module + "/" + name }

func TestParse(t *testing.T) {
	runAll(t, []planted{
		{"good", map[string]string{"agent/a.go": src("agent")}, nil},
		{"broken", map[string]string{"agent/a.go": "package agent\nfunc {"}, []string{"agent/a.go: [parse] agent/a.go:2:6"}},
	})
}

func TestImports(t *testing.T) {
	one := func(path, pkg, imported string) map[string]string {
		return map[string]string{path: src(pkg, use(ours(imported)))}
	}
	refused := func(path, from, to string) []string {
		return []string{path + ":3: [imports] " + from + " must not import " + to}
	}
	runAll(t, []planted{
		{"a row allows", one("commands/a.go", "commands", "commands/plan"), nil},
		{"a row refuses", one("fsm/a.go", "fsm", "cluster"), refused("fsm/a.go", "fsm", "cluster")},
		{"events imports nothing", one("events/a.go", "events", "fsm/offsetmap"), refused("events/a.go", "events", "fsm/offsetmap")},
		{"a name covers subpackages", one("events/log/a.go", "log", "cluster/batch"), nil},
		{"but not those with a row", one("projector/a.go", "projector", "fsm/offsetmap"), refused("projector/a.go", "projector", "fsm/offsetmap")},
		{"a parent needs its child's row", one("projector/a.go", "projector", "projector/driver"), refused("projector/a.go", "projector", "projector/driver")},
		{"subpackages among themselves", one("cluster/wire/a.go", "wire", "cluster/batch"), nil},
		{"verify has no row of its own", one("replicator/verify/a.go", "verify", "replicator"), nil},
		{"agent never imports fsm", one("agent/a.go", "agent", "fsm"), refused("agent/a.go", "agent", "fsm")},
		{"cmd imports anything", one("cmd/portage/a.go", "main", "projector/driver"), nil},
		{"but not testkit", one("cmd/portage/a.go", "main", "testkit/embedded"), refused("cmd/portage/a.go", "cmd", "testkit/embedded")},
		{"the demo may", one("cmd/portage/demo/a.go", "demo", "testkit/embedded"), nil},
		{"not all of it", one("cmd/portage/demo/a.go", "demo", "testkit/rules"), refused("cmd/portage/demo/a.go", "cmd/portage/demo", "testkit/rules")},
		{"tests use testkit", map[string]string{"events/a_test.go": plain("events", use(ours("testkit/embedded")))}, nil},
		{"and nothing else besides their row", map[string]string{"events/a_test.go": plain("events", use(ours("cluster")))},
			[]string{"events/a_test.go:2: [imports] events must not import cluster"}},
		{"testkit imports anything", one("testkit/oracle/a.go", "oracle", "projector"), nil},
		{"AWS is for cmd", one("cmd/portage/a.go", "main", "cluster/auth/msk"), nil},
		{"not for agents", one("agent/a.go", "agent", "cluster/auth/msk"), refused("agent/a.go", "agent", "cluster/auth/msk")},
		{"not even for cluster", one("cluster/a.go", "cluster", "cluster/auth/msk"), refused("cluster/a.go", "cluster", "cluster/auth/msk")},
		{"a folder without a row", one("helpers/a.go", "helpers", "events"), []string{"helpers/a.go:2: [imports] folder helpers has no row"}},
		{"a name is not a prefix", one("events/a.go", "events", "eventsource"), refused("events/a.go", "events", "eventsource")},
	})
}

func TestLibraries(t *testing.T) {
	const kgo = "github.com/twmb/franz-go/pkg/kgo"
	runAll(t, []planted{
		{"at home", map[string]string{"cluster/wire/a.go": src("wire", use("github.com/segmentio/kafka-go/protocol"))}, nil},
		{"away", map[string]string{"agent/a.go": src("agent", use("github.com/segmentio/kafka-go"))},
			[]string{"agent/a.go:3: [libraries] github.com/segmentio/kafka-go may be imported in cluster, tests and testkit only"}},
		{"for tests", map[string]string{"agent/a_test.go": plain("agent", use(kgo)), "testkit/workload/a.go": src("workload", use(kgo))}, nil},
		{"for tests only", map[string]string{"agent/a.go": src("agent", use(kgo))},
			[]string{"agent/a.go:3: [libraries] " + kgo + " may be imported in tests and testkit only"}},
		{"a neighbour by name", map[string]string{"agent/a.go": src("agent", use(kgo+"x"))}, nil},
	})
}

func TestInit(t *testing.T) {
	runAll(t, []planted{
		{"init", map[string]string{"agent/a.go": src("agent", "func init() {}")}, []string{"agent/a.go:3: [init] an init function"}},
		{"a method", map[string]string{"agent/a.go": src("agent", "type a struct{}", "func (a) init() {}")}, nil},
		{"in a test", map[string]string{"agent/a_test.go": plain("agent", "func init() {}")}, nil},
	})
}

func TestPanic(t *testing.T) {
	body := func(before, behind string) map[string]string {
		return map[string]string{"agent/a.go": src("agent", "func a() {", before, `	panic("x")`+behind, "}")}
	}
	runAll(t, []planted{
		{"bare", body("", ""), []string{"agent/a.go:5: [panic] a panic"}},
		{"with a comment that is no marker", body("	// impossible", ""), []string{"agent/a.go:5: [panic] a panic"}},
		{"marked above", body("	//rules:impossible the length was checked", ""), nil},
		{"marked behind", body("", " //rules:impossible the length was checked"), nil},
		{"in a test", map[string]string{"agent/a_test.go": plain("agent", `func a() { panic("x") }`)}, nil},
		{"a function of that name", map[string]string{"agent/a.go": src("agent", "func panic(int) {}", "func a() { panic(1) }")}, nil},
	})
}

func TestWords(t *testing.T) {
	todo, half := "TO"+"DO", "not "+"implemented"
	runAll(t, []planted{
		{"comment", map[string]string{"agent/a.go": src("agent", "// "+todo+": more")}, []string{`agent/a.go:3: [words] "` + todo}},
		{"error", map[string]string{"agent/a_test.go": plain("agent", `const a = "`+half+` yet"`)}, []string{`agent/a_test.go:2: [words] "` + half}},
		{"script", map[string]string{"deploy/x.sh": "#!/bin/sh\n# FIX" + "ME\n"}, []string{"deploy/x.sh:2: [words]"}},
		{"part of a word", map[string]string{"agent/a.go": src("agent", "const a"+todo+"s = 1")}, nil},
	})
}

func TestSleep(t *testing.T) {
	body := func(behind string) map[string]string {
		return map[string]string{"agent/a.go": src("agent", `import "time"`, "func a() {", "	time.Sleep(1)"+behind, "}")}
	}
	runAll(t, []planted{
		{"bare", body(""), []string{"agent/a.go:5: [sleep] time.Sleep"}},
		{"with a reason", body(" //rules:sleep the broker gives no event to wait for"), nil},
		{"renamed import", map[string]string{"agent/a.go": src("agent", `import clock "time"`, "func a() { clock.Sleep(1) }")},
			[]string{"agent/a.go:4: [sleep] time.Sleep"}},
		{"in a test", map[string]string{"agent/a_test.go": plain("agent", `import "time"`, "func a() { time.Sleep(1) }")}, nil},
		{"another Sleep", map[string]string{"agent/a.go": src("agent", "type bed struct{}", "func (bed) Sleep(int) {}", "func a(time bed) { time.Sleep(1) }")}, nil},
	})
}

func TestSurroundings(t *testing.T) {
	env := func(pkg string) string { return src(pkg, `import "os"`, `func a() string { return os.Getenv("A") }`) }
	runAll(t, []planted{
		{"environment", map[string]string{"agent/a.go": env("agent")}, []string{"agent/a.go:4: [surroundings] os.Getenv: the environment"}},
		{"in cmd", map[string]string{"cmd/internal/config/a.go": env("config")}, nil},
		{"secrets", map[string]string{"cluster/auth/a.go": env("auth")}, nil},
		{"in a test", map[string]string{"agent/a_test.go": plain("agent", `import "os"`, `func a() string { return os.Getenv("A") }`)}, nil},
		{"flags", map[string]string{"agent/a.go": src("agent", use("flag"))}, []string{"agent/a.go:3: [surroundings] flags are read in cmd only"}},
		{"files", map[string]string{"agent/a.go": src("agent", `import "os"`, `func a() { _, _ = os.ReadFile("x") }`)},
			[]string{"agent/a.go:4: [surroundings] os.ReadFile: files"}},
		{"exit", map[string]string{"testkit/oracle/a.go": src("oracle", `import "os"`, `func a() { os.Exit(1) }`)},
			[]string{"testkit/oracle/a.go:4: [surroundings] os.Exit: the process"}},
		{"a generator is a program", map[string]string{"agent/gen/a.go": src("main", `import "os"`, `func main() { _ = os.WriteFile("x", nil, 0) }`)}, nil},
	})
}

func TestGlobals(t *testing.T) {
	one := func(lines ...string) map[string]string {
		return map[string]string{"agent/a.go": src("agent", lines...)}
	}
	changed := func(line string) []string {
		return []string{"agent/a.go:" + line + ": [globals] package variable count is changed here"}
	}
	runAll(t, []planted{
		{"assigned", one("var count int", "func a() { count = 1 }"), changed("4")},
		{"counted", one("var count int", "func a() { count++ }"), changed("4")},
		{"an element", one("var count = map[int]int{}", "func a() { count[1] = 1 }"), changed("4")},
		{"a field", one("var count struct{ n int }", "func a() { (&count).n, _ = 1, 2 }"), nil}, // through a pointer taken on the spot: out of reach
		{"a field by name", one("var count struct{ n []int }", "func a() { count.n[0] += 1 }"), changed("4")},
		{"emptied", one("var count = map[int]int{1: 1}", "func a() { clear(count) }"), changed("4")},
		{"from another file", map[string]string{"agent/a.go": src("agent", "var count int"), "agent/b.go": plain("agent", "func a() { count = 1 }")},
			[]string{"agent/b.go:2: [globals] package variable count is changed here"}},
		{"a local of that name", one("var count int", "func a() { count := 1; count = 2; _ = count }"), nil},
		{"a parameter of that name", one("var count int", "func a(count int) { count = 2 }"), nil},
		{"the blank name", one("var _ error = nil", "func a() { _ = 1 }"), nil},
		{"only read", one("var count = []int{1}", "func a() int { return count[0] }"), nil},
		{"a lock", one(`import "sync"`, "var mu sync.Mutex"), []string{"agent/a.go:4: [globals] package variable mu exists to be changed"}},
		{"a counter", one(`import "sync/atomic"`, "var n atomic.Int64"), []string{"agent/a.go:4: [globals] package variable n exists to be changed"}},
		{"a pool of buffers", one(`import "sync"`, "var p = &sync.Pool{}"), nil},
		{"behind a pointer", one(`import "sync"`, "var mu = &sync.RWMutex{}"), []string{"agent/a.go:4: [globals] package variable mu exists to be changed"}},
		{"computed once", one(`import "sync"`, "var v = sync.OnceValue(func() int { return 1 })"), nil},
	})
}

func TestMarkers(t *testing.T) {
	runAll(t, []planted{
		{"unknown", map[string]string{"agent/a.go": src("agent", "//rules:fine because", "const a = 1")}, []string{"agent/a.go:3: [markers] unknown marker //rules:fine"}},
		{"no reason", map[string]string{"agent/a.go": src("agent", "func a() {", `	panic("x") //rules:impossible`, "}")},
			[]string{"agent/a.go:4: [markers] marker //rules:impossible gives no reason"}},
		{"useless", map[string]string{"agent/a.go": src("agent", "//rules:sleep nobody sleeps", "const a = 1")},
			[]string{"agent/a.go:3: [markers] marker //rules:sleep excuses nothing"}},
		{"of another kind", map[string]string{"agent/a.go": src("agent", "func a() {", `	panic("x") //rules:sleep tired`, "}")},
			[]string{"agent/a.go:4: [panic]", "agent/a.go:4: [markers] marker //rules:sleep excuses nothing"}},
	})
}
