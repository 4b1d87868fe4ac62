package rules

import (
	"go/ast"
	"go/token"
	"slices"
)

// checkGlobals finds package-level variables that change: assigned to anywhere (whole, by field, element or pointer), or of a
// type that exists to be changed.
func checkGlobals(t *Tree) (all []Violation) {
	dirs, files := t.packages()
	for _, dir := range dirs {
		vars := packageVars(files[dir])
		for _, f := range files[dir] {
			if f.Generated() {
				continue
			}
			all = append(all, assignments(f, vars)...)
			all = append(all, mutableTypes(f)...)
		}
	}
	return all
}

// packageVars are the names of a package's variables with where each is declared.
func packageVars(files []*File) map[string]*ast.ValueSpec {
	vars := map[string]*ast.ValueSpec{}
	for _, f := range files {
		eachVar(f, func(s *ast.ValueSpec) {
			for _, n := range s.Names {
				vars[n.Name] = s
			}
		})
	}
	delete(vars, "_") // var _ I = T{} declares nothing
	return vars
}

func eachVar(f *File, visit func(*ast.ValueSpec)) {
	for _, d := range f.AST.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, s := range g.Specs {
				visit(s.(*ast.ValueSpec))
			}
		}
	}
}

func assignments(f *File, vars map[string]*ast.ValueSpec) (all []Violation) {
	look := func(n ast.Node, e ast.Expr) {
		if name, ok := global(e, vars); ok {
			all = append(all, f.at("globals", n, "package variable %s is changed here: make it a field of what uses it", name))
		}
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					look(n, e)
				}
			}
		case *ast.IncDecStmt:
			look(n, n.X)
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 {
				look(n, n.Args[0])
			}
		}
		return true
	})
	return all
}

// global says whether an expression that is assigned to belongs to a package variable. The parser resolves names within a
// file: a name with another declaration is a local one, a name without any is declared in another file of the package.
func global(e ast.Expr, vars map[string]*ast.ValueSpec) (string, bool) {
	for {
		switch x := e.(type) {
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			spec := vars[x.Name]
			return x.Name, spec != nil && (x.Obj == nil || x.Obj.Decl == spec)
		default:
			return "", false
		}
	}
}

// mutableTypes finds package variables whose type is a lock or a counter, or that hold a random generator. A sync.Pool is
// none of these: what it keeps cannot be seen from outside.
func mutableTypes(f *File) (all []Violation) {
	changing := map[string][]string{
		"sync":         {"Mutex", "RWMutex", "Once", "Map", "WaitGroup", "Cond"},
		"sync/atomic":  {"Bool", "Int32", "Int64", "Uint32", "Uint64", "Uintptr", "Value", "Pointer"},
		"math/rand":    {"New"},
		"math/rand/v2": {"New"},
	}
	eachVar(f, func(s *ast.ValueSpec) {
		exprs := append([]ast.Expr{s.Type}, s.Values...)
		for _, e := range exprs {
			if sel := outermost(e); sel != nil && slices.Contains(changing[f.importOf(sel)], sel.Sel.Name) {
				all = append(all, f.at("globals", s, "package variable %s exists to be changed: make it a field of what uses it", s.Names[0].Name))
				return
			}
		}
	})
	return all
}

// outermost is the package-qualified name at the head of a type or value: sync.Mutex{}, &sync.Pool{...}, rand.New(...).
func outermost(e ast.Expr) *ast.SelectorExpr {
	for {
		switch x := e.(type) {
		case *ast.SelectorExpr:
			return x
		case *ast.StarExpr:
			e = x.X
		case *ast.UnaryExpr:
			e = x.X
		case *ast.CompositeLit:
			e = x.Type
		case *ast.CallExpr:
			e = x.Fun
		case *ast.IndexExpr:
			e = x.X
		default:
			return nil
		}
	}
}
