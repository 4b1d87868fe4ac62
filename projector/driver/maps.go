package driver

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// mapStore keeps the offset maps of all partitions as workers publish them.
// Safe for concurrent use.
type mapStore struct {
	mu sync.RWMutex
	// tracks has the latest copy of each partition.
	tracks map[events.CopyKey]*track
	// complete is true once all that was published before the driver started is
	// known: before that, the absence of a run says nothing.
	complete bool
}

func newMapStore() *mapStore { return &mapStore{tracks: make(map[events.CopyKey]*track)} }

// put joins a published block to its partition's map. A block that cannot be
// joined yet is kept, and the reason returned: the map reaches as far as it did.
// What is left of a copy that was begun anew since is dropped.
func (s *mapStore) put(k events.CopyKey, b events.Block) error {
	m, err := offsetmap.Unpack(b.Runs)
	if err != nil {
		return fmt.Errorf("offset map of %s, block %d.%d: %w", k, b.OwnerEpoch, b.Number, err)
	}
	t := s.track(k, b.Recopies)
	if t == nil {
		return nil
	}
	if err := t.put(offsetmap.Block{OwnerEpoch: b.OwnerEpoch, Number: int64(b.Number), Map: m}); err != nil {
		return fmt.Errorf("offset map of %s: block %d of owner epoch %d: %w", k, b.Number, b.OwnerEpoch, err)
	}
	return nil
}

// track is the map of a partition in one of its copies, nil for a former one.
func (s *mapStore) track(k events.CopyKey, recopies int32) *track {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tracks[k]
	switch {
	case t == nil || t.recopies < recopies:
		t = &track{recopies: recopies}
		s.tracks[k] = t
	case t.recopies > recopies:
		return nil
	}
	return t
}

// whole notes that everything published so far is known.
func (s *mapStore) whole() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = true
}

func (s *mapStore) isWhole() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.complete
}

// of is the map of a partition in one of its copies.
func (s *mapStore) of(k events.CopyKey, recopies int32) (copied, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tracks[k]
	return t, ok && t.recopies == recopies
}

// track is the map of one partition. What is asked of it is answered from its
// state at that moment; it only ever grows. A block is joined once, so the work
// is that of the block and not of the map.
type track struct {
	recopies int32

	mu    sync.Mutex
	known bool
	m     offsetmap.Map
	// apart are blocks that lie above a hole, the newest of each number.
	apart []offsetmap.Block
}

var _ copied = (*track)(nil)

func (t *track) put(b offsetmap.Block) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		t.m, t.known = b.Map.Clone(), true
		return nil
	}
	err := t.m.Join(&b.Map)
	if errors.Is(err, offsetmap.ErrHole) {
		t.keep(b)
		return err
	}
	if err == nil {
		t.fill()
	}
	return err
}

func (t *track) keep(b offsetmap.Block) {
	i, found := slices.BinarySearchFunc(t.apart, b, func(a, b offsetmap.Block) int {
		return cmp.Or(cmp.Compare(a.OwnerEpoch, b.OwnerEpoch), cmp.Compare(a.Number, b.Number))
	})
	if !found {
		t.apart = slices.Insert(t.apart, i, b)
	}
	t.apart[i] = b
}

// fill joins what lay apart, as far as it goes.
func (t *track) fill() {
	for before := -1; before != len(t.apart); {
		before = len(t.apart)
		t.apart = slices.DeleteFunc(t.apart, func(b offsetmap.Block) bool { return t.m.Join(&b.Map) == nil })
	}
}

// Watermark is the source offset up to which the map reaches.
func (t *track) Watermark() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.m.Watermark()
}

// Written is how many records the copy wrote and where it began on the target.
func (t *track) Written() (from, count int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.m.Begin().Target, t.m.Copied()
}

// Translate implements [offsetmap.Map.Translate].
func (t *track) Translate(position, sourceLogStart int64) (offsetmap.Position, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.m.Translate(position, sourceLogStart)
}
