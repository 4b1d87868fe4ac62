package consume

import (
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

// Partition names one partition by its topic's name on the home cluster.
type Partition = group.Partition

// Side is one of the two clusters of a switch. Without a migration there is only Source, the home cluster.
type Side int

// The sides.
const (
	Source Side = iota
	Target
)

// String is the word that events use.
func (s Side) String() string {
	if s == Target {
		return events.RouteTarget
	}
	return events.RouteSource
}

// Input is what a Core can be told. See Core.Step.
type Input interface{ input() }

// Action is what a Core wants done.
type Action interface{ action() }

// Inputs.
type (
	// Begin starts the instance.
	Begin struct{}
	// Close stops it: lanes drain, what is handled is committed, both groups are left, Done follows.
	Close struct{}
	// Tick says that time has passed. Next has, by lane, the offset below which everything is handled.
	Tick struct{ Next map[uint64]int64 }
	// DirectiveSeen is a directive that arrived by itself, in whatever order.
	DirectiveSeen struct{ Directive events.Directive }
	// DirectiveRead answers ReadDirective: the latest directive as read after the action, if there is one.
	DirectiveRead struct {
		Seq       uint64
		Found     bool
		Directive events.Directive
	}
	// MemberEvent is what the group member of a side reports.
	MemberEvent struct {
		Side  Side
		Event group.Event
	}
	// Counted says how many partitions the topics of a side's offer have, by their names there, as asked while this Member was
	// in this Generation; or, if Made, as the member asked to make the assignment of the generation, which it leads.
	Counted struct {
		Side       Side
		Member     string
		Generation int32
		Counts     map[string]int32
		Made       bool
	}
	// LaneClosed answers Shut and Abandon: everything below Next is handled and nothing else of the lane is in anybody's
	// hands, but for the record at Next if Abandoned.
	LaneClosed struct {
		Lane      uint64
		Next      int64
		Abandoned bool
	}
	// Returned answers Call.
	Returned struct{ Seq uint64 }
	// StartsFound answers FindStarts.
	StartsFound struct {
		Seq     uint64
		Offsets map[Partition]int64
	}
	// Appended answers Append: where the first copy of the event stands.
	Appended struct {
		ID       string
		Position int64
	}
	// EventsRead answers ReadEvents: every record of the range, in order.
	EventsRead struct {
		Seq     uint64
		Records []events.Record
	}
	// LoggedIn answers LogIn; Err is empty when it worked.
	LoggedIn struct{ Cluster, Err string }
)

func (Begin) input()         {}
func (Close) input()         {}
func (Tick) input()          {}
func (DirectiveSeen) input() {}
func (DirectiveRead) input() {}
func (MemberEvent) input()   {}
func (Counted) input()       {}
func (LaneClosed) input()    {}
func (Returned) input()      {}
func (StartsFound) input()   {}
func (Appended) input()      {}
func (EventsRead) input()    {}
func (LoggedIn) input()      {}

// Lane is the right to handle one partition from one side in one generation.
type Lane struct {
	ID         uint64
	Side       Side
	Cluster    string
	Partition  Partition // as the service knows it
	Topic      string    // its name on Cluster
	Generation int32
	From       int64 // the first offset to handle, on Cluster
}

// Actions.
type (
	// ReadDirective asks for the group's latest directive, read from now on. It is repeated until it succeeds.
	ReadDirective struct{ Seq uint64 }
	// Join creates the member of a side and starts it with an offer.
	Join struct {
		Side    Side
		Cluster string
		Offer   group.Offer
	}
	// Tell hands the member of a side an input.
	Tell struct {
		Side  Side
		Input group.Input
	}
	// Forget says that the member of a side has left and is not needed any more.
	Forget struct{ Side Side }
	// Open starts a lane.
	Open struct{ Lane Lane }
	// Shut ends a lane after the record in hand; Cancel also cancels the handler's context, since the partition is lost.
	Shut struct {
		Lane   uint64
		Cancel bool
	}
	// Abandon ends a lane that is shut without waiting for the record in hand, whose handler's context is cancelled.
	Abandon struct{ Lane uint64 }
	// FindStarts asks where partitions without a commit begin. It is repeated until it succeeds.
	FindStarts struct {
		Seq     uint64
		Cluster string
		At      map[Partition]StartAt
		Topics  map[string]string // names on Cluster by names at home
	}
	// Call calls the service's hook: partitions are Assigned, or revoked (with Lost: already somebody else's).
	Call struct {
		Seq        uint64
		Assigned   bool
		Lost       bool
		Cluster    string
		Partitions []Partition
	}
	// Append writes an event. It is repeated until it succeeds.
	Append struct{ Event events.Event }
	// ReadEvents asks for all records of portage.events from From to To, both included.
	ReadEvents struct {
		Seq      uint64
		From, To int64
	}
	// LogIn asks whether a cluster lets us in.
	LogIn struct{ Cluster string }
	// Notice is for people and metrics.
	Notice struct {
		Kind      NoticeKind
		Text      string
		Partition *Partition
		Side      Side
		Position  int64         // of the directive in force
		Pause     time.Duration // of Resumed: from the hold until lanes opened again
	}
	// Done says that both groups are left and nothing is in anybody's hands.
	Done struct{}
)

func (ReadDirective) action() {}
func (Join) action()          {}
func (Tell) action()          {}
func (Forget) action()        {}
func (Open) action()          {}
func (Shut) action()          {}
func (Abandon) action()       {}
func (FindStarts) action()    {}
func (Call) action()          {}
func (Append) action()        {}
func (ReadEvents) action()    {}
func (LogIn) action()         {}
func (Notice) action()        {}
func (Done) action()          {}

// NoticeKind says what a Notice is about.
type NoticeKind string

// The kinds of notice.
const (
	Ready   NoticeKind = "ready"   // a member of the group where the order in force wants it
	Obeyed  NoticeKind = "obeyed"  // another order is in force
	Stale   NoticeKind = "stale"   // a directive was ignored
	Held    NoticeKind = "held"    // moving partitions stand still
	Resumed NoticeKind = "resumed" // they flow again
	Alarm   NoticeKind = "alarm"   // somebody should look
	Member  NoticeKind = "member"  // a membership changed
)

// MayStart is the fetch rule, as asked before every single record: the lane is open, and the last heartbeat answered 0 in the
// lane's own generation was sent less than min(session, rebalance timeout) ago. Clocks are monotonic.
func MayStart(l Lane, open bool, lease group.Lease, now time.Time) bool {
	return open && lease.Generation == l.Generation && lease.Holds(now)
}
