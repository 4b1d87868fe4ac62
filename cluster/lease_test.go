package cluster

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/auth/authtest"
	"github.com/stretchr/testify/require"
)

// pipe is a dialer whose connections have no socket.
func pipe(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	_ = far.Close()
	return near, nil
}

// TestLease: a connection lasts for nine tenths of what its certificate has left, and only then says that it is closed.
func TestLease(t *testing.T) {
	ca := authtest.NewAuthority(t)
	pair := ca.IssueUntil(t, time.Now().Add(100*time.Hour), "client")
	conn, err := leased(pipe, &auth.TLS{Cert: pair.Cert, Key: auth.Secret(pair.Key)})(t.Context(), "tcp", "b:1")
	require.NoError(t, err)
	l := conn.(*lease)
	require.InDelta(t, 90, time.Until(l.until).Hours(), 0.1)
	_, err = l.SyscallConn()
	require.ErrorIs(t, err, syscall.ENOTSUP, "nothing is known of a connection without a socket")
	l.until = time.Now().Add(-time.Second)
	socket, err := l.SyscallConn()
	require.NoError(t, err)
	for _, call := range []error{socket.Read(nil), socket.Write(nil), socket.Control(nil)} {
		require.ErrorIs(t, call, net.ErrClosed)
	}
}

// TestNoLease: without a certificate, or with one that is over or unreadable, connections are left as they are: the
// handshake and the broker decide.
func TestNoLease(t *testing.T) {
	over := authtest.NewAuthority(t).IssueUntil(t, time.Now().Add(-time.Minute), "client")
	for _, c := range []*auth.TLS{nil, {}, {Cert: over.Cert, Key: auth.Secret(over.Key)}, {Cert: "/no/such/file"}} {
		conn, err := leased(pipe, c)(t.Context(), "tcp", "b:1")
		require.NoError(t, err)
		_, limited := conn.(*lease)
		require.False(t, limited)
	}
	refuse := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }
	_, err := leased(refuse, &auth.TLS{Cert: over.Cert})(t.Context(), "tcp", "b:1")
	require.ErrorContains(t, err, "refused")
}
