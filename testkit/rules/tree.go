package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Module is the import path of the repository's module.
const Module = "github.com/portage-kafka/portage"

// Tree is the parsed sources of one repository.
type Tree struct {
	// Files are the Go files, sorted by path.
	Files []*File
	// Texts are the other sources (scripts, pages, settings) by path.
	Texts map[string]string

	fset   *token.FileSet
	broken []Violation // files that do not parse
}

// File is one Go file.
type File struct {
	// Path is relative to the repository's root, with slashes.
	Path string
	// Dir is the folder of Path: "cluster/batch", or "." for the root.
	Dir string
	// Test says whether the file is compiled into tests only.
	Test bool
	// Lines is the number of lines.
	Lines int
	// AST is the parsed file with comments.
	AST *ast.File

	text    string
	fset    *token.FileSet
	markers map[int]*marker // by line
}

// Load parses the repository at root. Hidden folders (but .ci), testdata and nested modules are left out.
func Load(root string) (*Tree, error) {
	sources := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(name, root), string(filepath.Separator)))
		if d.IsDir() {
			return skip(root, rel, d.Name())
		}
		if !isSource(rel) {
			return nil
		}
		raw, err := os.ReadFile(name)
		if os.IsNotExist(err) { // an editor's temporary file
			return nil
		}
		sources[rel] = string(raw)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the sources below %s: %w", root, err)
	}
	return Parse(sources), nil
}

// skip decides whether a folder is left out.
func skip(root, rel, base string) error {
	if rel == "" || rel == ".ci" {
		return nil
	}
	hidden := strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
	if hidden || slices.Contains([]string{"testdata", "vendor", "node_modules", "bin"}, base) {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(rel), "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

func isSource(rel string) bool {
	kinds := []string{".go", ".sh", ".js", ".css", ".html", ".yaml", ".yml", ".proto"}
	return slices.Contains(kinds, path.Ext(rel)) || path.Base(rel) == "Makefile" || rel == ".ci/run"
}

// Parse makes a tree out of sources by path. A file that does not parse is reported by Check.
func Parse(sources map[string]string) *Tree {
	t := &Tree{Texts: map[string]string{}, fset: token.NewFileSet()}
	for name, text := range sources {
		if path.Ext(name) != ".go" {
			t.Texts[name] = text
			continue
		}
		parsed, err := parser.ParseFile(t.fset, name, text, parser.ParseComments)
		if err != nil {
			t.broken = append(t.broken, Violation{Rule: "parse", Path: name, Text: err.Error()})
			continue
		}
		t.Files = append(t.Files, newFile(t.fset, name, text, parsed))
	}
	slices.SortFunc(t.Files, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
	return t
}

func newFile(fset *token.FileSet, name, text string, parsed *ast.File) *File {
	return &File{
		Path: name, Dir: path.Dir(name), Test: strings.HasSuffix(name, "_test.go"),
		Lines: strings.Count(text, "\n"), AST: parsed, text: text, fset: fset, markers: findMarkers(fset, parsed),
	}
}

// Generated says whether the file says of itself that a program wrote it.
func (f *File) Generated() bool { return ast.IsGenerated(f.AST) }

// Main says whether the file belongs to a program rather than to a package that others import.
func (f *File) Main() bool { return f.AST.Name.Name == "main" }

// at makes a violation at a node.
func (f *File) at(rule string, n ast.Node, format string, args ...any) Violation {
	return Violation{Rule: rule, Path: f.Path, Line: f.line(n.Pos()), Text: fmt.Sprintf(format, args...)}
}

func (f *File) line(p token.Pos) int { return f.fset.Position(p).Line }

// span is the number of lines of a node.
func (f *File) span(n ast.Node) int { return f.line(n.End()) - f.line(n.Pos()) + 1 }

// Violation is one place where a rule is broken.
type Violation struct {
	Rule string // name of the rule, see All
	Path string // file, relative to the root
	Line int    // 1-based; 0: the whole file
	Text string // what was found, the limit, the way out
}

// String is the violation as compilers print errors.
func (v Violation) String() string {
	if v.Line == 0 {
		return fmt.Sprintf("%s: [%s] %s", v.Path, v.Rule, v.Text)
	}
	return fmt.Sprintf("%s:%d: [%s] %s", v.Path, v.Line, v.Rule, v.Text)
}

// sources are the files that are neither tests nor generated.
func (t *Tree) sources() []*File {
	return slices.DeleteFunc(slices.Clone(t.Files), func(f *File) bool { return f.Test || f.Generated() })
}

// packages are the non-test files by folder, with the folders in order.
func (t *Tree) packages() (dirs []string, files map[string][]*File) {
	files = map[string][]*File{}
	for _, f := range t.Files {
		if f.Test {
			continue
		}
		if files[f.Dir] == nil {
			dirs = append(dirs, f.Dir)
		}
		files[f.Dir] = append(files[f.Dir], f)
	}
	slices.Sort(dirs)
	return dirs, files
}
