package projector

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// space is the first byte of a key: what kind of value stands under it.
type space byte

// The spaces of the store; see the drawing in doc.go.
const (
	spaceMeta      space = 'M'
	spaceMigration space = 'm'
	spaceTopic     space = 't'
	spaceGroup     space = 'g'
	spaceClaim     space = 'c'
	spaceOutbox    space = 'o'
	spaceDirective space = 'd'
	spaceRecent    space = 'r'
	spaceSeen      space = 's'
	spaceNote      space = 'n'
	spaceHistory   space = 'h'
	spaceOdd       space = 'x'
	spaceDigests   space = 'l'
	spaceMilestone space = 'k'
	spaceTime      space = 'w'
)

// Strings in keys are escaped so that keys sort as the lists of their parts do
// and no string can be mistaken for another's beginning (a group may be named
// anything): 0x00 becomes 0x00 0xff, and 0x00 0x01 ends the string. The same
// escape is FoundationDB's tuple layer's.
const (
	escape     = 0x00
	escapedNul = 0xff
	terminator = 0x01
)

// key is a key under construction.
type key []byte

func newKey(s space) key { return append(make(key, 0, 64), byte(s)) }

func (k key) str(s string) key {
	for i := range len(s) {
		k = append(k, s[i])
		if s[i] == escape {
			k = append(k, escapedNul)
		}
	}
	return append(k, escape, terminator)
}

func (k key) num(n int64) key { return binary.BigEndian.AppendUint64(k, uint64(n)) }

// end is the first key behind all that begin with k.
func (k key) end() key {
	last := len(k) - 1
	for k[last] == 0xff {
		last--
	}
	after := bytes.Clone(k[:last+1])
	after[last]++
	return after
}

// The keys of the spaces.

func migrationKey(name string) key { return newKey(spaceMigration).str(name) }

func topicKey(migration, topic string) key { return newKey(spaceTopic).str(migration).str(topic) }

func groupKey(migration, group string) key { return newKey(spaceGroup).str(migration).str(group) }

func claimKey(k fsm.ClaimKey) key {
	return newKey(spaceClaim).str(k.Cluster).str(string(k.Kind)).str(k.Name)
}

func outboxKey(k fsm.OutboxKey) key {
	return newKey(spaceOutbox).str(k.Migration).str(string(k.Stream)).str(string(k.Axis))
}

func directiveKey(k Address) key {
	return append(newKey(spaceDirective), byte(k.Partition())).str(k.SourceCluster).str(string(k.Addressee))
}

func recentKey(position int64, k Address) key {
	return append(newKey(spaceRecent).num(position), directiveKey(k)[1:]...)
}

func seenKey(id, migration string) key { return newKey(spaceSeen).str(id).str(migration) }

func noteKey(position int64) key { return newKey(spaceNote).num(position) }

func historyKey(migration string, s events.Stream, position int64) key {
	return newKey(spaceHistory).str(migration).str(string(s)).num(position)
}

func oddKey(position int64) key { return newKey(spaceOdd).num(position) }

func digestsKey(migration string) key { return newKey(spaceDigests).str(migration) }

func milestoneKey(migration string, position int64) key {
	return newKey(spaceMilestone).str(migration).num(position)
}

func timeKey(millis int64) key { return newKey(spaceTime).num(millis) }

var errKey = errors.New("a key of the store is malformed")

// cutString reads the string at the front of the rest of a key.
func cutString(k []byte) (s string, rest []byte, err error) {
	var out []byte
	for i := 0; i+1 < len(k); i++ {
		if k[i] != escape {
			out = append(out, k[i])
			continue
		}
		switch k[i+1] {
		case terminator:
			return string(out), k[i+2:], nil
		case escapedNul:
			out = append(out, escape)
			i++
		default:
			return "", nil, errKey
		}
	}
	return "", nil, errKey
}

// cutStrings reads n strings; nothing may follow them.
func cutStrings(k []byte, n int) ([]string, error) {
	parts := make([]string, n)
	for i := range parts {
		var err error
		if parts[i], k, err = cutString(k); err != nil {
			return nil, err
		}
	}
	if len(k) != 0 {
		return nil, errKey
	}
	return parts, nil
}

// lastNumber reads the number at the end of a key or value.
func lastNumber(k []byte) (int64, error) {
	if len(k) < 8 {
		return 0, errKey
	}
	return int64(binary.BigEndian.Uint64(k[len(k)-8:])), nil
}
