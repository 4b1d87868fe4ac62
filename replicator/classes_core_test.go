package replicator

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/testkit/realkafka/classes"
	"github.com/stretchr/testify/require"
)

const goldensDir = "../cluster/batch/testdata/classes"

func goldens(t *testing.T) map[string]classes.Golden {
	t.Helper()
	all, err := classes.Load(goldensDir)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// played is a core that was given a golden's page, and what it sent.
type played struct {
	*bench
	sent []*item
}

// play gives a page to a core whose target takes everything.
func play(t *testing.T, g classes.Golden, records []byte) *played {
	t.Helper()
	p := &played{bench: newBench(t, func(l *limits) { l.mergeBelow, l.mergeUpTo = g.Page.MergeBelow, g.Page.MergeUpTo })}
	p.source.start, p.source.end, p.target.maxBytes = g.Page.From, g.Page.From, g.Page.MaxBytes
	p.pid = classes.Identity().ID - 1
	p.settle()
	p.core.fetched(g.Page.From, page{
		high: g.Page.HighWatermark, stable: g.Page.LastStable, start: g.Page.LogStart, aborted: g.Page.Aborted,
		records: bytes.Clone(records), first: true, // a core writes headers anew in place
	})
	for {
		it, a, ok := p.send()
		if !ok {
			return p
		}
		p.sent = append(p.sent, it)
		p.core.answered(it, a)
	}
}

// TestGoldens: of the pages of real brokers the core makes what the simplest
// copier makes of them, byte for byte.
func TestGoldens(t *testing.T) {
	for name, g := range goldens(t) {
		p := play(t, g, g.Page.Records)
		if g.Stop != "" {
			require.Equal(t, halted, p.core.phase, name)
			require.Equal(t, CodeRefusedBatch, p.core.stop.code, name)
			require.Equal(t, g.Stop, p.core.stop.reason, name)
		} else {
			require.Equal(t, copying, p.core.phase, name)
			end, _ := p.core.ledger.end()
			require.Equal(t, []int64{g.Next, g.Next}, []int64{end, p.core.queue.position}, name)
		}
		require.Len(t, p.sent, len(g.Sent), name)
		for i, it := range p.sent {
			want, got := g.Sent[i], classes.Hex(it.bytes)
			if want.Encoded {
				var err error
				got, err = classes.Plain(it.bytes)
				require.NoError(t, err, name)
			}
			require.Equal(t, want.Bytes, got, "%s: batch %d of source offsets %s", name, i, want.Origins)
			require.Equal(t, want.Codec, it.bytes.Codec().String(), name)
			require.Equal(t, want.Origins, originsOf(it), name)
		}
	}
}

func originsOf(it *item) (text string) {
	for _, r := range it.runs {
		if text != "" {
			text += " "
		}
		text += fmt.Sprintf("%d-%d", r.source, r.source+r.count-1)
	}
	return text
}

// TestDamagedGoldens: no flipped byte of a real page is copied or makes the
// core pass over records, but in the base offset, which nothing protects: the
// copy stops, or goes on as if nothing had been flipped.
func TestDamagedGoldens(t *testing.T) {
	for name, g := range goldens(t) {
		if g.Page.MergeBelow > 0 || g.Stop != "" { // merging changes with sizes
			continue
		}
		for i, b := range g.Batches {
			where, at := fmt.Sprintf("%s, batch %d", name, i), 0
			if i > 0 {
				at = len(g.Batches[i-1].Raw)
			}
			damage(t, beginAt(g, max(i-1, 0)), at+8, at+headerSize, where)
			damage(t, beginAt(g, i), headerSize, len(b.Raw), where)
		}
	}
}

// headerSize is that of a batch without its records, which the checksum covers
// as a whole: there it does not matter what comes before.
const headerSize = 61

// beginAt is a golden read from one of its batches on: what stands further ahead
// of the damage would only be compressed again for every byte.
func beginAt(g classes.Golden, i int) classes.Golden {
	if i == 0 {
		return g
	}
	for _, b := range g.Batches[:i] {
		g.Page.Records = g.Page.Records[len(b.Raw):]
	}
	g.Batches = g.Batches[i:]
	g.Page.From = batch.Batch(g.Page.Records).BaseOffset()
	return g
}

// damage flips each of the page's bytes from one to another.
func damage(t *testing.T, g classes.Golden, first, end int, where string) {
	whole := play(t, g, g.Page.Records)
	for at := first; at < min(end, len(g.Page.Records)); at++ {
		records := bytes.Clone(g.Page.Records)
		records[at] ^= 0x41
		p := play(t, g, records)
		require.LessOrEqual(t, len(p.sent), len(whole.sent), "%s, byte %d", where, at)
		for i, it := range p.sent {
			require.Equal(t, whole.sent[i].bytes, it.bytes, "%s, byte %d", where, at)
		}
		if p.core.stop == nil {
			end, _ := p.core.ledger.end()
			require.LessOrEqual(t, end, reached(g, p.sent), "%s, byte %d: records were passed over", where, at)
		}
	}
}

// reached is how far a copy may have come that has sent so much: to the first
// batch with records that were not sent.
func reached(g classes.Golden, sent []*item) int64 {
	next := g.Page.From
	if n := len(sent); n > 0 {
		next = max(next, sent[n-1].next)
	}
	for _, b := range g.Batches {
		raw := batch.Batch(b.Raw)
		if b.Class != batch.Skip.String() && raw.LastOffset() >= next {
			return next
		}
		next = max(next, raw.NextOffset())
	}
	return next
}

// TestRefusalsNameEveryOffset: what people may give up to go on is all that the
// refused bytes stand for, and nothing that only they say.
func TestRefusalsNameEveryOffset(t *testing.T) {
	g := goldens(t)["format-1-gzip@2.8.2"]
	wrapped := func(page) batch.Batch { return bytes.Clone(g.Batches[0].Raw) }
	edited := func(at int, with byte) func(page) batch.Batch {
		return func(p page) batch.Batch {
			b := batch.Batch(bytes.Clone(p.records))
			b[at] = with
			return b
		}
	}
	sealedWith := func(attributes int16) func(page) batch.Batch {
		return func(page) batch.Batch { return stored(5, 8, attributes, -1, recs(5, 4)) }
	}
	for name, c := range map[string]struct {
		make       func(page) batch.Batch
		from       int64
		first, end int64
	}{
		"three messages in one, of which the last one's offset is known": {wrapped, 0, 0, 3},
		"the same, read from within":                                     {wrapped, 1, 1, 3},
		"the last of them":                                               {wrapped, 2, 2, 3},
		"its offset is beyond the log":                                   {func(p page) batch.Batch { b := wrapped(p); b[6] = 1; return b }, 0, 0, 1},
		"an unknown codec, the checksum is right":                        {sealedWith(6), 2, 5, 9},
		"that codec, read from within":                                   {sealedWith(6), 7, 7, 9},
		"an unknown format far away":                                     {edited(16, 9), 0, 0, 1},
		"a length that does not fit":                                     {edited(23, 0x80), 0, 0, 1},
		"a marker with a wrong checksum":                                 {edited(22, 0x20), 0, 0, 1},
	} {
		source := &sourceLog{}
		source.put(stored(7, 9, 0, -1, recs(7, 3)))
		p := source.fetch(0, 1<<20)
		p.stable, p.records = 12, c.make(p)
		steps := p.steps(c.from, 0)
		require.Len(t, steps, 1, name)
		require.Equal(t, batch.Refuse, steps[0].class, name)
		require.Equal(t, []int64{c.first, c.end}, []int64{steps[0].from, steps[0].next}, name)
	}
}

// TestNoWholeBatch: bytes that hold no whole batch where the broker was bound
// to serve one are damage, not an empty stretch that may be passed over.
func TestNoWholeBatch(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 3)
	b.settle()
	p := b.source.fetch(0, 1<<20)
	binary.BigEndian.PutUint32(p.records[8:], 1<<20) // the length: no checksum covers it
	other := p
	other.first = false // another partition came before: the rest did not fit
	b.core.fetched(0, other)
	require.Nil(t, b.core.stop)
	require.Zero(t, b.core.queue.position)
	b.core.fetched(0, p)
	b.stopped(CodeRefusedBatch, 0, 1, "hold no whole batch")
}

// TestFirstObstacleIsNamed: damage inside of a batch shows only when its turn
// has come, after what stands behind it was refused; it is named all the same.
func TestFirstObstacleIsNamed(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 3)
	b.source.dense(batch.None, 3)
	b.source.put(stored(6, 8, 6, -1, recs(6, 3))) // unknown codec
	b.source.batches[1][90] ^= 1
	b.run()
	b.stopped(CodeRefusedBatch, 3, 6, "CRC32C")
	require.EqualValues(t, 3, b.target.end, "what is before it is copied")
}

// TestRefusedBytesHaveNoEpoch: what is not a batch of this format has another
// field where the leader epoch stands.
func TestRefusedBytesHaveNoEpoch(t *testing.T) {
	b := newBench(t, nil)
	b.source.put(stored(0, 2, 0, -1, recs(0, 3)))
	b.settle()
	p := b.source.fetch(0, 1<<20)
	old := goldens(t)["format-1@2.8.2"].Page.Records
	old[12] = 1 // the first byte of its checksum: a large epoch
	p.records = append(p.records, old...)
	b.core.fetched(0, p)
	require.Nil(t, b.core.pastEpoch)
	require.NotNil(t, b.core.stop)
	require.Contains(t, b.core.stop.reason, "message format")
}
