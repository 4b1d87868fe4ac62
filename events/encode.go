package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Key is the record key of one physical send of the event. The nonce must be
// random for every send: a key that is used twice lets compaction drop the
// earlier copy and so move a decision.
func (e Event) Key(nonce string) Key {
	return Key{Migration: e.Migration, Stream: e.Stream, ID: e.ID, Nonce: nonce}
}

// Encode writes the envelope's canonical form: fields in the order of their
// names, no white space, the body's bytes as they are. It refuses (with a
// *[Refusal]) what [Decode] would refuse, so nobody writes a record that
// nobody reads.
func Encode(e Event) ([]byte, error) {
	if y := e.At.UTC().Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("event %s: at: want a year from 0 to 9999, have %d", quote(e.ID), y)
	}
	value := canonical(make([]byte, 0, 256+len(e.Body)), e)
	if _, _, refused := Decode([]byte(e.Key("-").String()), value); refused != nil {
		return nil, fmt.Errorf("event %s of type %s: %w", quote(e.ID), quote(e.Type), refused)
	}
	return value, nil
}

// canonical appends the one form of an event that is written and hashed. Its
// rules are fixed for ever, because [Digest] depends on them:
//
//   - one JSON object without white space, fields in byte order of their names,
//     cause, host, epoch and expects left out where they are empty, 0 or absent;
//   - at in UTC as RFC 3339 with as many fraction digits as it needs;
//   - strings as they are, but `\"`, `\\`, and \u00xx (lower case) for what is
//     below U+0020;
//   - the body and the fields of later releases byte for byte.
func canonical(b []byte, e Event) []byte {
	if len(e.Extra) == 0 {
		b = append(b, '{')
		for _, name := range envelopeShape.names {
			b = appendField(b, e, name)
		}
		return append(b, '}')
	}
	b = append(b, '{')
	names := slices.Concat(envelopeShape.names, slices.Sorted(maps.Keys(e.Extra)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		b = appendField(b, e, name)
	}
	return append(b, '}')
}

// appendField appends one field of the envelope, with the comma before it.
//
//rules:flat one case a field
func appendField(b []byte, e Event, name string) []byte {
	switch name {
	case "actor":
		return appendActor(appendName(b, name), e.Actor)
	case "at":
		b = append(appendName(b, name), '"')
		return append(e.At.UTC().AppendFormat(b, time.RFC3339Nano), '"')
	case "body":
		return appendRaw(appendName(b, name), e.Body)
	case "cause":
		if e.Cause == "" {
			return b
		}
		return appendText(appendName(b, name), e.Cause)
	case "epoch":
		if e.Epoch == 0 {
			return b
		}
		return strconv.AppendUint(appendName(b, name), uint64(e.Epoch), 10)
	case "expects":
		if e.Expects == nil {
			return b
		}
		return strconv.AppendUint(appendName(b, name), *e.Expects, 10)
	case "id":
		return appendText(appendName(b, name), e.ID)
	case "migration":
		return appendText(appendName(b, name), e.Migration)
	case "schema":
		return strconv.AppendInt(appendName(b, name), int64(e.Schema), 10)
	case "stream":
		return appendText(appendName(b, name), string(e.Stream))
	case "type":
		return appendText(appendName(b, name), string(e.Type))
	default:
		return appendRaw(appendName(b, name), e.Extra[name])
	}
}

func appendActor(b []byte, a Actor) []byte {
	b = append(b, '{')
	if a.Host != "" {
		b = appendText(appendName(b, "host"), a.Host)
	}
	b = appendText(appendName(b, "kind"), string(a.Kind))
	b = appendText(appendName(b, "name"), a.Name)
	return append(b, '}')
}

func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(appendText(b, name), ':')
}

// appendRaw appends JSON as it is, null for none.
func appendRaw(b []byte, raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return append(b, "null"...)
	}
	return append(b, raw...)
}

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	clean := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[clean:i]...)
		if c < ' ' {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			b = append(b, '\\', c)
		}
		clean = i + 1
	}
	return append(append(b, s[clean:]...), '"')
}
