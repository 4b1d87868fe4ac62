package embedded

import (
	"net"
	"sync"
)

// network is the door of a cluster: every listener and connection passes through it, so that all can be shut at once.
type network struct {
	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
}

func newNetwork() *network { return &network{conns: map[net.Conn]struct{}{}} }

func (n *network) listen(kind, address string) (net.Listener, error) {
	inner, err := net.Listen(kind, address)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: inner, network: n}, nil
}

// admit takes a connection in, or refuses it while the network is down.
func (n *network) admit(c net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return false
	}
	n.conns[c] = struct{}{}
	return true
}

func (n *network) forget(c net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
}

func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for c := range n.conns {
		// The broker's side closes, too: its read fails and it drops the client, as after a broken link.
		_ = c.Close()
	}
	clear(n.conns)
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}

type listener struct {
	net.Listener
	network *network
}

// Accept returns the next connection that the network admits.
func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.network.admit(inner) {
			return &conn{Conn: inner, network: l.network}, nil
		}
		_ = inner.Close()
	}
}

type conn struct {
	net.Conn
	network *network
}

// Close closes the connection and lets the network forget it.
func (c *conn) Close() error {
	c.network.forget(c.Conn)
	return c.Conn.Close()
}
