package group

import (
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Input is what a Core can be told. See Core.Step.
type Input interface{ input() }

// Output is what a Core wants done (Send, Drop, Need) or reports (an Event).
type Output interface{ output() }

// Event is what a membership reports to its owner, in order.
type Event interface {
	Output
	event()
}

// Inputs.
type (
	// Start begins to join with Config.Offer.
	Start struct{}
	// Rejoin joins again with another offer, at once: to open or close the group, to change wants, topics or protocol type.
	// Nothing may be started until the next Assigned. After Left or Refused it joins anew.
	Rejoin struct{ Offer Offer }
	// Ready says that nothing of the generation is being handled any more, so that the member may rejoin. It answers a
	// RebalanceNeeded or Lost of that generation; any other is ignored.
	Ready struct{ Generation int32 }
	// Commit commits offsets under a generation. Answered by Committed with the same ID. Commits of a member are sent one at
	// a time, in order: a repeated older one must never overtake a newer one.
	Commit struct {
		ID         uint64
		Generation int32
		Offsets    []Offset
	}
	// Fetch reads committed offsets (stable: a pending transaction is waited for) while a member; nil topics mean all.
	// Answered by Fetched.
	Fetch struct {
		ID     uint64
		Topics map[string][]int32
	}
	// Confirm asks for a heartbeat that is sent after this moment. Answered by Confirmed.
	Confirm struct{ ID uint64 }
	// Cancel gives up a Commit, Fetch or Confirm; there will be no answer. A commit that was sent may still be applied.
	Cancel struct{ ID uint64 }
	// Leave leaves the group. Answered by Left.
	Leave struct{}
	// Supply answers a Need.
	Supply struct {
		Generation int32
		Inventory  Inventory
		Err        error
	}
	// Reply answers a Send: a response, or the error that stands for none.
	Reply struct {
		ID       uint64
		Response kmsg.Response
		Err      error
	}
	// Tick says that time has passed; due at Core.Wake.
	Tick struct{}
)

func (Start) input()   {}
func (Rejoin) input()  {}
func (Ready) input()   {}
func (Commit) input()  {}
func (Fetch) input()   {}
func (Confirm) input() {}
func (Cancel) input()  {}
func (Leave) input()   {}
func (Supply) input()  {}
func (Reply) input()   {}
func (Tick) input()    {}

// Work for the shell.
type (
	// Send asks for a request to be sent to the group's coordinator and answered by Reply within Timeout.
	Send struct {
		ID      uint64
		Op      string
		Request kmsg.Request
		Timeout time.Duration
	}
	// Drop says that the answer of a Send does not matter any more.
	Drop struct{ ID uint64 }
	// Need asks, as the leader of a generation, what there is to assign. Answered by Supply.
	Need struct {
		Generation int32
		Topics     []string
	}
)

func (Send) output() {}
func (Drop) output() {}
func (Need) output() {}

// Events.
type (
	// Joined: the broker has accepted us in a generation; nothing is assigned yet.
	Joined struct {
		Generation int32
		MemberID   string
		Leader     bool
		Protocol   string // the name that the members have in common
	}
	// Assigned: the generation is complete. What it assigns may be fetched as long as the lease holds.
	Assigned struct {
		Generation int32
		Assignment Assignment
		At         time.Time
	}
	// RebalanceNeeded: the group rebalances. Nothing may be started any more; commits under Generation are still accepted.
	// Say Ready when nothing is being handled; at Deadline the member rejoins by itself.
	RebalanceNeeded struct {
		Generation int32
		Deadline   time.Time
	}
	// Lost: the membership is gone, and with it everything assigned. Unless Final or Outside the member joins again, on Ready or
	// at Deadline (zero: at once, nothing was assigned).
	Lost struct {
		Generation int32
		MemberID   string
		Why        *CodeError
		Final      bool // fenced: another process is this member now
		Outside    bool // Config.StayOut: until the next Rejoin
		Deadline   time.Time
	}
	// Refused: the broker has refused an offer (ErrStranger among others). A member is still one, under what it had offered
	// before, to which the member goes back by itself; anybody else stands outside until the next Rejoin.
	Refused struct {
		Why    *CodeError
		Offer  Offer
		Member bool
	}
	// Retrying: a request failed and is repeated at Next. For people: nothing has changed.
	Retrying struct {
		Op    string
		Err   error
		Tries int
		Next  time.Time
	}
	// Committed answers Commit.
	Committed struct {
		ID         uint64
		Generation int32
		Results    []Result
		// Unknown: some attempt got no answer, or one that does not settle it (a coordinator that moves), so that partitions
		// that are reported as refused may have been committed.
		Unknown bool
	}
	// Fetched answers Fetch. Generation is that in which the offsets were read; if it ended meanwhile, Err is ErrGeneration.
	Fetched struct {
		ID         uint64
		Generation int32
		Offsets    map[string]map[int32]Stored
		Err        error
	}
	// Confirmed answers Confirm.
	Confirmed struct {
		ID    uint64
		Lease Lease
		Err   error
	}
	// Left answers Leave; Err says that the broker could not be told and will find out by the session timeout.
	Left struct{ Err error }
)

func (Joined) output()          {}
func (Assigned) output()        {}
func (RebalanceNeeded) output() {}
func (Lost) output()            {}
func (Refused) output()         {}
func (Retrying) output()        {}
func (Committed) output()       {}
func (Fetched) output()         {}
func (Confirmed) output()       {}
func (Left) output()            {}

func (Joined) event()          {}
func (Assigned) event()        {}
func (RebalanceNeeded) event() {}
func (Lost) event()            {}
func (Refused) event()         {}
func (Retrying) event()        {}
func (Committed) event()       {}
func (Fetched) event()         {}
func (Confirmed) event()       {}
func (Left) event()            {}

// Offset is one offset to commit. The leader epoch written is always −1: offsets may come from another cluster.
type Offset struct {
	Partition
	At       int64  // the next record to read
	Metadata string // the client's own; at most 4096 bytes by default
}

// Stored is a committed offset as it is read.
type Stored = cluster.Offset

// Result is what became of one offset.
type Result struct {
	Offset
	Code int16 // 0 ok; else the broker's, or what it would say (22, 25) if it was not asked
}

// Err is nil, or a *CodeError in all but the group's name.
func (r Result) Err(group string) error {
	if r.Code == codeOK {
		return nil
	}
	return fmt.Errorf("%s at %d: %w", r.Partition, r.At, &CodeError{Op: "commit offsets", Group: group, Code: r.Code})
}

// Err joins the errors of all partitions; nil when every one is committed.
func (c Committed) Err(group string) error {
	var errs []error
	for _, r := range c.Results {
		errs = append(errs, r.Err(group))
	}
	return errors.Join(errs...)
}

// Lease says until when we may act as a member without asking again.
type Lease struct {
	Generation int32
	Sent       time.Time     // when the last heartbeat that was answered 0 had been sent
	For        time.Duration // min(session, rebalance timeout)
}

// Holds applies the fetch rule: a record may be started only while the last heartbeat answered 0 was sent less than
// min(session, rebalance timeout) ago. now must have a monotonic reading (time.Now). The zero Lease never holds.
func (l Lease) Holds(now time.Time) bool { return !l.Sent.IsZero() && now.Sub(l.Sent) < l.For }
