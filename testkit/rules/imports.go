package rules

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// row says what one package may import of ours. A name stands for its subpackages, too, unless they have a row; a package may
// always import its own subpackages without a row.
type row struct {
	name string
	may  []string
	pure bool // no clock, chance, goroutine, lock, I/O or visible map order
}

// anything in a row stands for every package of ours but testkit.
const anything = "*"

// table is the import policy of the repository (ARCHITECTURE.md, Rooms).
func table() []row {
	return []row{
		{name: "events", pure: true},
		{name: "events/log", may: []string{"events", "cluster"}},
		{name: "events/archive", may: []string{"events", "events/log", "cluster"}},
		{name: "fsm", may: []string{"events", "fsm/offsetmap", "fsm/roster"}, pure: true},
		{name: "fsm/offsetmap", pure: true},
		{name: "fsm/roster", pure: true},
		{name: "cluster"},
		{name: "cluster/auth/msk", may: []string{"cluster"}},
		{name: "projector", may: []string{"events", "events/log", "fsm"}},
		{name: "projector/driver", may: []string{"projector", "fsm", "fsm/offsetmap", "fsm/roster", "events", "events/log", "cluster"}},
		{name: "replicator", may: []string{"cluster", "events", "events/log", "fsm/offsetmap"}},
		{name: "commands", may: []string{"events", "events/log", "fsm", "projector", "commands/plan"}},
		{name: "commands/plan", may: []string{"events", "fsm", "cluster"}},
		{name: "agent", may: []string{"events", "events/log", "cluster", "fsm/offsetmap"}},
		{name: "cmd", may: []string{anything}},
		{name: "cmd/portage/demo", may: []string{anything, "testkit/embedded", "testkit/realkafka", "testkit/workload", "testkit/oracle"}},
		{name: "testkit", may: []string{anything, "testkit"}},
	}
}

// onlyBy are packages that have few importers, whatever the rows of others say.
func onlyBy() map[string][]string {
	return map[string][]string{
		"cluster/auth/msk": {"cmd"}, // brings the AWS SDK, which no service should have to carry
	}
}

// rowOf is the row of the longest name that covers a folder.
func rowOf(dir string) (best row, ok bool) {
	for _, r := range table() {
		if covers(r.name, dir) && len(r.name) >= len(best.name) {
			best, ok = r, true
		}
	}
	return best, ok
}

func covers(name, dir string) bool { return dir == name || strings.HasPrefix(dir, name+"/") }

// checkImports holds every import of ours against the table. Tests may use testkit besides what their package may use.
func checkImports(t *Tree) (all []Violation) {
	for _, f := range t.Files {
		from, known := rowOf(f.Dir)
		if !known {
			if !f.Test {
				all = append(all, f.at("imports", f.AST.Name, "folder %s has no row in the import table: add one, or move the file", f.Dir))
			}
			continue
		}
		for _, spec := range f.AST.Imports {
			name, ours := ourImport(spec.Path.Value)
			if ours && !allowed(from, f, name) {
				all = append(all, f.at("imports", spec, "%s must not import %s; it may import of ours: %s",
					from.name, name, cmp.Or(strings.Join(from.may, ", "), "nothing")))
			}
		}
	}
	return all
}

// ourImport strips the module's path off a quoted import.
func ourImport(quoted string) (name string, ours bool) {
	p, err := strconv.Unquote(quoted)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(p, Module+"/")
}

func allowed(from row, f *File, name string) bool {
	to, known := rowOf(name)
	if !known {
		return false
	}
	if few := onlyBy()[to.name]; few != nil && to.name != from.name {
		return slices.ContainsFunc(few, func(by string) bool { return covers(by, f.Dir) })
	}
	if to.name == "testkit" {
		return f.Test || slices.ContainsFunc(from.may, func(m string) bool { return covers(m, name) })
	}
	return to.name == from.name || slices.Contains(from.may, anything) || slices.Contains(from.may, to.name)
}
