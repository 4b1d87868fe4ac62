package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/schema"
	"github.com/stretchr/testify/require"
)

// TestFilesAreFresh: the files say what the code says.
func TestFilesAreFresh(t *testing.T) {
	files, err := generate("../..")
	require.NoError(t, err)
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join("..", name))
		require.NoError(t, err, "run go generate ./events/schema")
		require.Equal(t, string(want), string(have), "%s is stale: run go generate ./events/schema", name)
	}
	there, err := filepath.Glob("../*.json")
	require.NoError(t, err)
	for _, path := range there {
		require.Contains(t, files, filepath.Base(path), "its type is gone: run go generate ./events/schema")
	}
	embedded, err := schema.Files.ReadDir(".")
	require.NoError(t, err)
	require.Len(t, embedded, len(files)-1, "all but the page")
}

func TestRunWritesAndRemoves(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Gone.json"), []byte("{}"), 0o644))
	require.NoError(t, run("../..", dir))
	require.NoFileExists(t, filepath.Join(dir, "Gone.json"))
	require.FileExists(t, filepath.Join(dir, "README.md"))
	require.FileExists(t, filepath.Join(dir, "SwitchCommitted.json"))
	require.ErrorContains(t, run(dir, dir), "no Go sources")
}

// TestEverythingIsDescribed: a field without a comment is a question to the
// reader of another language.
func TestEverythingIsDescribed(t *testing.T) {
	d, err := readDocs("../..")
	require.NoError(t, err)
	known := map[reflect.Type]bool{}
	var all []reflect.Type
	for _, k := range events.Catalogue() {
		all = collect(append(all, reflect.TypeOf(k.Zero)), known, reflect.TypeOf(k.Zero), false)
	}
	for _, v := range values() {
		all = collect(append(all, v.of), known, v.of, false)
	}
	for _, part := range all {
		require.NotEmpty(t, d[part.Name()], part.Name())
	}
	require.Contains(t, d["Drained.Committed"], "what the broker accepted")
}

// resolver loads schemas by id from the generated files.
func resolved(t *testing.T, name string) *jsonschema.Resolved {
	t.Helper()
	load := func(name string) *jsonschema.Schema {
		text, err := schema.Files.ReadFile(name)
		require.NoError(t, err)
		var s jsonschema.Schema
		require.NoError(t, json.Unmarshal(text, &s))
		return &s
	}
	r, err := load(name).Resolve(&jsonschema.ResolveOptions{Loader: urlLoader(load)})
	require.NoError(t, err)
	return r
}

type goldenFile struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

func golden(t *testing.T, path string) goldenFile {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var g goldenFile
	require.NoError(t, json.Unmarshal(text, &g))
	return g
}

func instance(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal(raw, &v))
	return v
}

// TestSchemasAgreeWithTheDecoder: released events fit their schema; without a
// required field, by another role, on another stream they fit neither.
func TestSchemasAgreeWithTheDecoder(t *testing.T) {
	for _, k := range events.Catalogue() {
		t.Run(string(k.Type), func(t *testing.T) {
			g := golden(t, filepath.Join("../../testdata/v1", string(k.Type)+".json"))
			r := resolved(t, string(k.Type)+".json")
			require.NoError(t, r.Validate(instance(t, g.Value)))
			later := instance(t, g.Value)
			later["later"], later["body"].(map[string]any)["later"] = true, true
			agree(t, r, g.Key, later, true)
			for name := range instance(t, g.Value) {
				v := instance(t, g.Value)
				delete(v, name)
				_, _, refused := events.Decode([]byte(g.Key), marshal(t, v))
				agree(t, r, g.Key, v, refused == nil)
			}
			for name := range later["body"].(map[string]any) {
				v := instance(t, g.Value)
				delete(v["body"].(map[string]any), name)
				if r.Validate(v) != nil {
					agree(t, r, g.Key, v, false)
				}
			}
			for field, wrong := range map[string]any{"schema": 99.0, "type": "Other", "actor": map[string]any{"kind": "nobody", "name": "x"}, "epoch": -1.0, "at": 5.0, "body": nil} {
				v := instance(t, g.Value)
				v[field] = wrong
				require.Error(t, r.Validate(v), "%s: %v", field, wrong)
			}
			v := instance(t, g.Value)
			v["stream"] = "nothing"
			require.Error(t, r.Validate(v))
		})
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return raw
}

// agree: schema and decoder come to the same verdict.
func agree(t *testing.T, r *jsonschema.Resolved, key string, v map[string]any, want bool) {
	t.Helper()
	_, _, refused := events.Decode([]byte(key), marshal(t, v))
	if want {
		require.NoError(t, r.Validate(v))
		require.Nil(t, refused)
		return
	}
	require.Error(t, r.Validate(v), "the decoder says %v", refused)
	require.NotNil(t, refused)
}

func TestSchemasOfValues(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/v1/values/*.json")
	require.NoError(t, err)
	require.Len(t, paths, 8)
	for _, path := range paths {
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".json"), "-")
		r := resolved(t, name+".json")
		v := instance(t, golden(t, path).Value)
		require.NoError(t, r.Validate(v), path)
		require.Error(t, r.Validate(map[string]any{}), path)
	}
}
