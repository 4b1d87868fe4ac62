package rules

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

const markerPrefix = "//rules:"

// Kinds of markers.
const (
	ordered    = "ordered"
	flat       = "flat"
	impossible = "impossible"
	sleep      = "sleep"
)

// marker is an exception written into a file.
type marker struct {
	kind, reason string
	used         bool
}

// findMarkers collects the markers of a file by line.
func findMarkers(fset *token.FileSet, f *ast.File) map[int]*marker {
	found := map[int]*marker{}
	for _, group := range f.Comments {
		for _, c := range group.List {
			rest, ok := strings.CutPrefix(c.Text, markerPrefix)
			if !ok {
				continue
			}
			kind, reason, _ := strings.Cut(rest, " ")
			found[fset.Position(c.Pos()).Line] = &marker{kind: kind, reason: strings.TrimSpace(reason)}
		}
	}
	return found
}

// excused says whether a marker of the kind stands on the line of the node or on the one above.
func (f *File) excused(kind string, n ast.Node) bool {
	line := f.line(n.Pos())
	for _, l := range []int{line, line - 1} {
		if m := f.markers[l]; m != nil && m.kind == kind {
			m.used = true
			return true
		}
	}
	return false
}

// excusedFunc says whether a marker of the kind stands in a function's comment or on its first line.
func (f *File) excusedFunc(kind string, fn *ast.FuncDecl) bool {
	if f.excused(kind, fn) {
		return true
	}
	if fn.Doc == nil {
		return false
	}
	for l := f.line(fn.Doc.Pos()); l <= f.line(fn.Doc.End()); l++ {
		if m := f.markers[l]; m != nil && m.kind == kind {
			m.used = true
			return true
		}
	}
	return false
}

// checkMarkers finds markers that are unknown, say no reason or excuse nothing. It runs after all other rules.
func checkMarkers(t *Tree) (all []Violation) {
	kinds := []string{ordered, flat, impossible, sleep}
	for _, f := range t.Files {
		for line, m := range f.markers {
			switch {
			case !slices.Contains(kinds, m.kind):
				all = append(all, Violation{"markers", f.Path, line, "unknown marker " + markerPrefix + m.kind + ": use one of " + strings.Join(kinds, ", ")})
			case m.reason == "":
				all = append(all, Violation{"markers", f.Path, line, "marker " + markerPrefix + m.kind + " gives no reason: write one behind it"})
			case !m.used:
				all = append(all, Violation{"markers", f.Path, line, "marker " + markerPrefix + m.kind + " excuses nothing: remove it"})
			}
		}
	}
	return all
}
