package replicator

import (
	"slices"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestAnySourceIsCopied draws a source and all the limits, and lets fetches,
// sends and publications happen in any order.
func TestAnySourceIsCopied(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, func(l *limits) {
			l.buffer = rapid.IntRange(1, 3000).Draw(rt, "buffer")
			l.mergeBelow = rapid.IntRange(1, 400).Draw(rt, "merge below")
			l.mergeUpTo = l.mergeBelow + rapid.IntRange(0, 2000).Draw(rt, "merge up to")
			l.blockRuns = rapid.IntRange(1, 5).Draw(rt, "block runs")
		})
		b.size = rapid.IntRange(1, 2000).Draw(rt, "fetch size")
		b.target.maxBytes = rapid.SampledFrom([]int{0, 160, 400}).Draw(rt, "max.message.bytes")
		drawSource(rt, b.source)
		var flying []*item
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				b.answer()
			case 1:
				b.fetch()
			case 2:
				b.publish(rapid.Bool().Draw(rt, "force"))
			case 3:
				if it, ok := b.core.send(b.now, b.now+1); ok {
					flying = append(flying, it)
				}
			default:
				if len(flying) > 0 {
					b.core.answered(flying[0], b.target.produce(flying[0].bytes))
					flying = flying[1:]
				}
			}
		}
		for _, it := range flying {
			b.core.answered(it, b.target.produce(it.bytes))
		}
		b.run()
		b.exact()
	})
}

func drawSource(rt *rapid.T, s *sourceLog) {
	s.start = rapid.Int64Range(0, 50).Draw(rt, "log start")
	s.end = s.start
	for range rapid.IntRange(0, 12).Draw(rt, "batches") {
		n := rapid.Int64Range(1, 8).Draw(rt, "records")
		switch rapid.IntRange(0, 5).Draw(rt, "kind") {
		case 0:
			s.holes(n, rapid.Int64Range(0, 9).Draw(rt, "gap"))
		case 1:
			s.transaction(7, n, rapid.Bool().Draw(rt, "commit"))
		case 2:
			s.emptied(n)
		case 3:
			s.put(stored(s.end, s.end+n-1, 0x08, -1, recs(s.end, n)))
		default:
			s.dense(batch.Codec(rapid.IntRange(0, 4).Draw(rt, "codec")), n)
		}
	}
}

// TestLedgerAgainstAList: the published blocks of a ledger, merged, say what a
// plain list of pairs says, and nothing counts that is not published.
func TestLedgerAgainstAList(t *testing.T) {
	type pair struct{ source, target int64 }
	rapid.Check(t, func(rt *rapid.T) {
		var l ledger
		require.NoError(t, l.begin(10, 20))
		log, source, target := newOffsets(), int64(10), int64(20)
		var list []pair
		published := 0 // of list, as of the last publication
		var now time.Duration
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			now++
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				source += rapid.Int64Range(0, 5).Draw(rt, "gap")
				target += rapid.Int64Range(0, 3).Draw(rt, "native")
				n := rapid.Int64Range(1, 4).Draw(rt, "count")
				require.NoError(t, l.add([]stretch{{source, n}}, target, source+n))
				for i := range n {
					list = append(list, pair{source + i, target + i})
				}
				source, target = source+n, target+n
				l.roll(2)
			case 1:
				source += rapid.Int64Range(0, 5).Draw(rt, "gap")
				require.NoError(t, l.skip(source))
			default:
				if !l.dirty() {
					continue
				}
				block, version := l.take()
				log.publish(block)
				l.done(block, version, now)
				require.Equal(t, now, l.last)
			}
			for published < len(list) && list[published].source < l.counts {
				published++
			}
			require.LessOrEqual(t, l.counts, source)
		}
		for l.dirty() {
			block, version := l.take()
			log.publish(block)
			l.done(block, version, now)
		}
		require.Equal(t, source, l.counts)
		require.Equal(t, target, max(l.expected, target))
		if len(log.order) == 0 {
			return
		}
		_, blocks := log.load()
		m, err := mergeBlocks(blocks)
		require.NoError(t, err)
		require.Equal(t, source, m.Watermark())
		var got []pair
		for _, r := range m.Runs() {
			for i := range r.Count {
				got = append(got, pair{r.Source + i, r.Target + i})
			}
		}
		require.Equal(t, list, got)
	})
}

// TestAlignmentAgainstContents: with records that all differ, an image belongs
// to the source record of the same content; the aligner, which sees digests in
// order only, must find exactly those, whatever compaction has removed, which
// keeps the last record of each of the five keys.
func TestAlignmentAgainstContents(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Int64Range(1, 30).Draw(rt, "records")
		copied := rapid.Int64Range(1, n).Draw(rt, "copied")
		b := newBench(t, nil)
		b.source.dense(batch.None, n)
		image, err := batch.Build(batch.Spec{Producer: &batch.Producer{ID: 1001}}, recs(0, copied))
		require.NoError(t, err)
		b.offsets.claims = []events.Claim{{ProducerID: 1001, Nonce: "former"}}
		var empty offsetmap.Map
		b.offsets.publish(events.Block{ProducerID: 1001, Runs: empty.Pack()})
		require.Zero(t, b.target.produce(image).code)
		var kept []batch.Record
		for i := range n {
			if i >= n-5 || rapid.Bool().Draw(rt, "kept") {
				kept = append(kept, rec(i))
			}
		}
		b.source.batches[0] = stored(0, n-1, 0, -1, kept)
		b.run()
		require.Equal(t, copying, b.core.phase, "%+v", b.core.stop)
		_, blocks := b.offsets.load()
		m, err := mergeBlocks(blocks)
		require.NoError(t, err)
		for _, r := range kept {
			at, err := m.Translate(r.Offset, 0)
			require.NoError(t, err)
			require.Equal(t, offsetmap.Image, at.Kind)
			if r.Offset < copied {
				require.Equal(t, r.Offset, at.Offset, "an image that was there was found")
			} else {
				require.GreaterOrEqual(t, at.Offset, copied)
			}
		}
		require.EqualValues(t, len(kept), m.Copied())
		left := slices.IndexFunc(kept, func(r batch.Record) bool { return r.Offset >= copied })
		if left < 0 {
			left = len(kept)
		}
		require.Equal(t, copied+int64(len(kept)-left), b.target.end, "nothing is copied twice, nothing left out")
	})
}
