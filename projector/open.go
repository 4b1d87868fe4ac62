package projector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/portage-kafka/portage/fsm"
)

// pebbleFormat is the version of Pebble's own files. Raise it together with
// the library; an older folder is migrated by Pebble when it is opened.
const pebbleFormat = pebble.FormatValueSeparation

// Open opens the store, empty if there is none. It is [ErrLocked] when another
// process has it, [ErrNewer] when a later release wrote it.
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
	s := newStore(o, memory, lock)
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

func lockDir(o Options) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(o.Dir, o.FS)
	var path *fs.PathError
	if errors.As(err, &path) {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w (%v): end that process, or fold in memory", o.Dir, ErrLocked, err)
	}
	return lock, nil
}

// open opens Pebble and reads where the fold stands.
func (s *Store) open() error {
	if err := s.checkFiles(); err != nil {
		return err
	}
	var err error
	if s.db, err = pebble.Open(s.o.Dir, s.pebbleOptions()); err != nil {
		return fmt.Errorf("open the store in %s: %w: the log has it all: delete the folder and it is folded again", s.o.Dir, err)
	}
	m, err := s.readMeta()
	if err != nil {
		return err
	}
	s.meta, s.applied = m, m.Applied
	return nil
}

// checkFiles refuses files of a later Pebble before it touches them.
func (s *Store) checkFiles() error {
	desc, err := pebble.Peek(s.o.Dir, s.o.FS)
	if err != nil {
		return fmt.Errorf("look at the store in %s: %w", s.o.Dir, err)
	}
	if desc.Exists && desc.FormatMajorVersion > pebbleFormat {
		return fmt.Errorf("%s: %w: its files have format %d, this release writes %d: upgrade, or delete the folder and it is folded again",
			s.o.Dir, ErrNewer, desc.FormatMajorVersion, pebbleFormat)
	}
	return nil
}

// readMeta reads where the fold stands; it empties a store that must be built
// anew and refuses one that a later release wrote.
func (s *Store) readMeta() (meta, error) {
	value, closer, err := s.db.Get(newKey(spaceMeta))
	if errors.Is(err, pebble.ErrNotFound) {
		return emptyMeta(), nil
	}
	if err != nil {
		return meta{}, fmt.Errorf("read the state of the store in %s: %w", s.o.Dir, err)
	}
	var m meta
	err = errors.Join(json.Unmarshal(value, &m), closer.Close())
	switch {
	case err != nil:
		return meta{}, fmt.Errorf("the state of the store in %s cannot be read: %w: delete the folder and it is folded again", s.o.Dir, err)
	case m.Layout > Layout || m.Machines > fsm.Version:
		return meta{}, fmt.Errorf("%s: %w: layout %d and machines %d, this release reads up to layout %d and machines %d: upgrade, or delete the folder and it is folded again",
			s.o.Dir, ErrNewer, m.Layout, m.Machines, Layout, fsm.Version)
	case m.Layout < Layout || m.Machines < fsm.Version || s.o.Rebuild:
		s.o.Logger.Info().Str("dir", s.o.Dir).Int("layout", m.Layout).Int("machines", m.Machines).Bool("asked", s.o.Rebuild).
			Msg("the store is emptied, the log will be folded anew")
		return emptyMeta(), s.empty()
	}
	return m, nil
}

// empty drops everything that the store holds.
func (s *Store) empty() error {
	if err := s.db.DeleteRange([]byte{0}, []byte{0xff}, pebble.NoSync); err != nil {
		return fmt.Errorf("empty the store in %s: %w", s.o.Dir, err)
	}
	return nil
}

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS: s.o.FS, Lock: s.lock, Logger: pebbleLogger{s},
		FormatMajorVersion: pebbleFormat,
		// The log is the write-ahead log: see "Commits" in doc.go.
		DisableWAL:   true,
		CacheSize:    s.o.CacheBytes,
		MemTableSize: uint64(s.o.MemTableBytes),
		// A disk that refuses a flush must be noticed before commits block:
		// they would wait for as long as it refuses.
		MemTableStopWritesThreshold: 8,
		L0StopWritesThreshold:       64,
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
	return o
}

// pebbleLogger passes Pebble's messages on.
type pebbleLogger struct{ s *Store }

// Infof drops what only Pebble's authors need.
func (pebbleLogger) Infof(string, ...any) {}

// Errorf passes an error of the disk on.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.s.o.Logger.Error().Str("dir", l.s.o.Dir).Msgf(format, args...)
}

// Fatalf is called for errors after which Pebble cannot go on (its default
// ends the process). The store is marked as failed, which refuses every later
// commit and read; Pebble returns the error after it.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.s.fail(fmt.Errorf("pebble: "+format, args...))
}
