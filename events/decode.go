package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a record of the control topics. A batch of one record with the
// longest key and value fits into the default max.message.bytes of a broker
// (1,048,588 bytes): 61 bytes are the batch's header, at most 30 the record's.
const (
	MaxEventSize = 1_000_000
	MaxKeySize   = 40_000
)

// Bounds of names, in bytes. Kafka bounds a topic's name; it sets no bound to a
// group's, so ours is the largest that portage moves.
const (
	maxTopicName = 249
	maxGroupName = 1_000
	maxID        = 200
)

// Decode reads a record of portage.events. It never panics, whatever the bytes.
//
// A record that cannot be accepted comes back with a [Refusal]; unless that is
// foreign, the event is filled all the same. A type that this release does not
// know is no refusal: its event comes back with a nil body, and is ignored with
// a note. Event.Body and Extra share the memory of value.
func Decode(key, value []byte) (Event, Body, *Refusal) {
	if f := readable(key, value); f != nil {
		return Event{}, nil, f.refusal(true)
	}
	k, err := ParseKey(string(key))
	s := scanner{keys: make([][]byte, 0, 24)}
	e, f := decodeEnvelope(&s, value, k)
	switch {
	case f != nil:
	case err != nil:
		f = refuse(RefusedKey, "%s", short(err, string(key)))
	default:
		f = matchKey(k, &e)
	}
	if f != nil {
		return Event{}, nil, f.refusal(true)
	}
	body, f := decodeBody(&s, &e)
	if f != nil {
		return e, nil, f.refusal(false)
	}
	return e, body, nil
}

// readable refuses what is no text within bounds.
func readable(key, value []byte) *fault {
	switch {
	case len(key) == 0:
		return refuse(RefusedNoKey, "the record key is null or empty: every record needs a key of its own")
	case value == nil:
		return refuse(RefusedTombstone, "the value of %s is null: the purge of a record", quote(key))
	case len(key) > MaxKeySize:
		return refuse(RefusedOversize, "the record key %s: want at most %d bytes", quote(key), MaxKeySize)
	case len(value) > MaxEventSize:
		return refuse(RefusedOversize, "the value has %d bytes: want at most %d", len(value), MaxEventSize)
	case !utf8.Valid(key):
		return refuse(RefusedUTF8, "the record key %s: want UTF-8", quote(key))
	case !utf8.Valid(value):
		return refuse(RefusedUTF8, "the value %s: want UTF-8", quote(value))
	}
	return nil
}

// envelopeShape is the envelope's; the JSON names are in sorted order. The
// actor has exactly these fields in every release: what later releases add
// about a writer are fields of the envelope, which survive in Extra.
var envelopeShape = func() *shape {
	s, actor := &shape{fields: make(map[string]shapeField)}, &shape{fields: make(map[string]shapeField)}
	actor.add("host", false, nil)
	actor.add("kind", true, nil)
	actor.add("name", true, nil)
	for _, name := range []string{"actor", "at", "body", "cause", "epoch", "expects", "id", "migration", "schema", "stream", "type"} {
		optional := name == "cause" || name == "epoch" || name == "expects"
		s.add(name, !optional, nil)
	}
	s.fields["actor"] = shapeField{required: true, shape: actor}
	return s
}()

// decodeEnvelope reads the envelope. What it has in common with the record key
// shares the key's memory.
func decodeEnvelope(s *scanner, value []byte, k Key) (Event, *fault) {
	e := Event{Migration: k.Migration, Stream: k.Stream, ID: k.ID}
	var bad *fault
	s.data = value
	f := s.whole(envelopeShape, func(name, raw []byte) {
		if bad == nil {
			bad = e.set(name, raw, s.spare()).in(name)
		}
	})
	if f == nil {
		f = bad
	}
	return e, f
}

// set reads one field of the envelope. An optional field that is null counts
// as absent.
//
//rules:flat one case a field
func (e *Event) set(name, raw []byte, spare [][]byte) (f *fault) {
	switch string(name) {
	case "actor":
		return e.Actor.set(raw, spare)
	case "at":
		return e.setAt(raw)
	case "body":
		if raw[0] != '{' {
			return refuse(RefusedField, "want an object, have %s", quote(raw))
		}
		e.Body = raw
	case "cause":
		if !isNull(raw) {
			return setText(&e.Cause, raw)
		}
	case "epoch":
		var n uint64
		n, f = number(raw, 32)
		e.Epoch = uint32(n)
	case "expects":
		return e.setExpects(raw)
	case "id":
		return setText(&e.ID, raw)
	case "migration":
		return setText(&e.Migration, raw)
	case "schema":
		var n uint64
		n, f = number(raw, 31)
		e.Schema = int(n)
	case "stream":
		return setText(&e.Stream, raw)
	case "type":
		return setText(&e.Type, raw)
	default:
		if e.Extra == nil {
			e.Extra = make(map[string]json.RawMessage)
		}
		e.Extra[string(name)] = raw
	}
	return f
}

func (e *Event) setAt(raw []byte) *fault {
	text, f := textOf(raw)
	if f != nil {
		return f
	}
	if err := e.At.UnmarshalText(text); err != nil {
		return refuse(RefusedField, "want a time like 2026-01-31T09:30:00.5Z (RFC 3339), have %s", quote(text))
	}
	e.At = e.At.UTC()
	if y := e.At.Year(); y < 0 || y > 9999 {
		return refuse(RefusedField, "want a year from 0 to 9999 in UTC, have %s", quote(text))
	}
	return nil
}

func (e *Event) setExpects(raw []byte) *fault {
	if isNull(raw) {
		return nil
	}
	n, f := number(raw, 64)
	e.Expects = &n
	return f
}

func (a *Actor) set(raw []byte, spare [][]byte) *fault {
	var bad *fault
	if raw[0] != '{' {
		return refuse(RefusedField, "want an object, have %s", quote(raw))
	}
	s := scanner{data: raw, keys: spare}
	f := s.whole(nil, func(name, raw []byte) {
		var f *fault
		switch string(name) {
		case "kind":
			f = setText(&a.Kind, raw)
		case "name":
			f = setText(&a.Name, raw)
		case "host":
			if !isNull(raw) {
				f = setText(&a.Host, raw)
			}
		default:
			f = refuse(RefusedField, "an actor has kind, name and host only")
		}
		if bad == nil {
			bad = f.in(name)
		}
	})
	if f == nil {
		f = bad
	}
	return f
}

func isNull(raw []byte) bool { return raw[0] == 'n' }

// textOf is the content of a JSON string that the scanner has seen.
func textOf(raw []byte) ([]byte, *fault) {
	if raw[0] != '"' {
		return nil, refuse(RefusedField, "want a string, have %s", quote(raw))
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	s := scanner{data: raw}
	return s.text()
}

// setText sets a text, unless it is there already: events repeat few types,
// roles, streams and names, and most of them are in memory.
func setText[S ~string](into *S, raw []byte) *fault {
	text, f := textOf(raw)
	if f == nil && string(*into) != string(text) {
		*into = S(text)
	}
	return f
}

// number reads a whole number from 0, 0 for null.
func number(raw []byte, bits int) (uint64, *fault) {
	if isNull(raw) {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(raw), 10, bits)
	if err != nil {
		return 0, refuse(RefusedField, "want a whole number from 0 of at most %d bits, have %s", bits, quote(raw))
	}
	return n, nil
}

func matchKey(k Key, e *Event) *fault {
	if k.Migration == e.Migration && k.Stream == e.Stream && k.ID == e.ID {
		return nil
	}
	return refuse(RefusedKey, "the record key %s stands over event %s: want %s",
		quote(k.String()), quote(e.ID), quote(e.Key("NONCE").String()))
}

// short keeps a long foreign value out of an error that repeats it.
func short(err error, value string) string {
	return strings.ReplaceAll(err.Error(), strconv.Quote(value), quote(value))
}

// decodeBody judges an event whose envelope could be read, and reads its body.
func decodeBody(s *scanner, e *Event) (Body, *fault) {
	if f := checkNames(e); f != nil {
		return nil, f
	}
	r, known := rows[e.Type]
	if !known {
		return nil, nil
	}
	e.Type = r.Type
	if f := r.check(e); f != nil {
		return nil, f
	}
	if string(e.Body) == "{}" && len(r.shape.required) == 0 {
		return r.Zero, validated(r.Zero)
	}
	*s = scanner{data: e.Body, keys: s.keys[:0]}
	if f := s.whole(r.shape, nil); f != nil {
		return nil, f.under(".body")
	}
	body, err := r.decode(e.Body)
	if err != nil {
		return nil, badField(err).under(".body")
	}
	return body, validated(body)
}

func validated(body Body) *fault {
	if err := body.Validate(); err != nil {
		return refuse(RefusedBody, "%s", oneLine(err)).under(".body")
	}
	return nil
}

// badField turns an error of encoding/json into a fault that names the field.
func badField(err error) *fault {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return refuse(RefusedField, "%v", err)
	}
	f := refuse(RefusedField, "want %s, have a JSON %s", wrong.Type, wrong.Value)
	if wrong.Field != "" {
		f.path = "." + wrong.Field
	}
	return f
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func checkNames(e *Event) *fault {
	switch {
	case !ValidName(e.Migration):
		return refuse(RefusedName, "%s, have %s", wantName, quote(e.Migration)).under(".migration")
	case !validID(e.ID):
		return refuse(RefusedName, "want 1 to %d letters, digits, '.', '_', '-', ':', have %s", maxID, quote(e.ID)).under(".id")
	case e.Type == "":
		return refuse(RefusedName, "want a type of the catalogue, have none").under(".type")
	case e.Schema < 1:
		return refuse(RefusedSchema, "want a version from 1, have %d", e.Schema).under(".schema")
	case e.Actor.Name == "" || e.Actor.Kind == "":
		return refuse(RefusedName, "want a kind and a name, have %s and %s", quote(e.Actor.Kind), quote(e.Actor.Name)).under(".actor")
	}
	return nil
}

const wantName = "want 1 to 100 letters, digits, '.', '_', '-', not starting with a dot"

// check compares an event with its row of the catalogue.
func (k *Kind) check(e *Event) *fault {
	versioned := k.Class == Command || k.Class == Decision
	switch {
	case e.Schema > k.Schema:
		return refuse(RefusedSchema, "%s: this release reads up to schema %d, have %d: upgrade it", e.Type, k.Schema, e.Schema)
	case !k.AllowsStream(e.Stream):
		return refuse(RefusedStream, "%s stands on a stream of kind %v, have %s", e.Type, k.Streams, quote(e.Stream))
	case !e.Stream.valid():
		return refuse(RefusedName, "want a Kafka topic name of 1 to %d letters, digits, '.', '_', '-', or a group name of 1 to %d bytes, have %s",
			maxTopicName, maxGroupName, quote(e.Stream)).under(".stream")
	case !k.AllowsWriter(e.Actor.Kind):
		return refuse(RefusedWriter, "%s is written by %v, have %s", e.Type, k.Writers, quote(e.Actor.Kind))
	case versioned && e.Expects == nil:
		return refuse(RefusedNoExpects, "%s is a %s: want the version of %s that it was made at", e.Type, k.Class, quote(e.Stream))
	case !versioned && e.Expects != nil:
		return refuse(RefusedExpects, "%s is an %s, judged by no version: leave expects out, have %d", e.Type, k.Class, *e.Expects)
	case k.Epoch && e.Epoch == 0:
		return refuse(RefusedNoEpoch, "%s belongs to a switch attempt: want its epoch from 1", e.Type)
	}
	return nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		if !nameByte(id[i]) && id[i] != ':' {
			return false
		}
	}
	return true
}

// ValidTopic reports whether s can be the name of a Kafka topic.
func ValidTopic(s string) bool {
	if s == "" || len(s) > maxTopicName || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return true
}

// valid reports whether the stream's topic or group can be one of Kafka's.
func (s Stream) valid() bool {
	switch name := s.Name(); s.Kind() {
	case OfMigration:
		return true
	case OfTopic:
		return ValidTopic(name)
	case OfGroup:
		return len(name) <= maxGroupName
	default:
		return false
	}
}

// nameByte reports whether c may stand in the name of a topic or a migration.
func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}
