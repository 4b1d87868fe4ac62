package oracle

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/testkit/workload"
)

// ms is a millisecond of journal time.
const ms = int64(1e6)

// world is a migration that went well, to be spoilt: logs and journals without clusters.
type world struct {
	cfg     Config
	logs    []seen
	commits map[groupAt]int64
}

func clusters(c *Config) {
	c.Source = workload.ClusterConfig{Name: "old", Bootstrap: []string{"127.0.0.1:1"}}
	c.Target = workload.ClusterConfig{Name: "new", Bootstrap: []string{"127.0.0.1:2"}}
}

// drawWorld makes records of two producers and a few keys on a few partitions: written to the source, copied, and partly
// written to the target; handled by one group, which crosses to the target at some record of each partition.
func drawWorld(t *rapid.T) *world {
	w := &world{cfg: Config{Run: "r", Topics: []Topic{{Name: "orders", Target: "orders.v2"}}, Groups: []Group{{Name: "billing", Topics: []string{"orders"}}}}}
	clusters(&w.cfg)
	next := map[workload.ID]int64{}
	now := ms
	for p := range int32(rapid.IntRange(1, 3).Draw(t, "partitions")) {
		n := rapid.Int64Range(4, 12).Draw(t, "records")
		moved := rapid.Int64Range(0, n).Draw(t, "first on target")
		crossed := rapid.Int64Range(0, n).Draw(t, "crossed at")
		for i := range n {
			lane := workload.ID{Run: "r", Producer: fmt.Sprint("p", rapid.IntRange(0, 1).Draw(t, "producer")), Key: fmt.Sprint("k", p, rapid.IntRange(0, 1).Draw(t, "key"))}
			id := lane
			id.Seq = next[lane]
			next[lane]++
			at := workload.Place{Cluster: "old", Topic: "orders", Partition: p, Offset: 2 * i} // holes on the source
			if i >= moved {
				at = workload.Place{Cluster: "new", Topic: "orders.v2", Partition: p, Offset: i}
			} else {
				w.see(source, p, 2*i, id)
			}
			w.see(target, p, i, id)
			w.cfg.Entries = append(w.cfg.Entries, workload.Entry{Kind: workload.KindSent, ID: id, Place: at, At: now})
			read := workload.Place{Cluster: "old", Topic: "orders", Partition: p, Offset: 2 * i}
			if i >= crossed || i >= moved {
				read = workload.Place{Cluster: "new", Topic: "orders.v2", Partition: p, Offset: i}
			}
			w.handle(id, read, now+ms, now+2*ms)
			now += 3 * ms
		}
	}
	return w
}

func (w *world) see(s side, p int32, offset int64, id workload.ID) {
	w.logs = append(w.logs, seen{side: s, partition: p, offset: offset, id: id, sum: uint64(id.Seq) + 7})
}

func (w *world) handle(id workload.ID, at workload.Place, from, to int64) {
	e := workload.Entry{Kind: workload.KindBegun, ID: id, Place: at, Group: "billing", Instance: "i-" + at.Cluster, At: from}
	w.cfg.Entries = append(w.cfg.Entries, e)
	e.Kind, e.End = workload.KindHandled, to
	w.cfg.Entries = append(w.cfg.Entries, e)
}

// pick draws one of the target's records that satisfies a condition.
func (w *world) pick(t *rapid.T, ok func(int) bool) int {
	var all []int
	for i, s := range w.logs {
		if s.side == target && ok(i) {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		t.Skip("no such record")
	}
	return rapid.SampledFrom(all).Draw(t, "record")
}

func whichever(int) bool { return true }

// handlings finds the entries of a record that was handled.
func (w *world) handlings(id workload.ID) (out []int) {
	for i, e := range w.cfg.Entries {
		if e.ID == id && e.Kind == workload.KindHandled {
			out = append(out, i)
		}
	}
	return out
}

func (w *world) dropEntries(drop func(workload.Entry) bool) {
	w.cfg.Entries = slices.DeleteFunc(w.cfg.Entries, drop)
}
