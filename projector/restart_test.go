package projector

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// TestRestartsChangeNothing folds a log in several lives of a store, each with
// other batches, and compares it with one that was folded in one go.
func TestRestartsChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		w := newWorld(seed, 2, 3, 20)
		w.write(rapid.IntRange(1, 150).Draw(rt, "records"))
		rng := rand.New(rand.NewPCG(seed, 4))
		o := Options{Dir: "d", FS: vfs.NewMem(), MemTableBytes: leastMemTable}
		for lives := rapid.IntRange(1, 4).Draw(rt, "lives"); lives > 0; lives-- {
			upTo := len(w.records) / lives
			l := newFakeLog(w.records[:upTo])
			l.split = func() int { return 1 + rng.IntN(50) }
			s, err := Open(o)
			require.NoError(rt, err)
			catchUp(t, s, l)
			require.NoError(rt, s.Close())
		}
		s, err := Open(o)
		require.NoError(rt, err)
		defer func() { require.NoError(rt, s.Close()) }()
		v := s.View()
		defer func() { require.NoError(rt, v.Close()) }()
		requireEqual(rt, w.fold, v)
		requireSameDigests(rt, t, w, v)
	})
}

// requireSameDigests compares all that is kept about digests, milestones
// included, with a store that was folded in one batch.
func requireSameDigests(rt *rapid.T, t *testing.T, w *world, v *View) {
	whole, err := Open(Options{})
	require.NoError(rt, err)
	defer func() { require.NoError(rt, whole.Close()) }()
	catchUp(t, whole, newFakeLog(w.records))
	want := whole.View()
	defer func() { require.NoError(rt, want.Close()) }()
	a, err := want.AllDigests()
	require.NoError(rt, err)
	b, err := v.AllDigests()
	require.NoError(rt, err)
	require.Equal(rt, a, b)
	require.Equal(rt, want.Health(), v.Health())
	for _, name := range w.names {
		c1, ok1 := want.Checkpoint(name)
		c2, ok2 := v.Checkpoint(name)
		require.Equal(rt, c1, c2)
		require.Equal(rt, ok1, ok2)
	}
}

// TestMilestonesDoNotDependOnBatches: a restart in the middle of a thousand
// must not forget which migrations had events in it.
func TestMilestonesDoNotDependOnBatches(t *testing.T) {
	w := newWorld(9, 3, 2, 5)
	w.write(3500)
	whole := memory(t)
	catchUp(t, whole, newFakeLog(w.records))
	want := milestones(t, whole)
	require.Greater(t, len(want), 6)
	for _, size := range []int{7, 333, 1000, 1001} {
		o := Options{Dir: "d", FS: vfs.NewMem()}
		for upTo := 900; ; upTo += 900 {
			upTo = min(upTo, len(w.records))
			l := newFakeLog(w.records[:upTo])
			l.split = func() int { return size }
			folded(t, o, l)
			if upTo == len(w.records) {
				break
			}
		}
		require.Equal(t, want, milestones(t, reopen(t, o)), "pages of %d", size)
	}
}

// milestones lists all that a store keeps.
func milestones(t *testing.T, s *Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	prefix := newKey(spaceMilestone)
	require.NoError(t, scan(s.db, prefix, prefix.end(), func(k, value []byte) error {
		all[string(k)] = string(value)
		return nil
	}))
	return all
}

// TestEndedMigrationKeepsItsDigests: a later migration may take over the topic,
// its claim and its directives; the digests of the former are final.
func TestEndedMigrationKeepsItsDigests(t *testing.T) {
	w := newWorld(1, 2, 1, 0)
	plan := func(m string) {
		w.append(w.event(m, events.TopicStream("orders"), events.TopicPlanned{
			Source: source, TopicID: "aa", Partitions: 1, Target: target, TargetTopic: "orders", ReplicationFactor: 1,
		}))
	}
	plan("m0")
	plan("m1") // refused: it belongs to m0
	w.append(w.event("m0", events.MigrationStream, events.CancelRequested{Reason: "another time"}))
	s := memory(t)
	l := newFakeLog(w.records)
	p := catchUp(t, s, l)
	v := view(t, s)
	final, ok := v.Digests("m0")
	require.True(t, ok)
	m, ok := v.Migration("m0")
	require.True(t, ok)
	require.Equal(t, events.PhaseCancelled, m.Phase)
	n, _ := v.Note(1)
	require.Equal(t, fsm.Refused, n.Verdict)

	plan("m1")
	l.set(w.records)
	_, err := p.CatchUp(t.Context())
	require.NoError(t, err)
	v = view(t, s)
	c, ok := v.Claim(fsm.ClaimKey{Cluster: source.ID, Kind: events.OfTopic, Name: "orders"})
	require.True(t, ok)
	require.Equal(t, "m1", c.Migration, "the topic is m1's now")
	now, _ := v.Digests("m0")
	require.Equal(t, final, now)
}

// TestViewsWhileFolding looks at the store from several goroutines while it
// grows: every view is of one position, digests and rows alike.
func TestViewsWhileFolding(t *testing.T) {
	w := newWorld(4, 2, 3, 10)
	l := newFakeLog(w.write(600))
	l.split = func() int { return 15 }
	digests := map[int64]map[string]string{} // of every position, by the dumb fold
	d, next := newDumb(), int64(0)
	for _, rec := range w.records {
		for ; next < rec.Position; next++ { // gaps of compaction
			digests[next] = logsOf(d)
		}
		d.fold(rec)
		digests[rec.Position] = logsOf(d)
		next = rec.Position + 1
	}
	s := memory(t)
	p, err := New(Config{Store: s, Log: l.Log()})
	require.NoError(t, err)
	stop := running(t, p)
	var lookers sync.WaitGroup
	for range 3 {
		lookers.Go(func() {
			for after := int64(-1); after < l.end-1; {
				<-s.Changed(after)
				v := s.View()
				after = v.Applied()
				requireOnePosition(t, v, digests[after])
			}
		})
	}
	lookers.Wait()
	require.NoError(t, stop())
}

func logsOf(d *dumb) map[string]string {
	all := map[string]string{}
	for name, digest := range d.log {
		all[name] = digest.String()
	}
	return all
}

// requireOnePosition compares a view with the digests of its position.
func requireOnePosition(t *testing.T, v *View, want map[string]string) {
	defer func() { noError(t, v.Close()) }()
	all, err := v.AllDigests()
	noError(t, err)
	have := map[string]string{}
	for _, d := range all {
		have[d.Migration] = d.Log.String()
	}
	if len(have) != len(want) {
		t.Errorf("as of %d there are %d migrations, want %d", v.Applied(), len(have), len(want))
	}
	for name, digest := range want {
		if have[name] != digest {
			t.Errorf("as of %d the log digest of %s is %s, want %s", v.Applied(), name, have[name], digest)
		}
	}
	if _, ok := v.Note(v.Applied() + 1); ok {
		t.Errorf("a view of %d shows what came later", v.Applied())
	}
	noError(t, v.Err())
}

// noError is for goroutines, in which require must not end a test.
func noError(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}
