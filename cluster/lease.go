package cluster

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/portage-kafka/portage/cluster/auth"
)

// dialer opens a TCP connection.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// lease is a TCP connection that is of use until its client certificate nears its end. From then on it says that it was
// closed, which the pool asks before every request but never during one: it takes another connection, with the certificate
// that the files hold by then. (The end of a login, KIP-368, is package wire's business: the broker tells it.)
type lease struct {
	net.Conn
	until time.Time
}

// leased is dial for connections with a client certificate; without one it is dial itself.
func leased(dial dialer, t *auth.TLS) dialer {
	if t == nil || t.Cert == "" {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		end, err := t.Expires(ctx)
		left := time.Until(end)
		if err != nil || left <= 0 { // the handshake, which comes next, says so if it matters to the broker
			return conn, nil //nolint:nilerr // see above
		}
		return &lease{Conn: conn, until: time.Now().Add(left * 9 / 10)}, nil
	}
}

// SyscallConn is syscall.Conn: package wire looks at the socket through it.
func (l *lease) SyscallConn() (syscall.RawConn, error) {
	if time.Now().After(l.until) {
		return over{}, nil
	}
	conn, ok := l.Conn.(syscall.Conn)
	if !ok {
		return nil, syscall.ENOTSUP
	}
	return conn.SyscallConn()
}

// over is the socket of a connection that is of no more use.
type over struct{}

// Control is syscall.RawConn.
func (over) Control(func(uintptr)) error { return net.ErrClosed }

// Read is syscall.RawConn.
func (over) Read(func(uintptr) bool) error { return net.ErrClosed }

// Write is syscall.RawConn.
func (over) Write(func(uintptr) bool) error { return net.ErrClosed }
