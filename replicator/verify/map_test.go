package verify

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// mapped is a pair of logs with an exact map between them, as records by offset.
type mapped struct {
	world
	source, target map[int64]record
	m              offsetmap.Map
}

// drawMapped copies a source with gaps exactly, with records of others between,
// and then does some harm.
func drawMapped(rt *rapid.T) *mapped {
	w := &mapped{source: map[int64]record{}, target: map[int64]record{}}
	w.cfg = small(rt)
	w.q.Shared, w.q.Compacted = rapid.Bool().Draw(rt, "shared"), rapid.Bool().Draw(rt, "compacted")
	source, target := int64(0), int64(0)
	for range rapid.IntRange(0, 12).Draw(rt, "runs") {
		source += rapid.Int64Range(0, 3).Draw(rt, "gap")
		if w.q.Shared {
			for range rapid.Int64Range(0, 2).Draw(rt, "natives") {
				w.target[target] = content(int(10_000 + target))
				target++
			}
		}
		n := rapid.Int64Range(1, 60).Draw(rt, "count")
		require.NoError(rt, w.m.Skip(source))
		require.NoError(rt, w.m.Append(offsetmap.Run{Source: source, Target: target, Count: n}))
		for range n {
			w.source[source], w.target[target] = content(int(source)), content(int(source))
			source, target = source+1, target+1
		}
	}
	w.q.Map, w.q.UpTo = &w.m, rapid.Int64Range(0, source).Draw(rt, "up to")
	start := rapid.Int64Range(0, 3).Draw(rt, "log start")
	w.spoil(rt, source, target)
	w.world.source = logOf(w.source, start)
	w.world.target = logOf(w.target, 0)
	w.world.source.per, w.world.target.per = rapid.IntRange(1, 9).Draw(rt, "source batches"), rapid.IntRange(1, 9).Draw(rt, "target batches")
	return w
}

// logOf puts records in order and forgets those below the log start.
func logOf(by map[int64]record, start int64) *side {
	s := &side{start: start}
	for o, r := range by {
		r.Offset = o
		if o >= start {
			s.records = append(s.records, r)
		}
	}
	slices.SortFunc(s.records, func(a, b record) int { return cmp.Compare(a.Offset, b.Offset) })
	return s
}

// spoil removes and changes records on both sides, each where it is.
func (w *mapped) spoil(rt *rapid.T, source, target int64) {
	for range rapid.IntRange(0, 5).Draw(rt, "harms") {
		s, t := rapid.Int64Range(0, max(source, 1)).Draw(rt, "source"), rapid.Int64Range(0, max(target, 1)).Draw(rt, "target")
		switch rapid.IntRange(0, 4).Draw(rt, "harm") {
		case 0:
			delete(w.source, s)
		case 1:
			delete(w.target, t)
		case 2:
			if r, ok := w.target[t]; ok {
				r.Value = []byte(fmt.Sprint("changed ", t))
				w.target[t] = r
			}
		case 3:
			w.q.Losses = append(w.q.Losses, events.Interval{From: s, To: s + 2})
		default:
			if _, ok := w.source[s]; !ok {
				w.source[s] = content(int(s))
			}
		}
	}
}

// dumb finds the differences, and what is none, by looking every offset up.
func (w *mapped) dumb() (out []Finding, explained map[Reason]int64) {
	explained = map[Reason]int64{}
	image, origin := map[int64]int64{}, map[int64]int64{}
	for _, r := range w.m.Runs() {
		for i := range r.Count {
			image[r.Source+i], origin[r.Target+i] = r.Target+i, r.Source+i
		}
	}
	start, until := w.world.source.start, min(w.world.target.end(), (&images{runs: w.m.Runs()}).end(0, w.q.UpTo))
	for s := start; s < w.q.UpTo; s++ {
		sr, has := w.source[s]
		t, known := image[s]
		tr, there := w.target[t]
		switch {
		case !has:
		case !known || !there || t >= until:
			if w.q.lost(s) {
				explained[GivenUp]++
				continue
			}
			out = append(out, Finding{Kind: Loss, Source: s, Target: -1})
		case string(sr.Value) != string(tr.Value):
			out = append(out, Finding{Kind: Corrupted, Source: s, Target: t, Fields: []string{fieldValue}})
		}
	}
	for t := range until {
		s, known := origin[t]
		_, there := w.target[t]
		_, left := w.source[s]
		switch {
		case !there || known && left && s >= start:
		case !known && w.q.Shared:
			explained[Native]++
		case !known:
			out = append(out, Finding{Kind: Extra, Source: -1, Target: t})
		case s < start:
			explained[SourceExpired]++
		case w.q.Compacted:
			explained[SourceCompacted]++
		default:
			out = append(out, Finding{Kind: Vanished, Source: s, Target: t})
		}
	}
	return out, explained
}

// TestByMapAgainstLookingUp: with a map, what differs is what is found by looking
// up every offset on both sides, and so are the counts of what is excused.
func TestByMapAgainstLookingUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawMapped(rt)
		res := w.compare(rt)
		findings, explained := w.dumb()
		require.ElementsMatch(rt, findings, bare(res.Findings))
		require.Equal(rt, explained, res.Explained)
		require.EqualValues(rt, len(res.Findings), res.Count)
		require.EqualValues(rt, w.q.UpTo, res.Verified.Source)
	})
}

// TestTheMapIsHeldAgainstTheBytes: equal batches at another offset than the map
// says are no proof of it.
func TestTheMapIsHeldAgainstTheBytes(t *testing.T) {
	w := &world{source: sideOf(contents(100)...), target: sideOf(contents(100)...), cfg: Config{Step: 10}}
	w.source.per, w.target.per = 10, 10
	w.q = Request{UpTo: 90, Map: mapOf(t, 90, offsetmap.Run{Count: 50}, offsetmap.Run{Source: 50, Target: 60, Count: 40})}
	res := w.compare(t)
	require.Equal(t, []Finding{{Kind: Displaced, Source: 50, Target: 50}}, bare(res.Findings))
	require.EqualValues(t, 40, res.Count)
	require.Equal(t, "40 differences: 40 records from source 50 on stand from target 50 on, the map says 60", res.Summary())
}
