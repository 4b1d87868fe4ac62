package rules

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
	}
}

func TestLoadReadsSourcesAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod": "module x\n", "Makefile": "test:\n", ".ci/run": "#!/bin/sh\n", "README.md": "read me\n",
		"agent/a.go": src("agent"), "agent/a_test.go": plain("agent"), "deploy/chart/values.yaml": "a: 1\n",
		"agent/testdata/bad.go": "no go", ".cache/x.go": "no go", "_old/x.go": "no go", "bin/x.go": "no go",
		"other/go.mod": "module y\n", "other/x.go": "no go", "notes.txt": "hello",
	})
	tree, err := Load(dir)
	require.NoError(t, err)
	var got []string
	for _, f := range tree.Files {
		got = append(got, f.Path)
	}
	require.Equal(t, []string{"agent/a.go", "agent/a_test.go"}, got)
	require.Equal(t, []string{".ci/run", "Makefile", "deploy/chart/values.yaml"}, slices.Sorted(maps.Keys(tree.Texts)))
	require.Empty(t, Check(tree))
}

func TestLoadNamesAMissingFolder(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "nowhere")
}

func TestViolationsAreSortedByPlace(t *testing.T) {
	found := Check(Parse(map[string]string{
		"agent/b.go": src("agent", "func init() {}", "func init() {}"),
		"agent/a.go": plain("agent", "func init() {}"),
	}))
	var got []string
	for _, v := range found["init"] {
		got = append(got, v.String()[:13])
	}
	require.Equal(t, []string{"agent/a.go:2:", "agent/b.go:3:", "agent/b.go:4:"}, got)
}

func TestEveryRuleSaysWhy(t *testing.T) {
	names := map[string]bool{}
	for _, r := range All() {
		require.False(t, names[r.Name], r.Name)
		names[r.Name] = true
		require.NotEmpty(t, r.Why)
	}
	require.Equal(t, "markers", All()[len(All())-1].Name, "markers judges what the others left unused")
}
