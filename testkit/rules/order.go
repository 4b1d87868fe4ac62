package rules

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/types"
	"slices"
	"strings"
)

// checkOrder finds ranges over maps in pure packages. What is a map is told by go/types, run over the parsed files with
// imports resolved as far as they are ours or the standard library's; a type from elsewhere is not a map to this rule.
func checkOrder(t *Tree) (all []Violation) {
	dirs, files := t.packages()
	world := &world{tree: t, files: files, std: importer.ForCompiler(t.fset, "source", nil), done: map[string]*checked{}}
	for _, dir := range dirs {
		if r, ok := rowOf(dir); ok && r.pure && !files[dir][0].Main() {
			all = append(all, world.orderIn(dir)...)
		}
	}
	return all
}

func (w *world) orderIn(dir string) (all []Violation) {
	for _, f := range w.files[dir] {
		all = append(all, mapIterators(f)...)
	}
	if !ranges(w.files[dir]) {
		return all
	}
	info := w.check(dir).info
	for _, f := range w.files[dir] {
		all = append(all, mapRanges(f, info)...)
	}
	return all
}

// ranges says whether a package ranges over anything, without which it need not be type-checked.
func ranges(files []*File) (found bool) {
	for _, f := range files {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			_, is := n.(*ast.RangeStmt)
			found = found || is
			return !found
		})
	}
	return found
}

func mapRanges(f *File, info *types.Info) (all []Violation) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		r, ok := n.(*ast.RangeStmt)
		if ok && isMap(info.TypeOf(r.X)) && !f.excused(ordered, r) {
			all = append(all, f.at("order", r, "a range over a map: range over slices.Sorted(maps.Keys(m)), or say why its order cannot show: %s%s REASON",
				markerPrefix, ordered))
		}
		return true
	})
	return all
}

func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	if p, ok := t.(*types.TypeParam); ok {
		t = p.Constraint()
	}
	switch u := t.Underlying().(type) {
	case *types.Map:
		return true
	case *types.Interface: // a constraint such as ~map[K]V
		for e := range u.EmbeddedTypes() {
			if union, ok := e.(*types.Union); ok && union.Len() > 0 && isMap(union.Term(0).Type()) {
				return true
			}
		}
	}
	return false
}

// mapIterators finds maps.Keys, maps.Values and maps.All that are not sorted on the spot.
func mapIterators(f *File) (all []Violation) {
	sorted := map[ast.Node]bool{}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch pkg, name := f.callee(call); {
		case pkg == "slices" && strings.HasPrefix(name, "Sorted") && len(call.Args) > 0:
			sorted[call.Args[0]] = true
		case pkg == "maps" && slices.Contains([]string{"Keys", "Values", "All"}, name) && !sorted[call] && !f.excused(ordered, call):
			all = append(all, f.at("order", call, "maps.%s gives an order that changes: wrap it in slices.Sorted, or say why it cannot show: %s%s REASON",
				name, markerPrefix, ordered))
		}
		return true
	})
	return all
}

// callee is the package and name of a called function of another package.
func (f *File) callee(call *ast.CallExpr) (pkg, name string) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	return f.importOf(sel), sel.Sel.Name
}

// world type-checks packages of the tree as they are needed.
type world struct {
	tree  *Tree
	files map[string][]*File
	std   types.Importer
	done  map[string]*checked
}

type checked struct {
	pkg  *types.Package
	info *types.Info
}

// check type-checks one folder; errors are ignored, what they leave unknown has no type.
func (w *world) check(dir string) *checked {
	if c := w.done[dir]; c != nil {
		return c
	}
	var asts []*ast.File
	for _, f := range w.files[dir] {
		asts = append(asts, f.AST)
	}
	c := &checked{pkg: types.NewPackage(Module+"/"+dir, ""), info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}}
	w.done[dir] = c // an import cycle ends here
	conf := types.Config{Importer: w, Error: func(error) {}}
	if pkg, _ := conf.Check(Module+"/"+dir, w.tree.fset, asts, c.info); pkg != nil {
		c.pkg = pkg
	}
	return c
}

// errElsewhere says that a package is neither ours nor in the standard library.
var errElsewhere = errors.New("not resolved")

// Import resolves an import for the type checker.
func (w *world) Import(p string) (*types.Package, error) {
	if dir, ours := strings.CutPrefix(p, Module+"/"); ours {
		return w.check(dir).pkg, nil
	}
	if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") {
		return nil, errElsewhere
	}
	return w.std.Import(p)
}
