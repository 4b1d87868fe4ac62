package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var be = binary.BigEndian

// maxFrame is the largest response that is believed: brokers cap theirs far below (fetch.max.bytes 55 MB), and a size
// beyond it means that the bytes are not Kafka's.
const maxFrame = 1 << 30

// frameStep is how much memory is taken at once for a frame whose bytes have not arrived yet.
const frameStep = 8 << 20

// readFrame reads one response and returns what follows the correlation id. It uses buf when that is large enough.
// Layout: size int32 | correlation id int32 | body.
func readFrame(r io.Reader, id int32, buf []byte) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, eof(err)
	}
	size := int64(int32(be.Uint32(head[:]))) - 4
	if size < 0 || size > maxFrame {
		return nil, fmt.Errorf("a response of %d bytes is impossible: is this a Kafka listener, and does it want TLS?", size)
	}
	if got := int32(be.Uint32(head[4:])); got != id {
		return nil, fmt.Errorf("response carries correlation id %d, expected %d", got, id)
	}
	return readBody(r, int(size), buf)
}

// readBody reads n bytes; memory beyond what buf has grows with what arrives, not with what was announced.
func readBody(r io.Reader, n int, buf []byte) ([]byte, error) {
	if cap(buf) >= n {
		_, err := io.ReadFull(r, buf[:n])
		return buf[:n], eof(err)
	}
	buf = make([]byte, 0, min(n, frameStep))
	for len(buf) < n {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(n, 2*cap(buf))), buf...)
		}
		part := buf[len(buf):cap(buf)]
		if _, err := io.ReadFull(r, part); err != nil {
			return nil, eof(err)
		}
		buf = buf[:cap(buf)]
	}
	return buf, nil
}

// eof names the end of a stream in the middle of an exchange for what it is.
func eof(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the broker closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// appendHeader starts a request with a non-flexible header (version 1): size (filled in by the writer) | API key |
// version | correlation id | client id.
func appendHeader(b []byte, api, version int16, id int32, clientID string) []byte {
	b = append(b, 0, 0, 0, 0)
	b = be.AppendUint16(b, uint16(api))
	b = be.AppendUint16(b, uint16(version))
	b = be.AppendUint32(b, uint32(id))
	return appendString(b, clientID)
}

func appendString(b []byte, s string) []byte {
	b = be.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func appendInt32(b []byte, v int32) []byte { return be.AppendUint32(b, uint32(v)) }

func appendInt64(b []byte, v int64) []byte { return be.AppendUint64(b, uint64(v)) }

// reader takes fields off a non-flexible response. The first short field makes it bad, and a bad reader returns zeros.
type reader struct {
	b   []byte
	bad bool
}

// take returns the next n bytes, without a copy.
func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || len(r.b) < n {
		r.bad, r.b = true, nil
		return nil
	}
	x := r.b[:n:n]
	r.b = r.b[n:]
	return x
}

func (r *reader) int16() int16 {
	if x := r.take(2); x != nil {
		return int16(be.Uint16(x))
	}
	return 0
}

func (r *reader) int32() int32 {
	if x := r.take(4); x != nil {
		return int32(be.Uint32(x))
	}
	return 0
}

func (r *reader) int64() int64 {
	if x := r.take(8); x != nil {
		return int64(be.Uint64(x))
	}
	return 0
}

// size reads a length that may be null (−1, read as 0); anything below that is malformed.
func (r *reader) size(n int64) int {
	if n < -1 {
		r.bad = true
	}
	return int(max(n, 0))
}

// string reads a string; null reads as empty.
func (r *reader) string() string { return string(r.take(r.size(int64(r.int16())))) }

// bytes reads a byte array without a copy; null reads as empty.
func (r *reader) bytes() []byte { return r.take(r.size(int64(r.int32()))) }

// each runs f for every element of an array; null reads as empty. It stops at the end of the bytes, so an absurd count
// costs nothing.
func (r *reader) each(f func()) {
	for n := r.size(int64(r.int32())); n > 0 && !r.bad; n-- {
		f()
	}
}

var errShort = errors.New("the response ends early or is malformed")
