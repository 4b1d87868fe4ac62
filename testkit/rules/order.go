package rules

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/types"
	"slices"
	"strings"
)

// checkOrder finds ranges over maps in pure packages and in cores. What is a map is told by go/types, run over the parsed files
// with imports resolved as far as they are ours; a type from elsewhere is not a map to this rule.
func checkOrder(t *Tree) (all []Violation) {
	dirs, files := t.packages()
	world := &world{tree: t, files: files, std: importer.ForCompiler(t.fset, "source", nil), done: map[string]*checked{}}
	for _, dir := range dirs {
		for _, f := range files[dir] {
			if !orderMatters(f) {
				continue
			}
			all = append(all, mapIterators(f)...)
			if ranges(f) {
				all = append(all, mapRanges(f, world.check(dir).info)...)
			}
		}
	}
	return all
}

// orderMatters says whether the order of a map in a file could show in what is folded or simulated.
func orderMatters(f *File) bool {
	r, ok := rowOf(f.Dir)
	return isCore(f) || ok && r.pure && !f.Main()
}

// ranges says whether a file ranges over anything, without which its package need not be type-checked.
func ranges(f *File) (found bool) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		_, is := n.(*ast.RangeStmt)
		found = found || is
		return !found
	})
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

// mapIterators finds maps.Keys, maps.Values and maps.All that are not sorted on the spot: by slices.Sorted or its kin, or by
// any function whose name begins with sort, of what slices.Collect collects.
func mapIterators(f *File) (all []Violation) {
	sorted := map[ast.Node]bool{}
	ast.Inspect(f.AST, func(n ast.Node) bool { // parents come before their children
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		pkg, name := f.callee(call)
		switch {
		case len(call.Args) == 0:
		case strings.HasPrefix(strings.ToLower(name), "sort"), pkg == "slices" && name == "Collect" && sorted[call]:
			sorted[call.Args[0]] = true
		case pkg == "maps" && slices.Contains([]string{"Keys", "Values", "All"}, name) && !sorted[call] && !f.excused(ordered, call):
			all = append(all, f.at("order", call, "maps.%s gives an order that changes: wrap it in slices.Sorted, or say why it cannot show: %s%s REASON",
				name, markerPrefix, ordered))
		}
		return true
	})
	return all
}

// callee is the name of a called function, and its package if that is another one.
func (f *File) callee(call *ast.CallExpr) (pkg, name string) {
	fun := call.Fun
	if generic, ok := fun.(*ast.IndexExpr); ok {
		fun = generic.X
	}
	switch fun := fun.(type) {
	case *ast.Ident:
		return "", fun.Name
	case *ast.SelectorExpr:
		return f.importOf(fun), fun.Sel.Name
	}
	return "", ""
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

// errElsewhere says that a package is not ours. Of the standard library only the few packages are resolved that turn maps into
// maps; checking the others from their sources would take seconds.
var errElsewhere = errors.New("not resolved")

// Import resolves an import for the type checker.
func (w *world) Import(p string) (*types.Package, error) {
	if dir, ours := strings.CutPrefix(p, Module+"/"); ours {
		return w.check(dir).pkg, nil
	}
	if !slices.Contains([]string{"maps", "slices", "iter", "cmp"}, p) {
		return nil, errElsewhere
	}
	return w.std.Import(p)
}
