package log

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
)

// line is what happens to produce requests on the wire.
type line int

const (
	deliver  line = iota // as usual
	loseAck              // the broker does the work, the connection breaks before the answer
	loseSend             // the connection breaks before the broker gets the request
	holdSend             // as loseSend, but the request waits in held and can be delivered later
)

// cable is a dialer that does to each produce request in turn what its script
// says; what follows the script is delivered.
type cable struct {
	mu     sync.Mutex
	script []line
	sends  int
	held   []heldRequest
}

type heldRequest struct {
	address string
	bytes   []byte
}

var errWire = errors.New("the cable was cut by the test")

func (w *cable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	inner, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &faulty{Conn: inner, w: w, address: address}, nil
}

// then appends to the script.
func (w *cable) then(steps ...line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.script = append(w.script, steps...)
}

// clear ends the script.
func (w *cable) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.script = nil
}

func (w *cable) next() line {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sends++
	if len(w.script) == 0 {
		return deliver
	}
	step := w.script[0]
	w.script = w.script[1:]
	return step
}

func (w *cable) sent() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sends
}

// release delivers the held requests over connections of their own and waits
// for the broker's answers.
func (w *cable) release(ctx context.Context) error {
	w.mu.Lock()
	held := w.held
	w.held = nil
	w.mu.Unlock()
	for _, h := range held {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.address)
		if err != nil {
			return err
		}
		_, werr := conn.Write(h.bytes)
		_, rerr := conn.Read(make([]byte, 4096))
		if err := errors.Join(werr, rerr, conn.Close()); err != nil {
			return err
		}
	}
	return nil
}

// faulty is one connection. kafka-go has one request under way on each.
type faulty struct {
	net.Conn
	w       *cable
	address string
	step    line
	frame   []byte // of a held request, as far as it was written
	missing int
}

const produceKey = 0

func (c *faulty) Write(b []byte) (int, error) {
	if c.missing == 0 && len(b) >= 6 {
		c.step = deliver
		c.missing = 4 + int(binary.BigEndian.Uint32(b))
		if binary.BigEndian.Uint16(b[4:]) == produceKey {
			c.step = c.w.next()
		}
	}
	c.missing -= len(b)
	switch c.step {
	case loseSend:
		_ = c.Conn.Close()
		return 0, errWire
	case holdSend:
		c.frame = append(c.frame, b...)
		if c.missing > 0 {
			return len(b), nil
		}
		c.w.mu.Lock()
		c.w.held = append(c.w.held, heldRequest{c.address, c.frame})
		c.w.mu.Unlock()
		_ = c.Conn.Close()
		return 0, errWire
	default:
		return c.Conn.Write(b)
	}
}

func (c *faulty) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.step == loseAck { // the answer is here, so the work is done: now lose it
		_ = c.Conn.Close()
		return 0, errWire
	}
	return n, err
}
