package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The first exchanges on a connection are ours, before kafka-go gets it: kafka-go believes the lengths of whatever
// answers, shows a refused login only as a lost connection, and does not know when a login expires (KIP-368).

// maxGreeting is far more than an ApiVersions response takes (6 bytes per API).
const maxGreeting = 64 << 10

// ErrNotKafka says that what answers at an address does not speak the Kafka protocol.
var ErrNotKafka = errors.New("the listener does not answer like a Kafka broker")

// hello asks for the APIs that the broker offers. Version 0 of the request is understood by every broker, and it is the
// only request that is allowed before a login.
func (l *line) hello(clientID string) error {
	id := l.peer.correlation()
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	if _, err := l.Write(f.AppendRequest(nil, kmsg.NewPtrApiVersionsRequest(), id)); err != nil {
		return err
	}
	body, err := readGreeting(l)
	if err != nil {
		return err
	}
	l.peer.offers, err = readOffers(body)
	return err
}

// readGreeting reads the first response: size int32 | correlation id int32 | ApiVersions response version 0.
func readGreeting(r io.Reader) ([]byte, error) {
	head := make([]byte, 8)
	n, err := io.ReadFull(r, head)
	if looksLikeTLS(head[:n]) {
		return nil, fmt.Errorf("%w: it wants TLS", ErrNotKafka)
	}
	if err != nil {
		return nil, eof(err)
	}
	size := int64(int32(be.Uint32(head))) - 4
	if size < 0 || size > maxGreeting {
		return nil, fmt.Errorf("%w: it answers %q", ErrNotKafka, head)
	}
	body := make([]byte, size)
	_, err = io.ReadFull(r, body)
	return body, eof(err)
}

// looksLikeTLS recognises a TLS alert record: type 21, protocol version 3.x.
func looksLikeTLS(head []byte) bool { return len(head) > 1 && head[0] == 21 && head[1] == 3 }

func readOffers(body []byte) (map[int16]Range, error) {
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: its ApiVersions response is malformed: %w", ErrNotKafka, err)
	}
	if resp.ErrorCode != 0 {
		return nil, fmt.Errorf("%w: it refuses ApiVersions with error code %d", ErrNotKafka, resp.ErrorCode)
	}
	offers := make(map[int16]Range, len(resp.ApiKeys))
	for _, k := range resp.ApiKeys {
		offers[k.ApiKey] = Range{k.MinVersion, k.MaxVersion}
	}
	return offers, nil
}

// LoginError says that a broker refused a login.
type LoginError struct {
	Mechanism string
	Code      int16  // 33 mechanism not offered, 34 no SASL here, 58 credentials refused; 0: the broker just hung up
	Message   string // the broker's explanation, often empty
	Err       error  // why there is no code
}

// Error is error.
func (e *LoginError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", e.Mechanism, e.Err)
	case e.Message != "":
		return fmt.Sprintf("%s: error code %d: %s", e.Mechanism, e.Code, e.Message)
	}
	return fmt.Sprintf("%s: error code %d", e.Mechanism, e.Code)
}

// Unwrap returns the cause.
func (e *LoginError) Unwrap() error { return e.Err }

// login authenticates the connection (KIP-43, KIP-152) and notes when the login expires (KIP-368).
func (l *line) login(ctx context.Context, m sasl.Mechanism, clientID string) error {
	offered := kmsg.NewPtrSASLHandshakeRequest()
	offered.Mechanism = m.Name()
	resp, err := l.first(offered, clientID, Exactly(1))
	if err != nil {
		return err
	}
	if code := resp.(*kmsg.SASLHandshakeResponse).ErrorCode; code != 0 {
		return &LoginError{Mechanism: m.Name(), Code: code}
	}
	host, port, err := net.SplitHostPort(l.address)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	ctx = sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: number})
	session, message, err := m.Start(ctx)
	for done := false; err == nil && !done; {
		var challenge []byte
		if challenge, err = l.authenticate(m.Name(), message, clientID); err == nil {
			done, message, err = session.Next(ctx, challenge)
		}
	}
	return err
}

// authenticate is one step of the mechanism.
func (l *line) authenticate(mechanism string, message []byte, clientID string) ([]byte, error) {
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.SASLAuthBytes = message
	resp, err := l.first(req, clientID, AnyVersion())
	if err != nil {
		return nil, &LoginError{Mechanism: mechanism, Err: err}
	}
	r := resp.(*kmsg.SASLAuthenticateResponse)
	if r.ErrorCode != 0 {
		e := &LoginError{Mechanism: mechanism, Code: r.ErrorCode}
		if r.ErrorMessage != nil {
			e.Message = *r.ErrorMessage
		}
		return nil, e
	}
	if r.SessionLifetimeMillis > 0 {
		l.peer.expires = time.Now().Add(time.Duration(r.SessionLifetimeMillis) * time.Millisecond * 9 / 10)
	}
	return r.SASLAuthBytes, nil
}

// first sends a request on a connection that kafka-go does not have yet.
func (l *line) first(req kmsg.Request, clientID string, want Range) (kmsg.Response, error) {
	v, err := choose(req.Key(), l.peer.offers, req.MaxVersion(), want)
	if err != nil {
		return nil, err
	}
	req.SetVersion(v)
	return call(l, clientID, req)
}
