package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// docs are the comments of package events: of a type under its name, of a field
// under TYPE.FIELD.
type docs map[string]string

func readDocs(dir string) (docs, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no Go sources in %s: run it in events/schema", dir)
	}
	d := make(docs)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				d.types(g)
			}
		}
	}
	return d, nil
}

func (d docs) types(g *ast.GenDecl) {
	for _, s := range g.Specs {
		spec := s.(*ast.TypeSpec)
		comment := spec.Doc.Text()
		if comment == "" {
			comment = g.Doc.Text()
		}
		d[spec.Name.Name] = oneLine(comment)
		if fields, ok := spec.Type.(*ast.StructType); ok {
			d.fields(spec.Name.Name, fields)
		}
	}
}

// mentions says whether a comment is about a field that follows, too: "From and
// To bound the offsets".
func mentions(comment, name string) bool {
	return slices.Contains(strings.FieldsFunc(comment, func(r rune) bool { return !unicode.IsLetter(r) }), name)
}

func (d docs) fields(of string, s *ast.StructType) {
	last := ""
	for _, f := range s.Fields.List {
		comment := f.Doc.Text()
		if comment == "" {
			comment = f.Comment.Text()
		}
		for _, name := range f.Names {
			if comment == "" && mentions(last, name.Name) {
				comment = last
			}
			d[of+"."+name.Name] = oneLine(comment)
		}
		last = comment
	}
}
