package events

import (
	"encoding/json"
	"reflect"
	"slices"
)

// Kind is one row of the catalogue: all there is to know about a type of event
// apart from the form of its body.
type Kind struct {
	Type Type
	// Schema is the newest version of the body that this release reads; schemas
	// only ever gain fields.
	Schema int
	Class  Class
	// Streams are the kinds of stream that the type may stand on.
	Streams []StreamKind
	// Writers are the roles that write it.
	Writers []ActorKind
	// Epoch is true if the event belongs to a switch attempt.
	Epoch bool
	// Zero is an empty body of the type.
	Zero Body
	// decode reads a body of the type, without its Validate.
	decode func(json.RawMessage) (Body, error)
	// Changes says what an accepted event changes.
	Changes string
}

func decodeAs[B Body](raw json.RawMessage) (Body, error) {
	var b B
	err := json.Unmarshal(raw, &b)
	return b, err
}

// Catalogue is every type of event that this release knows, in a fixed order.
//
//rules:flat one row a type
func Catalogue() []Kind {
	return []Kind{
		{Type: "TopicPlanned", Schema: 1, Class: Command, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Operator}, Zero: TopicPlanned{}, decode: decodeAs[TopicPlanned],
			Changes: "adds the topic to a migration under plan and claims it"},
		{Type: "GroupPlanned", Schema: 1, Class: Command, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Operator}, Zero: GroupPlanned{}, decode: decodeAs[GroupPlanned],
			Changes: "adds the group to a migration under plan and claims it"},
		{Type: "MigrationCreated", Schema: 1, Class: Command, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Operator}, Zero: MigrationCreated{}, decode: decodeAs[MigrationCreated],
			Changes: "seals the plan"},
		{Type: "StartRequested", Schema: 1, Class: Command, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Operator}, Zero: StartRequested{}, decode: decodeAs[StartRequested],
			Changes: "the migration runs: its first step may start"},
		{Type: "PauseRequested", Schema: 1, Class: Command, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Operator}, Zero: PauseRequested{}, decode: decodeAs[PauseRequested],
			Changes: "copying stops, no step or switch starts"},
		{Type: "ResumeRequested", Schema: 1, Class: Command, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Operator}, Zero: ResumeRequested{}, decode: decodeAs[ResumeRequested],
			Changes: "ends a pause"},
		{Type: "Approved", Schema: 1, Class: Command, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Operator}, Zero: Approved{}, decode: decodeAs[Approved],
			Changes: "a step that waits for a person may start"},
		{Type: "CompleteRequested", Schema: 1, Class: Command, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Operator, Orchestrator}, Zero: CompleteRequested{}, decode: decodeAs[CompleteRequested],
			Changes: "topics are verified and get their real configs"},
		{Type: "CancelRequested", Schema: 1, Class: Command, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Operator}, Zero: CancelRequested{}, decode: decodeAs[CancelRequested],
			Changes: "copying ends, what was created is removed"},
		{Type: "RateChanged", Schema: 1, Class: Command, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Operator}, Zero: RateChanged{}, decode: decodeAs[RateChanged],
			Changes: "workers copy no faster than this"},
		{Type: "Checkpoint", Schema: 1, Class: Observation, Streams: []StreamKind{OfMigration}, Writers: []ActorKind{Orchestrator}, Zero: Checkpoint{}, decode: decodeAs[Checkpoint],
			Changes: "nothing: a replay compares its digests"},
		{Type: "CopyStarted", Schema: 1, Class: Decision, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: CopyStarted{}, decode: decodeAs[CopyStarted],
			Changes: "the target topic is created"},
		{Type: "TargetCreated", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: TargetCreated{}, decode: decodeAs[TargetCreated],
			Changes: "workers copy the topic"},
		{Type: "CopySynced", Schema: 1, Class: Observation, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: CopySynced{}, decode: decodeAs[CopySynced],
			Changes: "the topic's readers may switch"},
		{Type: "CopyStopped", Schema: 1, Class: Observation, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Worker, Orchestrator}, Zero: CopyStopped{}, decode: decodeAs[CopyStopped],
			Changes: "the topic waits for a person"},
		{Type: "CopyFailed", Schema: 1, Class: Observation, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: CopyFailed{}, decode: decodeAs[CopyFailed],
			Changes: "the topic waits for a person"},
		{Type: "RetryRequested", Schema: 1, Class: Command, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Operator}, Zero: RetryRequested{}, decode: decodeAs[RetryRequested],
			Changes: "a stopped topic goes on"},
		{Type: "LossAccepted", Schema: 1, Class: Command, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Operator}, Zero: LossAccepted{}, decode: decodeAs[LossAccepted],
			Changes: "the records of a stop are given up; with the last stop the topic goes on"},
		{Type: "RecopyRequested", Schema: 1, Class: Command, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Operator}, Zero: RecopyRequested{}, decode: decodeAs[RecopyRequested],
			Changes: "the target topic is deleted and the copy begins anew"},
		{Type: "TargetDeleted", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: TargetDeleted{}, decode: decodeAs[TargetDeleted],
			Changes: "the target topic is created anew"},
		{Type: "PartitionsAdded", Schema: 1, Class: Observation, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Worker, Orchestrator}, Zero: PartitionsAdded{}, decode: decodeAs[PartitionsAdded],
			Changes: "the target topic gets as many partitions, and they are copied, too"},
		{Type: "VerifyOrdered", Schema: 1, Class: Decision, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: VerifyOrdered{}, decode: decodeAs[VerifyOrdered],
			Changes: "workers compare both sides"},
		{Type: "PartitionVerified", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Worker}, Zero: PartitionVerified{}, decode: decodeAs[PartitionVerified],
			Changes: "with the last partition the topic is verified"},
		{Type: "TopicFinished", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: TopicFinished{}, decode: decodeAs[TopicFinished],
			Changes: "with the last topic the migration is finished"},
		{Type: "TopicReleased", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: TopicReleased{}, decode: decodeAs[TopicReleased],
			Changes: "with the last one the migration is cancelled"},
		{Type: "ProducerSeen", Schema: 1, Class: Observation, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Agent}, Zero: ProducerSeen{}, decode: decodeAs[ProducerSeen],
			Changes: "the producer is registered"},
		{Type: "ProducerRouted", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Agent}, Zero: ProducerRouted{}, decode: decodeAs[ProducerRouted],
			Changes: "the producer's route for the life of its process"},
		{Type: "ProducerLeft", Schema: 1, Class: Observation, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Agent, Orchestrator}, Zero: ProducerLeft{}, decode: decodeAs[ProducerLeft],
			Changes: "the producer is gone"},
		{Type: "CopyShared", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Worker}, Epoch: true, Zero: CopyShared{}, decode: decodeAs[CopyShared],
			Changes: "the partition may have writers beside the copy"},
		{Type: "WritersRolling", Schema: 1, Class: Decision, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Epoch: true, Zero: WritersRolling{}, decode: decodeAs[WritersRolling],
			Changes: "producers that start write to the target"},
		{Type: "SourceQuiet", Schema: 1, Class: Observation, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator}, Zero: SourceQuiet{}, decode: decodeAs[SourceQuiet],
			Changes: "the source topic is quiet"},
		{Type: "StrayWrite", Schema: 1, Class: Observation, Streams: []StreamKind{OfTopic}, Writers: []ActorKind{Orchestrator, Worker}, Zero: StrayWrite{}, decode: decodeAs[StrayWrite],
			Changes: "the source topic is not quiet any more"},
		{Type: "SwitchRequested", Schema: 1, Class: Command, Streams: []StreamKind{OfGroup, OfTopic}, Writers: []ActorKind{Operator, Orchestrator}, Epoch: true, Zero: SwitchRequested{}, decode: decodeAs[SwitchRequested],
			Changes: "a switch attempt begins"},
		{Type: "AbortRequested", Schema: 1, Class: Abort, Streams: []StreamKind{OfGroup, OfTopic}, Writers: []ActorKind{Operator, Orchestrator, Agent}, Epoch: true, Zero: AbortRequested{}, decode: decodeAs[AbortRequested],
			Changes: "an undecided switch ends where it began"},
		{Type: "SwitchCommitted", Schema: 1, Class: Decision, Streams: []StreamKind{OfGroup, OfTopic}, Writers: []ActorKind{Orchestrator}, Epoch: true, Zero: SwitchCommitted{}, decode: decodeAs[SwitchCommitted],
			Changes: "the target is the route"},
		{Type: "SwitchCompleted", Schema: 1, Class: Decision, Streams: []StreamKind{OfGroup, OfTopic}, Writers: []ActorKind{Orchestrator}, Epoch: true, Zero: SwitchCompleted{}, decode: decodeAs[SwitchCompleted],
			Changes: "the switch is over"},
		{Type: "AgentSeen", Schema: 1, Class: Observation, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Agent}, Zero: AgentSeen{}, decode: decodeAs[AgentSeen],
			Changes: "the instance and its logins are shown; a gate of the switch"},
		{Type: "GuardHeld", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Orchestrator}, Zero: GuardHeld{}, decode: decodeAs[GuardHeld],
			Changes: "the guard's member id on a side"},
		{Type: "GuardReleased", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Orchestrator}, Zero: GuardReleased{}, decode: decodeAs[GuardReleased],
			Changes: "no guard on that side"},
		{Type: "Prepared", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Agent}, Epoch: true, Zero: Prepared{}, decode: decodeAs[Prepared],
			Changes: "the instance is inside both closed groups"},
		{Type: "HoldOrdered", Schema: 1, Class: Decision, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Orchestrator}, Epoch: true, Zero: HoldOrdered{}, decode: decodeAs[HoldOrdered],
			Changes: "instances stop fetching and drain"},
		{Type: "Drained", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Agent}, Epoch: true, Zero: Drained{}, decode: decodeAs[Drained],
			Changes: "the instance has nothing in its hands"},
		{Type: "DrainProven", Schema: 1, Class: Decision, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Orchestrator}, Epoch: true, Zero: DrainProven{}, decode: decodeAs[DrainProven],
			Changes: "the source offsets stand still"},
		{Type: "CutTaken", Schema: 1, Class: Decision, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Orchestrator}, Epoch: true, Zero: CutTaken{}, decode: decodeAs[CutTaken],
			Changes: "owners on the target stage the cut"},
		{Type: "Staged", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Agent}, Epoch: true, Zero: Staged{}, decode: decodeAs[Staged],
			Changes: "with the last partition the group is staged"},
		{Type: "Resumed", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Agent}, Epoch: true, Zero: Resumed{}, decode: decodeAs[Resumed],
			Changes: "the instance consumes again"},
		{Type: "GroupReleased", Schema: 1, Class: Acknowledgement, Streams: []StreamKind{OfGroup}, Writers: []ActorKind{Orchestrator}, Zero: GroupReleased{}, decode: decodeAs[GroupReleased],
			Changes: "with the last one the migration is cancelled"},
	}
}

// Lookup finds a type in the catalogue.
func Lookup(t Type) (Kind, bool) {
	r, ok := rows[t]
	if !ok {
		return Kind{}, false
	}
	return r.Kind, true
}

// row is a Kind with what decoding needs beside it.
type row struct {
	Kind
	shape *shape
}

// rows is the catalogue by type; nobody writes it after this.
var rows = func() map[Type]*row {
	m := make(map[Type]*row)
	for _, k := range Catalogue() {
		m[k.Type] = &row{Kind: k, shape: shapeOf(reflect.TypeOf(k.Zero))}
	}
	return m
}()

// AllowsStream reports whether the type may stand on a stream.
func (k Kind) AllowsStream(s Stream) bool { return slices.Contains(k.Streams, s.Kind()) }

// AllowsWriter reports whether the role writes the type.
func (k Kind) AllowsWriter(a ActorKind) bool { return slices.Contains(k.Writers, a) }
