package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root finds the folder of go.mod above this package.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		require.NotEqual(t, dir, filepath.Dir(dir), "no go.mod above this package")
		dir = filepath.Dir(dir)
	}
}

// TestRepositoryKeepsItsRules is the one that matters: the tree as it is.
func TestRepositoryKeepsItsRules(t *testing.T) {
	tree, err := Load(root(t))
	require.NoError(t, err)
	t.Log(Summary(tree))
	found := Check(tree)
	for _, r := range All() {
		t.Run(r.Name, func(t *testing.T) {
			for _, v := range found[r.Name] {
				t.Error(v)
			}
			if t.Failed() {
				t.Logf("the rule: %s (package testkit/rules)", r.Why)
			}
		})
	}
}

// TestTreeIsSeen guards against a rule that passes because nothing was looked at.
func TestTreeIsSeen(t *testing.T) {
	tree, err := Load(root(t))
	require.NoError(t, err)
	paths := map[string]*File{}
	for _, f := range tree.Files {
		paths[f.Path] = f
		require.NotContains(t, f.Path, "testdata/")
		require.False(t, strings.HasPrefix(f.Path, "."), f.Path)
	}
	require.Contains(t, paths, "testkit/rules/check.go")
	require.False(t, paths["testkit/rules/check.go"].Test)
	require.True(t, paths["testkit/rules/repository_test.go"].Test)
	require.Contains(t, paths, "testkit/embedded/pair.go")
	require.Contains(t, tree.Texts, "Makefile")
	require.Contains(t, tree.Texts, ".ci/run")
}

// TestTableHasNoGhosts finds rows that allow what has no row itself.
func TestTableHasNoGhosts(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range table() {
		require.False(t, seen[r.name], "two rows for %s", r.name)
		seen[r.name] = true
	}
	for _, r := range table() {
		for _, m := range r.may {
			if m != anything {
				known, ok := rowOf(m)
				require.True(t, ok, "%s may import %s, which has no row", r.name, m)
				require.True(t, seen[m] || known.name == "testkit", "%s may import %s, which no row names", r.name, m)
			}
		}
	}
}
