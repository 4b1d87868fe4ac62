package events

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// The control topics.
const (
	TopicEvents     = "portage.events"
	TopicDirectives = "portage.directives"
	TopicOffsets    = "portage.offsets"
	TopicProgress   = "portage.progress"
	// ControlPartitions is the number of partitions of the directives, offsets
	// and progress topics; portage.events has one.
	ControlPartitions = 16
)

// The two sides of a migration, and so the two routes of a client.
const (
	RouteSource = "source"
	RouteTarget = "target"
)

// Addressee is who a directive is for: "group/NAME" (consumer instances of a
// group), "topic/NAME" (producers of a topic), "replicate/topic/NAME" (workers,
// what to copy) or "replicate/migration/NAME" (workers, how fast or not at all).
type Addressee string

// ToGroup addresses the consumer instances of a group.
func ToGroup(group string) Addressee { return Addressee("group/" + group) }

// ToProducers addresses the producers of a topic.
func ToProducers(topic string) Addressee { return Addressee("topic/" + topic) }

// ToCopy addresses the workers that copy a topic.
func ToCopy(topic string) Addressee { return Addressee("replicate/topic/" + topic) }

// ToPool addresses all workers of a migration.
func ToPool(migration string) Addressee { return Addressee("replicate/migration/" + migration) }

// Directive is the latest order to an addressee on a source cluster. The one
// with the highest position wins, whatever its epoch.
type Directive struct {
	// SourceCluster is the id of the cluster that the migration leaves.
	SourceCluster string    `json:"source_cluster"`
	Addressee     Addressee `json:"addressee"`
	// Position is the event that the directive was derived from.
	Position  int64  `json:"position"`
	Migration string `json:"migration"`
	// Stream, Version, Epoch and Phase are where the addressee's stream stood
	// at the position: enough to judge later events without the fold.
	Stream  Stream `json:"stream"`
	Version uint64 `json:"version"`
	Epoch   uint32 `json:"epoch"`
	Phase   Phase  `json:"phase"`
	// AtLeast is the oldest release of an agent or worker that can obey.
	AtLeast string `json:"at_least"`
	// One of these is set, by the kind of addressee.
	Group *GroupOrder `json:"group,omitempty"`
	Topic *TopicOrder `json:"topic,omitempty"`
	Copy  *CopyOrder  `json:"copy,omitempty"`
	Pool  *PoolOrder  `json:"pool,omitempty"`
}

// What a group's instances are told to do.
const (
	OrderSource  = "source"  // consume on the source
	OrderPrepare = "prepare" // join the target, close both groups, go on consuming on the source
	OrderHold    = "hold"    // drain and stop
	OrderStage   = "stage"   // stay held; owners on the target commit the cut
	OrderTarget  = "target"  // consume on the target
)

// GroupOrder tells the instances of a consumer group what to do.
type GroupOrder struct {
	// Order is "source", "prepare", "hold", "stage" or "target".
	Order string `json:"order"`
	// Source and Target are the clusters by name.
	Source string `json:"source"`
	Target string `json:"target,omitempty"`
	// Topics are the group's topics in the migration.
	Topics []GroupTopic `json:"topics,omitempty"`
	// Cut is where to cross; set with "stage" and "target".
	Cut []CutPoint `json:"cut,omitempty"`
	// LeaveSource lets instances leave the source group.
	LeaveSource bool `json:"leave_source,omitempty"`
	// Open lets instances offer the open protocol names on the side that they
	// consume on.
	Open bool `json:"open,omitempty"`
	// HoldMillis and Straggler are the policy's, for the holds of this epoch.
	HoldMillis int64  `json:"hold_ms,omitempty"`
	Straggler  string `json:"straggler,omitempty"`
}

// GroupTopic is a moving topic of a group under both its names.
type GroupTopic struct {
	Topic       string `json:"topic"`
	TargetTopic string `json:"target_topic"`
	Partitions  int32  `json:"partitions"`
}

// TopicOrder tells the producers of a topic where to write.
type TopicOrder struct {
	// Route is "source" or "target": what a producer that starts takes. Level is
	// "restart", or empty while no switch was asked for.
	Route       string `json:"route"`
	Level       string `json:"level,omitempty"`
	Source      string `json:"source"`
	Target      string `json:"target"`
	TargetTopic string `json:"target_topic"`
	Partitions  int32  `json:"partitions"`
	// Recopies is that of the copy order: only what was published under it tells
	// how far the copy has come.
	Recopies int32 `json:"recopies,omitempty"`
}

// CopyOrder tells the workers to copy a topic.
type CopyOrder struct {
	// Run is false when the topic is no longer (or not now) to be copied.
	Run         bool   `json:"run"`
	Source      string `json:"source"`
	Topic       string `json:"topic"`
	TopicID     string `json:"topic_id"`
	Partitions  int32  `json:"partitions"`
	Target      string `json:"target"`
	TargetTopic string `json:"target_topic"`
	// TargetTopicID tells a target topic that was deleted and created again.
	TargetTopicID string `json:"target_topic_id"`
	// Shared is true once others may write to the target: workers acknowledge
	// with CopyShared and expect foreign records between their own.
	Shared bool `json:"shared,omitempty"`
	// Verify are source offsets up to which both sides are to be compared;
	// VerifyCause is the id of the event that ordered it.
	Verify      []PartitionOffset `json:"verify,omitempty"`
	VerifyCause string            `json:"verify_cause,omitempty"`
	// Recopies is how often the copy was begun anew: claims and blocks of
	// another number belong to a target topic that is gone.
	Recopies int32 `json:"recopies,omitempty"`
	// Losses are records that are not to be copied: a person has given them up.
	Losses []Interval `json:"losses,omitempty"`
}

// PoolOrder tells all workers of a migration how fast to copy.
type PoolOrder struct {
	Paused bool `json:"paused,omitempty"`
	// Rates bound all workers of the migration together; none for no bound.
	Rates []Rate `json:"rates,omitempty"`
}

// DirectiveKey is the record key of a directive: unique per position, so a late
// and stale writer cannot erase a newer one.
type DirectiveKey struct {
	SourceCluster string
	Addressee     Addressee
	Position      int64
}

// Key is the directive's record key.
func (d Directive) Key() DirectiveKey {
	return DirectiveKey{SourceCluster: d.SourceCluster, Addressee: d.Addressee, Position: d.Position}
}

// String joins the key's parts with slashes.
func (k DirectiveKey) String() string {
	return k.SourceCluster + "/" + string(k.Addressee) + "/" + strconv.FormatInt(k.Position, 10)
}

// Partition is the partition of portage.directives that holds the addressee.
func (k DirectiveKey) Partition() int32 {
	return ControlPartition(k.SourceCluster + "/" + string(k.Addressee))
}

// ControlPartition spreads a key over the control partitions: FNV-1a (32 bit)
// modulo 16, in every language the same.
func ControlPartition(key string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int32(h.Sum32() % ControlPartitions)
}

// ParseDirectiveKey reads a record key of portage.directives that is no mark.
func ParseDirectiveKey(s string) (DirectiveKey, error) {
	cluster, rest, ok1 := strings.Cut(s, "/")
	addressee, number, ok2 := cutLast(rest)
	position, ok3 := digits(number, 64)
	if !ok1 || !ok2 || !ok3 || cluster == "" || !strings.Contains(addressee, "/") {
		return DirectiveKey{}, fmt.Errorf("directive key %q: want cluster-id/addressee/position", s)
	}
	return DirectiveKey{SourceCluster: cluster, Addressee: Addressee(addressee), Position: position}, nil
}

// Mark says up to which event position a partition of portage.directives is
// complete: no directive derived from an event at or below it is missing.
type Mark struct {
	Position int64 `json:"position"`
}

// MarkKey is the record key of a partition's mark.
func MarkKey(partition int32) string { return "mark/" + strconv.Itoa(int(partition)) }

// ParseMarkKey reads what MarkKey wrote. No directive's key can be taken for a
// mark's: it has at least four parts.
func ParseMarkKey(s string) (partition int32, err error) {
	number, found := strings.CutPrefix(s, "mark/")
	n, ok := digits(number, 32)
	if !found || !ok || n >= ControlPartitions {
		return 0, fmt.Errorf("mark key %q: want mark/PARTITION with a partition from 0 to %d", s, ControlPartitions-1)
	}
	return int32(n), nil
}
