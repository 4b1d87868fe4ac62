package replicator

import (
	"errors"
	"slices"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// ErrNoMap says that nothing was published about a partition yet.
var ErrNoMap = errors.New("no part of the offset map is published yet")

// Map joins what all owners have published about a partition in its present
// copy, which was begun anew so many times. On an error the map reaches as far
// as it is whole.
func Map(blocks []events.Block, recopies int32) (offsetmap.Map, error) {
	blocks = present(blocks, recopies)
	if len(blocks) == 0 {
		return offsetmap.Map{}, ErrNoMap
	}
	return mergeBlocks(blocks)
}

// present leaves out what was published about a former copy.
func present(blocks []events.Block, recopies int32) []events.Block {
	return slices.DeleteFunc(slices.Clone(blocks), func(b events.Block) bool { return b.Recopies != recopies })
}

// mergeBlocks joins the published blocks of all owners.
func mergeBlocks(blocks []events.Block) (offsetmap.Map, error) {
	var all []offsetmap.Block
	for _, b := range blocks {
		m, err := offsetmap.Unpack(b.Runs)
		if err != nil {
			return offsetmap.Map{}, err
		}
		all = append(all, offsetmap.Block{OwnerEpoch: b.OwnerEpoch, Number: int64(b.Number), Map: m})
	}
	return offsetmap.Merge(all)
}
