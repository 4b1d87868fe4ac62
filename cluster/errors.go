package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/wire"
	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Sentinels for errors.Is. The error that matches one is an *Error with the particulars.
var (
	// ErrTopicExists: CreateTopic found a topic of that name.
	ErrTopicExists = errors.New("the topic exists")
	// ErrUnknownTopic: the topic or partition does not exist (or, without ACL, may not be seen).
	ErrUnknownTopic = errors.New("unknown topic or partition")
	// ErrOffsetOutOfRange: the offset was deleted by retention, or is beyond the end.
	ErrOffsetOutOfRange = errors.New("offset out of range")
	// ErrUnauthorized: the broker knows who we are and an ACL is missing.
	ErrUnauthorized = errors.New("not authorized")
	// ErrNoAuthorizer: the cluster keeps no ACLs, so everyone may do everything there.
	ErrNoAuthorizer = errors.New("the cluster has no authorizer")
	// ErrAuthentication: the broker does not accept our credentials.
	ErrAuthentication = errors.New("authentication failed")
	// ErrUnreachable: no connection to the broker.
	ErrUnreachable = errors.New("broker unreachable")
	// ErrUnsupported: the broker does not offer the API at a version that works.
	ErrUnsupported = errors.New("not supported by the broker")
	// ErrClosed: the client was closed.
	ErrClosed = wire.ErrClosed
)

// Error is what went wrong with one call.
type Error struct {
	Cluster  string // name given to Open
	Broker   string // "2 (host:port)" or addresses; empty when none was asked
	API      string // Kafka's name of the request, for example "ListOffsets"
	Resource string // for example `topic "orders" partition 3`; empty when the call is about none
	Code     int16  // Kafka's error code; 0 when the broker did not answer with one
	Message  string // the broker's own explanation, often empty
	Hint     string // what to check; often empty
	Err      error  // the cause, when there is no code

	rotating bool // see Client.rotating
}

// Error puts it all in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster %q", e.Cluster)
	if e.Broker != "" {
		b.WriteString(": broker " + e.Broker)
	}
	for _, part := range []string{e.API, e.Resource, e.what(), e.Hint} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	return b.String()
}

func (e *Error) what() string {
	var s string
	switch {
	case e.Code != 0:
		s = CodeName(e.Code)
	case e.Err != nil:
		s = withoutAddress(e.Err).Error()
	}
	if e.Message != "" {
		s += fmt.Sprintf(" (the broker says: %s)", e.Message)
	}
	return s
}

// withoutAddress drops the address that Broker shows already.
func withoutAddress(err error) error {
	switch ex := err.(type) { //nolint:errorlint // one that is wrapped shows its address in the middle, and stays whole
	case *wire.ExchangeError:
		return ex.Err
	case *wire.DialError:
		return fmt.Errorf("%s: %w", ex.Stage, ex.Err)
	}
	return err
}

// Unwrap returns the cause, or the kerr error of the code.
func (e *Error) Unwrap() error {
	if e.Code != 0 {
		return kerr.ErrorForCode(e.Code)
	}
	return e.Err
}

// Is matches the sentinels of this package.
func (e *Error) Is(target error) bool {
	if s, ok := sentinels[e.Code]; ok && s == target {
		return true
	}
	switch target {
	case ErrUnreachable:
		var dial *wire.DialError
		return errors.As(e.Err, &dial) || errors.Is(e.Err, wire.ErrUnknownBroker)
	case ErrUnsupported:
		var v *wire.VersionError
		return errors.As(e.Err, &v)
	case ErrAuthentication:
		return refusedCredentials(e.Err)
	}
	return false
}

var sentinels = map[int16]error{
	1: ErrOffsetOutOfRange, 3: ErrUnknownTopic, 100: ErrUnknownTopic,
	29: ErrUnauthorized, 30: ErrUnauthorized, 31: ErrUnauthorized, 53: ErrUnauthorized, 65: ErrUnauthorized,
	33: ErrAuthentication, 34: ErrAuthentication, 58: ErrAuthentication,
	35: ErrUnsupported, 36: ErrTopicExists, 54: ErrNoAuthorizer,
}

// CodeName shows a Kafka error code as "NAME (number)".
func CodeName(code int16) string {
	if code == 0 {
		return "NONE (0)"
	}
	e := kerr.TypedErrorForCode(code)
	if e == kerr.UnknownServerError && code != -1 {
		return fmt.Sprintf("error code %d", code)
	}
	return fmt.Sprintf("%s (%d)", e.Message, code)
}

// Code returns the Kafka error code that err carries, if it carries one. Of joined errors the first with a code counts.
func Code(err error) (int16, bool) {
	var e *Error
	if errors.As(err, &e) && e.Code != 0 {
		return e.Code, true
	}
	var k *kerr.Error
	if errors.As(err, &k) {
		return k.Code, true
	}
	var g kafka.Error
	if errors.As(err, &g) {
		return int16(g), true
	}
	return 0, false
}

// Retriable says whether the same call may succeed later without anyone changing anything here. Credentials and
// certificates that a client was opened with and that are kept by reference count as such: when brokers refuse them they are
// being rotated. It does not say that repeating the call is harmless: see Uncertain.
func Retriable(err error) bool {
	var e *Error
	if errors.As(err, &e) && e.rotating {
		return true
	}
	if err == nil || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, ErrAuthentication) || errors.Is(err, wire.ErrNotKafka) {
		return false
	}
	if code, ok := Code(err); ok {
		return kerr.IsRetriable(kerr.ErrorForCode(code))
	}
	var dial *wire.DialError
	if errors.As(err, &dial) {
		return !badCertificate(dial)
	}
	return broken(err) || errors.Is(err, wire.ErrUnknownBroker) || errors.Is(err, context.DeadlineExceeded)
}

// Uncertain says whether a write that failed with err may have happened, or may still happen.
func Uncertain(err error) bool {
	if err == nil {
		return false
	}
	if code, ok := Code(err); ok {
		return code == 7 || code == 13 || code == 20 || code == -1
	}
	var dial *wire.DialError
	var version *wire.VersionError
	var secret *auth.SecretError
	unsent := errors.As(err, &dial) || errors.As(err, &version) || errors.As(err, &secret) ||
		errors.Is(err, wire.ErrUnknownBroker) || errors.Is(err, ErrClosed) || refusedCredentials(err)
	return !unsent
}

// passing says that a partition's error usually goes away within moments: it was just created, or its leader moves.
func passing(err error) bool {
	code, ok := Code(err)
	if !ok {
		var dial *wire.DialError
		return errors.Is(err, wire.ErrUnknownBroker) || broken(err) || errors.As(err, &dial) && !badCertificate(dial)
	}
	switch code {
	case 3, 5, 6, 8, 9, 13, 74, 75, 76, 78, 88, 100, codeLoading:
		return true
	}
	return false
}
