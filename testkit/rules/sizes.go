package rules

import (
	"cmp"
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// Limits of functions, in lines from `func` to the closing brace, and of files; tests and generated files do not count.
const (
	shortLines, shortPercent = 20, 85.0 // at least this share is this short
	longLines, longPercent   = 40, 94.0
	maxFunc                  = 80 // no function is longer, but flat ones
	medianFile               = 170
	maxFile                  = 500
)

// function is one function of the tree with its size.
type function struct {
	file  *File
	decl  *ast.FuncDecl
	lines int
	flat  bool
}

func (t *Tree) functions() (all []function) {
	for _, f := range t.sources() {
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				lines := f.span(fn)
				all = append(all, function{f, fn, lines, lines > shortLines && f.excusedFunc(flat, fn)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b function) int { return cmp.Compare(b.lines, a.lines) })
	return all
}

// checkFunctions holds the lengths of functions to the limits, singly and as a distribution over the tree. Flat functions are
// exempt from both.
func checkFunctions(t *Tree) (all []Violation) {
	counted := slices.DeleteFunc(t.functions(), func(f function) bool { return f.flat })
	for _, f := range counted {
		if f.lines > maxFunc {
			all = append(all, f.file.at("functions", f.decl, "%s has %d lines, the limit is %d: split it, or mark a flat switch or table with %s%s REASON",
				funcName(f.decl), f.lines, maxFunc, markerPrefix, flat))
		}
	}
	all = append(all, share(counted, shortLines, shortPercent)...)
	return append(all, share(counted, longLines, longPercent)...)
}

// share reports when too few functions keep a limit, with the ones whose shortening would help most cheaply: those just over.
func share(all []function, limit int, percent float64) []Violation {
	over := 0
	for over < len(all) && all[over].lines > limit { // sorted, longest first
		over++
	}
	if len(all) == 0 || 100*float64(len(all)-over)/float64(len(all)) >= percent {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%.1f %% of %d functions have at most %d lines, %.0f %% is the least; those just over:", 100*float64(len(all)-over)/float64(len(all)), len(all), limit, percent)
	for _, f := range all[max(0, over-15):over] {
		fmt.Fprintf(&b, "\n\t%s:%d: %s has %d lines", f.file.Path, f.file.line(f.decl.Pos()), funcName(f.decl), f.lines)
	}
	return []Violation{{Rule: "functions", Path: ".", Text: b.String()}}
}

// checkFiles holds the lengths of files to the limits, singly and as a median over the tree.
func checkFiles(t *Tree) (all []Violation) {
	files := t.sources()
	slices.SortStableFunc(files, func(a, b *File) int { return cmp.Compare(b.Lines, a.Lines) })
	for _, f := range files {
		if f.Lines > maxFile {
			all = append(all, Violation{"files", f.Path, 0, fmt.Sprintf("%d lines, the limit is %d: split it by thought", f.Lines, maxFile)})
		}
	}
	if len(files) == 0 || files[len(files)/2].Lines <= medianFile {
		return all
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the median of %d files is %d lines, the limit is %d; the longest:", len(files), files[len(files)/2].Lines, medianFile)
	for _, f := range files[:min(15, len(files))] {
		fmt.Fprintf(&b, "\n\t%s: %d lines", f.Path, f.Lines)
	}
	return append(all, Violation{Rule: "files", Path: ".", Text: b.String()})
}

// Summary is the tree in numbers: functions, files, and how much of it is tests.
func Summary(t *Tree) string {
	fns := t.functions()
	within := func(limit int) float64 {
		n := 0
		for _, f := range fns {
			if f.lines <= limit {
				n++
			}
		}
		return 100 * float64(n) / float64(max(1, len(fns)))
	}
	code, tests := 0, 0
	for _, f := range t.Files {
		switch {
		case f.Test:
			tests += f.Lines
		case !f.Generated():
			code += f.Lines
		}
	}
	return fmt.Sprintf("%d files, %d functions (%.1f %% ≤%d lines, %.1f %% ≤%d), %d lines of source, %d of tests",
		len(t.Files), len(fns), within(shortLines), shortLines, within(longLines), longLines, code, tests)
}
