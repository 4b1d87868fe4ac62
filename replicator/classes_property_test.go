package replicator

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/testkit/realkafka/classes"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawPage shuffles batches of real brokers into a page: in any order, with
// gaps, some of them aborted, read from anywhere, for any target.
func drawPage(t *rapid.T, pool []batch.Batch) classes.Page {
	p := classes.Page{Limits: classes.Limits{
		MaxBytes:   rapid.SampledFrom([]int{0, 200, 600, 5000}).Draw(t, "max bytes"),
		MergeBelow: rapid.SampledFrom([]int{0, 150, 400}).Draw(t, "merge below"),
		MergeUpTo:  rapid.SampledFrom([]int{400, 2000}).Draw(t, "merge up to"),
	}}
	next := rapid.Int64Range(0, 5).Draw(t, "log start")
	p.LogStart = next
	for range rapid.IntRange(1, 10).Draw(t, "batches") {
		b := batch.Batch(bytes.Clone(pool[rapid.IntRange(0, len(pool)-1).Draw(t, "batch")]))
		next += rapid.SampledFrom([]int64{0, 0, 0, 7}).Draw(t, "gap")
		binary.BigEndian.PutUint64(b, uint64(next)) // neither the base offset nor the epoch is in the checksum
		binary.BigEndian.PutUint32(b[12:], 0)
		if b.Transactional() && !b.Control() && rapid.Bool().Draw(t, "aborted") {
			p.Aborted = append(p.Aborted, batch.Aborted{ProducerID: b.Producer().ID, First: next})
		}
		p.Records, next = append(p.Records, b...), b.NextOffset()
	}
	p.From = rapid.Int64Range(p.LogStart, next-1).Draw(t, "from")
	for b, rest := batch.Split(p.Records); b.NextOffset() <= p.From; b, rest = batch.Split(rest) {
		p.Records = rest // a broker begins with the batch that holds the offset
	}
	if rapid.Bool().Draw(t, "cut off") {
		whole, _ := batch.Split(p.Records)
		p.Records = p.Records[:rapid.IntRange(len(whole), len(p.Records)).Draw(t, "size")]
	}
	p.HighWatermark, p.LastStable = next, next
	return p
}

// TestCoreIsTheSimplestCopier checks the core, which merges, splits and waits
// for answers, against the copier that does one batch after the other.
func TestCoreIsTheSimplestCopier(t *testing.T) {
	var pool []batch.Batch
	all := goldens(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, b := range all[name].Batches {
			if raw := batch.Batch(b.Raw); raw.Magic() == batch.Magic {
				pool = append(pool, raw)
			}
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPage(rt, pool)
		agree(rt, p, classes.Replay(p, classes.Identity()), play(t, classes.Golden{Page: p}, p.Records))
	})
}

// agree requires a core to have done what the simplest copier does.
func agree(t require.TestingT, p classes.Page, want classes.Result, got *played) {
	var sent, expected []string
	for _, it := range got.sent {
		sent = append(sent, fmt.Sprintf("%s: %x", originsOf(it), it.bytes))
	}
	for _, s := range want.Sent {
		expected = append(expected, fmt.Sprintf("%s: %x", s.Origins, s.Batch))
	}
	require.Equal(t, expected, sent)
	if want.Stop != "" {
		require.NotNil(t, got.core.stop, want.Stop)
		require.Equal(t, want.Stop, got.core.stop.reason)
		return
	}
	if want.Next == p.From && len(p.Records) > 0 {
		require.NotNil(t, got.core.stop, "the page holds no whole batch")
		return
	}
	require.Nil(t, got.core.stop)
	end, _ := got.core.ledger.end()
	require.Equal(t, want.Next, end)
}

// FuzzCore: of whatever bytes, the core makes what the simplest copier makes of
// them, unless it finds the offsets themselves impossible.
func FuzzCore(f *testing.F) {
	all, err := classes.Load(goldensDir)
	require.NoError(f, err)
	for _, g := range all {
		aborted := int64(-1)
		if len(g.Page.Aborted) > 0 {
			aborted = g.Page.Aborted[0].ProducerID
		}
		for _, mend := range []bool{false, true} {
			f.Add(g.Page.Records, g.Page.From, aborted, uint16(g.Page.MaxBytes), uint16(g.Page.MergeBelow), mend)
		}
	}
	f.Fuzz(func(t *testing.T, records []byte, from, aborted int64, maxBytes, mergeBelow uint16, mend bool) {
		if from < 0 || from > 1<<40 {
			return
		}
		records = timeless(records, mend)
		p := classes.Page{From: from, Records: records, Limits: classes.Limits{MaxBytes: int(maxBytes), MergeBelow: int(mergeBelow), MergeUpTo: 4 * int(mergeBelow)}}
		p.LastStable, p.HighWatermark = from+1000, from+1000
		if aborted >= 0 {
			p.Aborted = []batch.Aborted{{ProducerID: aborted, First: 0}}
		}
		got := play(t, classes.Golden{Page: p}, records)
		if got.core.stop != nil && got.core.stop.code != CodeRefusedBatch {
			return
		}
		want := classes.Replay(p, classes.Identity())
		if want.Next == from && want.Stop == "" && len(records) == 0 {
			want.Next = p.LastStable // nothing is left there
		}
		agree(t, p, want, got)
	})
}

// timeless takes the leader epochs out of a page: a change of them makes a core
// ask before it goes on. On wish it mends the checksums, behind which a fuzzer
// would get nowhere.
func timeless(records []byte, mend bool) []byte {
	records = bytes.Clone(records)
	for b, rest := batch.Split(records); b != nil; b, rest = batch.Split(rest) {
		if b.Magic() != batch.Magic || len(b) < batch.HeaderSize {
			continue
		}
		binary.BigEndian.PutUint32(b[12:], 0)
		if mend {
			binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
		}
	}
	return records
}
