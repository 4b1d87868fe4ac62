package classes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
)

const goldens = "../../../cluster/batch/testdata/classes"

// Every page of every scene has its golden on every source, and no golden is left of a scene that is gone.
func TestScenesHaveGoldens(t *testing.T) {
	all, err := Load(goldens)
	require.NoError(t, err)
	for _, version := range Sources() {
		names := map[string]bool{}
		for _, s := range Scenes(version) {
			require.False(t, names[s.Name], "two scenes are called %s", s.Name)
			names[s.Name] = true
			require.NotEmpty(t, s.About, s.Name)
			for page := range s.asks() {
				name := Golden{Scene: s.GoldenName(page), Version: version}.Name()
				g, found := all[name]
				require.True(t, found, "%s: PORTAGE_REAL=1 go test ./cluster/batch -run TestRealClasses -update", name)
				require.Equal(t, s.About, g.About, name)
				require.Equal(t, s.Limits, g.Page.Limits, name)
				require.Equal(t, s.Stops != "" && s.Code == 0, g.Stop != "", "%s: %s", name, g.Stop)
				require.Contains(t, g.Stop, map[bool]string{true: s.Stops}[s.Code == 0], name)
				delete(all, name)
			}
		}
	}
	require.Empty(t, all, "goldens without a scene")
}

// A golden reads back as it was written, bytes of the page included.
func TestGoldenFiles(t *testing.T) {
	one, err := batch.Build(batch.Spec{}, []batch.Record{{Value: []byte("v")}})
	require.NoError(t, err)
	page := Page{Records: append(append([]byte(nil), one...), one[:60]...), Aborted: []batch.Aborted{{ProducerID: 3, First: 4}}, Limits: Limits{MaxBytes: 9000}}
	g := Golden{Scene: "s", About: "what", Version: "1.0", Page: page, Result: Replay(page, Identity())}
	require.Equal(t, Hex(one[:60]), g.Rest)
	dir := filepath.Join(t.TempDir(), "new")
	require.NoError(t, g.Save(dir))
	all, err := Load(dir)
	require.NoError(t, err)
	got := all["s@1.0"]
	require.Equal(t, g.Page, got.Page)
	want, err := g.Text()
	require.NoError(t, err)
	text, err := got.Text()
	require.NoError(t, err)
	require.Equal(t, want, text)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.json"), []byte(`{"batches":[{"raw":"xyz"}]}`), 0o644))
	_, err = Load(dir)
	require.ErrorContains(t, err, "bad.json")
}

// pageOf is a page of batches of n records each, one behind the other.
func pageOf(t *testing.T, limits Limits, sizes ...int) Page {
	t.Helper()
	p := Page{Limits: limits}
	for _, n := range sizes {
		b, err := batch.Build(batch.Spec{}, make([]batch.Record, n))
		require.NoError(t, err)
		for i := range 8 { // the base offset, big endian, outside the checksum
			b[i] = byte(p.LastStable >> (56 - 8*i))
		}
		p.Records, p.LastStable = append(p.Records, b...), p.LastStable+int64(n)
	}
	return p
}

func origin(r Result) (all []string) {
	for _, s := range r.Sent {
		all = append(all, s.Origins)
	}
	return all
}

// Small batches are merged up to a size, a large one parts them, and a page that begins within a batch leaves out what is below.
func TestReplayMergesAndCuts(t *testing.T) {
	one := pageOf(t, Limits{}, 1)
	small := Limits{MergeBelow: len(one.Records), MergeUpTo: 2 * len(one.Records)}
	p := pageOf(t, small, 1, 1, 1, 5, 1, 1)
	require.Equal(t, []string{"0-1", "2-2", "3-7", "8-9"}, origin(Replay(p, Identity())))
	p.Limits, p.From = Limits{}, 4
	r := Replay(p, Identity())
	require.Equal(t, []string{"4-7", "8-8", "9-9"}, origin(r))
	require.True(t, r.Sent[0].Encoded)
	require.False(t, r.Sent[1].Encoded)
	require.EqualValues(t, 4, r.Sent[1].Batch.Producer().Sequence)
	require.EqualValues(t, 10, r.Next)
	require.Len(t, r.Batches, 6, "those below are judged, too")
}

// Damage stops the copy behind what came before it, whatever the class of the damaged batch would be.
func TestReplayStopsAtDamage(t *testing.T) {
	for name, at := range map[string]int{"a record": batch.HeaderSize + 3, "the control flag": 22} {
		p := pageOf(t, Limits{}, 2, 2)
		p.Records[len(p.Records)/2+at] ^= 0x20
		r := Replay(p, Identity())
		require.Equal(t, []string{"0-1"}, origin(r), name)
		require.Contains(t, r.Stop, "source offset 2: corrupt record batch", name)
	}
}
