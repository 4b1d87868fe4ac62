package events

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBodiesThatCannotBe: every Validate names what is wrong.
func TestBodiesThatCannotBe(t *testing.T) {
	ref := ClusterRef{Name: "dc1", ID: "src-id"}
	policy := Policy{PrepareMillis: 1, HoldMillis: 1, Straggler: StragglerAbort, QuietMillis: 1, SilentMillis: 1}
	created := func(change func(*MigrationCreated)) MigrationCreated {
		b := MigrationCreated{Hash: "h", Machine: 1, Topics: 1, Source: ref, Targets: []ClusterRef{ref}, Strategy: "s", Steps: []Step{{Do: StepCopy, Approve: ApproveAuto}}, Policy: policy}
		change(&b)
		return b
	}
	topic := func(change func(*TopicPlanned)) TopicPlanned {
		b := TopicPlanned{Source: ref, Target: ref, Partitions: 1, TargetTopic: "t", ReplicationFactor: 1}
		change(&b)
		return b
	}
	require.NoError(t, created(func(*MigrationCreated) {}).Validate())
	require.NoError(t, topic(func(*TopicPlanned) {}).Validate())
	digest := strings.Repeat("0", 64)
	offsets := []TopicOffset{{"t", 0, 1}}
	bad := []TopicOffset{{"t", -1, 1}}
	for _, c := range []struct {
		body Body
		want string
	}{
		{created(func(b *MigrationCreated) { b.Hash = "" }), "hash, machine, topics"},
		{created(func(b *MigrationCreated) { b.Groups = -1 }), "hash, machine, topics"},
		{created(func(b *MigrationCreated) { b.Source.Name = "a b" }), `source: want a name and a cluster id, have "a b"`},
		{created(func(b *MigrationCreated) { b.Targets[0].ID = "" }), "targets[0]"},
		{created(func(b *MigrationCreated) { b.Steps[0].Do = "dance" }), `steps[0].do: want copy, readers, writers or finish, have "dance"`},
		{created(func(b *MigrationCreated) { b.Steps[0].Approve = "" }), "steps[0].approve"},
		{created(func(b *MigrationCreated) { b.Policy.HoldMillis = 0 }), "policy.hold_ms"},
		{created(func(b *MigrationCreated) { b.Policy.Straggler = "wait" }), `policy.straggler: want "abort" or "proceed", have "wait"`},
		{topic(func(b *TopicPlanned) { b.Partitions = 0 }), "partitions, target_topic and replication_factor"},
		{topic(func(b *TopicPlanned) { b.TargetTopic = "a/b" }), `target_topic: want the name of a Kafka topic, have "a/b"`},
		{topic(func(b *TopicPlanned) { b.Target.ID = "" }), "target: want a name and a cluster id"},
		{GroupPlanned{Source: ref, Target: ref}, "topics: want at least one entry"},
		{GroupPlanned{Target: ref, Topics: []string{"t"}}, "source: want"},
		{Approved{Step: -1}, "step: want an index"},
		{Checkpoint{Position: -1, Log: digest, State: digest}, "position, log and state"},
		{Checkpoint{Log: digest[1:], State: digest}, "64 hex digits"},
		{TargetCreated{}, "topic_id is required"},
		{CopySynced{}, "ends: want at least one entry"},
		{CopySynced{Ends: []PartitionOffset{{0, -1}}}, "ends[0]: want a partition and an offset from 0"},
		{CopyStopped{Reason: "r"}, "code and reason"},
		{CopyStopped{Code: "c", Reason: "r", Partition: -1}, "want a partition"},
		{CopyFailed{Effect: "e"}, "effect and reason"},
		{LossAccepted{Lost: Interval{To: 1}}, "reason is required"},
		{LossAccepted{Reason: "r"}, "lost: want a partition from 0 and offsets [from, to)"},
		{LossAccepted{Reason: "r", Lost: Interval{Partition: -1, To: 1}}, "have partition -1"},
		{TargetDeleted{}, "topic_id is required"},
		{TargetDeleted{TopicID: "0b", Partitions: -1}, "partitions: want a number from 0, have -1"},
		{PartitionsAdded{}, "partitions: want a positive number, have 0"},
		{RateChanged{Rate: Rate{BytesPerSecond: -5}}, "rate.bytes_per_second: want a number from 0 (no bound), have -5"},
		{RateChanged{Rate: Rate{Cluster: "a b"}}, `rate.cluster: want the name of a cluster, have "a b"`},
		{VerifyOrdered{}, "up_to: want at least one entry"},
		{PartitionVerified{}, "digest is required"},
		{PartitionVerified{Digest: "d", Records: -1}, "records: want a number from 0"},
		{PartitionVerified{Digest: "d", UpTo: -1}, "want a partition and an offset"},
		{ProducerSeen{Instance: "i"}, "incarnation and instance"},
		{ProducerRouted{Incarnation: "i", Route: "both"}, "a route of"},
		{ProducerRouted{Incarnation: "i", Route: RouteTarget, Barrier: []PartitionOffset{{-1, 0}}}, "barrier[0]"},
		{ProducerLeft{}, "incarnation is required"},
		{CopyShared{Partition: -1}, "want a partition"},
		{SourceQuiet{}, "ends: want at least one entry"},
		{StrayWrite{Offset: -1}, "want a partition and an offset"},
		{SwitchRequested{To: "moon"}, `to: want "target"`},
		{SwitchRequested{To: RouteTarget, Level: "global"}, "level: want"},
		{AbortRequested{Code: "c"}, "code and reason"},
		{SwitchCommitted{Ends: []PartitionOffset{{0, 1}, {0, 2}}}, "ends[1]: partition 0 stands in the list twice"},
		{SwitchCompleted{}, "evidence is required"},
		{AgentSeen{Incarnation: "i"}, "incarnation and instance"},
		{GuardHeld{Side: RouteSource}, "member_id is required"},
		{GuardHeld{Side: "left", MemberID: "m"}, `side: want "source" or "target", have "left"`},
		{GuardReleased{}, "side: want"},
		{Prepared{Incarnation: "i", SourceMember: "m"}, "target_member"},
		{HoldOrdered{}, "members: want at least one entry"},
		{Drained{Incarnation: "i"}, "incarnation and member"},
		{Drained{Incarnation: "i", Member: "m", Committed: bad}, "committed[0]"},
		{Drained{Incarnation: "i", Member: "m", Processed: bad}, "processed[0]"},
		{Drained{Incarnation: "i", Member: "m", Abandoned: bad}, "abandoned[0]"},
		{Drained{Incarnation: "i", Member: "m", Committed: append(offsets, offsets...)}, "committed[1]: partition 0 of t stands in the list twice"},
		{DrainProven{}, "offsets: want at least one entry"},
		{CutTaken{}, "cut: want at least one entry"},
		{CutTaken{Cut: []CutPoint{{"t", 0, 1, -1}}}, "cut[0]"},
		{CutTaken{Cut: []CutPoint{{"t", 0, 1, 1}, {"t", 0, 2, 2}}}, "cut[1]"},
		{Staged{Incarnation: "i", Offsets: offsets}, "incarnation and member"},
		{Staged{Incarnation: "i", Member: "m"}, "offsets: want at least one entry"},
		{Resumed{Side: RouteTarget}, "incarnation is required"},
		{Resumed{Incarnation: "i", Side: "x"}, "side: want"},
		{Resumed{Incarnation: "i", Side: RouteSource, Offsets: bad}, "offsets[0]"},
	} {
		require.ErrorContains(t, c.body.Validate(), c.want, "%T", c.body)
	}
}

// TestAbandonedRecordsMayShareAPartition: they are records, not positions.
func TestAbandonedRecordsMayShareAPartition(t *testing.T) {
	b := Drained{Incarnation: "i", Member: "m", Abandoned: []TopicOffset{{"t", 0, 1}, {"t", 0, 2}}}
	require.NoError(t, b.Validate())
}

func TestMovesHaveNames(t *testing.T) {
	for _, a := range axes {
		seen := map[string]bool{}
		for _, m := range Moves(a) {
			require.False(t, seen[m.Name()], "%s: two rows are called %q", a, m.Name())
			seen[m.Name()] = true
		}
	}
}
