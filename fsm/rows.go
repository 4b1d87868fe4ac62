package fsm

import "github.com/portage-kafka/portage/events"

// Version is the version of these machines, pinned in MigrationCreated: a later
// release folds a log as it was folded when it was written.
const Version = 1

// Rows reads the projection. The bool is false when there is no such row.
// Returned rows are shared: they must not be modified.
type Rows interface {
	Migration(name string) (*Migration, bool)
	Topic(migration, topic string) (*Topic, bool)
	Group(migration, group string) (*Group, bool)
	// Claim says which migration holds a topic or group of a cluster.
	Claim(k ClaimKey) (Claim, bool)
	// Seen is the position of the first event with this id in the migration.
	Seen(migration, id string) (int64, bool)
}

// Standing is where a stream stands: see [events.Standing].
type Standing struct {
	Version uint64 `json:"version"`
	Epoch   uint32 `json:"epoch,omitempty"`
}

// Migration is the row of a migration. Counters stand for what would otherwise
// need a look at every topic and group.
type Migration struct {
	Name     string       `json:"name"`
	Phase    events.Phase `json:"phase"`
	Standing Standing     `json:"standing"`
	// Plan is the sealing event's body, nil while drafting.
	Plan *events.MigrationCreated `json:"plan,omitempty"`
	// Source is known from the first planned topic on.
	Source events.ClusterRef `json:"source"`
	// Targets are the clusters that planned topics reach, sorted by id.
	Targets []events.ClusterRef `json:"targets,omitempty"`
	// Created, Started and Ended are positions of the events that did so; -1
	// for not yet.
	Created int64 `json:"created"`
	Started int64 `json:"started"`
	Ended   int64 `json:"ended"`
	// Rates bound the copying, by cluster name; the first may be that of the
	// migration as a whole, with no name.
	Rates []events.Rate `json:"rates,omitempty"`
	// Approved are the indexes of the steps that a person approved.
	Approved []int `json:"approved,omitempty"`
	// Reason is the last pause's or cancellation's.
	Reason string `json:"reason,omitempty"`
	// Count sums the topics and groups.
	Count Count `json:"count"`
}

// Count sums up the topics and groups of a migration.
type Count struct {
	Topics int `json:"topics"`
	Groups int `json:"groups"`
	// Started counts topics past planned, Synced those that were synced at
	// least once, Stopped those waiting for a person, Quiet those whose source
	// is quiet, Finished those finished, Released those given up by a cancel.
	Started  int `json:"started"`
	Synced   int `json:"synced"`
	Stopped  int `json:"stopped"`
	Quiet    int `json:"quiet"`
	Finished int `json:"finished"`
	Released int `json:"released"`
	// Switching counts undecided or unfinished switches of readers and writers.
	Switching int `json:"switching"`
	// Readers counts groups on the target, Writers topics whose writers are.
	Readers int `json:"readers"`
	Writers int `json:"writers"`
	// Moved counts decisions that a cancel cannot take back: committed readers
	// and rolling writers.
	Moved int `json:"moved"`
	// GroupsReleased counts groups given up by a cancel.
	GroupsReleased int `json:"groups_released"`
}

// Topic is the row of a topic in a migration, by its name on the source.
type Topic struct {
	Migration string              `json:"migration"`
	Topic     string              `json:"topic"`
	Plan      events.TopicPlanned `json:"plan"`
	Standing  Standing            `json:"standing"`
	Copy      events.Phase        `json:"copy"`
	Writers   events.Phase        `json:"writers"`
	Retire    events.Phase        `json:"retire"`
	// Groups are the planned groups that read it, Remaining those of them that
	// are not on the target yet; both sorted.
	Groups    []string              `json:"groups,omitempty"`
	Remaining []string              `json:"remaining,omitempty"`
	Target    *events.TargetCreated `json:"target,omitempty"`
	// Begun is the position of the event by which the present copy began, 0 for
	// not yet; Recopies is how often one was begun anew. Growing is true while
	// the target topic is to get more partitions.
	Begun    int64 `json:"begun,omitempty"`
	Recopies int32 `json:"recopies,omitempty"`
	Growing  bool  `json:"growing,omitempty"`
	// Losses are records that a person has given up, by partition and offset.
	Losses []events.Interval `json:"losses,omitempty"`
	// EverSynced is true once CopySynced was accepted; a retry does not clear it.
	EverSynced bool `json:"ever_synced,omitempty"`
	// Stop says why the copy waits for a person, MoreStops what else stopped
	// meanwhile, by partition.
	Stop      *Stop  `json:"stop,omitempty"`
	MoreStops []Stop `json:"more_stops,omitempty"`
	// Release is what became of the target topic when the migration was
	// cancelled.
	Release *events.TopicReleased `json:"release,omitempty"`
	// Verify is the comparison under way or done.
	Verify *Verify `json:"verify,omitempty"`
	// Shared are the partitions whose worker expects other writers, of the
	// writers' current epoch, sorted.
	Shared []int32 `json:"shared,omitempty"`
	// Producers are the registered producers, sorted by incarnation.
	Producers []Producer `json:"producers,omitempty"`
	// Abort is the last abort of the writers' switch.
	Abort *Abort `json:"abort,omitempty"`
	// Ends are the highest source ends known since the writers' decision: of the
	// decision, of strays, of the quiet source. Both sides must be compared up to
	// them before the topic is finished.
	Ends []events.PartitionOffset `json:"ends,omitempty"`
	// Strays counts reports of records that reached the source after its writers
	// moved.
	Strays int `json:"strays,omitempty"`
	// Changed is the position of the last event that changed the row.
	Changed int64 `json:"changed"`
}

// Stop is why a copy waits for a person.
type Stop struct {
	Position  int64  `json:"position"`
	Code      string `json:"code"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	Reason    string `json:"reason"`
}

// Verify is a comparison of both sides.
type Verify struct {
	// Cause is the id of the event that ordered it.
	Cause string                     `json:"cause"`
	UpTo  []events.PartitionOffset   `json:"up_to"`
	Done  []events.PartitionVerified `json:"done,omitempty"` // by partition
}

// Producer is a registered producer of a topic.
type Producer struct {
	Incarnation string `json:"incarnation"`
	Instance    string `json:"instance"`
	// Seen is the position of its registration.
	Seen int64 `json:"seen"`
	// Route is "", "source" or "target".
	Route string `json:"route,omitempty"`
	// Left is true once it said good-bye, or, if Silent, was taken for gone: then
	// a word of it brings it back.
	Left        bool             `json:"left,omitempty"`
	Silent      bool             `json:"silent,omitempty"`
	ProducerIDs map[string]int64 `json:"producer_ids,omitempty"`
}

// Group is the row of a consumer group in a migration.
type Group struct {
	Migration string              `json:"migration"`
	Group     string              `json:"group"`
	Plan      events.GroupPlanned `json:"plan"`
	Standing  Standing            `json:"standing"`
	Readers   events.Phase        `json:"readers"`
	// Topics are the group's topics under both names, in the plan's order.
	Topics []events.GroupTopic `json:"topics"`
	// Created and Synced are the topics that stand on the target, and those of
	// them whose copy is synced now, not stopped; both sorted.
	Created []string `json:"created,omitempty"`
	Synced  []string `json:"synced,omitempty"`
	// Guards by side; empty member id for none.
	SourceGuard Guard `json:"source_guard"`
	TargetGuard Guard `json:"target_guard"`
	// Members are the instances heard of, sorted by incarnation.
	Members []Member `json:"members,omitempty"`
	// Offsets, Cut and Staged belong to the current epoch.
	Offsets []events.TopicOffset `json:"offsets,omitempty"`
	Cut     []events.CutPoint    `json:"cut,omitempty"`
	Staged  []events.TopicOffset `json:"staged,omitempty"`
	// Abandoned are records whose handler was left behind, of all epochs, sorted.
	Abandoned []events.TopicOffset `json:"abandoned,omitempty"`
	// LeaveSource is true once instances may leave the source group.
	LeaveSource bool `json:"leave_source,omitempty"`
	// Abort is the last abort.
	Abort *Abort `json:"abort,omitempty"`
	// PhaseAt is the position of the event that brought the current phase,
	// Changed that of the last event that changed the row.
	PhaseAt int64 `json:"phase_at"`
	Changed int64 `json:"changed"`
}

// Guard is portage's static member in a group.
type Guard struct {
	MemberID   string `json:"member_id,omitempty"`
	Generation int32  `json:"generation,omitempty"`
	Exclusive  bool   `json:"exclusive,omitempty"`
	Position   int64  `json:"position,omitempty"`
}

// Member is an instance of a consumer group as its acknowledgements tell.
type Member struct {
	Incarnation string `json:"incarnation"`
	Instance    string `json:"instance,omitempty"`
	// Seen is the position of its last event.
	Seen int64 `json:"seen"`
	// Logins are the instance's own findings, by cluster name.
	Logins map[string]string `json:"logins,omitempty"`
	// Prepared, Drained and Resumed are the last epochs acknowledged, with the
	// member ids under which they were. An instance that came back under another
	// member id has acknowledged under its last one alone.
	Prepared     uint32 `json:"prepared,omitempty"`
	SourceMember string `json:"source_member,omitempty"`
	TargetMember string `json:"target_member,omitempty"`
	Drained      uint32 `json:"drained,omitempty"`
	DrainMember  string `json:"drain_member,omitempty"`
	// Committed and Processed are the highest offsets reported for the drained
	// epoch, sorted.
	Committed []events.TopicOffset `json:"committed,omitempty"`
	Processed []events.TopicOffset `json:"processed,omitempty"`
	Resumed   uint32               `json:"resumed,omitempty"`
}

// Abort is how a switch attempt ended before its decision.
type Abort struct {
	Position int64  `json:"position"`
	Epoch    uint32 `json:"epoch"`
	Code     string `json:"code"`
	Reason   string `json:"reason"`
	By       string `json:"by"`
}

// ClaimKey names a topic or group of a cluster.
type ClaimKey struct {
	Cluster string
	Kind    events.StreamKind
	Name    string
}

// Claim says which migration a topic or group belongs to, on the cluster that
// it leaves and on the one that it reaches. It counts only while that migration
// has not ended.
type Claim struct {
	Migration string `json:"migration"`
}

// Verdict says what became of an event.
type Verdict string

// The verdicts.
const (
	Accepted Verdict = "accepted" // it counted
	Ignored  Verdict = "ignored"  // repeated, late, stale: harmless
	Refused  Verdict = "refused"  // a command or decision that does not fit, or no event of ours
)

// Note is the record of what became of one event.
type Note struct {
	Position  int64         `json:"position"`
	ID        string        `json:"id,omitempty"`
	Migration string        `json:"migration,omitempty"`
	Stream    events.Stream `json:"stream,omitempty"`
	Type      events.Type   `json:"type,omitempty"`
	Verdict   Verdict       `json:"verdict"`
	// Reason says why an event did not count, or what else followed from it.
	Reason string `json:"reason,omitempty"`
	// Moves are the phases that changed, "readers on_source→preparing".
	Moves []string `json:"moves,omitempty"`
}

// Outcome is what follows from one event. The rows are new values.
type Outcome struct {
	Note      Note
	Migration *Migration
	Topics    []*Topic
	Groups    []*Group
	Claims    []ClaimChange
	// First is true for the first occurrence of the event's id in its
	// migration: it is to be remembered for Rows.Seen, and chained into the
	// migration's log digest.
	First      bool
	Directives []events.Directive
	// Outbox are the changes of the outbox.
	Outbox []OutboxChange
}

// ClaimChange gives a topic or group to a migration.
type ClaimChange struct {
	Key   ClaimKey
	Claim Claim
}
