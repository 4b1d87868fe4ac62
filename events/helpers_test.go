package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func u64(v uint64) *uint64 { return &v }

// atNoon is the writers' clock in the tests.
var atNoon = time.Date(2026, 1, 31, 12, 0, 0, 500_000_000, time.UTC)

// samples has a valid body of every type, with every field set.
func samples() []Body {
	source, target := ClusterRef{Name: "dc1", ID: "src-id"}, ClusterRef{Name: "cloud.eu", ID: "dst-id"}
	ends := []PartitionOffset{{Partition: 0, Offset: 12}, {Partition: 1, Offset: 9007199254740993}}
	offsets := []TopicOffset{{Topic: "orders", Partition: 0, Offset: 12}, {Topic: "orders", Partition: 1, Offset: 0}}
	return []Body{
		TopicPlanned{Source: source, TopicID: "0a", Partitions: 2, Target: target, TargetTopic: "eu.orders", ReplicationFactor: 3, Configs: map[string]string{"retention.ms": "86400000"}},
		GroupPlanned{Source: source, Target: target, Topics: []string{"orders"}},
		MigrationCreated{Hash: strings.Repeat("ab", 32), Machine: 1, Topics: 1, Groups: 1, Source: source, Targets: []ClusterRef{target}, Strategy: "consumers-first",
			Steps:  []Step{{Do: StepCopy, Approve: ApproveAuto}, {Do: StepReaders, Approve: ApproveManual}},
			Policy: Policy{PrepareMillis: 30000, HoldMillis: 5000, Straggler: StragglerAbort, MaxLag: 1000, QuietMillis: 60000, SilentMillis: 300000}, Owner: "payments"},
		StartRequested{}, PauseRequested{Reason: "night"}, ResumeRequested{}, Approved{Step: 1, Note: "reviewed"},
		CompleteRequested{}, CancelRequested{Reason: "not today"}, RateChanged{Rate: Rate{Cluster: "dc1", BytesPerSecond: 50_000_000}},
		Checkpoint{Position: 999, Log: strings.Repeat("01", 32), State: strings.Repeat("ef", 32)},
		CopyStarted{}, TargetCreated{TopicID: "0b", Created: true, Configs: map[string]string{"cleanup.policy": "delete"}, ACLs: CopiedACLs{Count: 3}},
		CopySynced{Ends: ends}, CopyStopped{Partition: 1, Code: "out-of-range", From: 5, To: 9, Reason: "retention took the records: portage accept-loss"},
		CopyFailed{Effect: "create", Reason: "no ACL"}, RetryRequested{Note: "ACL granted"},
		LossAccepted{Lost: Interval{Partition: 1, From: 5, To: 9}, Reason: "test orders, says ann"}, RecopyRequested{Reason: "a second writer"}, TargetDeleted{TopicID: "0b"}, PartitionsAdded{Partitions: 3},
		VerifyOrdered{UpTo: ends},
		PartitionVerified{Partition: 1, UpTo: 12, Records: 12, Digest: "cafe", Differs: "at 3"}, TopicFinished{Configs: map[string]string{"cleanup.policy": "compact"}},
		TopicReleased{Deleted: true, Note: "empty"}, ProducerSeen{Incarnation: "p-1", Instance: "0", Version: "0.1", ProducerIDs: map[string]int64{"dc1": 4711}},
		ProducerRouted{Incarnation: "p-1", Route: RouteTarget, Barrier: ends}, ProducerLeft{Incarnation: "p-1"}, CopyShared{Partition: 1}, WritersRolling{ACLs: CopiedACLs{Note: "no rights"}},
		SourceQuiet{Ends: ends}, StrayWrite{Partition: 1, Offset: 77, ProducerID: 4711}, SwitchRequested{To: RouteTarget, Level: LevelRestart},
		AbortRequested{Code: "operator", Reason: "wrong day"}, SwitchCommitted{Ends: ends}, SwitchCompleted{Evidence: "lag 0"},
		AgentSeen{Incarnation: "c-1", Instance: "0", Version: "0.1", Logins: map[string]string{"dc1": "", "cloud.eu": "no route to host"}},
		GuardHeld{Side: RouteSource, MemberID: "portage-guard-1", Generation: 7, Exclusive: true}, GuardReleased{Side: RouteTarget},
		Prepared{Incarnation: "c-1", SourceMember: "m1", TargetMember: "m2"}, HoldOrdered{Members: []string{"m1"}},
		Drained{Incarnation: "c-1", Member: "m1", Committed: offsets, Processed: offsets, Abandoned: offsets}, DrainProven{Offsets: offsets},
		CutTaken{Cut: []CutPoint{{Topic: "orders", Partition: 0, Source: 12, Target: 10}}}, Staged{Incarnation: "c-1", Member: "m2", Offsets: offsets},
		Resumed{Incarnation: "c-1", Side: RouteTarget, Offsets: offsets}, GroupReleased{},
	}
}

// sample is a valid event around a body.
func sample(t testing.TB, body Body) Event {
	t.Helper()
	k, ok := Lookup(body.EventType())
	require.True(t, ok, "%s is not in the catalogue", body.EventType())
	stream := map[StreamKind]Stream{OfMigration: MigrationStream, OfTopic: TopicStream("orders"), OfGroup: GroupStream("billing/eu 1")}[k.Streams[0]]
	e, err := New("01JH0000000000000000000000", "orders-eu", stream, Actor{Kind: k.Writers[0], Name: "ann", Host: "node-7"}, atNoon, body)
	require.NoError(t, err)
	e.Cause = "effect 12/0"
	if k.Class == Command || k.Class == Decision {
		e.Expects = u64(4)
	}
	if k.Epoch {
		e.Epoch = 3
	}
	return e
}

func encoded(t testing.TB, e Event) (key, value []byte) {
	t.Helper()
	value, err := Encode(e)
	require.NoError(t, err)
	return []byte(e.Key("9f3a41c2").String()), value
}

// edit changes fields of a JSON object; a nil value removes the field.
func edit(t testing.TB, value []byte, fields map[string]any) []byte {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal(value, &object))
	for name, v := range fields {
		if v == nil {
			delete(object, name)
		} else {
			object[name] = v
		}
	}
	out, err := json.Marshal(object)
	require.NoError(t, err)
	return out
}

// raw puts JSON text of one's own into edit.
func raw(format string, args ...any) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(format, args...))
}
