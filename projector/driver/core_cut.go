package driver

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// offsets are by topic and partition.
type offsets map[string]map[int32]int64

// drainedOffsets puts the committed offsets into the order of the group's
// partitions. Where nothing was ever committed, the position that an instance
// reported stands in. A partition that was read and is not in the plan has no
// cut: on the target it would be read again from its begin.
func drainedOffsets(g *fsm.Group, committed offsets) ([]events.TopicOffset, string) {
	var list []events.TopicOffset
	for _, t := range g.Topics {
		for _, p := range slices.Sorted(maps.Keys(committed[t.Topic])) {
			if p >= t.Partitions {
				return nil, fmt.Sprintf("%s/%d is committed, but the plan knows of %d partitions: the topic has grown, wait until the new ones are copied", t.Topic, p, t.Partitions)
			}
		}
		for p := range t.Partitions {
			at, ok := committed[t.Topic][p]
			acked, known := highestProcessed(g, t.Topic, p)
			switch {
			case ok && at >= 0 && known && at > acked:
				return nil, fmt.Sprintf("%s/%d is committed at %d, above what its instance has processed (%d)", t.Topic, p, at, acked)
			case ok && at >= 0:
			case known:
				at = acked
			default:
				return nil, fmt.Sprintf("%s/%d has no committed offset and no instance named a position", t.Topic, p)
			}
			list = append(list, events.TopicOffset{Topic: t.Topic, Partition: p, Offset: at})
		}
	}
	return list, ""
}

// highestProcessed is the highest position that instances reported for the
// current epoch. A former owner may have reported a lower one.
func highestProcessed(g *fsm.Group, topic string, partition int32) (int64, bool) {
	best, found := int64(-1), false
	for _, m := range g.Members {
		if m.Drained != g.Standing.Epoch {
			continue
		}
		for _, o := range m.Processed {
			if o.Topic == topic && o.Partition == partition && o.Offset > best {
				best, found = o.Offset, true
			}
		}
	}
	return best, found
}

// copies finds the map of a partition by the topic's name on the source.
type copies func(topic string, partition int32) (copied, bool)

// copied is what the map of a partition answers.
type copied interface {
	// Watermark is the source offset up to which the map reaches.
	Watermark() int64
	// Written is where the copy began on the target and how many records it
	// wrote.
	Written() (from, count int64)
	// Translate is that of [offsetmap.Map].
	Translate(position, sourceLogStart int64) (offsetmap.Position, error)
}

// cutOf translates the drained offsets. The reason says what is waited for;
// failed is true when waiting cannot help.
func cutOf(g *fsm.Group, maps copies, logStarts offsets) (cut []events.CutPoint, why string, failed bool) {
	for _, o := range g.Offsets {
		m, ok := maps(o.Topic, o.Partition)
		if !ok {
			return nil, fmt.Sprintf("%s/%d has no offset map yet", o.Topic, o.Partition), false
		}
		at, err := m.Translate(o.Offset, logStarts[o.Topic][o.Partition])
		if errors.Is(err, offsetmap.ErrNotYet) {
			return nil, fmt.Sprintf("%s/%d is copied up to %d, the group is at %d", o.Topic, o.Partition, m.Watermark(), o.Offset), false
		}
		if err != nil {
			return nil, fmt.Sprintf("%s/%d: %s", o.Topic, o.Partition, err), true
		}
		cut = append(cut, events.CutPoint{Topic: o.Topic, Partition: o.Partition, Source: o.Offset, Target: at.Offset})
	}
	return cut, "", false
}

// findings are what was read once the copy had passed a cut.
type findings struct {
	// records says where the records of both sides differ, "" for nowhere.
	records string
	// members are those of the source group; source and target are committed.
	members        snapshot
	source, target offsets
}

// against says what speaks against the cut: gate what a person must look at,
// wait what may pass. An offset on the target above the cut is of the former
// kind, because the records between would be skipped.
func (f findings) against(g *fsm.Group, cut []events.CutPoint) (gate, wait string) {
	if f.records != "" {
		return f.records, ""
	}
	if why := standsStill(g, f.members); why != "" {
		return "", why
	}
	for _, o := range g.Offsets {
		if at := f.source[o.Topic][o.Partition]; at != o.Offset {
			return fmt.Sprintf("source: %s/%d was drained at %d and is committed at %d", o.Topic, o.Partition, o.Offset, at), ""
		}
	}
	for _, c := range cut {
		name := targetName(g, c.Topic)
		if at, ok := f.target[name][c.Partition]; ok && at > c.Target {
			return fmt.Sprintf("target: %s/%d is committed at %d already, above the cut %d", name, c.Partition, at, c.Target), ""
		}
	}
	return "", ""
}

// targetName is the name on the target of a topic of the group.
func targetName(g *fsm.Group, topic string) string {
	for _, t := range g.Topics {
		if t.Topic == topic {
			return t.TargetTopic
		}
	}
	return topic
}

// settled says on what evidence a committed switch is over, or why it is not:
// ARCHITECTURE.md, consumer switch, point 9.
func settled(g *fsm.Group, source, target snapshot, committed, ends offsets) (evidence, why string) {
	if why := target.usable(); why != "" {
		return "", "target: " + why
	}
	for _, m := range target.others() {
		if m.Incarnation == "" {
			return "", fmt.Sprintf("target: member %s is a client without the SDK", m.ID)
		}
	}
	if source.Modern {
		return "", "source: " + source.usable()
	}
	moved := 0
	for _, t := range g.Topics {
		for p := range t.Partitions {
			if target.Assigned[events.TopicOffset{Topic: t.TargetTopic, Partition: p}] == "" {
				return "", fmt.Sprintf("target: %s/%d is assigned to nobody", t.TargetTopic, p)
			}
			cut := cutFor(g, t.Topic, p)
			switch at := committed[t.TargetTopic][p]; {
			case at > cut:
				moved++
			case ends[t.TargetTopic][p] > cut:
				return "", fmt.Sprintf("target: %s/%d is committed at %d, the cut, and has records up to %d", t.TargetTopic, p, at, ends[t.TargetTopic][p])
			}
		}
	}
	return fmt.Sprintf("every partition assigned; %d of %d committed past the cut, the others have nothing to read", moved, len(g.Cut)), ""
}

func cutFor(g *fsm.Group, topic string, partition int32) int64 {
	for _, c := range g.Cut {
		if c.Topic == topic && c.Partition == partition {
			return c.Target
		}
	}
	return -1
}
