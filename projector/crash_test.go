package projector

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
)

// small is a store that goes to its folder all the time.
func small(fs vfs.FS) Options { return Options{Dir: "store", FS: fs, MemTableBytes: leastMemTable} }

// prefixOf is the dumb fold of a log up to a position.
func prefixOf(records []events.Record, upTo int64) *dumb {
	d := newDumb()
	for _, rec := range records {
		if rec.Position <= upTo {
			d.fold(rec)
		}
	}
	return d
}

// resume opens what a crash left: it must be some prefix of the log, and go on
// to the end.
func resume(t *testing.T, fs vfs.FS, l *fakeLog, whole *dumb, created bool) (applied int64) {
	t.Helper()
	var heard bytes.Buffer
	o := small(fs)
	o.Logger = zerolog.New(&heard)
	s, err := Open(o)
	require.NoError(t, err)
	if created { // while it creates a folder Pebble leaves states that it cannot open
		require.Empty(t, heard.String(), "the folder is good: nothing is emptied")
	}
	v := s.View()
	applied = v.Applied()
	requireEqual(t, prefixOf(l.records, applied), v)
	require.NoError(t, v.Close())
	catchUp(t, s, l)
	v = s.View()
	requireEqual(t, whole, v)
	require.NoError(t, v.Close())
	require.NoError(t, s.Close())
	return applied
}

func TestCrashAtAnyWriteLeavesAStoreThatGoesOn(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	w := newWorld(seed, 2, 3, 10)
	l := newFakeLog(w.write(700))
	l.split = func() int { return 40 }
	disk := vfs.NewCrashableMem()
	type clone struct {
		fs      *vfs.MemFS
		created bool
	}
	var clones []clone
	var created atomic.Bool
	writes := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && rng.IntN(2) == 0 {
			cfg := vfs.CrashCloneCfg{}
			if rng.IntN(2) == 0 {
				cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng}
			}
			clones = append(clones, clone{disk.CrashClone(cfg), created.Load()})
		}
		return nil
	})
	s, err := Open(small(errorfs.Wrap(disk, locked(writes))))
	require.NoError(t, err)
	catchUp(t, s, l)
	require.NoError(t, s.Close())
	applied := map[int64]bool{}
	const tried = 24 // from the first write to the last
	for i := range tried {
		c := clones[i*(len(clones)-1)/(tried-1)]
		applied[resume(t, c.fs, l, w.fold, c.created)] = true
	}
	t.Logf("%d of %d crashes, the stores stood at %d different positions", tried, len(clones), len(applied))
	require.Greater(t, len(applied), 1)
	require.Equal(t, w.at-1, resume(t, disk, l, w.fold, true), "Close has written everything")
}

// locked lets one operation at a time into an injector.
func locked(i errorfs.InjectorFunc) errorfs.InjectorFunc {
	gate := make(chan struct{}, 1)
	return func(op errorfs.Op) error {
		gate <- struct{}{}
		defer func() { <-gate }()
		return i(op)
	}
}

// TestDiskErrorAtAnyOperation fails one operation of the disk, or all from it
// on: the fold ends with an error or was not concerned, nothing panics, and the
// folder is good for another start.
func TestDiskErrorAtAnyOperation(t *testing.T) {
	w := newWorld(7, 2, 3, 10)
	l := newFakeLog(w.write(400))
	l.split = func() int { return 40 }
	total := diskErrors(t, l, w, 1<<30, true)
	t.Logf("%d operations", total)
	require.Greater(t, total, int64(50))
	failures := 0
	for at := int64(0); at < total; at += 1 + total/12 {
		for _, forever := range []bool{false, true} {
			if diskErrors(t, l, w, at, forever) < 0 {
				failures++
			}
		}
	}
	require.NotZero(t, failures)
}

// diskErrors folds a log on a disk whose n-th operation fails; it returns how
// many operations there were, or a negative number when an error was noticed.
func diskErrors(t *testing.T, l *fakeLog, w *world, n int64, forever bool) int64 {
	t.Helper()
	disk := vfs.NewCrashableMem()
	var ops atomic.Int64
	fails := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileClose || op.Kind == errorfs.OpGetDiskUsage || strings.Contains(op.Path, manifest) {
			return nil // Pebble ends the process by a panic when it cannot list its tables
		}
		if at := ops.Add(1); at == n || forever && at > n {
			return errorfs.ErrInjected
		}
		return nil
	})
	created, err := foldOn(errorfs.Wrap(disk, fails), l)
	resume(t, disk, l, w.fold, created)
	if err != nil {
		return -1
	}
	return ops.Load()
}

func foldOn(fs vfs.FS, l *fakeLog) (created bool, err error) {
	s, err := Open(small(fs))
	if err != nil {
		return false, err
	}
	p, err := New(Config{Store: s, Log: l.Log()})
	if err == nil {
		_, err = p.CatchUp(context.Background())
	}
	return true, errors.Join(err, s.Close())
}
