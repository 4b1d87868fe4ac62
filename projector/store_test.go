package projector

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/fsm"
)

// reopen opens a store again; it is closed with the test.
func reopen(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// folded leaves a store behind that holds a log.
func folded(t *testing.T, o Options, l *fakeLog) {
	t.Helper()
	s, err := Open(o)
	require.NoError(t, err)
	catchUp(t, s, l)
	require.NoError(t, s.Close())
}

func TestStoreKeepsWhatWasFolded(t *testing.T) {
	w := newWorld(1, 2, 3, 10)
	l := newFakeLog(w.write(300))
	o := Options{Dir: t.TempDir()}
	folded(t, o, l)
	s := reopen(t, o)
	require.Equal(t, w.at-1, s.Applied())
	requireEqual(t, w.fold, view(t, s))
}

func TestLockedInThisProcess(t *testing.T) {
	for name, o := range map[string]Options{"memory": {Dir: "d", FS: vfs.NewMem()}, "folder": {Dir: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			reopen(t, o)
			_, err := Open(o)
			require.ErrorIs(t, err, ErrLocked)
			require.ErrorContains(t, err, o.Dir)
			require.ErrorContains(t, err, "fold in memory")
		})
	}
}

// TestLockedByAnotherProcess runs this test's binary again while the store is
// open here.
func TestLockedByAnotherProcess(t *testing.T) {
	const name = "PORTAGE_TEST_STORE"
	if dir := os.Getenv(name); dir != "" {
		_, err := Open(Options{Dir: dir})
		require.ErrorIs(t, err, ErrLocked)
		return
	}
	dir := t.TempDir()
	reopen(t, Options{Dir: dir})
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLockedByAnotherProcess$", "-test.v")
	other.Env = append(os.Environ(), name+"="+dir)
	out, err := other.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS")
}

func TestFolderThatCannotBe(t *testing.T) {
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(Options{Dir: file})
	require.ErrorContains(t, err, file)
	require.NotErrorIs(t, err, ErrLocked)
	require.NoError(t, os.MkdirAll(file+"2/LOCK", 0o700))
	_, err = Open(Options{Dir: file + "2"})
	require.ErrorContains(t, err, "LOCK")
	require.NotErrorIs(t, err, ErrLocked)
}

// rewrite changes the meta value of a closed store.
func rewrite(t *testing.T, o Options, change func(m map[string]any)) {
	t.Helper()
	s, err := Open(o)
	require.NoError(t, err)
	raw, err := get(s.db, newKey(spaceMeta))
	require.NoError(t, err)
	m := map[string]any{}
	require.NoError(t, json.Unmarshal(raw, &m))
	change(m)
	raw, err = json.Marshal(m)
	require.NoError(t, err)
	if m["garbage"] != nil {
		raw = raw[:len(raw)/2]
	}
	require.NoError(t, s.db.Set(newKey(spaceMeta), raw, pebble.NoSync))
	require.NoError(t, s.Close())
}

func TestNewerStoreIsRefusedAndKept(t *testing.T) {
	w := newWorld(1, 1, 2, 0)
	l := newFakeLog(w.write(50))
	for field, now := range map[string]int{"layout": Layout, "machines": fsm.Version} {
		t.Run(field, func(t *testing.T) {
			o := Options{Dir: "d", FS: vfs.NewMem()}
			folded(t, o, l)
			rewrite(t, o, func(m map[string]any) { m[field] = now + 1 })
			_, err := Open(o)
			require.ErrorIs(t, err, ErrNewer)
			require.ErrorContains(t, err, "upgrade")
			_, err = Open(o)
			require.ErrorIs(t, err, ErrNewer, "refusing changes nothing")
			o.Rebuild = true
			require.EqualValues(t, -1, reopen(t, o).Applied(), "unless that is asked for")
		})
	}
}

func TestNewerFilesAreRefused(t *testing.T) {
	o := Options{Dir: "d", FS: vfs.NewMem()}
	folded(t, o, newFakeLog(nil))
	names, err := o.FS.List("d/rows")
	require.NoError(t, err)
	for _, name := range names {
		if len(name) > 21 && name[:21] == "marker.format-version" {
			require.NoError(t, o.FS.Remove("d/rows/"+name))
		}
	}
	f, err := o.FS.Create("d/rows/marker.format-version.000099.099", vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = Open(o)
	require.ErrorIs(t, err, ErrNewer)
	require.ErrorContains(t, err, "format 99")
}

func TestOldOrUnreadableStoreIsFoldedAnew(t *testing.T) {
	w := newWorld(1, 1, 2, 0)
	l := newFakeLog(w.write(50))
	for name, change := range map[string]func(m map[string]any){
		"layout":   func(m map[string]any) { m["layout"] = Layout - 1 },
		"machines": func(m map[string]any) { m["machines"] = fsm.Version - 1 },
		"garbage":  func(m map[string]any) { m["garbage"] = true },
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: "d", FS: vfs.NewMem()}
			folded(t, o, l)
			rewrite(t, o, change)
			s := reopen(t, o)
			require.EqualValues(t, -1, s.Applied())
			v := s.View()
			migrations, err := v.Migrations()
			require.NoError(t, err)
			require.Empty(t, migrations)
			require.NoError(t, v.Close())
			catchUp(t, s, l)
			requireEqual(t, w.fold, view(t, s))
		})
	}
}

func TestBrokenFilesAreFoldedAnew(t *testing.T) {
	w := newWorld(1, 1, 2, 0)
	l := newFakeLog(w.write(50))
	o := Options{Dir: t.TempDir()}
	folded(t, o, l)
	entries, err := os.ReadDir(o.Dir + "/rows")
	require.NoError(t, err)
	for _, e := range entries {
		if len(e.Name()) > 8 && e.Name()[:8] == "MANIFEST" {
			require.NoError(t, os.WriteFile(o.Dir+"/rows/"+e.Name(), []byte("scribble"), 0o600))
		}
	}
	s := reopen(t, o)
	require.EqualValues(t, -1, s.Applied())
	catchUp(t, s, l)
	requireEqual(t, w.fold, view(t, s))
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]Options{
		"CacheBytes":    {CacheBytes: -1},
		"MemTableBytes": {MemTableBytes: 1},
		"FS":            {FS: vfs.NewMem()},
	} {
		_, err := Open(o)
		require.ErrorContains(t, err, "Options."+want)
	}
}

func TestWaitAndChanged(t *testing.T) {
	w := newWorld(1, 1, 2, 0)
	l := newFakeLog(w.write(10))
	s := memory(t)
	require.EqualValues(t, -1, s.Applied())
	changed := s.Changed(-1)
	select {
	case <-changed:
		t.Fatal("nothing was folded yet")
	default:
	}
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(t.Context(), 9) }()
	catchUp(t, s, l)
	<-changed
	<-s.Changed(8)
	require.NoError(t, <-waited)
	require.NoError(t, s.Wait(t.Context(), 9))

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := s.Wait(ctx, 10)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "position 10 is folded (folded is 9)")
}

func TestClosedStore(t *testing.T) {
	s, err := Open(Options{})
	require.NoError(t, err)
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(t.Context(), 1) }()
	changed := s.Changed(5)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice is once")
	require.ErrorIs(t, <-waited, ErrClosed)
	<-changed
	<-s.Changed(5)
	require.ErrorIs(t, s.Err(), ErrClosed)
	v := s.View()
	require.ErrorIs(t, v.Err(), ErrClosed)
	_, ok := v.Migration("m")
	require.False(t, ok)
	_, err = v.Migrations()
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, v.Close())
	p, err := New(Config{Store: s, Log: newFakeLog(nil).Log()})
	require.NoError(t, err)
	_, err = p.CatchUp(t.Context())
	require.ErrorIs(t, err, ErrClosed)
}

func TestFailedStoreWakesEverybody(t *testing.T) {
	s, err := Open(Options{})
	require.NoError(t, err)
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(t.Context(), 1) }()
	s.fail(os.ErrPermission)
	s.fail(os.ErrExist)
	err = <-waited
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, os.ErrPermission, "the first cause stays")
	require.NotErrorIs(t, err, os.ErrExist)
	require.ErrorIs(t, s.View().Err(), ErrFailed)
	require.ErrorIs(t, s.Close(), ErrFailed, "what was not written is not written any more")
}
