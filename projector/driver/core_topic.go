package driver

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// retentionMargin is how much longer than on the source records are kept on
// the target while they are copied, so that the copy never lags behind its own
// retention.
const retentionMargin = 24 * time.Hour

// copyingConfigs are the settings that a target topic is created with: nothing is
// compacted or deleted by size there, bytes stay as they were sent, times stay
// the records' own. What it needs besides depends on its brokers: openBounds.
func copyingConfigs(source map[string]string) map[string]string {
	out := finalConfigs(source)
	for _, name := range timeBounds() {
		delete(out, name)
	}
	out["cleanup.policy"] = "delete"
	out["retention.bytes"] = "-1"
	out["compression.type"] = "producer"
	out["message.timestamp.type"] = "CreateTime"
	out["retention.ms"] = "-1"
	if ms, err := strconv.ParseInt(source["retention.ms"], 10, 64); err == nil && ms >= 0 && ms <= math.MaxInt64-retentionMargin.Milliseconds() {
		out["retention.ms"] = strconv.FormatInt(ms+retentionMargin.Milliseconds(), 10)
	}
	return out
}

// The settings by which brokers refuse records for their times: the first one
// before Kafka 4.0, the others since 3.6 (KIP-937).
const (
	boundAround = "message.timestamp.difference.max.ms"
	boundBefore = "message.timestamp.before.max.ms"
	boundAfter  = "message.timestamp.after.max.ms"
)

func timeBounds() []string { return []string{boundAround, boundBefore, boundAfter} }

// openBounds are the settings that let a topic take the records of any time, as
// far as its brokers have such settings: they know what the topic shows.
func openBounds[V any](known map[string]V) map[string]string {
	out := make(map[string]string)
	for _, name := range timeBounds() {
		if _, ok := known[name]; ok {
			out[name] = strconv.FormatInt(math.MaxInt64, 10)
		}
	}
	return out
}

// boundsFor puts the source's bound on times into the words of brokers that do
// not know its setting any more.
func boundsFor[V any](configs map[string]string, known map[string]V) map[string]string {
	out := maps.Clone(configs)
	around, set := configs[boundAround]
	if _, ok := known[boundAround]; ok || !set {
		return out
	}
	delete(out, boundAround)
	for _, name := range []string{boundBefore, boundAfter} {
		_, there := known[name]
		if _, own := configs[name]; there && !own {
			out[name] = around
		}
	}
	return out
}

// finalConfigs are the topic's settings on the source as far as they make sense
// on another cluster.
func finalConfigs(source map[string]string) map[string]string {
	out := make(map[string]string)
	maps.Copy(out, source)
	for _, local := range []string{
		"leader.replication.throttled.replicas", "follower.replication.throttled.replicas",
		"message.format.version", "confluent.placement.constraints", "remote.storage.enable", "local.retention.ms", "local.retention.bytes",
		"unclean.leader.election.enable", "follower.fetch.last.tiered.offset.enable",
	} {
		delete(out, local)
	}
	return out
}

// differing lists the settings that are not as wanted, sorted, as
// "name: have x, want y".
func differing(want, have map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have[name] != want[name] {
			out = append(out, fmt.Sprintf("%s: have %q, want %q", name, have[name], want[name]))
		}
	}
	return out
}

// behind says which partition the copy has not brought up to its goal, "" when
// all are.
func behind(topic string, goal map[int32]int64, maps copies) string {
	for _, p := range sortedPartitions(goal) {
		m, ok := maps(topic, p)
		switch {
		case !ok && goal[p] > 0:
			return fmt.Sprintf("%s/%d is not copied yet, the source is at %d", topic, p, goal[p])
		case ok && m.Watermark() < goal[p]:
			return fmt.Sprintf("%s/%d is copied up to %d of %d", topic, p, m.Watermark(), goal[p])
		}
	}
	return ""
}

func sortedPartitions(m map[int32]int64) []int32 { return slices.Sorted(maps.Keys(m)) }

// partitionOffsets puts offsets into the order of partitions.
func partitionOffsets(m map[int32]int64) []events.PartitionOffset {
	out := make([]events.PartitionOffset, 0, len(m))
	for _, p := range sortedPartitions(m) {
		out = append(out, events.PartitionOffset{Partition: p, Offset: m[p]})
	}
	return out
}

// stillness watches the ends of a source topic: it tells for how long they have
// not moved. The clock is the caller's.
type stillness struct {
	ends  map[int32]int64
	since time.Time
}

// observe takes the ends read at a moment and returns how long they have stood.
func (s *stillness) observe(now time.Time, ends map[int32]int64) time.Duration {
	if s.ends == nil || !maps.Equal(s.ends, ends) {
		s.ends, s.since = maps.Clone(ends), now
	}
	return now.Sub(s.since)
}

// onSource are the registered producers that write to the source, as far as
// they are known to be alive.
func onSource(t *fsm.Topic) []fsm.Producer {
	return slices.DeleteFunc(slices.Clone(t.Producers), func(p fsm.Producer) bool { return p.Left || p.Route == events.RouteTarget })
}

// strays are the partitions that were written to since they were found quiet,
// with the first such offset.
func strays(t *fsm.Topic, ends map[int32]int64) []events.PartitionOffset {
	var out []events.PartitionOffset
	for _, e := range t.Ends {
		if ends[e.Partition] > e.Offset {
			out = append(out, e)
		}
	}
	return out
}

// short says whether a comparison ended below an end that is known now.
func short(upTo, ends []events.PartitionOffset) bool {
	return slices.ContainsFunc(ends, func(e events.PartitionOffset) bool {
		return !slices.ContainsFunc(upTo, func(u events.PartitionOffset) bool { return u.Partition == e.Partition && u.Offset >= e.Offset })
	})
}
