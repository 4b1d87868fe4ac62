package workload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// HeaderName is the header that identifies a tombstone.
const HeaderName = "workload-id"

// Errors of Identify.
var (
	ErrForeign = errors.New("workload: not a record of a workload")
	ErrAltered = errors.New("workload: a record was altered")
)

// ID says which record of a topic this is.
type ID struct {
	Run      string `json:"run"`      // names one use of the workload; other runs' records are not judged
	Producer string `json:"producer"` // names the generator
	Key      string `json:"key"`      // the record key; "" for none
	Seq      int64  `json:"seq"`      // from 0, per producer, topic and key
}

// String is producer/key#number.
func (id ID) String() string { return fmt.Sprintf("%s/%s#%d", id.Producer, id.Key, id.Seq) }

// Header is one record header. A nil value is a null.
type Header struct {
	Key   string
	Value []byte
}

// Record is a record to send.
type Record struct {
	Topic   string
	ID      ID
	Key     []byte // nil: null
	Value   []byte // nil: a tombstone
	Headers []Header
	Time    time.Time // milliseconds
}

// castagnoli is the CRC-32C table; a function because the library builds the table once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// seal appends the checksum over body and headers.
func seal(body []byte, headers []Header) []byte {
	return binary.BigEndian.AppendUint32(body, checksum(body, headers))
}

func checksum(body []byte, headers []Header) uint32 {
	sum := crc32.Update(0, castagnoli(), body)
	for _, h := range headers {
		frame := binary.AppendUvarint(nil, uint64(len(h.Key)))
		frame = append(frame, h.Key...)
		if h.Value == nil {
			frame = append(frame, 0)
		} else {
			frame = append(frame, 1)
			frame = append(binary.AppendUvarint(frame, uint64(len(h.Value))), h.Value...)
		}
		sum = crc32.Update(sum, castagnoli(), frame)
	}
	return sum
}

// encode writes the identity, without filler and checksum.
func (id ID) encode() []byte {
	b := []byte{'w', 'l', 1}
	for _, s := range []string{id.Run, id.Producer, id.Key} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return binary.AppendUvarint(b, uint64(id.Seq))
}

// Identify reads a record's identity from its bytes. ErrForeign: none of ours. ErrAltered: ours, but key, value or
// headers are not what was sent; the identity returned is then what the bytes claim.
func Identify(key, value []byte, headers []Header) (ID, error) {
	sealed, rest := value, headers
	if value == nil {
		sealed, rest = splitID(headers)
	}
	if len(sealed) < 7 || sealed[0] != 'w' || sealed[1] != 'l' || sealed[2] != 1 {
		return ID{}, ErrForeign
	}
	body := sealed[:len(sealed)-4]
	id, err := decode(body[3:])
	if err != nil {
		return ID{}, err
	}
	switch {
	case binary.BigEndian.Uint32(sealed[len(body):]) != checksum(body, rest):
		return id, fmt.Errorf("%w: %v: its checksum does not fit", ErrAltered, id)
	case string(key) != id.Key || (key == nil) != (id.Key == ""):
		return id, fmt.Errorf("%w: %v: its key is %q", ErrAltered, id, key)
	}
	return id, nil
}

// splitID returns the value of the identifying header and the headers without it.
func splitID(headers []Header) (sealed []byte, rest []Header) {
	for i, h := range headers {
		if h.Key == HeaderName && i == len(headers)-1 {
			return h.Value, headers[:i]
		}
	}
	return nil, nil
}

func decode(b []byte) (ID, error) {
	var id ID
	for _, field := range []*string{&id.Run, &id.Producer, &id.Key} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return ID{}, fmt.Errorf("%w: its identity is cut short", ErrAltered)
		}
		*field = string(b[size : size+int(n)])
		b = b[size+int(n):]
	}
	seq, size := binary.Uvarint(b)
	if size <= 0 || seq > 1<<62 {
		return ID{}, fmt.Errorf("%w: its number is cut short", ErrAltered)
	}
	id.Seq = int64(seq)
	return id, nil
}
