package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// Config says how to reach a cluster. Package cluster fills in the defaults; every field but TLS and SASL is required.
type Config struct {
	// Bootstrap lists host:port of brokers; they are tried in random order until one answers.
	Bootstrap []string
	// ClientID is shown in broker logs and used for quotas.
	ClientID string
	// Dial opens a TCP connection.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS returns the configuration for one connection to host, or is nil for a plain connection. It is asked for
	// every connection so that rotated certificates take effect.
	TLS func(host string) (*tls.Config, error)
	// SASL authenticates each connection when it is not nil.
	SASL sasl.Mechanism
	// DialTimeout bounds connecting, TLS, version exchange and SASL together.
	DialTimeout time.Duration
	// IdleTimeout closes connections that were not used for so long.
	IdleTimeout time.Duration
	// Refresh is the longest time between two looks at the list of brokers.
	Refresh time.Duration
}

// Transport is a pool of authenticated connections to the brokers of one cluster.
type Transport struct {
	cfg    Config
	kafka  *kafka.Transport
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	spare   net.Conn // from Connect, for the pool's first connection
	sockets map[*socket]struct{}
	empty   chan struct{} // closed once closed && no socket is left
}

// NewTransport returns a transport that connects on first use.
func NewTransport(cfg Config) *Transport {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Transport{
		cfg: cfg, cancel: cancel,
		sockets: map[*socket]struct{}{}, empty: make(chan struct{}),
	}
	t.kafka = &kafka.Transport{
		Dial: t.dial, DialTimeout: cfg.DialTimeout, IdleTimeout: cfg.IdleTimeout, MetadataTTL: cfg.Refresh,
		// Not nil: an empty list asks for the brokers alone, nil for every topic of the cluster every few seconds.
		MetadataTopics: []string{},
		ClientID:       cfg.ClientID, Context: ctx,
	}
	return t
}

// Close ends calls in flight, closes every connection and waits until the pool has let go of them (at most two seconds).
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	for s := range t.sockets {
		_ = s.raw.Close() // the pool still owns the socket and closes it, too
	}
	if len(t.sockets) == 0 {
		close(t.empty)
	}
	t.mu.Unlock()
	t.cancel()
	t.kafka.CloseIdleConnections()
	if conn := t.takeSpare(); conn != nil {
		_ = conn.Close()
	}
	select {
	case <-t.empty:
		return nil
	case <-time.After(2 * time.Second):
		return errors.New("close: some connections are still in use")
	}
}

// Connect opens the first connection, so that a wrong address or password shows at once and is tried only once: the pool
// would log in for its own metadata, too.
func (t *Transport) Connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.DialTimeout)
	defer cancel()
	conn, err := t.dialSeed(ctx, "tcp")
	if err != nil {
		return err
	}
	t.mu.Lock()
	conn, t.spare = t.spare, conn
	t.mu.Unlock()
	if conn != nil { // an earlier Connect's, never used
		return conn.Close()
	}
	return nil
}

// takeSpare returns the connection that Connect left, if the pool has not had it.
func (t *Transport) takeSpare() (conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	conn, t.spare = t.spare, nil
	return conn
}

// dial is what kafka-go calls for a connection.
func (t *Transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address != seedAddress {
		return t.dialOne(ctx, network, address)
	}
	if conn := t.takeSpare(); conn != nil && !t.isClosed() {
		return conn, nil
	}
	return t.dialSeed(ctx, network)
}

// dialOne opens one connection, secures it, makes sure that a Kafka broker answers, logs in and registers it.
func (t *Transport) dialOne(ctx context.Context, network, address string) (net.Conn, error) {
	if t.isClosed() {
		return nil, ErrClosed
	}
	conn, err := t.cfg.Dial(ctx, network, address)
	if err != nil {
		return nil, &DialError{Address: address, Stage: "connect", Err: err}
	}
	s := &socket{Conn: conn, raw: conn, owner: t, peer: &peer{address: address, tcp: conn}}
	if !t.register(s) {
		_ = conn.Close()
		return nil, ErrClosed
	}
	if stage, err := t.prepare(ctx, s); err != nil {
		_ = s.Close()
		return nil, &DialError{Address: address, Stage: stage, Err: err}
	}
	return s, nil
}

// prepare does all that comes before kafka-go gets a connection, within ctx; of a failure it returns the stage.
func (t *Transport) prepare(ctx context.Context, s *socket) (stage string, err error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := s.SetDeadline(deadline); err != nil {
			return "connect", err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = s.raw.SetDeadline(time.Unix(1, 0)) })
	stage, err = t.greet(ctx, s)
	switch {
	case !stop():
		return stage, context.Cause(ctx)
	case err != nil:
		return stage, err
	}
	return stage, s.SetDeadline(time.Time{})
}

// greet goes through the stages of a new connection.
func (t *Transport) greet(ctx context.Context, s *socket) (stage string, err error) {
	if t.cfg.TLS != nil {
		if s.Conn, err = t.secure(ctx, s.raw, s.peer.address); err != nil {
			return "TLS handshake", err
		}
	}
	l := &line{ReadWriter: s.Conn, peer: s.peer}
	if err := l.hello(t.cfg.ClientID); err != nil || t.cfg.SASL == nil {
		return "version exchange", err
	}
	return "login", l.login(ctx, t.cfg.SASL, t.cfg.ClientID)
}

func (t *Transport) secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return conn, err
	}
	cfg, err := t.cfg.TLS(host)
	if err != nil {
		return conn, err
	}
	secure := tls.Client(conn, cfg)
	return secure, secure.HandshakeContext(ctx)
}

func (t *Transport) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

func (t *Transport) register(s *socket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.sockets[s] = struct{}{}
	return true
}

func (t *Transport) drop(s *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sockets, s)
	if t.closed && len(t.sockets) == 0 {
		close(t.empty)
	}
}

// Connections returns how many connections are open.
func (t *Transport) Connections() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sockets)
}

// Bootstrap names the addresses that the transport starts from, for messages.
func (t *Transport) Bootstrap() string { return strings.Join(t.cfg.Bootstrap, ", ") }

// ErrClosed is returned by calls on a closed transport.
var ErrClosed = errors.New("the client is closed")

// ErrUnknownBroker is returned for a broker id that the cluster's metadata does not list.
var ErrUnknownBroker = errors.New("the broker is not in the cluster's metadata")

// DialError says that a broker could not be reached.
type DialError struct {
	Address string // host:port
	Stage   string // "connect", "TLS handshake", "version exchange" or "login"
	Err     error
}

// Error is error.
func (e *DialError) Error() string { return fmt.Sprintf("%s %s: %v", e.Stage, e.Address, e.Err) }

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }
