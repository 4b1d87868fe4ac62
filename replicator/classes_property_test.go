package replicator

import (
	"bytes"
	"encoding/binary"
	"fmt"
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
		want := classes.Replay(p, classes.Identity())
		got := play(t, classes.Golden{Page: p}, p.Records)
		var sent, expected []string
		for _, it := range got.sent {
			sent = append(sent, fmt.Sprintf("%s: %x", originsOf(it), it.bytes))
		}
		for _, s := range want.Sent {
			expected = append(expected, fmt.Sprintf("%s: %x", s.Origins, s.Batch))
		}
		require.Equal(rt, expected, sent)
		if want.Stop != "" {
			require.NotNil(rt, got.core.stop, want.Stop)
			require.Equal(rt, want.Stop, got.core.stop.reason)
			return
		}
		require.Nil(rt, got.core.stop)
		end, _ := got.core.ledger.end()
		require.Equal(rt, want.Next, end)
	})
}
