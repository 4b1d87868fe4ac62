package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// world is a drawn pair of logs with a map between them.
type world struct {
	source, target map[int64]record
	m              offsetmap.Map
	q              Request
	start          int64
}

func content(i int64) record {
	return record{timestamp: i, key: []byte(fmt.Sprint(i % 3)), value: []byte(fmt.Sprint("value ", i))}
}

// drawWorld copies a source with gaps exactly, native records between, and then
// does some harm.
func drawWorld(rt *rapid.T) *world {
	w := &world{source: map[int64]record{}, target: map[int64]record{}}
	w.q.Shared, w.q.Compacted = rapid.Bool().Draw(rt, "shared"), rapid.Bool().Draw(rt, "compacted")
	source, target := int64(0), int64(0)
	for range rapid.IntRange(0, 8).Draw(rt, "runs") {
		source += rapid.Int64Range(0, 3).Draw(rt, "gap")
		if w.q.Shared {
			for range rapid.Int64Range(0, 2).Draw(rt, "natives") {
				w.put(w.target, target, content(10_000+target))
				target++
			}
		}
		n := rapid.Int64Range(1, 5).Draw(rt, "count")
		require.NoError(rt, w.m.Skip(source))
		require.NoError(rt, w.m.Append(offsetmap.Run{Source: source, Target: target, Count: n}))
		for range n {
			w.put(w.source, source, content(source))
			w.put(w.target, target, content(source))
			source, target = source+1, target+1
		}
	}
	w.q.UpTo = rapid.Int64Range(0, source).Draw(rt, "up to")
	w.start = rapid.Int64Range(0, 3).Draw(rt, "log start")
	w.harm(rt, source, target)
	return w
}

func (w *world) put(side map[int64]record, at int64, r record) {
	r.offset = at
	side[at] = r
}

// harm removes and changes records on both sides.
func (w *world) harm(rt *rapid.T, source, target int64) {
	for range rapid.IntRange(0, 3).Draw(rt, "harms") {
		s, t := rapid.Int64Range(0, max(source, 1)).Draw(rt, "source"), rapid.Int64Range(0, max(target, 1)).Draw(rt, "target")
		switch rapid.IntRange(0, 3).Draw(rt, "harm") {
		case 0:
			delete(w.source, s)
		case 1:
			delete(w.target, t)
		case 2:
			if r, ok := w.target[t]; ok {
				r.value = []byte("changed")
				w.target[t] = r
			}
		default:
			if _, ok := w.source[s]; !ok {
				w.put(w.source, s, content(s))
			}
		}
	}
	for o := range w.start {
		delete(w.source, o)
	}
}

// cursorOver is a cursor that has read everything.
func cursorOver(side map[int64]record, from, until int64) *cursor {
	c := &cursor{next: until, until: until}
	for o, r := range side {
		if o >= from && o < until {
			c.pending = append(c.pending, r)
		}
	}
	slices.SortFunc(c.pending, func(a, b record) int { return cmp.Compare(a.offset, b.offset) })
	return c
}

// dumb finds the differences by looking every offset up.
func (w *world) dumb() []Difference {
	var out []Difference
	image, origin := map[int64]int64{}, map[int64]int64{}
	for _, r := range w.m.Runs() {
		for i := range r.Count {
			image[r.Source+i], origin[r.Target+i] = r.Target+i, r.Source+i
		}
	}
	for s := range w.q.UpTo {
		sr, has := w.source[s]
		if !has {
			continue
		}
		t, mapped := image[s]
		tr, there := w.target[t]
		switch {
		case !mapped:
			out = append(out, Difference{Kind: Missing, Source: s, Target: -1})
		case !there:
			out = append(out, Difference{Kind: Missing, Source: s, Target: t})
		case string(sr.value) != string(tr.value):
			out = append(out, Difference{Kind: Changed, Source: s, Target: t, What: difference(sr, tr)})
		}
	}
	for t := range targetEnd(&w.m, w.q.UpTo) {
		s, mapped := origin[t]
		_, there := w.target[t]
		_, left := w.source[s]
		switch {
		case there && !mapped && !w.q.Shared:
			out = append(out, Difference{Kind: Extra, Source: -1, Target: t})
		case there && mapped && !left && !w.q.Compacted && s >= w.start:
			out = append(out, Difference{Kind: Vanished, Source: s, Target: t})
		}
	}
	return out
}

func TestComparisonAgainstLookingUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.q.Map = &w.m
		c := &comparison{Request: w.q, source: sha256.New(), target: sha256.New()}
		source, target := cursorOver(w.source, w.start, w.q.UpTo), cursorOver(w.target, 0, targetEnd(&w.m, w.q.UpTo))
		require.NoError(rt, c.along(context.Background(), source, target, w.start))
		want := w.dumb()
		require.ElementsMatch(rt, want, c.res.Differences)
		require.EqualValues(rt, len(want), c.res.Count)
		same := slices.Equal(c.source.Sum(nil), c.target.Sum(nil))
		harmless := !slices.ContainsFunc(want, func(d Difference) bool { return d.Kind == Missing || d.Kind == Changed })
		require.Equal(rt, harmless, same, "the digests say the same")
	})
}

// TestHashesTellSequencesApart: no two different sequences of records may share
// an encoding.
func TestHashesTellSequencesApart(t *testing.T) {
	seen := map[string]string{}
	for name, rs := range map[string][]record{
		"none":          {},
		"empty":         {{}},
		"empty key":     {{key: []byte{}}},
		"empty value":   {{value: []byte{}}},
		"ab":            {{key: []byte("a"), value: []byte("b")}},
		"ab in the key": {{key: []byte("ab"), value: []byte{}}},
		"two":           {{}, {}},
		"timestamp":     {{timestamp: 1}},
		"a then b":      {{value: []byte("a")}, {value: []byte("b")}},
		"b then a":      {{value: []byte("b")}, {value: []byte("a")}},
		"a with b":      {{key: []byte("b"), value: []byte("a")}},
	} {
		c := &comparison{}
		h := sha256.New()
		for _, r := range rs {
			c.hash(h, r)
		}
		sum := string(h.Sum(nil))
		require.Empty(t, seen[sum], name)
		seen[sum] = name
	}
}
