package events

import (
	"errors"
	"fmt"
)

// TopicPlanned adds a topic to a migration that is not sealed yet.
type TopicPlanned struct {
	// Source is the cluster that the topic leaves.
	Source ClusterRef `json:"source"`
	// TopicID is the topic's id on the source, in hex; it tells a topic that
	// was deleted and created again.
	TopicID string `json:"topic_id"`
	// Partitions is the number of partitions on both sides.
	Partitions int32 `json:"partitions"`
	// Target is the cluster that the topic reaches, TargetTopic its name there.
	Target      ClusterRef `json:"target"`
	TargetTopic string     `json:"target_topic"`
	// ReplicationFactor is what the topic has on the target.
	ReplicationFactor int `json:"replication_factor"`
	// Existing is true if the target topic stood there, empty, when the plan was
	// made: portage then never deletes it.
	Existing bool `json:"existing,omitempty"`
	// Configs are the topic's own settings on the source (defaults left out).
	Configs map[string]string `json:"configs,omitempty"`
}

// EventType implements [Body].
func (TopicPlanned) EventType() Type { return "TopicPlanned" }

// Validate implements [Body].
func (b TopicPlanned) Validate() error {
	if b.Partitions <= 0 || b.TargetTopic == "" || b.ReplicationFactor <= 0 {
		return errors.New("partitions, target_topic and replication_factor are required")
	}
	if !ValidTopic(b.TargetTopic) {
		return fmt.Errorf("target_topic: want the name of a Kafka topic, have %s", quote(b.TargetTopic))
	}
	return errors.Join(b.Source.validate("source"), b.Target.validate("target"))
}

// CopyStarted is the decision to create a topic on its target and copy it.
type CopyStarted struct{}

// EventType implements [Body].
func (CopyStarted) EventType() Type { return "CopyStarted" }

// Validate implements [Body].
func (CopyStarted) Validate() error { return nil }

// TargetCreated acknowledges that the topic stands on the target, empty.
type TargetCreated struct {
	// TopicID is the topic's id on the target, in hex.
	TopicID string `json:"topic_id"`
	// Created is true if portage created it, false if it was there, empty.
	Created bool `json:"created"`
	// Configs are the settings that it has while it is copied, as read back.
	Configs map[string]string `json:"configs,omitempty"`
	// ACLs are those that let nobody write.
	ACLs CopiedACLs `json:"acls,omitzero"`
}

// CopiedACLs says what became of the ACLs of a source topic.
type CopiedACLs struct {
	// Count is how many ACLs of the source topic stand on the target.
	Count int `json:"count,omitempty"`
	// Note says why they were not copied, empty where they were.
	Note string `json:"note,omitempty"`
}

// EventType implements [Body].
func (TargetCreated) EventType() Type { return "TargetCreated" }

// Validate implements [Body].
func (b TargetCreated) Validate() error {
	if b.TopicID == "" {
		return errors.New("topic_id is required")
	}
	return nil
}

// PartitionOffset is an offset of one partition.
type PartitionOffset struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

// CopySynced reports that the copy has passed the ends that the source had
// when they were read.
type CopySynced struct {
	Ends []PartitionOffset `json:"ends"`
}

// EventType implements [Body].
func (CopySynced) EventType() Type { return "CopySynced" }

// Validate implements [Body].
func (b CopySynced) Validate() error {
	return errors.Join(needed("ends", len(b.Ends)), validOffsets("ends", b.Ends))
}

func partitionAt(partition int32, offset int64) error {
	if partition < 0 || offset < 0 {
		return fmt.Errorf("want a partition and an offset from 0, have %d and %d", partition, offset)
	}
	return nil
}

func needed(field string, n int) error {
	if n == 0 {
		return fmt.Errorf("%s: want at least one entry", field)
	}
	return nil
}

// CopyStopped reports that a partition cannot be copied further without a
// person: what was lost or is doubtful is named exactly.
type CopyStopped struct {
	Partition int32 `json:"partition"`
	// Code is a stable word: out-of-range, recreated, added, foreign-writer,
	// refused-batch, diverged, unauthorized, failed.
	Code string `json:"code"`
	// From and To bound the source offsets concerned, [From, To). The largest
	// number of all is no bound.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Reason says what happened and what to do.
	Reason string `json:"reason"`
}

// EventType implements [Body].
func (CopyStopped) EventType() Type { return "CopyStopped" }

// Validate implements [Body].
func (b CopyStopped) Validate() error {
	if b.Code == "" || b.Reason == "" {
		return errors.New("code and reason are required")
	}
	return partitionAt(b.Partition, 0)
}

// CopyFailed reports that an effect on a topic (creating it, setting its
// configs, deleting it) failed for good.
type CopyFailed struct {
	Effect string `json:"effect"`
	Reason string `json:"reason"`
}

// EventType implements [Body].
func (CopyFailed) EventType() Type { return "CopyFailed" }

// Validate implements [Body].
func (b CopyFailed) Validate() error {
	if b.Effect == "" || b.Reason == "" {
		return errors.New("effect and reason are required")
	}
	return nil
}

// RetryRequested lets a stopped topic go on after its cause was removed.
type RetryRequested struct {
	Note string `json:"note,omitempty"`
}

// EventType implements [Body].
func (RetryRequested) EventType() Type { return "RetryRequested" }

// Validate implements [Body].
func (RetryRequested) Validate() error { return nil }

// Interval bounds source offsets of a partition, [From, To).
type Interval struct {
	Partition int32 `json:"partition"`
	From      int64 `json:"from"`
	To        int64 `json:"to"`
}

func (i Interval) validate(field string) error {
	if i.Partition < 0 || i.From < 0 || i.To <= i.From {
		return fmt.Errorf("%s: want a partition from 0 and offsets [from, to) with from < to, have partition %d [%d, %d)", field, i.Partition, i.From, i.To)
	}
	return nil
}

// LossAccepted gives up source records that cannot be copied, so that the
// partition goes on behind them. They are named exactly, and stay on record.
type LossAccepted struct {
	Lost Interval `json:"lost"`
	// Reason says who decided so and why, for the audit.
	Reason string `json:"reason"`
}

// EventType implements [Body].
func (LossAccepted) EventType() Type { return "LossAccepted" }

// Validate implements [Body].
func (b LossAccepted) Validate() error {
	if b.Reason == "" {
		return errors.New("reason is required: it is what the audit will show")
	}
	return b.Lost.validate("lost")
}

// RecopyRequested deletes what was copied, before anyone has read it, and
// begins the copy anew.
type RecopyRequested struct {
	Reason string `json:"reason,omitempty"`
}

// EventType implements [Body].
func (RecopyRequested) EventType() Type { return "RecopyRequested" }

// Validate implements [Body].
func (RecopyRequested) Validate() error { return nil }

// TargetDeleted acknowledges that the target topic of a copy that is to begin
// anew is gone.
type TargetDeleted struct {
	// TopicID is the id of the topic that was deleted, in hex.
	TopicID string `json:"topic_id"`
	// SourceTopicID is the id of the source topic now, in hex, Partitions how many
	// it has, 0 where that is not told, and Configs its own settings. What is
	// copied anew is the topic that is there: it may have been deleted and created
	// again.
	SourceTopicID string            `json:"source_topic_id,omitempty"`
	Partitions    int32             `json:"partitions,omitempty"`
	Configs       map[string]string `json:"configs,omitempty"`
}

// EventType implements [Body].
func (TargetDeleted) EventType() Type { return "TargetDeleted" }

// Validate implements [Body].
func (b TargetDeleted) Validate() error {
	switch {
	case b.TopicID == "":
		return errors.New("topic_id is required")
	case b.Partitions < 0:
		return fmt.Errorf("partitions: want a number from 0, have %d", b.Partitions)
	}
	return nil
}

// PartitionsAdded reports that the source topic has more partitions than it
// had.
type PartitionsAdded struct {
	// Partitions is how many it has now.
	Partitions int32 `json:"partitions"`
}

// EventType implements [Body].
func (PartitionsAdded) EventType() Type { return "PartitionsAdded" }

// Validate implements [Body].
func (b PartitionsAdded) Validate() error {
	if b.Partitions <= 0 {
		return fmt.Errorf("partitions: want a positive number, have %d", b.Partitions)
	}
	return nil
}

// VerifyOrdered is the decision to compare both sides up to the given source
// offsets.
type VerifyOrdered struct {
	UpTo []PartitionOffset `json:"up_to"`
}

// EventType implements [Body].
func (VerifyOrdered) EventType() Type { return "VerifyOrdered" }

// Validate implements [Body].
func (b VerifyOrdered) Validate() error {
	return errors.Join(needed("up_to", len(b.UpTo)), validOffsets("up_to", b.UpTo))
}

// PartitionVerified reports that source records below UpTo and their images
// were read on both sides and compared.
type PartitionVerified struct {
	Partition int32 `json:"partition"`
	// UpTo is the source offset up to which the partition was compared.
	UpTo int64 `json:"up_to"`
	// Records is how many were compared; Digest is the hex digest of both
	// sides over key, value, ordered headers and timestamp, in order.
	Records int64  `json:"records"`
	Digest  string `json:"digest"`
	// Differs says what differs, empty when both sides are identical.
	Differs string `json:"differs,omitempty"`
}

// EventType implements [Body].
func (PartitionVerified) EventType() Type { return "PartitionVerified" }

// Validate implements [Body].
func (b PartitionVerified) Validate() error {
	if b.Digest == "" && b.Differs == "" {
		return errors.New("digest is required")
	}
	if b.Records < 0 {
		return fmt.Errorf("records: want a number from 0, have %d", b.Records)
	}
	return partitionAt(b.Partition, b.UpTo)
}

// TopicFinished acknowledges that the topic's real configs were set on the
// target and read back.
type TopicFinished struct {
	Configs map[string]string `json:"configs,omitempty"`
}

// EventType implements [Body].
func (TopicFinished) EventType() Type { return "TopicFinished" }

// Validate implements [Body].
func (TopicFinished) Validate() error { return nil }

// TopicReleased acknowledges, in a cancelled migration, that the topic is no
// longer copied and what portage created for it is gone.
type TopicReleased struct {
	// Deleted is true if the target topic was deleted.
	Deleted bool   `json:"deleted"`
	Note    string `json:"note,omitempty"`
}

// EventType implements [Body].
func (TopicReleased) EventType() Type { return "TopicReleased" }

// Validate implements [Body].
func (TopicReleased) Validate() error { return nil }

// ProducerSeen registers a producer before its first send: decisions accepted
// before this record bind it, later ones must wait for its acknowledgement.
type ProducerSeen struct {
	// Incarnation names the process; Instance the place it has in the service
	// (a restart keeps the instance and changes the incarnation).
	Incarnation string `json:"incarnation"`
	Instance    string `json:"instance"`
	// Version is the agent's version.
	Version string `json:"version,omitempty"`
	// ProducerIDs are the ids it writes with, per cluster name.
	ProducerIDs map[string]int64 `json:"producer_ids,omitempty"`
}

// EventType implements [Body].
func (ProducerSeen) EventType() Type { return "ProducerSeen" }

// Validate implements [Body].
func (b ProducerSeen) Validate() error {
	if b.Incarnation == "" || b.Instance == "" {
		return errors.New("incarnation and instance are required")
	}
	return nil
}

// ProducerRouted reports the route that a registered producer has taken for
// the life of its process.
type ProducerRouted struct {
	Incarnation string `json:"incarnation"`
	// Route is "source" or "target".
	Route string `json:"route"`
	// Barrier is, for route target, the source ends read after the
	// registration that the copy had passed before the first send.
	Barrier []PartitionOffset `json:"barrier,omitempty"`
}

// EventType implements [Body].
func (ProducerRouted) EventType() Type { return "ProducerRouted" }

// Validate implements [Body].
func (b ProducerRouted) Validate() error {
	if b.Incarnation == "" || (b.Route != RouteSource && b.Route != RouteTarget) {
		return errors.New(`incarnation and a route of "source" or "target" are required`)
	}
	return validOffsets("barrier", b.Barrier)
}

// ProducerLeft reports that a producer has closed with nothing unanswered.
type ProducerLeft struct {
	Incarnation string `json:"incarnation"`
	// Silent is true if the producer said no good-bye: an orchestrator found
	// that the source topic had no write for the policy's silent time.
	Silent bool `json:"silent,omitempty"`
}

// EventType implements [Body].
func (ProducerLeft) EventType() Type { return "ProducerLeft" }

// Validate implements [Body].
func (b ProducerLeft) Validate() error {
	if b.Incarnation == "" {
		return errors.New("incarnation is required")
	}
	return nil
}

// CopyShared acknowledges that the worker no longer takes itself for the only
// writer of the target partition: native records may stand between its own.
type CopyShared struct {
	Partition int32 `json:"partition"`
}

// EventType implements [Body].
func (CopyShared) EventType() Type { return "CopyShared" }

// Validate implements [Body].
func (b CopyShared) Validate() error { return partitionAt(b.Partition, 0) }

// WritersRolling is the decision from which on producers that start write to
// the target.
type WritersRolling struct {
	// ACLs are all of the source topic's, WRITE among them.
	ACLs CopiedACLs `json:"acls,omitzero"`
}

// EventType implements [Body].
func (WritersRolling) EventType() Type { return "WritersRolling" }

// Validate implements [Body].
func (WritersRolling) Validate() error { return nil }

// SourceQuiet reports that the source topic has had no write for the policy's
// quiet time and that the copy has passed its end.
type SourceQuiet struct {
	Ends []PartitionOffset `json:"ends"`
}

// EventType implements [Body].
func (SourceQuiet) EventType() Type { return "SourceQuiet" }

// Validate implements [Body].
func (b SourceQuiet) Validate() error {
	return errors.Join(needed("ends", len(b.Ends)), validOffsets("ends", b.Ends))
}

// StrayWrite reports a record that reached the source after its writers had
// moved; it is copied, and the quiet clock starts again.
type StrayWrite struct {
	Partition  int32 `json:"partition"`
	Offset     int64 `json:"offset"`
	ProducerID int64 `json:"producer_id"`
}

// EventType implements [Body].
func (StrayWrite) EventType() Type { return "StrayWrite" }

// Validate implements [Body].
func (b StrayWrite) Validate() error { return partitionAt(b.Partition, b.Offset) }
