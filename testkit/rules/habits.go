package rules

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
)

// checkInit finds init functions.
func checkInit(t *Tree) (all []Violation) {
	for _, f := range t.sources() {
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				all = append(all, f.at("init", fn, "an init function: let the caller construct what it needs"))
			}
		}
	}
	return all
}

// checkPanic finds panics without a reason why they cannot happen.
func checkPanic(t *Tree) (all []Violation) {
	for _, f := range t.sources() {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" && id.Obj == nil && !f.excused(impossible, call) {
				all = append(all, f.at("panic", call, "a panic: return an error, or say why it cannot happen: %s%s REASON", markerPrefix, impossible))
			}
			return true
		})
	}
	return all
}

// unfinished matches what people write where they did not finish. The words are put together here so that this file does not
// match itself.
func unfinished() *regexp.Regexp {
	return regexp.MustCompile(`\b(` + "TO" + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b|(?i:not ` + `implemented)`)
}

// checkWords finds unfinished work by its own words, in every source file, tests and scripts included.
func checkWords(t *Tree) (all []Violation) {
	words := unfinished()
	look := func(name, text string) {
		for i, line := range strings.Split(text, "\n") {
			if m := words.FindString(line); m != "" {
				all = append(all, Violation{"words", name, i + 1, fmt.Sprintf("%q: finish it, or write an issue", m)})
			}
		}
	}
	for _, f := range t.Files {
		look(f.Path, f.text)
	}
	for name, text := range t.Texts {
		look(name, text)
	}
	return all
}

// checkSleep finds sleeps outside tests that give no reason.
func checkSleep(t *Tree) (all []Violation) {
	for _, f := range t.sources() {
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" && f.importOf(sel) == "time" && !f.excused(sleep, sel) {
				all = append(all, f.at("sleep", sel, "time.Sleep: wait for a state or a context, or give a reason: %s%s REASON", markerPrefix, sleep))
			}
			return true
		})
	}
	return all
}
