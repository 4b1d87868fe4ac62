package projector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/portage-kafka/portage/fsm"
)

// pebbleFormat is the version of Pebble's own files. Raise it together with
// the library; an older folder is migrated by Pebble when it is opened.
const pebbleFormat = pebble.FormatValueSeparation

// neverStall is more tables than are ever waiting.
const neverStall = 1000

// Open opens the store, empty if there is none. It is [ErrLocked] when another
// process has it, [ErrNewer] when a later release wrote it. A store of an older
// layout, or one whose files cannot be read, is emptied: the log has it all.
func Open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	memory := o.Dir == ""
	o = o.withDefaults()
	if err := o.FS.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the folder of the store: %w", err)
	}
	lock, err := lockDir(o)
	if err != nil {
		return nil, err
	}
	s, err := attempt(o, memory, o.Rebuild)
	if err != nil && !errors.Is(err, ErrNewer) {
		o.Logger.Warn().Err(err).Str("dir", o.Dir).Msg("the store is emptied, the log will be folded anew")
		s, err = attempt(o, memory, true)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

func lockDir(o Options) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(o.Dir, o.FS)
	var path *fs.PathError
	if errors.As(err, &path) {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w (%w): end that process, or fold in memory", o.Dir, ErrLocked, err)
	}
	return lock, nil
}

// attempt opens the rows, emptied first when that is asked for.
func attempt(o Options, memory, empty bool) (*Store, error) {
	s := newStore(o, memory)
	if empty {
		if err := o.FS.RemoveAll(s.rows); err != nil {
			return nil, fmt.Errorf("empty the store: %w", err)
		}
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// open opens Pebble and reads where the fold stands.
func (s *Store) open() error {
	if err := s.checkFiles(); err != nil {
		return err
	}
	if err := s.openPebble(); err != nil {
		return fmt.Errorf("open the store in %s: %w", s.rows, err)
	}
	m, err := s.readMeta()
	s.meta, s.applied = m, m.Applied
	return errors.Join(err, s.failure)
}

// openPebble turns the panic with which Pebble answers a folder that cannot be
// synced into an error: nothing is lost here that the log does not have.
func (s *Store) openPebble() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrFailed, r)
		}
	}()
	s.db, err = pebble.Open(s.rows, s.pebbleOptions())
	return err
}

// checkFiles refuses files of a later Pebble before it touches them.
func (s *Store) checkFiles() error {
	if err := s.o.FS.MkdirAll(s.rows, 0o755); err != nil {
		return fmt.Errorf("create the folder of the store: %w", err)
	}
	value, err := atomicfs.ReadMarker(s.o.FS, s.rows, "format-version")
	if err != nil {
		return fmt.Errorf("look at the store in %s: %w", s.rows, err)
	}
	if format, err := strconv.ParseUint(value, 10, 32); err == nil && pebble.FormatMajorVersion(format) > pebbleFormat {
		return fmt.Errorf("%s: %w: its files have format %d, this release writes %d: upgrade, or delete the folder and it is folded again",
			s.rows, ErrNewer, format, pebbleFormat)
	}
	return nil
}

// readMeta reads where the fold stands.
func (s *Store) readMeta() (meta, error) {
	raw, err := get(s.db, newKey(spaceMeta))
	if err != nil || raw == nil {
		return emptyMeta(), err
	}
	var m meta
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("the state of the store in %s cannot be read: %w", s.rows, err)
	}
	switch {
	case m.Layout > Layout || m.Machines > fsm.Version:
		return m, fmt.Errorf("%s: %w: layout %d and machines %d, this release reads up to layout %d and machines %d: upgrade, or delete the folder and it is folded again",
			s.rows, ErrNewer, m.Layout, m.Machines, Layout, fsm.Version)
	case m.Layout < Layout || m.Machines < fsm.Version:
		return m, fmt.Errorf("the store in %s has layout %d and machines %d, now they are %d and %d", s.rows, m.Layout, m.Machines, Layout, fsm.Version)
	}
	return m, nil
}

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		// Nothing may be written after an error that Pebble calls fatal: what is
		// on the disk then is what a crash would leave, and good to start with.
		FS:                 errorfs.Wrap(s.o.FS, errorfs.InjectorFunc(s.sealed)),
		Logger:             pebbleLogger{s},
		FormatMajorVersion: pebbleFormat,
		// The log is the write-ahead log: see "Commits" in doc.go.
		DisableWAL:   true,
		CacheSize:    s.o.CacheBytes,
		MemTableSize: uint64(s.o.MemTableBytes),
		// Pebble would let a commit wait for as long as a disk refuses a write;
		// Store.commit waits itself, until the store fails.
		MemTableStopWritesThreshold: neverStall,
		L0StopWritesThreshold:       neverStall,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { s.fail(fmt.Errorf("write the store: %w", err)) },
			DataCorruption:  func(i pebble.DataCorruptionInfo) { s.fail(fmt.Errorf("read the store: %s: %w", i.Path, i.Details)) },
		},
	}
	// Most look-ups ask for an event id that nobody has seen: the filter
	// answers them without a read.
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if s.memory {
		o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	}
	return o
}

// manifest is in the names of the files in which Pebble lists its tables. Its
// logger says why they are spared.
const manifest = "MANIFEST"

// sealed refuses writes once the store has failed.
func (s *Store) sealed(op errorfs.Op) error {
	select {
	case <-s.broken:
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && !strings.Contains(op.Path, manifest) {
			return ErrFailed
		}
	default:
	}
	return nil
}

// pebbleLogger passes Pebble's messages on.
type pebbleLogger struct{ s *Store }

// Infof drops what only Pebble's authors need.
func (pebbleLogger) Infof(string, ...any) {}

// Errorf passes an error of the disk on.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.s.o.Logger.Error().Str("dir", l.s.rows).Msgf(format, args...)
}

// Fatalf is called for errors after which Pebble cannot go on (its default
// ends the process). The store is marked as failed, which refuses every later
// commit, read and write; Pebble returns the error after it. Only when the disk
// refuses the list of tables itself, Pebble may panic in a compaction later
// on, and the process ends: the next start finds a good store, or makes one.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.s.fail(fmt.Errorf("pebble: "+format, args...))
}
