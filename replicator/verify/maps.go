package verify

import (
	"fmt"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// MapOf joins the published blocks of a partition's present copy: blocks of
// another number of recopies belong to a target topic that is gone. It is an
// error if there are none.
func MapOf(blocks []events.Block, recopies int32) (*offsetmap.Map, error) {
	var all []offsetmap.Block
	for _, b := range blocks {
		if b.Recopies != recopies {
			continue
		}
		m, err := offsetmap.Unpack(b.Runs)
		if err != nil {
			return nil, fmt.Errorf("block %d of owner %d: %w", b.Number, b.OwnerEpoch, err)
		}
		all = append(all, offsetmap.Block{OwnerEpoch: b.OwnerEpoch, Number: int64(b.Number), Map: m})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: no offset map was published", ErrNotYet)
	}
	m, err := offsetmap.Merge(all)
	if err != nil {
		return nil, fmt.Errorf("merge the offset map: %w", err)
	}
	return &m, nil
}
