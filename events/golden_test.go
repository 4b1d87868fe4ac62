package events

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// update writes the golden files anew. After a release that is a breaking
// change: logs that hold these records stay readable for ever.
var update = flag.Bool("update", false, "write testdata/v1 anew (never after a release)")

const goldenDir = "testdata/v1"

// golden is a record as it was released.
type golden struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	text := mustRead(t, path)
	var g golden
	require.NoError(t, json.Unmarshal(text, &g))
	return g
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err, "write it with: go test ./events -run Golden -update")
	return text
}

func writeGolden(t *testing.T, name, key string, value []byte) {
	t.Helper()
	if !*update {
		return
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(goldenDir, name)), 0o755))
	k, err := json.Marshal(key)
	require.NoError(t, err)
	text := fmt.Sprintf("{\"key\":%s,\n\"value\":%s}\n", k, value)
	require.NoError(t, os.WriteFile(filepath.Join(goldenDir, name), []byte(text), 0o644))
}

// TestGoldenEvents: every event ever released is read, written as it was, and
// none of its fields is unknown.
func TestGoldenEvents(t *testing.T) {
	for _, body := range samples() {
		key, value := encoded(t, sample(t, body))
		writeGolden(t, string(body.EventType())+".json", string(key), value)
	}
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	require.NoError(t, err)
	have := map[string]bool{}
	var d Digest
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		have[name] = true
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, path)
			e, body, refused := Decode([]byte(g.Key), g.Value)
			require.Nil(t, refused)
			require.EqualValues(t, name, e.Type)
			require.NotNil(t, body, "a released type stays in the catalogue")
			again, err := Encode(e)
			require.NoError(t, err)
			require.Equal(t, string(g.Value), string(again))
			known, err := json.Marshal(body)
			require.NoError(t, err)
			require.JSONEq(t, string(e.Body), string(known))
			d = d.Extend(e)
		})
	}
	for _, k := range Catalogue() {
		require.True(t, have[string(k.Type)], "no golden file of %s: go test ./events -run Golden -update", k.Type)
	}
	pinned := filepath.Join(goldenDir, "digest.txt")
	if *update {
		require.NoError(t, os.WriteFile(pinned, []byte(d.String()+"\n"), 0o644))
	}
	want, err := os.ReadFile(pinned)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), d.String(), "the digest of a released log never changes")
}

// TestGoldenValues: the same for directives, marks, blocks, claims and progress.
func TestGoldenValues(t *testing.T) {
	at := CopyKey{"orders-eu", "orders", 3}
	block := Block{OwnerEpoch: 4, ProducerID: 9, ProducerEpoch: 2, Number: 1, Runs: []byte{1, 2}, Watermark: 5, TargetEnd: 4, Sequence: 3}
	claim := Claim{OwnerEpoch: 4, ProducerID: 9, ProducerEpoch: 2, Owner: "w-1", Nonce: "9f3a41c2"}
	type value struct {
		key    string
		of     any
		decode func(key, value []byte) (any, error)
	}
	values := map[string]value{
		"mark":  {MarkKey(5), Mark{7}, func(k, v []byte) (any, error) { _, m, err := DecodeMark(k, v); return m, err }},
		"block": {block.Key(at).String(), block, func(k, v []byte) (any, error) { _, b, err := DecodeBlock(k, v); return b, err }},
		"claim": {claim.Key(at).String(), claim, func(k, v []byte) (any, error) { _, c, err := DecodeClaim(k, v); return c, err }},
		"progress": {at.String(), Progress{Worker: "w-1", Watermark: 5, HighWatermark: 9, Records: 5, Bytes: 500, AtMillis: 1769860800000},
			func(k, v []byte) (any, error) { _, p, err := DecodeProgress(k, v); return p, err }},
	}
	for kind, d := range orders() {
		values["directive-"+kind] = value{d.Key().String(), d, func(k, v []byte) (any, error) { return DecodeDirective(k, v) }}
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(v.of)
			require.NoError(t, err)
			writeGolden(t, "values/"+name+".json", v.key, text)
			g := readGolden(t, filepath.Join(goldenDir, "values", name+".json"))
			got, err := v.decode([]byte(g.Key), g.Value)
			require.NoError(t, err)
			require.Equal(t, v.of, got)
			again, err := json.Marshal(got)
			require.NoError(t, err)
			require.Equal(t, string(g.Value), string(again))
		})
	}
}
