package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// socket is one connection. It is what kafka-go dials; its RemoteAddr is the *peer, which is how the peer reaches the
// message that runs on it. The first response on every connection is kafka-go's ApiVersions, version 0: the socket
// reads it on its way, so that the peer knows what the broker offers and a listener that is no broker is found out
// before kafka-go believes its lengths.
type socket struct {
	net.Conn
	owner   *Transport
	peer    *peer
	greeted bool
	pending []byte // of the first response, not read yet
	once    sync.Once
}

// RemoteAddr returns the *peer: of all that a net.Conn has, kafka-go's protocol.Conn passes this on unchanged.
func (s *socket) RemoteAddr() net.Addr { return s.peer }

// Close closes the connection and takes it off the transport's books.
func (s *socket) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() { s.owner.drop(s) })
	return err
}

// Read is net.Conn.
func (s *socket) Read(b []byte) (int, error) {
	if !s.greeted {
		if err := s.greet(); err != nil {
			return 0, err
		}
	}
	if len(s.pending) > 0 {
		n := copy(b, s.pending)
		s.pending = s.pending[n:]
		return n, nil
	}
	return s.Conn.Read(b)
}

// maxGreeting is far more than an ApiVersions response takes (6 bytes per API).
const maxGreeting = 64 << 10

// ErrNotKafka says that what answers at an address does not speak the Kafka protocol.
var ErrNotKafka = errors.New("the listener does not answer like a Kafka broker")

// greet reads the first response: size int32 | correlation id int32 | ApiVersions response version 0.
func (s *socket) greet() error {
	head := make([]byte, 8)
	n, err := io.ReadFull(s.Conn, head)
	if looksLikeTLS(head[:n]) {
		return fmt.Errorf("%w: it wants TLS", ErrNotKafka)
	}
	if err != nil {
		return eof(err)
	}
	size := int64(int32(be.Uint32(head))) - 4
	if size < 0 || size > maxGreeting {
		return fmt.Errorf("%w: it answers %q", ErrNotKafka, head)
	}
	frame := append(head, make([]byte, size)...)
	if _, err := io.ReadFull(s.Conn, frame[len(head):]); err != nil {
		return eof(err)
	}
	offers, err := readOffers(frame[8:])
	if err != nil {
		return err
	}
	s.peer.offers, s.pending, s.greeted = offers, frame, true
	return nil
}

// looksLikeTLS recognises a TLS alert record: type 21, protocol version 3.x.
func looksLikeTLS(head []byte) bool { return len(head) > 1 && head[0] == 21 && head[1] == 3 }

func readOffers(body []byte) (map[int16]Range, error) {
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: its ApiVersions response is malformed: %w", ErrNotKafka, err)
	}
	offers := make(map[int16]Range, len(resp.ApiKeys))
	for _, k := range resp.ApiKeys {
		offers[k.ApiKey] = Range{k.MinVersion, k.MaxVersion}
	}
	return offers, nil
}

// underlying returns the TCP connection beneath TLS.
func underlying(conn net.Conn) net.Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return conn
}
