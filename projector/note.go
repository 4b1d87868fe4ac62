package projector

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// Note is what became of one record, with the broker's append time.
type Note struct {
	fsm.Note
	Time time.Time `json:"time"`
}

// A note is stored as the verdict in one byte, the broker's time in
// milliseconds, then id, migration, stream, type, reason and the moves, each
// with its length in front; numbers are varints. The position is the key's.
// There is one note per record: this form costs a tenth of JSON.

var verdicts = [...]fsm.Verdict{fsm.Accepted, fsm.Ignored, fsm.Refused}

func encodeNote(b []byte, n fsm.Note, millis int64) []byte {
	b = append(b, byte(slices.Index(verdicts[:], n.Verdict)))
	b = binary.AppendVarint(b, millis)
	for _, s := range [...]string{n.ID, n.Migration, string(n.Stream), string(n.Type), n.Reason} {
		b = appendString(b, s)
	}
	for _, m := range n.Moves {
		b = appendString(b, m)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errNote = errors.New("a note of the store is malformed")

func decodeNote(position int64, b []byte) (Note, error) {
	if len(b) == 0 || int(b[0]) >= len(verdicts) {
		return Note{}, errNote
	}
	millis, size := binary.Varint(b[1:])
	if size <= 0 {
		return Note{}, errNote
	}
	var parts []string
	for rest := b[1+size:]; len(rest) > 0; {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			return Note{}, errNote
		}
		end := size + int(n)
		parts = append(parts, string(rest[size:end]))
		rest = rest[end:]
	}
	if len(parts) < 5 {
		return Note{}, errNote
	}
	n := fsm.Note{
		Position: position, Verdict: verdicts[b[0]],
		ID: parts[0], Migration: parts[1], Stream: events.Stream(parts[2]), Type: events.Type(parts[3]),
		Reason: parts[4],
	}
	if len(parts) > 5 {
		n.Moves = parts[5:]
	}
	return Note{Time: time.UnixMilli(millis).UTC(), Note: n}, nil
}
