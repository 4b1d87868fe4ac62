package oracle

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/testkit/workload"
)

func TestACleanMigrationIsOK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		rep := weigh(w.cfg, w.logs, w.commits)
		require.True(t, rep.OK(), rep.Table())
		require.Empty(t, rep.Excused)
		require.Equal(t, rep.Topics[0].Sent, rep.Topics[0].Target)
		require.Equal(t, rep.Topics[0].Sent, rep.Groups[0].Records)
		require.Zero(t, rep.Strays)
	})
}

// spoil is a fault done to a clean world; it returns the record that must be the example.
type spoil func(*rapid.T, *world) workload.ID

// faults has one way at least to cause each kind, which must name that kind and no other.
func faults() map[string]struct {
	kind  Kind
	spoil spoil
} {
	return map[string]struct {
		kind  Kind
		spoil spoil
	}{
		"lost by the copy":       {Loss, lose},
		"copied twice":           {Duplicate, copyTwice},
		"two swapped on target":  {Reorder, swap},
		"copied with other data": {Altered, alter},
		"checksum does not fit":  {Altered, spoilSum},
		"aborted and visible":    {Aborted, showAborted},
		"handled twice":          {Reprocessed, handleTwice},
		"handled on both sides":  {Reprocessed, handleOnBoth},
		"never handled":          {Unprocessed, handleNever},
		"begun, not handled":     {Unprocessed, handleHalf},
		"overtaken":              {Overtaken, overtake},
		"on two clusters":        {TwoClusters, handleAtOnce},
	}
}

func lose(t *rapid.T, w *world) workload.ID {
	i := w.pick(t, whichever)
	id := w.logs[i].id
	w.logs = slices.Delete(w.logs, i, i+1)
	if rapid.Bool().Draw(t, "handled before") {
		w.dropEntries(func(e workload.Entry) bool { return e.ID == id && e.Group != "" })
	}
	return id
}

func copyTwice(t *rapid.T, w *world) workload.ID {
	i := w.pick(t, whichever)
	again := w.logs[i]
	again.offset = 1000
	w.logs = append(w.logs, again)
	if rapid.Bool().Draw(t, "and handled") {
		w.handle(again.id, workload.Place{Cluster: "new", Topic: "orders.v2", Partition: again.partition, Offset: 1000}, 5000*ms, 5001*ms)
	}
	return again.id
}

// swap exchanges two neighbours that came from the source, or that are of one lane.
func swap(t *rapid.T, w *world) workload.ID {
	onSource := func(id workload.ID) bool {
		return slices.ContainsFunc(w.logs, func(s seen) bool { return s.side == source && s.id == id })
	}
	sameLane := func(a, b workload.ID) bool { return a.Producer == b.Producer && a.Key == b.Key }
	next := func(i int) int {
		return slices.IndexFunc(w.logs, func(s seen) bool {
			return s.side == target && s.partition == w.logs[i].partition && s.offset == w.logs[i].offset+1
		})
	}
	i := w.pick(t, func(i int) bool {
		j := next(i)
		return j >= 0 && (onSource(w.logs[i].id) && onSource(w.logs[j].id) || sameLane(w.logs[i].id, w.logs[j].id))
	})
	j := next(i)
	w.logs[i].id, w.logs[j].id = w.logs[j].id, w.logs[i].id
	w.logs[i].sum, w.logs[j].sum = w.logs[j].sum, w.logs[i].sum
	return w.logs[j].id
}

func alter(t *rapid.T, w *world) workload.ID {
	i := w.pick(t, func(i int) bool {
		return slices.ContainsFunc(w.logs, func(s seen) bool { return s.side == source && s.id == w.logs[i].id })
	})
	w.logs[i].sum++
	return w.logs[i].id
}

func spoilSum(t *rapid.T, w *world) workload.ID {
	i := w.pick(t, whichever)
	w.logs[i].err = workload.ErrAltered
	w.logs[i].sum++
	return w.logs[i].id
}

func showAborted(t *rapid.T, w *world) workload.ID {
	id := workload.ID{Run: "r", Producer: "tx", Key: "k", Seq: 3}
	at := workload.Place{Cluster: "old", Topic: "orders", Partition: 0, Offset: 500}
	w.cfg.Entries = append(w.cfg.Entries, workload.Entry{Kind: workload.KindAborted, ID: id, Place: at})
	w.see(rapid.SampledFrom([]side{source, target}).Draw(t, "side"), 0, 500, id)
	return id
}

func handleTwice(t *rapid.T, w *world) workload.ID {
	e := w.cfg.Entries[w.handlings(w.logs[w.pick(t, whichever)].id)[0]]
	w.handle(e.ID, e.Place, 5000*ms, 5001*ms)
	return e.ID
}

func handleOnBoth(t *rapid.T, w *world) workload.ID {
	e := w.cfg.Entries[w.handlings(w.logs[w.pick(t, whichever)].id)[0]]
	e.Place.Cluster, e.Place.Topic = "new", "orders.v2"
	w.handle(e.ID, e.Place, 5000*ms, 5001*ms)
	return e.ID
}

func handleNever(t *rapid.T, w *world) workload.ID {
	id := w.logs[w.pick(t, whichever)].id
	w.dropEntries(func(e workload.Entry) bool { return e.ID == id && e.Group != "" })
	return id
}

func handleHalf(t *rapid.T, w *world) workload.ID {
	id := w.logs[w.pick(t, whichever)].id
	w.dropEntries(func(e workload.Entry) bool { return e.ID == id && e.Kind == workload.KindHandled })
	return id
}

// overtake lets a record of a key, all handled on the target, end after everything.
func overtake(t *rapid.T, w *world) workload.ID {
	i := w.pick(t, func(i int) bool {
		return slices.ContainsFunc(w.logs, func(s seen) bool {
			return s.side == target && s.id.Key == w.logs[i].id.Key && s.offset > w.logs[i].offset
		})
	})
	for k, e := range w.cfg.Entries {
		if e.Group != "" {
			w.cfg.Entries[k].Place.Cluster, w.cfg.Entries[k].Place.Topic = "new", "orders.v2"
		}
	}
	w.cfg.Entries[w.handlings(w.logs[i].id)[0]].End = 9000 * ms
	return workload.ID{} // every later record of the key is named
}

// handleAtOnce lets a record of the source be in hand while the next one, of another key, is handled on the target.
func handleAtOnce(t *rapid.T, w *world) workload.ID {
	a := workload.ID{Run: "r", Producer: "x", Key: "xa"}
	b := workload.ID{Run: "r", Producer: "x", Key: "xb"}
	for i, id := range []workload.ID{a, b} {
		w.see(target, 0, 600+int64(i), id)
		w.cfg.Entries = append(w.cfg.Entries, workload.Entry{Kind: workload.KindSent, ID: id, Place: workload.Place{Cluster: "new", Topic: "orders.v2", Offset: 600 + int64(i)}})
	}
	w.handle(a, workload.Place{Cluster: "old", Topic: "orders", Offset: 600}, 6000*ms, 6010*ms)
	w.handle(b, workload.Place{Cluster: "new", Topic: "orders.v2", Offset: 601}, 6005*ms, 6006*ms)
	return b
}

// Every fault is named by its kind and no other, whatever the order of the evidence.
func TestEachFaultIsNamedAndNoOther(t *testing.T) {
	for name, c := range faults() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := drawWorld(t)
				id := c.spoil(t, w)
				r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "order")))
				r.Shuffle(len(w.logs), func(i, j int) { w.logs[i], w.logs[j] = w.logs[j], w.logs[i] })
				r.Shuffle(len(w.cfg.Entries), func(i, j int) { w.cfg.Entries[i], w.cfg.Entries[j] = w.cfg.Entries[j], w.cfg.Entries[i] })
				rep := weigh(w.cfg, w.logs, w.commits)
				require.Len(t, rep.Findings, 1, rep.Table())
				found := rep.Findings[0]
				require.Equal(t, c.kind, found.Kind, rep.Table())
				if id != (workload.ID{}) {
					require.Equal(t, 1, found.Count, rep.Table())
					require.Equal(t, id, found.Examples[0].ID, rep.Table())
				}
				require.Equal(t, found.Count, rep.Count(c.kind))
			})
		})
	}
}

func TestEveryKindHasAFault(t *testing.T) {
	var kinds []Kind
	for _, c := range faults() {
		kinds = append(kinds, c.kind)
	}
	for _, k := range Kinds() {
		require.Contains(t, kinds, k)
	}
}

// What killed instances had in their hands is listed, not counted; loss is never excused.
func TestExcused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		name := rapid.SampledFrom([]string{"handled twice", "handled on both sides", "overtaken", "on two clusters", "lost by the copy", "never handled"}).Draw(t, "fault")
		c := faults()[name]
		c.spoil(t, w)
		for _, e := range w.cfg.Entries {
			if e.Group != "" || e.Kind == workload.KindSent {
				e.Group = "billing"
				w.cfg.Excused = append(w.cfg.Excused, e)
			}
		}
		rep := weigh(w.cfg, w.logs, w.commits)
		if c.kind == Loss || c.kind == Unprocessed {
			require.Equal(t, 1, rep.Count(c.kind), rep.Table())
			return
		}
		require.True(t, rep.OK(), rep.Table())
		require.Equal(t, c.kind, rep.Excused[0].Kind)
		for i := range w.cfg.Excused {
			w.cfg.Excused[i].Group = "audit"
		}
		require.Len(t, weigh(w.cfg, w.logs, w.commits).Findings, 1, "another group's excuse")
	})
}
