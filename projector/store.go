package projector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Store holds the fold of portage.events up to a position. It is safe for
// concurrent use.
type Store struct {
	o      Options
	memory bool
	// rows is the folder in Options.Dir that Pebble has for itself, so that it
	// can be emptied; lock keeps others out of both.
	rows string
	lock *pebble.Lock
	db   *pebble.DB

	mu sync.Mutex
	// meta is what was committed last.
	meta    meta
	applied int64
	// changed is closed and replaced at each commit, and closed for good with
	// the store.
	changed chan struct{}
	closed  bool
	// failure is why the store is of no use any more; broken is closed then.
	failure error
	broken  chan struct{}
	// unflushed counts the bytes committed since a flush was begun, flushing is
	// closed when that one has ended; for the one who commits.
	unflushed int64
	flushing  <-chan struct{}
	// stopped is why nobody folds any more, nil while somebody may.
	stopped error
}

func newStore(o Options, memory bool) *Store {
	return &Store{o: o, memory: memory, rows: o.FS.PathJoin(o.Dir, "rows"), applied: -1, changed: make(chan struct{}), broken: make(chan struct{})}
}

// Close writes what is still in memory to the folder and closes it. Views must
// be closed before. It may be called more than once.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.changed)
	s.mu.Unlock()
	return errors.Join(s.flush(), s.release())
}

// flush writes what is in memory to the folder.
func (s *Store) flush() error {
	if s.memory {
		return nil
	}
	if err := s.beginFlush(); err != nil {
		return err
	}
	return s.flushed()
}

func (s *Store) beginFlush() error {
	select {
	case <-s.broken: // Pebble would try for ever
		return s.failure
	default:
	}
	var err error
	s.flushing, err = s.db.AsyncFlush()
	s.unflushed = 0
	return err
}

// flushed waits for the flush that was begun last, or until the store fails.
func (s *Store) flushed() error {
	if s.flushing == nil {
		return nil
	}
	select {
	case <-s.flushing:
		return nil
	case <-s.broken:
		return s.failure
	}
}

// room makes sure that no more than two memtables are in memory: one that is
// filled and one that is being written.
func (s *Store) room(bytes int) error {
	if s.unflushed += int64(bytes); s.unflushed < s.o.MemTableBytes {
		return nil
	}
	if err := s.flushed(); err != nil {
		return err
	}
	return s.beginFlush()
}

// release gives up Pebble and the lock.
func (s *Store) release() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("close the store in %s: %w", s.o.Dir, err)
	}
	return nil
}

// Err is why the store is of no use any more: [ErrFailed] or [ErrClosed]; nil
// while it is.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err()
}

func (s *Store) err() error {
	if s.closed {
		return fmt.Errorf("%s: %w", s.o.Dir, ErrClosed)
	}
	return s.failure
}

// fail marks the store as useless; the first cause stays.
func (s *Store) fail(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return
	}
	s.failure = fmt.Errorf("%w: %s: %w: repair the disk or delete the folder, and start again", ErrFailed, s.o.Dir, cause)
	close(s.broken)
	s.o.Logger.Error().Err(s.failure).Msg("the store is of no use any more")
	if !s.closed {
		s.wake()
	}
}

// wake lets everybody who waits look again. The caller holds mu.
func (s *Store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Applied is the position up to which the log is folded, -1 for none.
func (s *Store) Applied() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

// ready is the channel of everything that needs no waiting.
func ready() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// Changed is closed as soon as more than the position is folded, and when the
// store fails or is closed. It is level-triggered: a caller that passes what it
// has seen misses nothing.
func (s *Store) Changed(after int64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applied > after || s.err() != nil {
		return ready()
	}
	return s.changed
}

// Wait waits until the position is folded. It ends with the cause when the
// store fails or is closed, or when the projector stopped for good.
func (s *Store) Wait(ctx context.Context, position int64) error {
	for {
		changed, err := s.awaits(position)
		if changed == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait until position %d is folded (folded is %d): %w", position, s.Applied(), ctx.Err())
		}
	}
}

// awaits is the channel to wait for, nil when there is nothing to wait for.
func (s *Store) awaits(position int64) (<-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch err := s.err(); {
	case err != nil:
		return nil, err
	case s.applied >= position:
		return nil, nil
	case s.stopped != nil:
		return nil, fmt.Errorf("position %d will not be folded (folded is %d): %w", position, s.applied, s.stopped)
	}
	return s.changed, nil
}

// stop says why nobody folds any more; nil that somebody does.
func (s *Store) stop(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = cause
	if !s.closed {
		s.wake()
	}
}

// state is what was committed last.
func (s *Store) state() meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meta
}

// commit makes a batch and the position that it leads to durable together.
func (s *Store) commit(b *pebble.Batch, m meta) error {
	if err := s.Err(); err != nil {
		return err
	}
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := b.Set(newKey(spaceMeta), value, nil); err != nil {
		return err
	}
	size := b.Len()
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("commit position %d to %s: %w", m.Applied, s.o.Dir, err)
	}
	if err := s.room(size); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err(); err != nil {
		return err
	}
	s.meta, s.applied = m, m.Applied
	s.wake()
	return nil
}

// getter is what rows are read from: the store as it is, or a snapshot of it.
type getter interface {
	Get(key []byte) ([]byte, io.Closer, error)
	NewIter(o *pebble.IterOptions) (*pebble.Iterator, error)
}

// get copies the value of a key; nil when there is none.
func get(from getter, k []byte) ([]byte, error) {
	value, closer, err := from.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	value = append([]byte{}, value...)
	return value, closer.Close()
}
