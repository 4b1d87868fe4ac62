package oracle

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/testkit/workload"
)

// compacted is a compacted topic to which one key was written: numbers 0 to n-1 at source offsets 0 to n-1, of which
// those in there still stand on both sides.
func compacted(n int64, there ...int64) *world {
	w := &world{cfg: Config{Run: "r", Topics: []Topic{{Name: "orders", Compacted: true}}}}
	clusters(&w.cfg)
	for i := range n {
		id := workload.ID{Run: "r", Producer: "p", Key: "k", Seq: i}
		w.cfg.Entries = append(w.cfg.Entries, workload.Entry{Kind: workload.KindSent, ID: id, Place: workload.Place{Cluster: "old", Topic: "orders", Offset: i}})
		if slices.Contains(there, i) {
			w.see(source, 0, i, id)
			w.see(target, 0, i, id)
		}
	}
	return w
}

func (w *world) remove(s side, seq int64) {
	w.logs = slices.DeleteFunc(w.logs, func(x seen) bool { return x.side == s && x.id.Seq == seq })
}

// TestWhatCompactionLetsAGroupSkip: a record that the source's cleaner took before the group came, and nothing else. A group
// that crosses to behind a record has lost it, whatever the cleaner does afterwards.
func TestWhatCompactionLetsAGroupSkip(t *testing.T) {
	const old, fresh = "old", "new"
	// taken is one key with numbers 0 to 2 at offsets 0 to 2; number 1 is gone from the source and was never handled.
	taken := func(lastOn string) *world {
		w := compacted(3, 0, 1, 2)
		w.cfg.Groups = []Group{{Name: "billing", Topics: []string{"orders"}}}
		for i, on := range map[int64]string{0: old, 2: lastOn} {
			w.handle(workload.ID{Run: "r", Producer: "p", Key: "k", Seq: i}, workload.Place{Cluster: on, Topic: "orders", Offset: i}, 1000*(10+i)*ms, 1000*(10+i)*ms+1)
		}
		w.remove(source, 1)
		return w
	}
	committed := func(w *world, offset int64) {
		w.commits = map[groupAt]int64{{"billing", partitionOf{0, 0}}: offset}
	}
	last := func(w *world) *workload.Entry { return &w.cfg.Entries[2] } // the sending of number 2
	for what, c := range map[string]struct {
		world func() *world
		want  int
	}{
		"it handled one behind it on the source": {func() *world { return taken(old) }, 0},
		"it still stands on the source": {func() *world {
			w := taken(old)
			w.see(source, 0, 1, workload.ID{Run: "r", Producer: "p", Key: "k", Seq: 1})
			return w
		}, 1},
		"the topic is not compacted": {func() *world {
			w := taken(old)
			w.cfg.Topics[0].Compacted = false
			return w
		}, 1},
		"it crossed to behind it": {func() *world {
			w := taken(fresh)
			committed(w, 1)
			return w
		}, 1},
		"it crossed, and nothing is known of its offsets": {func() *world { return taken(fresh) }, 1},
		"it had committed behind it on the source, and crossed": {func() *world {
			w := taken(fresh)
			committed(w, 2)
			return w
		}, 0},
		"another group had committed behind it": {func() *world {
			w := taken(fresh)
			w.commits = map[groupAt]int64{{"audit", partitionOf{0, 0}}: 2}
			return w
		}, 1},
		"the later one of its key came when it had been passed": {func() *world {
			w := taken(old)
			w.cfg.Entries = append(w.cfg.Entries, workload.Entry{Kind: workload.KindSent, ID: workload.ID{Run: "r", Producer: "p", Key: "other"}, Place: workload.Place{Cluster: old, Topic: "orders", Offset: 3}})
			w.handle(workload.ID{Run: "r", Producer: "p", Key: "other"}, workload.Place{Cluster: old, Topic: "orders", Offset: 3}, 11_000*ms, 11_001*ms)
			last(w).At = 14_000 * ms
			return w
		}, 1},
		"the later one of its key was never on the source": {func() *world {
			w := taken(fresh)
			committed(w, 2)
			last(w).Place = workload.Place{Cluster: fresh, Topic: "orders", Offset: 2}
			w.remove(source, 2)
			return w
		}, 1},
		"the later one of its key is of a producer that was killed": {func() *world {
			w := taken(old)
			w.cfg.Entries = slices.Delete(w.cfg.Entries, 2, 3)
			return w
		}, 0},
		"the group came to nothing of its key": {func() *world {
			w := taken(old)
			w.dropEntries(func(e workload.Entry) bool { return e.Seq == 2 && e.Group != "" })
			return w
		}, 2},
	} {
		w := c.world()
		rep := weigh(w.cfg, w.logs, w.commits)
		require.Equal(t, c.want, rep.Count(Unprocessed), "%s\n%s", what, rep.Table())
	}
}

// TestWhatCompactionExplains: what may be missing on the target of a compacted topic, and what may not.
func TestWhatCompactionExplains(t *testing.T) {
	rep := func(w *world) Report { return weigh(w.cfg, w.logs, w.commits) }

	w := compacted(4, 2, 3)
	require.True(t, rep(w).OK(), "earlier ones of the key may go")
	require.Equal(t, 2, rep(w).Topics[0].Compacted)
	w.cfg.Topics[0].Compacted = false
	require.Equal(t, 2, rep(w).Count(Loss), "not without compaction")

	require.Equal(t, 1, rep(compacted(4)).Count(Loss), "the last one of a key stays")

	w = compacted(4, 3)
	w.remove(target, 3)
	require.Equal(t, 1, rep(w).Count(Loss))
	w.cfg.Entries[3].Tombstone = true
	require.Equal(t, 1, rep(w).Count(Loss), "the source still has the tombstone: the target should have it, too")
	w.remove(source, 3)
	require.True(t, rep(w).OK(), "a tombstone goes in the end")

	w = compacted(2, 0) // number 1 was written to the source after 0 and got lost; 0 is on the target at a higher offset
	w.logs[1].offset = 50
	require.Equal(t, 1, rep(w).Count(Loss), "target offsets do not count as later than source offsets of one origin")

	w = compacted(1)
	w.cfg.Entries[0].Place.Offset = -1
	w.cfg.Entries[0].Tombstone = true
	require.Equal(t, 1, rep(w).Count(Loss), "what was never written was not compacted")

	w = compacted(2, 1) // written to the target after the writers moved
	w.cfg.Entries[1].Place = workload.Place{Cluster: "new", Topic: "orders", Offset: 0}
	require.True(t, rep(w).OK())
}

// TestUnjournalledLoss: what a killed producer has written and not journalled is lost all the same when it stands on the
// source alone; a send of which nobody knows is not, when it stands nowhere.
func TestUnjournalledLoss(t *testing.T) {
	w := compacted(1, 0)
	w.cfg.Topics[0].Compacted = false
	last := workload.ID{Run: "r", Producer: "killed", Key: "k", Seq: 7}
	w.cfg.Entries = append(w.cfg.Entries, workload.Entry{Kind: workload.KindUnknown, ID: workload.ID{Run: "r", Producer: "killed", Key: "k", Seq: 8}, Place: workload.Place{Cluster: "old", Topic: "orders"}})
	require.True(t, weigh(w.cfg, w.logs, nil).OK())
	w.see(source, 0, 5, last)
	rep := weigh(w.cfg, w.logs, nil)
	require.Equal(t, 1, rep.Count(Loss), rep.Table())
	require.Equal(t, last, rep.Findings[0].Examples[0].ID)
	require.Equal(t, "on the source, not on the target", rep.Findings[0].Examples[0].Note)
	w.see(target, 0, 5, last)
	require.True(t, weigh(w.cfg, w.logs, nil).OK())
}

// TestSourceMayBeGone: without a source nothing is compared with it.
func TestSourceMayBeGone(t *testing.T) {
	w := compacted(3, 0, 1, 2)
	w.cfg.Topics[0].Compacted = false
	w.logs = slices.DeleteFunc(w.logs, func(s seen) bool { return s.side == source })
	require.True(t, weigh(w.cfg, w.logs, w.commits).OK())
}

// TestCountsOfWhatIsNotJudged: foreign and unjournalled records, and strays, are told as numbers.
func TestCountsOfWhatIsNotJudged(t *testing.T) {
	w := compacted(2, 0, 1)
	w.logs = append(w.logs,
		seen{side: target, offset: 7, err: workload.ErrForeign},
		seen{side: source, offset: 8, id: workload.ID{Run: "another", Producer: "p", Key: "k", Seq: 0}},
		seen{side: source, offset: 9, id: workload.ID{Run: "r", Producer: "killed", Key: "k", Seq: 0}},
		seen{side: target, offset: 9, id: workload.ID{Run: "r", Producer: "killed", Key: "k", Seq: 0}},
	)
	w.cfg.Entries = append(w.cfg.Entries,
		workload.Entry{Kind: workload.KindUnknown, ID: workload.ID{Run: "r", Producer: "p", Key: "k", Seq: 2}, Place: workload.Place{Cluster: "old", Topic: "orders"}},
		workload.Entry{Kind: workload.KindSent, ID: workload.ID{Run: "r", Producer: "p", Key: "k", Seq: 3}, Place: workload.Place{Cluster: "old", Topic: "unknown"}},
		workload.Entry{Kind: workload.KindSent, ID: workload.ID{Run: "r", Producer: "p", Key: "k", Seq: 4}, Place: workload.Place{Cluster: "third", Topic: "orders"}},
		workload.Entry{Kind: workload.KindSent, ID: workload.ID{Run: "another", Producer: "p", Key: "k", Seq: 5}, Place: workload.Place{Cluster: "old", Topic: "orders"}},
	)
	rep := weigh(w.cfg, w.logs, w.commits)
	require.True(t, rep.OK(), rep.Table())
	require.Equal(t, TopicCount{Topic: "orders", Sent: 2, Unknown: 1, Source: 3, Target: 3, Unjournalled: 1, Foreign: 2}, rep.Topics[0])
	require.Equal(t, 3, rep.Strays)
}

// TestExamplesAreFew: a finding counts all and shows some.
func TestExamplesAreFew(t *testing.T) {
	w := compacted(20)
	w.cfg.Topics[0].Compacted = false
	rep := weigh(w.cfg, w.logs, w.commits)
	require.Equal(t, 20, rep.Findings[0].Count)
	require.Len(t, rep.Findings[0].Examples, 5)
	w.cfg.Examples = 2
	require.Len(t, weigh(w.cfg, w.logs, w.commits).Findings[0].Examples, 2)
}

// TestTable: the report as people read it.
func TestTable(t *testing.T) {
	w := compacted(2, 0, 1)
	w.cfg.Topics[0].Compacted = false
	w.cfg.Groups = []Group{{Name: "billing", Topics: []string{"orders"}}, {Name: "audit", Topics: []string{"orders"}}}
	w.cfg.Switches = []Switch{{Group: "billing", From: 0, To: 100 * ms}}
	w.remove(target, 1)
	place := workload.Place{Cluster: "old", Topic: "orders", Offset: 0}
	id := w.logs[0].id
	w.handle(id, place, ms, 2*ms)
	w.handle(id, place, 52*ms, 53*ms)
	w.cfg.Excused = []workload.Entry{w.cfg.Entries[len(w.cfg.Entries)-1]}
	rep := weigh(w.cfg, w.logs, w.commits)
	require.Equal(t, `oracle, run r: FAULTS FOUND
TOPIC     SENT        ABORTED  UNKNOWN  SOURCE  TARGET  COMPACTED  UNJOURNALLED  FOREIGN
orders    2           0        0        2       1       0          0             0
GROUP     HANDLED     RECORDS  INSTANCES
billing   2           1        1
audit     0           0        0
PAUSE OF  PARTITIONS  P50      P99   MAX   NORMAL  SILENCE
billing   1           50ms     50ms  50ms  0s      50ms
FAULT loss: 1
  p/k#1 at old:orders/0@1: acknowledged, not on the target
FAULT unprocessed in group audit: 1
  p/k#0 at new:orders/0@0: never handled
excused reprocessed in group billing: 1
  p/k#0 at old:orders/0@0 by i-old: handled 2 times, first by i-old at old:orders/0@0
`, rep.Table())
	require.Equal(t, "oracle, run r: nothing found\n", weigh(Config{Run: "r"}, nil, nil).Table()[:len("oracle, run r: nothing found\n")])
}

// TestConfig: what is refused is named by field and value.
func TestConfig(t *testing.T) {
	good := Config{Run: "r", Topics: []Topic{{Name: "orders"}}, Groups: []Group{{Name: "billing", Topics: []string{"orders"}}}, Switches: []Switch{{Group: "billing", From: 1, To: 2}}}
	clusters(&good)
	require.NoError(t, good.Validate())
	for field, spoil := range map[string]func(*Config){
		"Run is":           func(c *Config) { c.Run = "" },
		"Topics has 0":     func(c *Config) { c.Topics = nil },
		"Target":           func(c *Config) { c.Target.Bootstrap = nil },
		`both named "new"`: func(c *Config) { c.Source.Name = "new" },
		`group audit reads "logs"`: func(c *Config) {
			c.Groups = append(slices.Clone(c.Groups), Group{Name: "audit", Topics: []string{"logs"}})
		},
		`switch of group "none"`: func(c *Config) { c.Switches = []Switch{{Group: "none"}} },
		"let it end after":       func(c *Config) { c.Switches = []Switch{{Group: "billing", From: 3, To: 2}} },
	} {
		c := good
		spoil(&c)
		_, err := Judge(t.Context(), c)
		require.ErrorIs(t, err, ErrConfig, field)
		require.ErrorContains(t, err, field)
	}
}

// TestPercentiles: the nearest rank.
func TestPercentiles(t *testing.T) {
	var list []time.Duration
	require.Zero(t, percentile(list, 0.5))
	for i := range 200 {
		list = append(list, time.Duration(i+1))
	}
	require.EqualValues(t, 100, percentile(list, 0.5))
	require.EqualValues(t, 198, percentile(list, 0.99))
	require.EqualValues(t, 200, percentile(list, 1))
	require.EqualValues(t, 1, percentile(list[:1], 0.5))
}

// handledAt lets partition p handle records at the given beginnings (ms), 1 ms each; acked says when each was written.
func handledAt(w *world, p int32, acked []int64, begun ...int64) {
	for i, at := range begun {
		id := workload.ID{Run: "r", Producer: "p", Key: string('a' + p), Seq: int64(i)}
		place := workload.Place{Cluster: "old", Topic: "orders", Partition: p, Offset: int64(i)}
		w.see(target, p, int64(i), id)
		w.cfg.Entries = append(w.cfg.Entries, workload.Entry{Kind: workload.KindSent, ID: id, Place: place, At: acked[i] * ms})
		w.handle(id, place, at*ms, (at+1)*ms)
	}
}

// TestPause: time with records waiting and none handled, and nothing else.
func TestPause(t *testing.T) {
	w := &world{cfg: Config{Run: "r", Topics: []Topic{{Name: "orders"}}, Groups: []Group{{Name: "billing", Topics: []string{"orders"}}}}}
	clusters(&w.cfg)
	old := make([]int64, 10)
	handledAt(w, 0, old, 70, 71, 75, 90, 140, 141)           // 91 → 140: 49 ms
	handledAt(w, 1, old, 80, 95, 125, 126)                   // 96 → 125: 29 ms
	handledAt(w, 2, []int64{0, 0, 0, 108}, 90, 98, 104, 110) // 99 → 104: 5 ms; then nothing to do before 108
	handledAt(w, 3, []int64{0, 300}, 60, 301)                // nothing to do during the switch
	w.cfg.Switches = []Switch{{Group: "billing", From: 100 * ms, To: 120 * ms}}
	rep := weigh(w.cfg, w.logs, w.commits)
	require.True(t, rep.OK(), rep.Table())
	p := rep.Pauses[0]
	require.Equal(t, 3, p.Partitions)
	require.Equal(t, 29*time.Millisecond, p.P50)
	require.Equal(t, 49*time.Millisecond, p.Max)
	require.Equal(t, 49*time.Millisecond, p.P99)
	require.Equal(t, 14*time.Millisecond, p.Normal, "76 → 90; the gap from 91 belongs to the switch")
	require.Equal(t, 14*time.Millisecond, p.Silence, "111 → 125")

	w.cfg.Switches[0] = Switch{Group: "billing", From: 400 * ms, To: 500 * ms}
	require.Equal(t, Pause{Switch: w.cfg.Switches[0], Normal: time.Millisecond}, weigh(w.cfg, w.logs, w.commits).Pauses[0])
}

func BenchmarkWeigh(b *testing.B) {
	w := &world{cfg: Config{Run: "r", Topics: []Topic{{Name: "orders"}}, Groups: []Group{{Name: "billing", Topics: []string{"orders"}}}}}
	clusters(&w.cfg)
	const records = 200_000
	for i := range int64(records) {
		id := workload.ID{Run: "r", Producer: "p", Key: strconv.FormatInt(i%1000, 10), Seq: i / 1000}
		at := workload.Place{Cluster: "old", Topic: "orders", Partition: int32(i % 1000 % 8), Offset: i}
		w.see(source, at.Partition, i, id)
		w.see(target, at.Partition, i, id)
		w.cfg.Entries = append(w.cfg.Entries, workload.Entry{Kind: workload.KindSent, ID: id, Place: at})
		w.handle(id, at, i*ms, i*ms+1)
	}
	for b.Loop() {
		if rep := weigh(w.cfg, w.logs, w.commits); !rep.OK() {
			b.Fatal(rep.Table())
		}
	}
	b.ReportMetric(float64(records*b.N)/b.Elapsed().Seconds(), "records/s")
}

// TestAlteredRecordsThatHardlySayWhoTheyAre: they are named by their place; those of other runs are not ours.
func TestAlteredRecordsThatHardlySayWhoTheyAre(t *testing.T) {
	w := compacted(2, 0, 1)
	w.cfg.Topics[0].Compacted = false
	w.logs = append(w.logs,
		seen{side: target, offset: 7, err: workload.ErrAltered}, // whose it was cannot be told
		seen{side: target, offset: 8, err: workload.ErrAltered, id: workload.ID{Run: "another", Producer: "p", Key: "k", Seq: 0}},
	)
	rep := weigh(w.cfg, w.logs, w.commits)
	require.Len(t, rep.Findings, 1, rep.Table())
	require.Equal(t, 1, rep.Count(Altered))
	require.EqualValues(t, 7, rep.Findings[0].Examples[0].Offset)
	require.Equal(t, 1, rep.Topics[0].Foreign)
	require.Equal(t, 2, rep.Topics[0].Target)
}
