package driver

import (
	"fmt"
	"sync"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// mapStore keeps the offset maps of all partitions as workers publish them.
// Safe for concurrent use.
type mapStore struct {
	mu     sync.RWMutex
	blocks map[events.CopyKey][]offsetmap.Block
	merged map[events.CopyKey]offsetmap.Map
}

func newMapStore() *mapStore {
	return &mapStore{blocks: make(map[events.CopyKey][]offsetmap.Block), merged: make(map[events.CopyKey]offsetmap.Map)}
}

// put takes a published block. The newest map that the blocks can be merged
// into is kept; a hole or contradiction is returned and leaves the former map.
func (s *mapStore) put(k events.CopyKey, b events.Block) error {
	m, err := offsetmap.Unpack(b.Runs)
	if err != nil {
		return fmt.Errorf("offset map of %s, block %d.%d: %w", k, b.Epoch, b.Number, err)
	}
	block := offsetmap.Block{Epoch: int64(b.Epoch), Number: int64(b.Number), Map: m}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[k] = replaced(s.blocks[k], block)
	whole, err := offsetmap.Merge(s.blocks[k])
	if err != nil {
		return fmt.Errorf("offset map of %s: %w", k, err)
	}
	s.merged[k] = whole
	return nil
}

func replaced(list []offsetmap.Block, b offsetmap.Block) []offsetmap.Block {
	for i := range list {
		if list[i].Epoch == b.Epoch && list[i].Number == b.Number {
			list[i] = b
			return list
		}
	}
	return append(list, b)
}

// of are the maps of a migration, as the cores ask for them.
func (s *mapStore) of(migration string) copies {
	return func(topic string, partition int32) (offsetmap.Map, bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		m, ok := s.merged[events.CopyKey{Migration: migration, Topic: topic, Partition: partition}]
		if !ok {
			return offsetmap.Map{}, false
		}
		return m.Clone(), true
	}
}
