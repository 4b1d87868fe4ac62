package replicator

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
)

// bench is one core and the models that it talks to, without any faults.
type bench struct {
	t       *testing.T
	core    *core
	source  *sourceLog
	target  *targetLog
	offsets *offsetsLog
	now     time.Duration
	size    int // of a fetch
	pid     int64
	// epochs and targetEpochs are those that the sides name, 0 for none.
	epochs, targetEpochs int32
}

func newBench(t *testing.T, edit func(*limits)) *bench {
	b := &bench{t: t, source: &sourceLog{}, target: newTarget(), offsets: newOffsets(), size: 1 << 20, pid: 1000}
	b.core = newCore(benchLimits("w0", edit), false)
	return b
}

func benchLimits(owner string, edit func(*limits)) limits {
	l := limits{owner: owner, buffer: 1 << 20, mergeBelow: 1, mergeUpTo: 1 << 16, alignAtOnce: 7, blockRuns: 1000, publishEvery: 100}
	if edit != nil {
		edit(&l)
	}
	return l
}

// successor is a new owner; the former one is as good as dead.
func (b *bench) successor() {
	shared := b.core.shared
	b.core = newCore(benchLimits("w1", nil), shared)
}

// answer answers one ask; false if there is none.
func (b *bench) answer() bool {
	c := b.core
	switch a := c.ask(); a.kind {
	case askLoad:
		c.loaded(b.offsets.load())
	case askProducer:
		b.pid++
		c.produced(b.pid, 0)
	case askClaim:
		published, _ := b.offsets.claim(a.claim)
		c.claimed(published)
	case askBounds:
		c.bounded(bounds{sourceStart: b.source.start, sourceEpochs: b.epochs, targetEpochs: b.targetEpochs, targetEnd: b.target.end, maxBytes: b.target.maxBytes})
	case askTarget:
		c.targetRead(b.target.read(a.from, b.size))
	case askSource:
		c.sourceRead(b.source.fetch(a.from, b.size))
	case askEpoch:
		c.epochEnded(int32(a.from), b.source.epochEnd(int32(a.from)))
	case askPublish:
		b.publish(true)
	case askReport:
		c.reported()
	default:
		return false
	}
	return true
}

func (b *bench) publish(force bool) bool {
	p, ok := b.core.take(b.now, force)
	if ok {
		b.offsets.publish(p.block)
		b.core.published(p, b.now)
	}
	return ok
}

// settle answers everything that the core asks for.
func (b *bench) settle() {
	for i := 0; b.answer(); i++ {
		require.Less(b.t, i, 10_000, "the core asks for ever: %s", b.core.phase)
	}
}

// fetch gives the core a page if it wants one.
func (b *bench) fetch() bool {
	from, ok := b.core.wants()
	if ok && from < b.source.end {
		b.core.fetched(from, b.source.fetch(from, b.size))
		return true
	}
	return false
}

// send sends one batch, if there is one, and returns what the target says.
func (b *bench) send() (*item, answer, bool) {
	it, ok := b.core.send(b.now, b.now+1)
	if !ok {
		return nil, answer{}, false
	}
	return it, b.target.produce(it.bytes), true
}

// run copies until nothing is left to do.
func (b *bench) run() {
	for {
		b.settle()
		fetched := b.fetch()
		it, a, sent := b.send()
		if sent {
			b.core.answered(it, a)
		}
		b.now += 1000
		if !b.publish(false) && !fetched && !sent && b.core.ask().kind == askNothing {
			return
		}
	}
}

// exact requires the target to hold the source's committed records, and the map
// to say where.
func (b *bench) exact() {
	b.t.Helper()
	require.Equal(b.t, copying, b.core.phase, "%+v", b.core.stop)
	require.Equal(b.t, b.source.end, b.core.watermark())
	ours := map[int64]bool{}
	for _, c := range b.offsets.claims {
		ours[c.ProducerID] = true
	}
	want, got := b.source.committed(), b.target.written(ours)
	require.Equal(b.t, len(want), len(got))
	_, blocks := b.offsets.load()
	m, err := mergeBlocks(blocks)
	require.NoError(b.t, err)
	for i := range want {
		requireSame(b.t, want[i], got[i])
		p, err := m.Translate(want[i].Offset, b.source.start)
		require.NoError(b.t, err)
		require.Equal(b.t, offsetmap.Position{Offset: got[i].Offset, Kind: offsetmap.Image}, p)
	}
}

// stopped requires the core to be halted for a reason, once it was reported.
func (b *bench) stopped(code string, from, to int64, reason string) {
	b.t.Helper()
	b.settle()
	require.Equal(b.t, halted, b.core.phase)
	require.Equal(b.t, code, b.core.stop.code, b.core.stop.reason)
	require.Equal(b.t, []int64{from, to}, []int64{b.core.stop.from, b.core.stop.to}, b.core.stop.reason)
	require.Contains(b.t, b.core.stop.reason, reason)
	require.True(b.t, b.core.stop.reported)
	require.Zero(b.t, b.core.queue.weight, "memory is given back")
}

func TestCopiesAllKindsOfBatches(t *testing.T) {
	for _, size := range []int{1, 700, 1 << 20} {
		b := newBench(t, nil)
		b.size = size
		for codec := range batch.Codec(5) {
			b.source.dense(codec, 4)
		}
		b.source.holes(3, 2)
		b.source.transaction(7, 3, true)
		b.source.transaction(7, 3, false)
		b.source.emptied(5)
		b.source.put(stored(b.source.end, b.source.end+3, 0x08, -1, recs(b.source.end, 4))) // LogAppendTime
		b.source.put(stored(b.source.end, b.source.end+3, 0x40, -1, recs(b.source.end, 4))) // delete horizon
		b.source.emptied(2)
		b.run()
		b.exact()
		require.Equal(t, []int64{b.source.end, b.source.end}, []int64{b.core.highWatermark, b.core.lastStable})
		require.EqualValues(t, len(b.source.committed()), b.core.records)
		require.Positive(t, b.core.bytes)
	}
}

func TestPassedThroughBytesStay(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.LZ4, 5)
	want := append([]byte(nil), b.source.batches[0]...)
	b.run()
	got := b.target.batches[0]
	require.Equal(t, want[61:], []byte(got[61:]), "the payload is not touched")
	require.Equal(t, batch.Producer{ID: 1001, Epoch: 0, Sequence: 0}, got.Producer())
}

func TestHolesAtTheEndAreSkipped(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 3)
	b.source.end += 10 // compaction took it all
	b.run()
	b.exact()
	b.source.end += 10
	p := b.source.fetch(13, 1000)
	p.first = false // the broker had no room for us: nothing may be concluded
	b.core.fetched(13, p)
	require.EqualValues(t, 13, b.core.queue.position)
}

func TestReadLineage(t *testing.T) {
	claim := func(owner int32, pid int64, epoch int16) events.Claim {
		return events.Claim{OwnerEpoch: owner, ProducerID: pid, ProducerEpoch: epoch}
	}
	for name, c := range map[string]struct {
		claims []events.Claim
		count  []int // indexes of those that count
	}{
		"none":                  {},
		"one":                   {[]events.Claim{claim(0, 1, 0)}, []int{0}},
		"rising":                {[]events.Claim{claim(0, 1, 0), claim(1, 1, 1), claim(2, 1, 5)}, []int{0, 1, 2}},
		"equal is void":         {[]events.Claim{claim(0, 1, 0), claim(1, 1, 1), claim(1, 1, 1)}, []int{0, 1}},
		"lower is void":         {[]events.Claim{claim(3, 1, 3), claim(1, 1, 4)}, []int{0}},
		"second id is void":     {[]events.Claim{claim(0, 1, 0), claim(0, 2, 0), claim(1, 1, 1)}, []int{0, 2}},
		"id after exhaustion":   {[]events.Claim{claim(0, 1, maxEpoch), claim(1, 2, 0), claim(2, 2, 1)}, []int{0, 1, 2}},
		"two after it":          {[]events.Claim{claim(0, 1, maxEpoch), claim(1, 2, 0), claim(1, 3, 0)}, []int{0, 1}},
		"not above its fence":   {[]events.Claim{claim(0, 1, 4), claim(1, 1, 4)}, []int{0}},
		"back to a former id":   {[]events.Claim{claim(0, 1, 0), claim(1, 2, 0), claim(2, 1, 1)}, []int{0, 1}},
		"with an id that voids": {[]events.Claim{claim(0, 1, 0), claim(0, 2, 0), claim(1, 2, 1)}, []int{0}},
	} {
		l := readLineage(c.claims)
		var want []events.Claim
		for _, i := range c.count {
			want = append(want, c.claims[i])
			require.Equal(t, c.claims[i].OwnerEpoch, l.ownerEpoch(batch.Producer{ID: c.claims[i].ProducerID, Epoch: c.claims[i].ProducerEpoch}), name)
		}
		require.Equal(t, want, l.owners, name)
		for _, x := range c.claims {
			require.True(t, l.mine(x.ProducerID), name)
		}
		require.False(t, l.mine(99), name)
		require.EqualValues(t, -1, l.ownerEpoch(batch.Producer{ID: 99}), name)
	}
}

func TestConcurrentFirstOwners(t *testing.T) {
	a, b := newBench(t, nil), newBench(t, nil)
	b.offsets, b.target, b.pid = a.offsets, a.target, 2000
	for _, x := range []*bench{a, b} { // both see no claim and get an id of their own
		x.answer()
		x.answer()
	}
	for _, x := range []*bench{a, b} {
		x.settle()
	}
	require.Equal(t, events.Claim{ProducerID: 1001, Owner: "w0", Nonce: "1"}, a.core.claims.mine)
	require.Equal(t, int64(1001), b.core.claims.mine.ProducerID, "the second id is void: its owner raises the epoch of the first")
	require.EqualValues(t, 1, b.core.claims.mine.ProducerEpoch)
}

func TestEpochsRunOut(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 3)
	b.run()
	b.offsets.claims = append(b.offsets.claims, events.Claim{OwnerEpoch: 2, ProducerID: 1001, ProducerEpoch: maxEpoch, Nonce: "x"})
	b.source.dense(batch.None, 3)
	b.successor()
	b.run()
	b.exact()
	require.Equal(t, int64(1002), b.core.claims.mine.ProducerID)
	require.EqualValues(t, 0, b.core.claims.mine.ProducerEpoch)
	require.EqualValues(t, 3, b.core.claims.mine.OwnerEpoch, "the owner epoch rises all the same")
	require.Zero(t, b.core.ledger.number)
}

func TestTakeover(t *testing.T) {
	for name, c := range map[string]struct{ sent, published, maxBytes int }{
		"nothing sent":            {0, 0, 0},
		"everything published":    {4, 4, 0},
		"some unpublished":        {4, 2, 0},
		"nothing published":       {4, 0, 0},
		"a batch sent in part":    {2, 0, 150},
		"in part, published half": {3, 1, 150},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.target.maxBytes = c.maxBytes
			for range 3 {
				b.source.dense(batch.None, 6)
				b.source.transaction(9, 2, false)
			}
			b.settle()
			b.fetch()
			for i := range c.sent {
				it, a, ok := b.send()
				require.True(t, ok || i >= 3)
				if ok {
					b.core.answered(it, a)
				}
				if i < c.published {
					b.publish(true)
				}
			}
			b.successor()
			b.run()
			b.exact()
			require.EqualValues(t, 1, b.core.claims.mine.ProducerEpoch)
		})
	}
}

// unpublished is a bench whose owner has copied twelve records and published
// nothing of them.
func unpublished(t *testing.T, epochs int32) *bench {
	b := newBench(t, nil)
	b.epochs = epochs
	b.source.dense(batch.None, 6)
	b.source.dense(batch.None, 6)
	b.settle()
	b.fetch()
	for range 2 {
		it, a, _ := b.send()
		b.core.answered(it, a)
	}
	return b
}

func TestTakeoverOverMissingOrigins(t *testing.T) {
	start := func() *bench {
		b := unpublished(t, 0)
		b.successor()
		return b
	}
	t.Run("compaction removed some", func(t *testing.T) {
		b := start()
		b.source.batches[0] = stored(0, 5, 0, -1, []batch.Record{rec(1), rec(4)})
		b.source.dense(batch.None, 2)
		b.run()
		require.Equal(t, copying, b.core.phase)
		_, blocks := b.offsets.load()
		m, err := mergeBlocks(blocks)
		require.NoError(t, err)
		require.Equal(t, []offsetmap.Run{{Source: 1, Target: 1, Count: 1}, {Source: 4, Target: 4, Count: 1}, {Source: 6, Target: 6, Count: 8}}, m.Runs())
	})
	t.Run("retention removed the first", func(t *testing.T) {
		b := start()
		b.source.batches, b.source.start = b.source.batches[1:], 6
		b.run()
		require.Equal(t, copying, b.core.phase)
		require.EqualValues(t, 12, b.core.watermark())
		require.EqualValues(t, 12, b.target.end, "nothing is copied twice")
	})
	t.Run("the source is another", func(t *testing.T) {
		b := start()
		b.source.batches[0] = stored(0, 5, 0, -1, []batch.Record{{Offset: 0, Value: []byte("other")}, rec(1), rec(2), rec(3), rec(4), rec(5)})
		b.run()
		b.stopped(CodeDiverged, 0, 0, "holds a record that source offset 0 should be the origin of, but they differ")
	})
	t.Run("the source ends before", func(t *testing.T) {
		b := start()
		b.source.batches, b.source.end = b.source.batches[:1], 6
		b.run()
		b.stopped(CodeDiverged, 6, 6, "target offset 6, written by producer id 1001, holds the first of 6 records that the source, read to 6, does not have")
	})
	t.Run("a record stands there twice", func(t *testing.T) {
		b := start()
		second := append(batch.Batch(nil), b.target.batches[1]...)
		require.NoError(t, second.Rewrite(batch.Producer{ID: 1001, Epoch: 0, Sequence: 12}))
		require.Zero(t, b.target.produce(second).code)
		b.source.emptied(10) // as many offsets are missing as would explain it
		b.source.dense(batch.None, 2)
		b.run()
		b.stopped(CodeDiverged, 12, 12, "target offset 12, written by producer id 1001, holds a record")
	})
}

func TestForeignWriter(t *testing.T) {
	intrude := func(b *bench) {
		x, err := batch.Build(batch.Spec{Producer: &batch.Producer{ID: 77}}, recs(500, 2))
		require.NoError(t, err)
		require.Zero(t, b.target.produce(x).code)
	}
	t.Run("before the first owner", func(t *testing.T) {
		b := newBench(t, nil)
		b.source.dense(batch.None, 3)
		intrude(b)
		b.run()
		b.stopped(CodeForeignWriter, 0, 0, "target offset 0, written by producer id 77, holds a record that source offset 0 should be the origin of")
	})
	t.Run("before the first owner, of an empty source", func(t *testing.T) {
		b := newBench(t, nil)
		intrude(b)
		b.run()
		b.stopped(CodeForeignWriter, 0, 0, "the first of 2 records that the source, read to 0, does not have")
	})
	t.Run("while copying", func(t *testing.T) {
		b := newBench(t, nil)
		b.source.dense(batch.None, 3)
		b.run()
		intrude(b)
		b.source.dense(batch.None, 3)
		b.run()
		b.stopped(CodeForeignWriter, 3, 3, "producer id 77 has written to the target at offsets 3 to 4")
	})
	t.Run("shared", func(t *testing.T) {
		b := newBench(t, nil)
		b.core.shared = true
		for range 4 {
			intrude(b)
			b.source.dense(batch.None, 3)
			b.run()
		}
		b.exact()
		b.successor()
		intrude(b)
		b.source.dense(batch.None, 3)
		b.run()
		b.exact()
	})
	t.Run("it is a successor", func(t *testing.T) {
		b := newBench(t, nil)
		b.source.dense(batch.None, 3)
		b.run()
		b.offsets.claims = append(b.offsets.claims, events.Claim{OwnerEpoch: 2, ProducerID: 1001, ProducerEpoch: maxEpoch, Nonce: "x"}, events.Claim{OwnerEpoch: 3, ProducerID: 77, Nonce: "y"})
		intrude(b)
		b.source.dense(batch.None, 3)
		b.run()
		require.Equal(t, fenced, b.core.phase, "nobody is accused")
	})
}

func TestFenced(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 3)
	b.settle()
	b.fetch()
	it, _, _ := b.send()
	b.core.answered(it, answer{code: 47})
	require.Equal(t, fenced, b.core.phase)
	require.Equal(t, askNothing, b.core.ask().kind)
	_, _, ok := b.send()
	require.False(t, ok)
	b.core.restart()
	b.run()
	b.exact()
}

func TestAnswers(t *testing.T) {
	for code, want := range map[int16]struct {
		phase phase
		stop  string
	}{
		-1: {rechecking, ""}, 3: {rechecking, ""}, 6: {rechecking, ""}, 7: {rechecking, ""}, 19: {rechecking, ""}, 20: {rechecking, ""},
		45: {rechecking, ""}, 46: {rechecking, ""}, 59: {rechecking, ""}, 12345: {rechecking, ""},
		47: {fenced, ""}, 90: {fenced, ""},
		29: {rechecking, ""}, 31: {rechecking, ""}, // for a while: the shell has the clock
		44: {halted, CodeRefusedBatch}, 76: {halted, CodeRefusedBatch},
		32: {copying, ""}, 87: {copying, ""}, // records: the culprit is looked for
		0: {copying, ""}, 10: {copying, ""}, 18: {copying, ""},
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			b := newBench(t, nil)
			b.source.dense(batch.None, 4)
			b.settle()
			b.fetch()
			it, ok := b.core.send(0, 1)
			require.True(t, ok)
			b.core.answered(it, answer{code: code, message: "because"})
			require.Equal(t, want.phase, b.core.phase)
			if want.stop != "" {
				require.Equal(t, want.stop, b.core.stop.code)
				require.Equal(t, []int64{0, 4}, []int64{b.core.stop.from, b.core.stop.to})
				require.Contains(t, b.core.stop.reason, "because")
			}
			b.core.answered(it, answer{}) // a second answer to the same batch changes nothing
			require.Equal(t, want.phase, b.core.phase)
		})
	}
}

// TestRefusedRecord: of a batch with a record that the target refuses, all
// before it are copied, and the stop names it and what to do.
func TestRefusedRecord(t *testing.T) {
	for code, remedy := range map[int16]string{32: "message.timestamp.after.max.ms", 87: "cleanup.policy=delete"} {
		for culprit := range int64(7) {
			b := newBench(t, func(l *limits) { l.mergeBelow = 10_000 })
			b.source.dense(batch.LZ4, 4)
			b.source.holes(1, 0)
			b.source.dense(batch.None, 2)
			at := b.source.committed()[culprit].Offset
			b.settle()
			b.fetch()
			for it, ok := b.core.send(b.now, b.now+1); ok; it, ok = b.core.send(b.now, b.now+1) {
				a := answer{code: code, message: "because"}
				if !slices.ContainsFunc(it.runs, func(r stretch) bool { return r.source <= at && at < r.source+r.count }) {
					a = b.target.produce(it.bytes)
				}
				b.core.answered(it, a)
			}
			b.stopped(CodeRefusedBatch, at, at+1, remedy)
			require.Equal(t, culprit, b.target.end, "what is before it is copied")
			b.core.losses = []events.Interval{lost(at, at+1)}
			b.core.restart()
			b.run()
			b.kept()
		}
	}
}

func TestDoubts(t *testing.T) {
	lost := answer{err: errors.New("connection reset")}
	start := func() *bench {
		b := newBench(t, nil)
		b.source.dense(batch.None, 4)
		b.source.dense(batch.None, 4)
		b.settle()
		b.fetch()
		return b
	}
	t.Run("it had landed", func(t *testing.T) {
		b := start()
		it, _, _ := b.send()
		b.core.answered(it, lost)
		require.Equal(t, "no answer: connection reset", b.core.queue.doubt)
		b.run()
		b.exact()
		require.EqualValues(t, 8, b.target.end)
	})
	t.Run("it had not", func(t *testing.T) {
		b := start()
		it, ok := b.core.send(0, 1)
		require.True(t, ok)
		first := string(it.bytes)
		b.core.answered(it, lost)
		b.settle()
		again, ok := b.core.send(0, 1)
		require.True(t, ok)
		require.Equal(t, first, string(again.bytes), "the same bytes under the same sequence")
		b.core.answered(again, b.target.produce(again.bytes))
		b.run()
		b.exact()
	})
	t.Run("the broker expects another sequence", func(t *testing.T) {
		b := start()
		b.run()
		b.source.dense(batch.None, 2)
		b.fetch()
		it, _ := b.core.send(0, 1)
		b.core.answered(it, answer{code: 45})
		b.run()
		b.exact()
		require.EqualValues(t, 1, b.core.claims.mine.ProducerEpoch, "a later epoch starts at sequence 0")
	})
	t.Run("acknowledged, and not there", func(t *testing.T) {
		b := start()
		it, _ := b.core.send(0, 1)
		b.core.answered(it, answer{base: 5})
		b.settle()
		b.stopped(CodeDiverged, 0, 0, "acknowledged the batch of source offset 0 at offset 5, but it is not there")
	})
	t.Run("the target lost what was published", func(t *testing.T) {
		b := start()
		b.run()
		b.target.batches, b.target.end = b.target.batches[:1], 4
		b.successor()
		b.run()
		b.stopped(CodeDiverged, 8, 8, "the target ends at 4, but records up to 8 were acknowledged there")
	})
	t.Run("a former owner came late", func(t *testing.T) {
		b := start()
		late, _ := b.core.send(0, 1)
		bytes := append(batch.Batch(nil), late.bytes...)
		b.successor()
		b.settle()
		require.Zero(t, b.target.produce(bytes).code)
		b.fetch()
		it, a, _ := b.send()
		b.core.answered(it, a)
		b.stopped(CodeDiverged, 0, 0, "a former owner's late batch stands at target offset 0 beside our copy")
	})
	t.Run("a former owner came late, and we have not written", func(t *testing.T) {
		b := start()
		late, _ := b.core.send(0, 1)
		bytes := append(batch.Batch(nil), late.bytes...)
		b.successor()
		b.settle()
		require.Zero(t, b.target.produce(bytes).code)
		b.fetch()
		it, _ := b.core.send(0, 1)
		b.core.answered(it, lost)
		b.run()
		b.exact()
		require.EqualValues(t, 2, b.core.claims.mine.ProducerEpoch)
	})
}

func TestTooLarge(t *testing.T) {
	t.Run("known before", func(t *testing.T) {
		b := newBench(t, nil)
		b.target.maxBytes = 200
		b.source.dense(batch.None, 10)
		b.source.dense(batch.Zstd, 2)
		b.run()
		b.exact()
		for _, x := range b.target.batches {
			require.LessOrEqual(t, len(x), 200)
		}
	})
	t.Run("the target says so", func(t *testing.T) {
		b := newBench(t, nil)
		b.source.dense(batch.None, 10)
		b.settle()
		b.target.maxBytes = 200
		b.run()
		b.exact()
		require.Less(t, b.core.maxBytes, 1000, "the core has learned it")
	})
	t.Run("one record", func(t *testing.T) {
		b := newBench(t, nil)
		b.source.dense(batch.None, 3)
		large := rec(3)
		large.Value = make([]byte, 300)
		b.source.put(stored(3, 3, 0, -1, []batch.Record{large}))
		b.source.dense(batch.None, 3)
		b.target.maxBytes = 200
		b.run()
		b.stopped(CodeRefusedBatch, 3, 4, "raise max.message.bytes of the target topic")
		require.EqualValues(t, 3, b.target.end, "what is before it is copied")
		require.EqualValues(t, 3, b.core.watermark())
	})
	t.Run("one record, as the target says", func(t *testing.T) {
		b := newBench(t, nil)
		b.source.dense(batch.None, 1)
		b.settle()
		b.target.maxBytes = 70
		b.run()
		b.stopped(CodeRefusedBatch, 0, 1, "raise max.message.bytes of the target topic")
	})
}

func TestRefusedBatches(t *testing.T) {
	old := make([]byte, 40) // magic 1
	old[7], old[11], old[16] = 3, 28, 1
	for name, c := range map[string]struct {
		bytes  batch.Batch
		reason string
	}{
		"old format":    {old, "message format 0 or 1"},
		"broken CRC":    {func() batch.Batch { b := stored(3, 5, 0, -1, recs(3, 3)); b[70] ^= 1; return b }(), "CRC32C"},
		"unknown codec": {stored(3, 5, 5, -1, recs(3, 3)), "unknown compression codec"},
		"no records":    {func() batch.Batch { return stored(3, 5, 4, -1, recs(3, 3)[:2]) }(), "zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.source.dense(batch.None, 3)
			b.settle()
			p := b.source.fetch(0, 1<<20)
			p.records = append(p.records, c.bytes...)
			b.core.fetched(0, p)
			_, ok := b.core.wants()
			require.Equal(t, b.core.stop == nil, ok, "nothing is fetched beyond it")
			it, a, ok := b.send()
			require.True(t, ok)
			b.core.answered(it, a)
			_, _, ok = b.send()
			require.False(t, ok)
			require.Equal(t, halted, b.core.phase)
			require.Equal(t, CodeRefusedBatch, b.core.stop.code)
			require.EqualValues(t, 3, b.core.stop.from)
			require.Contains(t, b.core.stop.reason, c.reason)
			require.EqualValues(t, 3, b.target.end, "what is before it is copied")
		})
	}
}

func TestOutOfRange(t *testing.T) {
	b := newBench(t, nil)
	b.settle()
	b.core.outOfRange(0, 5, 9)
	require.EqualValues(t, 5, b.core.queue.position, "nothing was copied: copying starts a little later")
	b.source.start, b.source.end = 5, 5
	b.source.dense(batch.None, 3)
	b.run()
	b.core.outOfRange(7, 20, 30)
	require.Equal(t, copying, b.core.phase, "the news are late: another offset is wanted now")
	b.core.outOfRange(8, 20, 30)
	b.stopped(CodeOutOfRange, 8, 20, "retention has removed offsets 8 to 19")

	b = newBench(t, nil)
	b.source.dense(batch.None, 8)
	b.run()
	b.core.outOfRange(8, 0, 3)
	b.stopped(CodeDiverged, 3, 8, "the source ends at 3, but records up to 8 were read from it")
}

func TestLeaderEpochs(t *testing.T) {
	start := func() *bench {
		b := newBench(t, nil)
		b.source.put(stored(0, 3, 0, -1, recs(0, 4))) // leader epoch 3
		later := stored(4, 7, 0, -1, recs(4, 4))
		later[15] = 5 // not covered by the checksum
		b.source.put(later)
		b.settle()
		b.fetch()
		require.Equal(t, ask{kind: askEpoch, from: 3}, b.core.ask())
		_, wants := b.core.wants()
		require.False(t, wants)
		b.core.fetched(4, b.source.fetch(4, 1000)) // late, of a fetch that was under way
		require.EqualValues(t, 4, b.core.queue.position)
		return b
	}
	for _, end := range []int64{4, 9, -1} {
		b := start()
		b.core.epochEnded(3, end)
		b.run()
		b.exact()
	}
	b := start()
	b.core.epochEnded(2, 0) // an answer to something else
	b.core.epochEnded(3, 2)
	b.stopped(CodeDiverged, 2, 4, "leader epoch 3 ended at 2, but records up to 4 were read from it")
}

// TestPageOfFormerLeader: a page that was read before the leader was known to be
// another one tells nothing about the log as it is now.
func TestPageOfFormerLeader(t *testing.T) {
	b := newBench(t, nil)
	b.source.epoch = 3
	b.source.put(stored(0, 1, 0, -1, recs(0, 2))) // of that epoch
	b.run()
	b.source.emptied(3)
	late := b.source.fetch(2, 1000)
	b.source.elect(2)
	require.True(t, b.core.led(b.source.epoch+1))
	b.core.epochEnded(3, b.source.epochEnd(3))
	b.core.fetched(2, late)
	require.EqualValues(t, 2, b.core.queue.position, "there may be records now")
	b.source.dense(batch.None, 3)
	b.run()
	b.exact()
}

// TestEmptyStretchIsReadOnceMore: a later owner, which finds that the leader may
// have records where there were none, passes over what it has resolved.
func TestEmptyStretchIsReadOnceMore(t *testing.T) {
	for _, filled := range []bool{false, true} {
		b := newBench(t, nil)
		b.epochs = 1
		b.settle()
		b.source.end = 2
		b.core.fetched(0, b.source.fetch(0, 1)) // nothing stands there
		require.True(t, b.publish(true))
		b.source.elect(0)
		if b.epochs = 2; filled {
			b.source.add(stored(0, 0, 0, -1, recs(0, 1)))
		}
		b.source.end = 2
		b.source.add(stored(2, 6, 0, -1, recs(2, 5)))
		for range 3 {
			b.fetch()
			b.settle()
		}
		if b.send(); filled {
			b.stopped(CodeDiverged, 0, 1, "where there were none when it was read up to 2")
			continue
		}
		require.EqualValues(t, 5, b.target.end) // and it dies
		b.successor()
		b.run()
		b.exact()
	}
}

// TestNativeBatchAtTheEndOfTheMap: beside other writers an unclean election may
// put one of theirs where the map ends.
func TestNativeBatchAtTheEndOfTheMap(t *testing.T) {
	b := newBench(t, nil)
	b.core.shared = true
	b.settle()
	b.source.dense(batch.None, 3)
	b.fetch()
	_, _, sent := b.send() // and dies
	require.True(t, sent)
	b.successor()
	b.settle() // it has published what it found, and written nothing when the election comes
	b.target.elect(0)
	native, err := batch.Build(batch.Spec{}, recs(0, 5))
	require.NoError(t, err)
	b.target.produce(native)
	b.successor()
	b.stopped(CodeDiverged, 3, 3, "holds another batch")
}

func TestMapBeforePosition(t *testing.T) {
	b := newBench(t, func(l *limits) { l.blockRuns = 2 })
	b.settle()
	_, ok := b.core.send(0, 1)
	require.False(t, ok)
	require.Len(t, b.offsets.order, 1, "the first block is published before anything is sent")
	b.source.dense(batch.None, 2)
	b.fetch()
	it, a, _ := b.send()
	b.core.answered(it, a)
	require.Zero(t, b.core.watermark(), "not published, so it does not count")
	require.False(t, b.publish(false), "not so soon after the last time")
	b.now += 100
	p, ok := b.core.take(b.now, false)
	require.True(t, ok)
	require.Zero(t, b.core.watermark())
	b.source.dense(batch.None, 2)
	b.fetch()
	it, a, _ = b.send()
	b.core.answered(it, a) // meanwhile
	b.core.published(p, b.now)
	require.EqualValues(t, 2, b.core.watermark(), "what came later is not in that block")
	require.True(t, b.core.ledger.dirty())

	for range 5 { // every transaction ends a run
		b.source.transaction(1, 1, true)
	}
	b.run()
	b.exact()
	require.Greater(t, len(b.offsets.order), 2, "full blocks are closed")
	for _, k := range b.offsets.order {
		m, err := offsetmap.Unpack(b.offsets.blocks[k].Runs)
		require.NoError(t, err)
		require.LessOrEqual(t, m.Len(), 2)
		require.Equal(t, m.Watermark(), b.offsets.blocks[k].Watermark)
	}
}

func TestUnusableMapStops(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 2)
	b.run()
	x := b.offsets.blocks[b.offsets.order[0]]
	x.Runs = []byte{9, 9, 9}
	b.offsets.blocks[b.offsets.order[0]] = x
	b.successor()
	b.settle()
	require.Equal(t, CodeDiverged, b.core.stop.code)
	require.Contains(t, b.core.stop.reason, "the published offset map is unusable")
}

func TestMergesTinyBatches(t *testing.T) {
	b := newBench(t, func(l *limits) { l.mergeBelow, l.mergeUpTo = 200, 1000 })
	for range 40 {
		b.source.dense(batch.None, 1)
		b.source.transaction(4, 1, false)
	}
	b.source.dense(batch.None, 30) // large
	b.source.dense(batch.None, 1)
	b.run()
	b.exact()
	require.Less(t, len(b.target.batches), 12)
	require.Greater(t, len(b.target.batches), 4, "not beyond mergeUpTo")
}

func TestMergeStopsBeforeACorruptBatch(t *testing.T) {
	b := newBench(t, func(l *limits) { l.mergeBelow, l.mergeUpTo = 1000, 10_000 })
	b.source.dense(batch.None, 1)
	b.source.dense(batch.None, 1)
	b.source.dense(batch.None, 1)
	b.source.batches[2][65] ^= 1
	b.run()
	b.stopped(CodeRefusedBatch, 2, 3, "CRC32C")
	require.EqualValues(t, 2, b.target.end)
}

func TestSequencesWrap(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 3)
	b.run()
	b.core.queue.sequence, b.core.ledger.sequence = math.MaxInt32-4, math.MaxInt32-4
	b.target.known = map[int64]*producerState{}
	for range 4 {
		b.source.dense(batch.None, 3)
	}
	b.run()
	b.exact()
	require.Less(t, b.core.queue.sequence, int32(100))
}

func TestOneAtATime(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 2)
	b.source.dense(batch.None, 2)
	b.settle()
	b.fetch()
	first, ok := b.core.send(0, 1)
	require.True(t, ok)
	require.False(t, b.core.idle())
	_, ok = b.core.send(0, 1)
	require.False(t, ok)
	b.core.answered(first, b.target.produce(first.bytes))
	require.True(t, b.core.idle())
	_, ok = b.core.send(0, 1)
	require.True(t, ok)
}

func TestOnlyInsideTheLease(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 2)
	b.settle()
	b.fetch()
	require.True(t, b.core.sendable())
	for _, lease := range []time.Duration{0, 99, 100} {
		_, ok := b.core.send(100, lease)
		require.False(t, ok)
	}
	_, ok := b.core.send(100, 101)
	require.True(t, ok)
	require.False(t, b.core.sendable())
}

func TestPaused(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 2)
	b.source.dense(batch.None, 2)
	b.settle()
	b.fetch()
	it, a, _ := b.send()
	b.core.paused = true
	_, wants := b.core.wants()
	require.False(t, wants)
	_, ok := b.core.send(0, 1)
	require.False(t, ok)
	b.core.answered(it, a)
	require.True(t, b.core.idle())
	require.True(t, b.publish(true), "what landed is published all the same")
	b.core.paused = false
	b.run()
	b.exact()
}

func TestBufferIsBounded(t *testing.T) {
	b := newBench(t, func(l *limits) { l.buffer = 300 })
	b.size = 250
	for range 10 {
		b.source.dense(batch.None, 2)
	}
	b.settle()
	for b.fetch() {
	}
	require.Less(t, b.core.queue.weight, 300+250)
	b.run()
	b.exact()
	require.Zero(t, b.core.queue.weight)
}

func TestLatePagesChangeNothing(t *testing.T) {
	b := newBench(t, nil)
	b.source.dense(batch.None, 2)
	b.settle()
	page := b.source.fetch(0, 1000)
	b.core.fetched(0, page)
	b.core.fetched(0, page)
	require.Len(t, b.core.queue.items, 1)
	b.run()
	b.exact()
}

func TestPhasesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for p := claiming; p <= fenced; p++ {
		seen[p.String()] = true
	}
	require.Len(t, seen, 7)
}
