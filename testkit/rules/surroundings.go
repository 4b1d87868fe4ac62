package rules

import (
	"go/ast"
	"slices"
	"strconv"
)

// surrounding is one kind of access to what surrounds the process, and who may have it besides cmd and programs.
type surrounding struct {
	what  string
	calls []string // functions and variables of package os
	in    []string
}

// surroundings are those kinds. Every exception has its reason here.
func surroundings() []surrounding {
	return []surrounding{
		{"the environment", []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv"}, []string{
			"cluster/auth",      // secrets by reference: re-read when they rotate
			"testkit/realkafka", // PORTAGE_REAL turns the tier on
		}},
		{"files", []string{"ReadFile", "WriteFile", "Open", "OpenFile", "Create", "CreateTemp", "MkdirTemp", "ReadDir"}, []string{
			"cluster/auth", // secrets and certificates by reference
			"testkit",      // brokers, fixtures and sources live in files
		}},
		{"the process", []string{"Exit", "Args", "Stdin", "Stdout", "Stderr"}, nil},
	}
}

// checkSurroundings finds access to flags, environment, files and the process outside cmd.
func checkSurroundings(t *Tree) (all []Violation) {
	for _, f := range t.sources() {
		if covers("cmd", f.Dir) || f.Main() {
			continue
		}
		for _, spec := range f.AST.Imports {
			if p, _ := strconv.Unquote(spec.Path.Value); p == "flag" || p == "github.com/spf13/pflag" {
				all = append(all, f.at("surroundings", spec, "flags are read in cmd only: take a Config"))
			}
		}
		all = append(all, osAccess(f)...)
	}
	return all
}

func osAccess(f *File) (all []Violation) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || f.importOf(sel) != "os" {
			return true
		}
		for _, s := range surroundings() {
			home := slices.ContainsFunc(s.in, func(in string) bool { return covers(in, f.Dir) })
			if slices.Contains(s.calls, sel.Sel.Name) && !home {
				all = append(all, f.at("surroundings", sel, "os.%s: %s is cmd's business: take a Config, a reader or a value", sel.Sel.Name, s.what))
			}
		}
		return true
	})
	return all
}
