package wire

import (
	"net"
	"sync"
)

// socket is one connection as kafka-go gets it: secured, checked and logged in. Its RemoteAddr is the *peer, which is how
// the peer reaches the message that runs on it.
type socket struct {
	net.Conn
	raw   net.Conn // the TCP connection
	owner *Transport
	peer  *peer
	once  sync.Once
}

// RemoteAddr returns the *peer: of all that a net.Conn has, kafka-go's protocol.Conn passes this on unchanged.
func (s *socket) RemoteAddr() net.Addr { return s.peer }

// Close closes the connection and takes it off the transport's books.
func (s *socket) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() { s.owner.drop(s) })
	return err
}
