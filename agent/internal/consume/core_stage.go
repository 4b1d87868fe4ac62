package consume

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

// staging commits the cut on the target for the partitions that we own there: read, commit what is absent or lower, read
// back, acknowledge. It belongs to one generation and one directive, and starts over with another.
type staging struct {
	generation int32
	position   int64 // of the directive
	cut        map[Partition]events.CutPoint
	request    uint64 // in flight, else 0
	retry      time.Time
	done       bool
}

// stageCut begins to stage when the order says so and the target's assignment is known.
func (c *Core) stageCut() {
	s := c.sides[Target]
	if c.order.word != events.OrderStage || s.state != assigned || s.reoffer || !s.fresh() || c.closing {
		c.stage = nil
		return
	}
	if c.stage == nil || c.stage.generation != s.generation || c.stage.position != c.order.position {
		c.stage = &staging{generation: s.generation, position: c.order.position, cut: c.ownedCut(s)}
	}
	if st := c.stage; len(st.cut) > 0 && !st.done && st.request == 0 && !c.now.Before(st.retry) {
		c.readStaged()
	}
}

// ownedCut is the part of the cut that is ours to stage.
func (c *Core) ownedCut(s *side) map[Partition]events.CutPoint {
	out := map[Partition]events.CutPoint{}
	for p := range s.assigned { //rules:ordered a map again
		if cut, known := c.order.cut[p]; known {
			out[p] = cut
		}
	}
	return out
}

func (c *Core) stageRetry() time.Time {
	if st := c.stage; st != nil && st.request == 0 && !st.done {
		return st.retry
	}
	return time.Time{}
}

func (c *Core) readStaged() {
	c.stage.request = c.next()
	topics := c.byTopic(c.sides[Target], c.staged())
	c.emit(Tell{Side: Target, Input: group.Fetch{ID: c.stage.request, Topics: topics}})
}

func (c *Core) staged() []Partition { return sorted(slices.Collect(maps.Keys(c.stage.cut))) }

// onStageFetched compares what the target has with the cut.
func (c *Core) onStageFetched(e group.Fetched) {
	st := c.stage
	st.request = 0
	if e.Err != nil || e.Generation != st.generation {
		st.retry = c.now.Add(c.cfg.Retry)
		return
	}
	var lower []group.Offset
	var good []events.TopicOffset
	for _, p := range c.staged() {
		at, cut := int64(-1), st.cut[p]
		if o, there := e.Offsets[c.nameOn(Target, p.Topic)][p.ID]; there {
			at = o.At
		}
		switch {
		case at < cut.Target:
			lower = append(lower, group.Offset{Partition: Partition{Topic: c.nameOn(Target, p.Topic), ID: p.ID}, At: cut.Target})
		case at == cut.Target:
			good = append(good, events.TopicOffset{Topic: p.Topic, Partition: p.ID, Offset: at})
		default:
			c.aboveCut(p, at)
		}
	}
	if len(lower) > 0 {
		st.request = c.next()
		c.emit(Tell{Side: Target, Input: group.Commit{ID: st.request, Generation: st.generation, Offsets: lower}})
		return
	}
	st.done = true
	if len(good) > 0 {
		s := c.sides[Target]
		c.write(events.Staged{Incarnation: c.cfg.Incarnation, Member: s.member, Offsets: good},
			s.member, strconv.FormatInt(int64(st.generation), 10), strconv.FormatInt(st.position, 10))
	}
}

// aboveCut: the target has an offset beyond where the group is to cross. To lower it would rewind a group that has crossed;
// to accept it would lose records. A person has to look.
func (c *Core) aboveCut(p Partition, at int64) {
	c.wishAbort("failed", "committed offset "+strconv.FormatInt(at, 10)+" of "+p.String()+" on "+c.sides[Target].cluster+
		" is above the cut "+strconv.FormatInt(c.stage.cut[p].Target, 10)+": reset it by hand or plan the group anew")
}

// onStageCommitted reads back; a refused commit is tried again, under whatever generation there is then.
func (c *Core) onStageCommitted(e group.Committed) {
	st := c.stage
	st.request = 0
	for _, r := range e.Results {
		if r.Code != 0 {
			st.retry = c.now.Add(c.cfg.Retry)
			c.notice(Member, Target, "staging of %s at %d was refused with error %d", r.Partition, r.At, r.Code)
			return
		}
	}
}
