package rules

import (
	"go/ast"
	"slices"
	"strings"
)

// realHome is the package that starts real brokers; what a test calls there says that the test needs them.
const realHome = Module + "/testkit/realkafka"

func realStarters() []string { return []string{"ForTest", "AllForTest", "Require"} }

// checkTiers finds tests on real brokers by another name than TestReal…, under which `make kafka` would never run them. A
// test needs real brokers when it asks for them itself or through functions of its package.
func checkTiers(t *Tree) (all []Violation) {
	type function struct {
		file  *File
		decl  *ast.FuncDecl
		calls []string // functions of the same package
		real  bool
	}
	packages := map[string]map[string]*function{}
	for _, f := range t.Files {
		if !f.Test {
			continue
		}
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				if packages[f.Dir] == nil {
					packages[f.Dir] = map[string]*function{}
				}
				calls, real := f.reaches(fn)
				packages[f.Dir][fn.Name.Name] = &function{f, fn, calls, real}
			}
		}
	}
	for _, functions := range packages {
		for grown := true; grown; {
			grown = false
			for _, fn := range functions {
				if !fn.real && slices.ContainsFunc(fn.calls, func(name string) bool { return functions[name] != nil && functions[name].real }) {
					fn.real, grown = true, true
				}
			}
		}
		for name, fn := range functions {
			if fn.real && strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "TestReal") {
				all = append(all, fn.file.at("tiers", fn.decl, "%s needs real brokers: call it TestReal…, so that make kafka runs it", name))
			}
		}
	}
	return all
}

// reaches are the functions that a function calls by their bare name, and whether it asks for real brokers itself.
func (f *File) reaches(fn *ast.FuncDecl) (calls []string, real bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.CallExpr:
			if id, ok := x.Fun.(*ast.Ident); ok {
				calls = append(calls, id.Name)
			}
		case *ast.SelectorExpr:
			real = real || f.importOf(x) == realHome && slices.Contains(realStarters(), x.Sel.Name)
		}
		return true
	})
	return calls, real
}
