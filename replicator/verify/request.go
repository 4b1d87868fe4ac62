package verify

import (
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// Side is one partition of one cluster.
type Side struct {
	Client    *cluster.Client
	Topic     string
	Partition int32
}

// String names the side for messages.
func (s Side) String() string {
	return fmt.Sprintf("%s/%d on %s", s.Topic, s.Partition, s.Client.Name())
}

// Request says what to compare.
type Request struct {
	Source, Target Side
	// Map says which target record is the image of which source record. nil
	// aligns the committed records of both sides by their order.
	Map *offsetmap.Map
	// UpTo is the source offset up to which records are compared. Without a map
	// it bounds the source alone, and the target must end with the last image.
	UpTo int64
	// Compacted says that the source's cleaner may have taken records since they
	// were copied: that the target still has them is then no difference.
	Compacted bool
	// TargetCompacted says so of the target's cleaner. A record that only the
	// source has is then excused if a later record of its key stands on the
	// target, or if it is a tombstone: else the data of the key is lost.
	TargetCompacted bool
	// TargetKeepsFrom excuses records that only the source has, if they are
	// older (ms) and lie below the target's log start: its retention took them.
	// 0 excuses none.
	TargetKeepsFrom int64
	// Shared says that others write to the target, too: records that are no
	// image are theirs. It needs a map.
	Shared bool
	// Live says that the target is still being filled: source records behind
	// its last one are not there yet, which is no difference. Without a map only.
	Live bool
	// Losses are source records that were given up: they need no image.
	Losses []events.Interval
	// After goes on where an earlier comparison ended, with what it had found;
	// nil compares from the beginning.
	After *Result
}

// losses are those of the partition.
func (q *Request) losses() (own []events.Interval) {
	for _, l := range q.Losses {
		if l.Partition == q.Source.Partition {
			own = append(own, l)
		}
	}
	return own
}

// lost says whether a source offset was given up.
func (q *Request) lost(offset int64) bool {
	for _, l := range q.Losses {
		if l.Partition == q.Source.Partition && l.From <= offset && offset < l.To {
			return true
		}
	}
	return false
}
