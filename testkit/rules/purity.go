package rules

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// What makes code depend on when, where and how often it runs.
var (
	clockCalls = map[string][]string{
		"time":                      {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
		"context":                   {"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause"},
		"github.com/oklog/ulid/v2":  {"Make", "Now", "DefaultEntropy"},
		"github.com/google/uuid":    {"New", "NewString", "NewRandom", "NewUUID", "NewV7"},
		"github.com/rs/zerolog/log": {"Logger"},
	}
	chance      = []string{"math/rand", "math/rand/v2", "crypto/rand", "hash/maphash"}
	concurrency = []string{"sync", "sync/atomic", "golang.org/x/sync"}
	outside     = []string{"os", "net", "syscall", "io/ioutil", "log", "log/slog", "runtime", "unsafe", "github.com/rs/zerolog", "golang.org/x/sys"}
)

// checkPurity holds the pure packages to having neither clock nor chance, concurrency or I/O. Programs beside them
// (generators) are free.
func checkPurity(t *Tree) (all []Violation) {
	for _, f := range t.sources() {
		if r, ok := rowOf(f.Dir); !ok || !r.pure || f.Main() {
			continue
		}
		forbidden := slices.Concat(chance, concurrency, outside)
		all = append(all, forbiddenImports("purity", f, forbidden)...)
		all = append(all, forbiddenCalls("purity", f)...)
		all = append(all, goroutines("purity", f)...)
		all = append(all, channels("purity", f)...)
	}
	return all
}

// coreHomes are the packages whose files named core*.go are cores.
var coreHomes = []string{"agent", "cluster/group", "projector/driver", "replicator"}

// isCore says whether a file holds decisions without I/O.
func isCore(f *File) bool {
	home := slices.ContainsFunc(coreHomes, func(n string) bool { return covers(n, f.Dir) })
	return home && strings.HasPrefix(path.Base(f.Path), "core")
}

// checkCores holds cores to taking clock and chance as inputs and running nothing by themselves.
func checkCores(t *Tree) (all []Violation) {
	for _, f := range t.sources() {
		if !isCore(f) {
			continue
		}
		all = append(all, forbiddenImports("cores", f, slices.Concat(chance, concurrency))...)
		all = append(all, forbiddenCalls("cores", f)...)
		all = append(all, goroutines("cores", f)...)
	}
	return all
}

func forbiddenImports(rule string, f *File, forbidden []string) (all []Violation) {
	for _, spec := range f.AST.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		for _, name := range forbidden {
			if covers(name, p) {
				all = append(all, f.at(rule, spec, "%s is used here: pass what it gives as an input", p))
				break
			}
		}
	}
	return all
}

// forbiddenCalls finds the clock, whether called or handed on as a value.
func forbiddenCalls(rule string, f *File) (all []Violation) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			p := f.importOf(sel)
			if p != "" && slices.Contains(clockCalls[p], sel.Sel.Name) {
				all = append(all, f.at(rule, sel, "%s.%s is used here: take the time or the id as an input", path.Base(p), sel.Sel.Name))
			}
		}
		return true
	})
	return all
}

func goroutines(rule string, f *File) (all []Violation) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			all = append(all, f.at(rule, g, "a goroutine is started here: leave that to the shell"))
		}
		return true
	})
	return all
}

func channels(rule string, f *File) (all []Violation) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
			all = append(all, f.at(rule, n, "a channel is used here: return data instead"))
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				all = append(all, f.at(rule, n, "a channel is used here: return data instead"))
			}
		}
		return true
	})
	return all
}

// importOf is the import path behind the left side of a selector, or "" if that is no package.
func (f *File) importOf(sel *ast.SelectorExpr) string {
	id, ok := sel.X.(*ast.Ident)
	if !ok || id.Obj != nil { // an Obj is a variable or type of this file
		return ""
	}
	for _, spec := range f.AST.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		if importName(spec, p) == id.Name {
			return p
		}
	}
	return ""
}

// importName is the name under which an import is used: its own, or the last part of the path that is no version.
func importName(spec *ast.ImportSpec, p string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	base := path.Base(p)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(p))
	}
	return base
}
