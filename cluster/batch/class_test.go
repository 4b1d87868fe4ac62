package batch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func must(b Batch, err error) Batch {
	if err != nil {
		panic(err)
	}
	return b
}

// emptied is a batch whose records compaction removed: the header alone.
func emptied(base int64, last int32) Batch {
	b := Batch(make([]byte, HeaderSize))
	be.PutUint64(b, uint64(base))
	be.PutUint32(b[offLength:], HeaderSize-prefix)
	b[offMagic] = Magic
	be.PutUint32(b[offLastDelta:], uint32(last))
	return seal(b)
}

func oldFormat(magic byte) Batch {
	b := Batch(make([]byte, 40))
	be.PutUint32(b[offLength:], 28)
	b[offMagic] = magic
	return b
}

func TestEveryClass(t *testing.T) {
	dense := must(Build(Spec{Codec: LZ4}, sample(10)))
	txn := must(Build(Spec{Producer: &Producer{7, 0, 0}, Transactional: true}, sample(2)))
	unknown := mark(must(Build(Spec{}, sample(1))), 6, 0)
	for _, c := range []struct {
		name   string
		b      Batch
		in     Case
		class  Class
		reason string
	}{
		{"dense", dense, Case{}, Pass, "dense"},
		{"dense at the limit", dense, Case{Limit: len(dense)}, Pass, "dense"},
		{"committed transaction", txn, Case{}, Pass, "dense"},
		{"delete horizon", mark(dense, bitHorizon, 5), Case{}, Pass, "dense"},
		{"over the limit", dense, Case{Limit: len(dense) - 1}, Cut, "max.message.bytes"},
		{"holes over the limit", holes(Spec{}, 0, 9, 1, 5), Case{Limit: 70}, Cut, "max.message.bytes"},
		{"hole inside", holes(Spec{}, 100, 2, 0, 2), Case{}, Reencode, "compaction"},
		{"hole at the start", holes(Spec{}, 100, 1, 1), Case{}, Reencode, "compaction"},
		{"hole at the end", holes(Spec{}, 100, 4, 0, 1), Case{}, Reencode, "compaction"},
		{"LogAppendTime", mark(dense, bitLogAppend, 0), Case{}, Reencode, "LogAppendTime"},
		{"transaction marker", mark(txn, bitControl, 9), Case{}, Skip, "marker"},
		{"marker of an aborted transaction", mark(txn, bitControl, 9), Case{Aborted: true}, Skip, "marker"},
		{"empty", emptied(50, 9), Case{}, Skip, "compaction"},
		{"aborted", txn, Case{Aborted: true}, Skip, "aborted"},
		{"aborted and too large", txn, Case{Aborted: true, Limit: 10}, Skip, "aborted"},
		{"magic 0", oldFormat(0), Case{}, Refuse, "format 0 or 1"},
		{"magic 1", oldFormat(1), Case{}, Refuse, "format 0 or 1"},
		{"magic 3", oldFormat(3), Case{}, Refuse, "not a record batch: 40 bytes, format version 3; read them again"},
		{"no bytes", nil, Case{}, Refuse, "not a record batch: 0 bytes, format version -1"},
		{"cut off", dense[:70], Case{}, Refuse, "header does not fit the bytes: corrupt record batch: batch at offset 0: the header says "},
		{"unknown codec", unknown, Case{}, Refuse, "unknown compression codec 6: none, gzip, snappy, lz4 and zstd are known"},
	} {
		class, reason := Classify(c.b, c.in)
		require.Equal(t, c.class, class, "%s: %s", c.name, reason)
		require.Contains(t, reason, c.reason, c.name)
	}
}

// ruleOf finds the rule that a reason begins with.
func ruleOf(reason string) string {
	for _, r := range classes {
		if strings.HasPrefix(reason, r.reason) {
			return r.reason
		}
	}
	return ""
}

// Every row of the table decides for some batch, so none can be dropped unnoticed.
func TestEveryRuleIsReached(t *testing.T) {
	dense := must(Build(Spec{}, sample(3)))
	reached := map[string]bool{} // by the part that is the rule's own
	for _, in := range []struct {
		b Batch
		c Case
	}{
		{nil, Case{}}, {oldFormat(1), Case{}}, {dense[:70], Case{}}, {mark(dense, bitControl, 0), Case{}}, {emptied(0, 0), Case{}},
		{dense, Case{Aborted: true}}, {mark(dense, 7, 0), Case{}}, {dense, Case{Limit: 1}}, {holes(Spec{}, 0, 3, 0), Case{}},
		{mark(dense, bitLogAppend, 0), Case{}}, {dense, Case{}},
	} {
		_, reason := Classify(in.b, in.c)
		reached[ruleOf(reason)] = true
	}
	for _, r := range classes {
		require.True(t, reached[r.reason], r.reason)
	}
}

func TestClassNames(t *testing.T) {
	names := map[string]bool{}
	for c := Class(0); c <= Refuse+1; c++ {
		names[c.String()] = true
	}
	require.Len(t, names, 7, "every class has a name of its own")
	codecNames := map[string]bool{}
	for _, c := range append(codecs, 5) {
		codecNames[c.String()] = true
	}
	require.Len(t, codecNames, 6)
}

func txnBatch(pid, base int64, n int, control bool) Batch {
	b := must(Build(Spec{Producer: &Producer{pid, 0, 0}, Transactional: true}, sample(n)))
	if control {
		return mark(b, bitControl, base)
	}
	return mark(b, 0, base)
}

func TestAbortedTransactions(t *testing.T) {
	plain := mark(must(Build(Spec{Producer: &Producer{1, 0, 0}}, sample(2))), 0, 106)
	log := []struct {
		name    string
		b       Batch
		aborted bool
	}{
		{"1 begun before the fetch", txnBatch(1, 100, 2, false), true},
		{"2 will commit", txnBatch(2, 102, 2, false), false},
		{"3 aborts", txnBatch(3, 104, 2, false), true},
		{"1 outside a transaction", plain, false},
		{"1 goes on", txnBatch(1, 108, 1, false), true},
		{"1 aborts", txnBatch(1, 109, 1, true), false},
		{"1 begins anew and commits", txnBatch(1, 110, 1, false), false},
		{"3 goes on", txnBatch(3, 111, 1, false), true},
		{"2 commits", txnBatch(2, 112, 1, true), false},
		{"3 aborts", txnBatch(3, 113, 1, true), false},
		{"1 commits", txnBatch(1, 114, 1, true), false},
		{"1 aborts again", txnBatch(1, 115, 2, false), true},
	}
	f := NewFilter([]Aborted{{1, 115}, {3, 104}, {1, 50}}) // in any order
	for _, step := range log {
		require.Equal(t, step.aborted, f.Aborted(step.b), step.name)
	}
	none := NewFilter(nil)
	for _, step := range log {
		require.False(t, none.Aborted(step.b), step.name)
	}
}
