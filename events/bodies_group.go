package events

import (
	"errors"
	"fmt"
)

// GroupPlanned adds a consumer group to a migration that is not sealed yet.
type GroupPlanned struct {
	// Source is the cluster that the group leaves, Target the one it reaches.
	Source ClusterRef `json:"source"`
	Target ClusterRef `json:"target"`
	// Topics are the topics that the group reads and that this migration
	// moves, by their names on the source, each planned before this event.
	Topics []string `json:"topics"`
}

// EventType implements [Body].
func (GroupPlanned) EventType() Type { return "GroupPlanned" }

// Validate implements [Body].
func (b GroupPlanned) Validate() error {
	return errors.Join(needed("topics", len(b.Topics)), b.Source.validate("source"), b.Target.validate("target"))
}

// AgentSeen reports a consumer instance and whether it can log in to the
// clusters that its group's directive names: for people, and for the gate of
// a switch.
type AgentSeen struct {
	Incarnation string `json:"incarnation"`
	Instance    string `json:"instance"`
	Version     string `json:"version,omitempty"`
	// Logins maps a cluster name to "" (logged in) or to the error.
	Logins map[string]string `json:"logins,omitempty"`
}

// EventType implements [Body].
func (AgentSeen) EventType() Type { return "AgentSeen" }

// Validate implements [Body].
func (b AgentSeen) Validate() error {
	if b.Incarnation == "" || b.Instance == "" {
		return errors.New("incarnation and instance are required")
	}
	return nil
}

// GuardHeld reports that the guard is a member of the group on a side. Its
// member id outlives the process that holds it.
type GuardHeld struct {
	// Side is "source" or "target".
	Side       string `json:"side"`
	MemberID   string `json:"member_id"`
	Generation int32  `json:"generation"`
	// Exclusive is true once the guard is alone, under its own protocol type.
	Exclusive bool `json:"exclusive,omitempty"`
}

// EventType implements [Body].
func (GuardHeld) EventType() Type { return "GuardHeld" }

// Validate implements [Body].
func (b GuardHeld) Validate() error {
	if b.MemberID == "" {
		return errors.New("member_id is required")
	}
	return validSide(b.Side)
}

func validSide(s string) error {
	if s != RouteSource && s != RouteTarget {
		return fmt.Errorf(`side: want "source" or "target", have %q`, s)
	}
	return nil
}

// GuardReleased reports that the guard has left the group on a side.
type GuardReleased struct {
	Side string `json:"side"`
}

// EventType implements [Body].
func (GuardReleased) EventType() Type { return "GuardReleased" }

// Validate implements [Body].
func (b GuardReleased) Validate() error { return validSide(b.Side) }

// Prepared reports that an instance is inside both closed groups.
type Prepared struct {
	Incarnation  string `json:"incarnation"`
	SourceMember string `json:"source_member"`
	TargetMember string `json:"target_member"`
}

// EventType implements [Body].
func (Prepared) EventType() Type { return "Prepared" }

// Validate implements [Body].
func (b Prepared) Validate() error {
	if b.Incarnation == "" || b.SourceMember == "" || b.TargetMember == "" {
		return errors.New("incarnation, source_member and target_member are required")
	}
	return nil
}

// HoldOrdered is the decision to hold the group's moving partitions. Its
// evidence: every member of the source group was the guard or prepared.
type HoldOrdered struct {
	// Members are the agents' member ids on the source, as the broker said.
	Members []string `json:"members"`
}

// EventType implements [Body].
func (HoldOrdered) EventType() Type { return "HoldOrdered" }

// Validate implements [Body].
func (b HoldOrdered) Validate() error { return needed("members", len(b.Members)) }

// TopicOffset is an offset of one partition of a topic, by the topic's name on
// the source.
type TopicOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Drained reports that an instance has stopped: nothing in its hands, offsets
// committed, still a member.
type Drained struct {
	Incarnation string `json:"incarnation"`
	Member      string `json:"member"`
	// Committed is what the broker accepted, Processed what the handlers
	// finished; where a commit was refused the two differ and the difference
	// may be processed again.
	Committed []TopicOffset `json:"committed,omitempty"`
	Processed []TopicOffset `json:"processed,omitempty"`
	// Abandoned are records whose handler did not finish in time.
	Abandoned []TopicOffset `json:"abandoned,omitempty"`
}

// EventType implements [Body].
func (Drained) EventType() Type { return "Drained" }

// Validate implements [Body].
func (b Drained) Validate() error {
	if b.Incarnation == "" || b.Member == "" {
		return errors.New("incarnation and member are required")
	}
	return errors.Join(validTopicOffsets("committed", b.Committed, true), validTopicOffsets("processed", b.Processed, true),
		validTopicOffsets("abandoned", b.Abandoned, false))
}

// DrainProven is the decision that the source group stands still: every member
// was the guard or had drained under its member id, and the guard has committed
// the offsets once more under its own generation.
type DrainProven struct {
	Offsets []TopicOffset `json:"offsets"`
}

// EventType implements [Body].
func (DrainProven) EventType() Type { return "DrainProven" }

// Validate implements [Body].
func (b DrainProven) Validate() error {
	return errors.Join(needed("offsets", len(b.Offsets)), validTopicOffsets("offsets", b.Offsets, true))
}

// CutPoint is where a group crosses in one partition: the next record to
// process on either side.
type CutPoint struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Source    int64  `json:"source"`
	Target    int64  `json:"target"`
}

// CutTaken is the decision where the group crosses: the source offsets,
// translated when the copy had passed them and checked on both sides.
type CutTaken struct {
	Cut []CutPoint `json:"cut"`
}

// EventType implements [Body].
func (CutTaken) EventType() Type { return "CutTaken" }

// Validate implements [Body].
func (b CutTaken) Validate() error {
	return errors.Join(needed("cut", len(b.Cut)), validCut("cut", b.Cut))
}

// Staged reports that the owner of partitions on the target has committed the
// cut under its own generation and read it back. Topics are named as on the
// source, offsets are the target's.
type Staged struct {
	Incarnation string        `json:"incarnation"`
	Member      string        `json:"member"`
	Offsets     []TopicOffset `json:"offsets"`
}

// EventType implements [Body].
func (Staged) EventType() Type { return "Staged" }

// Validate implements [Body].
func (b Staged) Validate() error {
	if b.Incarnation == "" || b.Member == "" {
		return errors.New("incarnation and member are required")
	}
	return errors.Join(needed("offsets", len(b.Offsets)), validTopicOffsets("offsets", b.Offsets, true))
}

// Resumed reports the first offsets that an instance fetches on the side that
// the switch ended on.
type Resumed struct {
	Incarnation string `json:"incarnation"`
	// Side is "target" after a commit, "source" after an abort.
	Side    string        `json:"side"`
	Offsets []TopicOffset `json:"offsets,omitempty"`
}

// EventType implements [Body].
func (Resumed) EventType() Type { return "Resumed" }

// Validate implements [Body].
func (b Resumed) Validate() error {
	if b.Incarnation == "" {
		return errors.New("incarnation is required")
	}
	return errors.Join(validSide(b.Side), validTopicOffsets("offsets", b.Offsets, true))
}

// GroupReleased acknowledges, in a cancelled migration, that the guards have
// left the group.
type GroupReleased struct{}

// EventType implements [Body].
func (GroupReleased) EventType() Type { return "GroupReleased" }

// Validate implements [Body].
func (GroupReleased) Validate() error { return nil }
