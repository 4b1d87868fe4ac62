package rules

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// minPackageDoc is the shortest package comment that can say what a package is for, in characters.
const minPackageDoc = 40

// checkDocs finds packages without a package comment and exported names without a comment.
func checkDocs(t *Tree) (all []Violation) {
	dirs, files := t.packages()
	for _, dir := range dirs {
		if !hasPackageDoc(files[dir]) {
			f := files[dir][0]
			all = append(all, f.at("docs", f.AST.Name, "package %s has no comment of at least %d characters: say in doc.go what it is for and how it is used",
				f.AST.Name.Name, minPackageDoc))
		}
		for _, f := range files[dir] {
			if !f.Generated() && !f.Main() {
				all = append(all, undocumented(f)...)
			}
		}
	}
	return all
}

func hasPackageDoc(files []*File) bool {
	for _, f := range files {
		if len(strings.TrimSpace(f.AST.Doc.Text())) >= minPackageDoc {
			return true
		}
	}
	return false
}

func undocumented(f *File) (all []Violation) {
	for _, d := range f.AST.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if ast.IsExported(d.Name.Name) && exportedReceiver(d) && !says(d.Doc) && !errorMethod(d) {
				all = append(all, f.at("docs", d.Name, "%s is exported and has no comment", funcName(d)))
			}
		case *ast.GenDecl:
			all = append(all, undocumentedSpecs(f, d)...)
		}
	}
	return all
}

// undocumentedSpecs looks at types, constants and variables. A comment on a group of constants or variables serves them all.
func undocumentedSpecs(f *File, d *ast.GenDecl) (all []Violation) {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && !says(s.Doc) && (d.Lparen.IsValid() || !says(d.Doc)) {
				all = append(all, f.at("docs", s.Name, "type %s is exported and has no comment", s.Name.Name))
			}
		case *ast.ValueSpec:
			if says(d.Doc) || says(s.Doc) || says(s.Comment) || d.Tok == token.IMPORT {
				continue
			}
			for _, n := range s.Names {
				if n.IsExported() {
					all = append(all, f.at("docs", n, "%s %s is exported and has no comment", d.Tok, n.Name))
				}
			}
		}
	}
	return all
}

// says tells a comment from none and from bare directives.
func says(c *ast.CommentGroup) bool { return strings.TrimSpace(c.Text()) != "" }

// exportedReceiver says whether a function is no method, or one of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	name := receiver(d)
	return name == "" || ast.IsExported(name)
}

// errorMethod says whether a method is one whose meaning package errors fixes.
func errorMethod(d *ast.FuncDecl) bool {
	return receiver(d) != "" && slices.Contains([]string{"Error", "Unwrap", "Is", "As"}, d.Name.Name)
}

// receiver is the name of the type that a method belongs to, or "".
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

func funcName(d *ast.FuncDecl) string {
	if r := receiver(d); r != "" {
		return r + "." + d.Name.Name
	}
	return d.Name.Name
}
