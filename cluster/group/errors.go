package group

import (
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/twmb/franz-go/pkg/kerr"
)

// What a coordinator answers to members, as errors to test for with errors.Is. A *CodeError is equal to the one of its code.
var (
	// ErrStranger (error 23): the group's members and we have no protocol name, or no protocol type, in common.
	ErrStranger = errors.New("the group has members that offer none of our protocol names, or is of another protocol type")
	// ErrGeneration (22): the group has moved to a later generation; whatever was asked under the older one was not done.
	ErrGeneration = errors.New("the group has moved on to another generation")
	// ErrUnknownMember (25): the broker does not know the member id: evicted, left, or never in.
	ErrUnknownMember = errors.New("the group does not have this member (any more)")
	// ErrRebalance (27): the group is rebalancing; repeat after the next assignment.
	ErrRebalance = errors.New("the group is rebalancing")
	// ErrFenced (82): another process has joined under the same group.instance.id and has taken this membership over.
	ErrFenced = errors.New("another process has taken over this group.instance.id")
	// ErrNotMember: there is no membership at this moment under which the request could be sent; nothing was sent.
	ErrNotMember = errors.New("not a member of the group at this moment")
	// ErrClosed: the member was closed, or has left.
	ErrClosed = errors.New("the member is closed")
)

// Error codes of the group protocol (https://kafka.apache.org/protocol#protocol_error_codes).
const (
	codeOK                = 0
	codeUnknownServer     = -1
	codeGeneration        = 22
	codeProtocol          = 23
	codeUnknownMember     = 25
	codeSession           = 26
	codeRebalance         = 27
	codeGroupAuth         = 30
	codeMemberIDRequired  = 79
	codeMaxSize           = 81
	codeFenced            = 82
	codeUnstableOffset    = 88
	codeGroupIDNotFound   = 69
	codeLoadInProgress    = 14
	codeNotAvailable      = 15
	codeNotCoordinator    = 16
	codeTopicAuth         = 29
	codeUnknownTopic      = 3
	codeMetadataTooLarge  = 12
	codeInvalidCommitSize = 28
)

// CodeError is an error code that a coordinator answered with.
type CodeError struct {
	Op    string // what was asked: "join", "sync", "heartbeat", "commit offsets", "fetch offsets", "leave"
	Group string
	Code  int16
}

// Error names the operation, the group, the code and, where there is one, the fix.
func (e *CodeError) Error() string {
	s := fmt.Sprintf("%s: group %q: %s", e.Op, e.Group, cluster.CodeName(e.Code))
	if fix := fixes[e.Code]; fix != "" {
		s += ": " + fix
	}
	return s
}

// Is makes errors.Is(err, ErrFenced) and the like true for the code they stand for.
func (e *CodeError) Is(target error) bool { return target != nil && sentinelOf(e.Code) == target }

var fixes = map[int16]string{
	codeProtocol:          "a member inside offers none of our protocol names; find it with a description of the group and stop it, or migrate it too",
	codeSession:           "session timeout outside the broker's group.min.session.timeout.ms … group.max.session.timeout.ms",
	codeGroupAuth:         "grant READ on the group to this principal",
	codeTopicAuth:         "grant READ on the topic to this principal",
	codeMaxSize:           "raise the broker's group.max.size or start fewer members",
	codeMetadataTooLarge:  "commit metadata is longer than the broker's offset.metadata.max.bytes",
	codeInvalidCommitSize: "commit fewer partitions at once",
	codeUnknownTopic:      "the topic or partition does not exist on this cluster",
	codeGroupIDNotFound:   "the group is being used through another group protocol (KIP-848)",
	codeFenced:            "another process uses the same group.instance.id; only the later one goes on",
}

func sentinelOf(code int16) error {
	switch code {
	case codeProtocol:
		return ErrStranger
	case codeGeneration:
		return ErrGeneration
	case codeUnknownMember:
		return ErrUnknownMember
	case codeRebalance:
		return ErrRebalance
	case codeFenced:
		return ErrFenced
	}
	return nil
}

// passing says that a code goes away by itself: the coordinator moves, loads or is overloaded. -1 is what brokers answer when
// writing to __consumer_offsets failed. Membership codes (22, 25, 27, 82) are decisions, not passing troubles.
func passing(code int16) bool {
	switch code {
	case codeGeneration, codeUnknownMember, codeRebalance, codeFenced, codeMemberIDRequired, codeUnknownTopic:
		return false
	case codeUnknownServer, codeLoadInProgress, codeNotAvailable, codeNotCoordinator:
		return true
	}
	return kerr.IsRetriable(kerr.ErrorForCode(code))
}
