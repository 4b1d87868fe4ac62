package batch

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// txnLog is a partition with transactions, kept the obvious way: every batch knows its fate.
type txnLog struct {
	batches []Batch
	fate    []string        // of each batch: "plain", "committed", "aborted", "open", "marker"
	open    map[int64][]int // batches of the open transaction of each producer
	aborted []struct {
		Aborted
		last int64
	} // first offset and the marker's offset
	next int64
}

func (l *txnLog) add(pid int64, records int, transactional, control bool, fate string) {
	s := Spec{Producer: &Producer{pid, 0, 0}, Transactional: transactional}
	b := must(Build(s, sample(records)))
	flags := uint16(0)
	if control {
		flags = bitControl
	}
	l.batches, l.fate = append(l.batches, mark(b, flags, l.next)), append(l.fate, fate)
	l.next += int64(records)
}

func (l *txnLog) end(pid int64, fate string) {
	for _, i := range l.open[pid] {
		l.fate[i] = fate
	}
	if first := l.open[pid]; fate == "aborted" && len(first) > 0 {
		entry := struct {
			Aborted
			last int64
		}{Aborted{pid, l.batches[first[0]].BaseOffset()}, l.next}
		l.aborted = append(l.aborted, entry)
	}
	delete(l.open, pid)
	l.add(pid, 1, true, true, "marker")
}

func drawTxnLog(t *rapid.T) *txnLog {
	l := &txnLog{open: map[int64][]int{}}
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		pid := rapid.Int64Range(1, 3).Draw(t, "pid")
		switch rapid.IntRange(0, 5).Draw(t, "what") {
		case 0:
			if len(l.open[pid]) == 0 { // brokers refuse plain writes inside a transaction
				l.add(pid, rapid.IntRange(1, 3).Draw(t, "n"), false, false, "plain")
			}
		case 1:
			if len(l.open[pid]) > 0 {
				l.end(pid, "committed")
			}
		case 2:
			if len(l.open[pid]) > 0 {
				l.end(pid, "aborted")
			}
		default:
			l.open[pid] = append(l.open[pid], len(l.batches))
			l.add(pid, rapid.IntRange(1, 3).Draw(t, "n"), true, false, "open")
		}
	}
	return l
}

// response is what a broker answers to a read-committed fetch of the batches [from, to): the aborted transactions whose
// span touches those offsets, in any order.
func (l *txnLog) response(t *rapid.T, from, to int) []Aborted {
	var out []Aborted
	for _, a := range l.aborted {
		if a.First <= l.batches[to-1].LastOffset() && a.last >= l.batches[from].BaseOffset() {
			out = append(out, a.Aborted)
		}
	}
	return rapid.Permutation(out).Draw(t, "order")
}

// TestFilterKnowsTheFateOfEveryBatch compares the filter with a log that remembers, for fetches that begin and end
// anywhere.
func TestFilterKnowsTheFateOfEveryBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawTxnLog(t)
		stable := len(l.batches)
		for i, fate := range l.fate { // a read-committed fetch ends before the first open transaction
			if fate == "open" {
				stable = i
				break
			}
		}
		if stable == 0 {
			return
		}
		from := rapid.IntRange(0, stable-1).Draw(t, "from")
		to := rapid.IntRange(from+1, stable).Draw(t, "to")
		f := NewFilter(l.response(t, from, to))
		for i := from; i < to; i++ {
			require.Equal(t, l.fate[i] == "aborted", f.Aborted(l.batches[i]), "batch %d of %v", i, l.fate)
			class, _ := Classify(l.batches[i], Case{Aborted: l.fate[i] == "aborted"})
			require.Equal(t, l.fate[i] == "aborted" || l.fate[i] == "marker", class == Skip)
		}
	})
}

// The sum of all there is: read records, drop the aborted, make what is left dense, and no record is lost or changed.
func TestCopyingLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		s := drawSpec(t)
		kept := rapid.SliceOfNDistinct(rapid.Int32Range(0, int32(len(records)+5)), len(records), len(records), rapid.ID[int32]).Draw(t, "offsets")
		order := sorted(kept)
		b, err := encode(s, records, func(i int) int32 { return order[i] })
		require.NoError(t, err)
		b = mark(b, 0, 5000)
		class, _ := Classify(b, Case{})
		got, err := b.Records()
		require.NoError(t, err)
		var copied []Record
		switch class {
		case Pass:
			require.NoError(t, b.Rewrite(Producer{1, 1, 1}))
			copied, err = b.Records()
		case Reencode:
			var pieces []Piece
			pieces, err = Encode(Spec{Codec: b.Codec()}, got, 0)
			require.NoError(t, err)
			copied, err = pieces[0].Batch.Records()
		default:
			t.Fatalf("class %v", class)
		}
		require.NoError(t, err)
		require.Len(t, copied, len(records))
		d := NewDigester([]byte("key"))
		for i := range records {
			require.EqualValues(t, 5000+int64(order[i]), got[i].Offset)
			require.EqualValues(t, i, copied[i].Offset, "dense")
			require.Equal(t, d.Record(records[i]), d.Record(copied[i]))
		}
	})
}

func sorted(x []int32) []int32 {
	for i := range x {
		for j := i; j > 0 && x[j] < x[j-1]; j-- {
			x[j], x[j-1] = x[j-1], x[j]
		}
	}
	return x
}

func ExampleBuild() {
	b, err := Build(Spec{Codec: None}, []Record{{Timestamp: 1, Value: []byte("hello")}})
	if err != nil {
		panic(err)
	}
	records, err := b.Records()
	fmt.Println(b.Count(), b.Producer().ID, string(records[0].Value), err)
	// Output: 1 -1 hello <nil>
}

func ExampleClassify() {
	b, _ := Build(Spec{}, []Record{{Value: make([]byte, 2000)}})
	class, reason := Classify(b, Case{Limit: 1000})
	fmt.Println(class, "because it is", reason)
	// Output: split because it is larger than the target's max.message.bytes
}
